#include <dz/graph/node.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include <dz/graph/listen.hpp>
#include <dz/graph/mode.hpp>

namespace dz {
namespace detail {

constinit thread_local ThreadState thread_state;

namespace {
std::mutex gradients;
}
GradientLock::GradientLock() : locks_(!is_alone()) {
  if (locks_) gradients.lock();
}
GradientLock::~GradientLock() {
  if (locks_) gradients.unlock();
}

// Closures hold tensors, tensors hold nodes, nodes hold closures: a last release queues, and the outermost one drains the queue.
[[gnu::noinline]] void release_last(Node* node) noexcept {
  ThreadState& t = thread_state;
  node->number_ = reinterpret_cast<std::uint64_t>(std::exchange(t.dead, node));
  if (t.draining) return;
  t.draining = true;
  while (t.dead) {
    Node* gone = t.dead;
    t.dead = reinterpret_cast<Node*>(gone->number_);
    const std::size_t bytes = gone->piece_bytes_;
    gone->~Node();
    memory::give(gone, bytes);
    memory::count_node(-1);
  }
  t.draining = false;
}

void release(Node* node) noexcept {
  if (drop(node->count)) release_last(node);
}

Leaf& leaf_of(const Tensor& t, const char* what) {
  if (!t.is_leaf())
    throw GraphError(
        fmt::format("{} belongs to leaves (variable, Parameter); {}", what,
                    t.requires_grad() ? fmt::format("this is the result of {}", t.from().node()->name()) : "this tensor is a constant"));
  return static_cast<Leaf&>(*t.from().node());
}

}  // namespace detail

[[gnu::noinline]] void OutputKind::keep_many(const Array& a) {
  sizes_.many = static_cast<std::int64_t*>(memory::take(many_bytes()));
  std::ranges::copy(a.sizes(), sizes_.many);
}

OutputKind::OutputKind(OutputKind&& o) noexcept : dtype_(o.dtype_), rank_(std::exchange(o.rank_, std::uint8_t{0})), sizes_(o.sizes_) {}

constinit std::atomic<void (*)(const char*)> detail::hearing{nullptr};
void detail::listen_to_recording(void (*hear)(const char* name)) { hearing.store(hear, std::memory_order_relaxed); }

void Node::outrun(std::uint64_t number) { number_ = detail::thread_state.created = number + 1; }

Leaf::Leaf(const Array& value, const char* name) : Node(name, {}, value) { leaf_ = true; }

Tensor Leaf::gradient() const {
  const detail::GradientLock lock;
  return gradient_;
}

void Leaf::set_gradient(Tensor g) {
  const detail::GradientLock lock;
  std::swap(gradient_, g);  // the old one goes after the lock
}

bool Tensor::is_leaf() const { return from_ && from_.node()->is_leaf(); }
Tensor Tensor::grad() const { return detail::leaf_of(*this, "grad()").gradient(); }
void Tensor::clear_grad() const { detail::leaf_of(*this, "clear_grad()").set_gradient({}); }

void Tensor::set_grad(const Tensor& gradient) const {
  Leaf& leaf = detail::leaf_of(*this, "set_grad()");
  if (gradient && !leaf.output(0).fits(gradient.value()))
    throw ShapeError(fmt::format("a gradient of {} {} for a leaf of {} {}", name(gradient.dtype()), to_string(gradient.shape()),
                                 name(dtype()), to_string(shape())),
                     "set_grad");
  leaf.set_gradient(gradient.detach());  // its graph would hold the leaf that holds it
}

Tensor variable(const Tensor& x) {
  if (!is_floating(x.dtype())) throw DtypeError(fmt::format("gradients are of float32 or float64, not {}", name(x.dtype())), "variable");
  const Array value = x.value().is_number() ? x.value().cast(float32) : x.value();
  return Tensor(value, NodeRef::adopt(detail::make_node<Leaf>(value)));
}

void Tensor::refuse_axis(int axis, At at) const { throw ShapeError(fmt::format("axis {} of {}", axis, to_string(shape())), "size", detail::call_site(at)); }

void Tensor::refuse_item(At at) const {
  if (!value_) throw ValueError("an empty tensor has no element", "item", detail::call_site(at));
  throw ShapeError(fmt::format("one element is asked for, {} has {}", to_string(shape()), size()), "item", detail::call_site(at));
}

void In::refuse_empty(At at) { throw ValueError("an empty tensor is given to an operation", {}, at); }

std::string to_string(const Tensor& t) { return to_string(t.value()); }

}  // namespace dz
