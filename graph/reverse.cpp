#include <dz/graph/reverse.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <unordered_map>

#include <dz/graph/basic.hpp>
#include <dz/graph/mode.hpp>
#include <dz/graph/node.hpp>
#include <dz/graph/record.hpp>
#include <dz/tensor/kernels/kernels.hpp>
#include <dz/tensor/widen.hpp>

namespace dz {
namespace detail {
std::mutex& gradient_mutex();
}

// Note [Claims]. A pass needs a place for each node's cotangents without a lock or a hash map on its way. Every node has one
// claim word: the first pass to reach a node puts its own number and the index of the node's first slot there. A pass that finds
// another's claim (nested in it, or on another thread) sets the `shared` bit and keeps that node in a map of its own. A pass that
// spends a node sets `spent`; it lets go of the closures only where `shared` was not set, so nobody can still be running them,
// and whoever comes later sees `spent`. One word, so each of these steps is one atomic operation.
namespace {
constexpr std::uint64_t spent = std::uint64_t{1} << 63, failed = std::uint64_t{1} << 62, shared = std::uint64_t{1} << 61;
constexpr std::uint64_t index_bits = 0xffffffff, pass_bits = ((std::uint64_t{1} << 61) - 1) & ~index_bits;

std::uint64_t next_pass() {
  static std::atomic<std::uint32_t> passes{0};
  std::uint32_t id;
  do id = passes.fetch_add(1, std::memory_order_relaxed) & ((1u << 29) - 1);
  while (id == 0);
  return static_cast<std::uint64_t>(id) << 32;
}
}  // namespace

/// Runs a node's derivatives: on behalf of the user's line, and not on what was written in place since the node was recorded.
static void run_derivative(Node& n, Pull& pull) {
  detail::thread_state.call = n.at();
  const struct Limit {
    detail::ReadLimit before = detail::read_limit;
    ~Limit() { detail::read_limit = before; }
  } limit;
  detail::read_limit = {n.recorded(), detail::write_clock()};
  try {
    n.pull(pull);
  } catch (Error& e) {
    e.locate(n.name(), n.at());
    throw;
  }
}

class Pass {
 public:
  Pass(bool retain, bool record) : id_(next_pass()), retain_(retain), recording_(detail::thread_state.recording, record) {}
  ~Pass() { leave(); }
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  void start(const Tensor& y, Tensor seed) {
    Slot& s = slots_[reach(y.from().node()) + y.from().output()];
    s.cotangent = s.cotangent ? sum(std::move(s.cotangent), seed) : std::move(seed);
  }

  /// Collects what is reachable, in falling number. Numbers fall strictly along edges.
  void collect() {
    for (std::size_t i = 0; i < nodes_.size(); ++i)
      for (const NodeRef& e : nodes_[i]->edges())
        if (e) reach(e.node());
    auto newer = [](const Node* a, const Node* b) { return a->number() > b->number(); };
    if (!std::is_sorted(nodes_.begin(), nodes_.end(), newer)) std::sort(nodes_.begin(), nodes_.end(), newer);
  }

  /// Restricts the pass to the ways that lead to these; false for those that are not reached.
  std::vector<bool> aim(const std::vector<Tensor>& targets) {
    for (Slot& s : slots_) s.wanted = false;
    std::vector<bool> found;
    for (const Tensor& t : targets) {
      const auto index = t.from() ? find(t.from().node()) : none;
      found.push_back(index != none);
      if (index != none) slots_[index].wanted = slots_[index + t.from().output()].target = true;
    }
    for (std::size_t i = nodes_.size(); i-- > 0;)
      for (const NodeRef& e : nodes_[i]->edges())
        if (e && slots_[find(e.node())].wanted) slots_[find(nodes_[i])].wanted = true;
    return found;
  }

  void run() {
    ran_ = true;
    const At before = detail::thread_state.call;
    try {
      for (done_ = 0; done_ < nodes_.size(); ++done_) visit(*nodes_[done_]);
    } catch (...) {
      detail::thread_state.call = before;
      throw;
    }
    detail::thread_state.call = before;
    completed_ = true;
  }

  Tensor take(const Tensor& target) { return slots_[find(target.from().node()) + target.from().output()].cotangent; }

  /// Adds what has arrived in leaves into their gradients, all or none.
  void commit() {
    std::vector<std::pair<Leaf*, Tensor>> gradients;
    const std::lock_guard lock(detail::gradient_mutex());
    for (Node* n : nodes_) {
      if (!n->is_leaf()) continue;
      auto* leaf = static_cast<Leaf*>(n);
      Tensor g = std::move(slots_[find(n)].cotangent);
      if (!g) continue;
      if (leaf->gradient_) g = Tensor(kernels::add(leaf->gradient_.value(), g.value()));
      else if (!g.value().is_unique() || !g.value().is_contiguous()) g = Tensor(g.value().clone());
      gradients.emplace_back(leaf, std::move(g));
    }
    for (auto& [leaf, g] : gradients) std::swap(leaf->gradient_, g);
  }

 private:
  struct Slot {
    Tensor cotangent;
    bool wanted = true;   // of a node's first slot: the node is on the way to somewhere
    bool target = false;  // the cotangent itself is asked for: it is kept
  };
  static constexpr std::size_t none = SIZE_MAX;

  /// The index of the node's first slot; the first time, claims it.
  std::size_t reach(Node* n) {
    const std::size_t fresh = slots_.size();
    if (fresh > index_bits - 65536) throw GraphError("a graph of more than four thousand million nodes");
    std::uint64_t seen = 0;
    if (n->claim_.compare_exchange_strong(seen, id_ | fresh, std::memory_order_acq_rel)) {
      enter(n);
      return fresh;
    }
    if ((seen & pass_bits) == id_) return seen & index_bits;
    if (auto known = others_.find(n); known != others_.end()) return known->second;
    if (!n->is_leaf()) seen = n->claim_.fetch_or(shared, std::memory_order_acq_rel);
    if (seen & spent) refuse_spent(*n, seen);
    others_.emplace(n, fresh);
    enter(n);
    return fresh;
  }

  void enter(Node* n) {
    nodes_.push_back(n);
    slots_.resize(slots_.size() + n->output_count());
  }

  std::size_t find(Node* n) const {
    const std::uint64_t claim = n->claim_.load(std::memory_order_relaxed);
    if ((claim & pass_bits) == id_) return claim & index_bits;
    const auto known = others_.find(n);
    return known == others_.end() ? none : known->second;
  }

  [[noreturn]] static void refuse_spent(const Node& n, std::uint64_t claim) {
    throw GraphError(claim & failed ? "the graph was given up when an earlier reverse pass failed; record it again"
                                    : "the graph has already been reversed; pass {.retain = true} to the pass before to keep it",
                     n.name(), n.at());
  }

  void visit(Node& n) {
    if (n.is_leaf()) return;
    const std::size_t first = find(&n);
    bool arrived = false;
    for (unsigned o = 0; o < n.output_count(); ++o) arrived |= static_cast<bool>(slots_[first + o].cotangent);
    if (arrived && slots_[first].wanted) pull(n, first);
    for (unsigned o = 0; o < n.output_count(); ++o)
      if (!slots_[first + o].target) slots_[first + o].cotangent = {};
    if (!retain_) spend(n, 0);
  }

  void pull(Node& n, std::size_t first) {
    const auto edges = n.edges();
    dy_.clear();
    for (unsigned o = 0; o < n.output_count(); ++o) {
      Slot& s = slots_[first + o];
      dy_.push_back(s.target ? s.cotangent : std::move(s.cotangent));
    }
    dx_.assign(edges.size(), Tensor());
    wanted_.assign(edges.size(), 0);
    for (std::size_t i = 0; i < edges.size(); ++i) wanted_[i] = edges[i] && slots_[find(edges[i].node())].wanted;
    Pull p{dy_, dx_, wanted_};
    run_derivative(n, p);
    dy_.clear();
    for (std::size_t i = 0; i < edges.size(); ++i)
      if (wanted_[i]) deliver(n, i, edges[i], std::move(dx_[i]));
  }

  void deliver(const Node& n, std::size_t i, const NodeRef& to, Tensor g) {
    const OutputKind& kind = to.node()->output(to.output());
    if (!g) throw GraphError(fmt::format("its derivative by input {} gives nothing", i), n.name(), n.at());
    if (!kind.fits(g.value())) g = fit(n, i, kind, std::move(g));
    if (detail::thread_state.watching) [[unlikely]] watch(n, i, g);
    Tensor& c = slots_[find(to.node()) + to.output()].cotangent;
    c = c ? sum(std::move(c), g) : std::move(g);
  }

  static void watch(const Node& n, std::size_t i, const Tensor& g) {
    try {
      detail::require_finite(g.value(), fmt::format("its gradient by input {}", i));
    } catch (Error& e) {
      e.locate(n.name(), n.at());
      throw;
    }
  }

  /// Undoes a broadcast; refuses any other difference.
  Tensor fit(const Node& n, std::size_t i, const OutputKind& kind, Tensor g) {
    if (g.dtype() != kind.dtype()) {
      if (!detail::widening || !is_floating(g.dtype()) || is_recording())
        throw DtypeError(fmt::format("its derivative by input {} is {}, the input {}", i, name(g.dtype()), name(kind.dtype())), n.name(),
                         n.at());
      g = Tensor(g.value().cast(kind.dtype()));
    }
    try {
      return is_recording() ? sum_to(g, kind.shape()) : Tensor(kernels::sum_to(g.value(), kind.shape()));
    } catch (const ShapeError&) {
      throw ShapeError(
          fmt::format("its derivative by input {} has the shape {}, the input {}", i, to_string(g.shape()), to_string(kind.shape())),
          n.name(), n.at());
    }
  }

  static Tensor sum(Tensor so_far, const Tensor& more) {
    if (is_recording()) return so_far + more;
    const Array& s = so_far.value();
    if (!s.is_unique() || !s.is_contiguous()) return Tensor(kernels::add(s, more.value()));
    kernels::add_to(s, more.value());
    return so_far;
  }

  void spend(Node& n, std::uint64_t reason) {
    const std::uint64_t before = n.claim_.fetch_or(spent | reason, std::memory_order_acq_rel);
    if (!(before & shared) && (before & pass_bits) == id_) n.spend();
  }

  /// Gives the claims back; a pass that broke off gives its graph up.
  void leave() noexcept {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      Node& n = *nodes_[i];
      if (!completed_ && !retain_ && ran_ && !n.is_leaf() && i >= done_) spend(n, failed);
      std::uint64_t claim = n.claim_.load(std::memory_order_relaxed);
      if ((claim & pass_bits) == id_) n.claim_.fetch_and(n.is_leaf() ? 0 : spent | failed | shared, std::memory_order_acq_rel);
    }
  }

  std::uint64_t id_;
  bool retain_, ran_ = false, completed_ = false;
  detail::FlagGuard recording_;
  std::vector<Node*> nodes_;
  std::vector<Slot> slots_;
  std::unordered_map<Node*, std::size_t> others_;
  std::vector<Tensor> dy_, dx_;
  std::vector<std::uint8_t> wanted_;
  std::size_t done_ = 0;
};

namespace {

Tensor seed_of(const Tensor& y, const Tensor& given, At at, const char* what) {
  if (!y.requires_grad())
    throw GraphError("nothing was recorded for this tensor: no variable or Parameter is in it, or it was computed under no_grad", what, at);
  if (!given) {
    if (y.size() != 1)
      throw GraphError(fmt::format("a tensor of shape {} needs a seed: only a single element starts from 1", to_string(y.shape())), what,
                       at);
    return Tensor(Array::full(y.shape(), 1, y.dtype()));
  }
  if (given.dtype() != y.dtype() || given.shape() != y.shape())
    throw ShapeError(fmt::format("the seed is {} {}, the output {} {}", name(given.dtype()), to_string(given.shape()), name(y.dtype()),
                                 to_string(y.shape())),
                     what, at);
  return given;
}

}  // namespace

void backward(In y, BackwardOptions options) {
  Tensor seed = seed_of(y, options.seed.detach(), y.at(), "backward");
  Pass pass(options.retain, false);
  pass.start(y, std::move(seed));
  pass.collect();
  pass.run();
  pass.commit();
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs, const GradOptions& options, At at) {
  if (!options.seeds.empty() && options.seeds.size() != outputs.size())
    throw GraphError(fmt::format("{} seeds for {} outputs", options.seeds.size(), outputs.size()), "grad", at);
  for (const Tensor& x : inputs)
    if (!x.requires_grad()) throw GraphError("an input was never recorded: make it a variable", "grad", at);
  std::vector<Tensor> seeds;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    seeds.push_back(seed_of(outputs[i], options.seeds.empty() ? Tensor() : options.seeds[i], at, "grad"));
  Pass pass(options.retain || options.create_graph, options.create_graph);
  for (std::size_t i = 0; i < outputs.size(); ++i) pass.start(outputs[i], std::move(seeds[i]));
  pass.collect();
  const std::vector<bool> found = pass.aim(inputs);
  pass.run();
  std::vector<Tensor> gradients;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Tensor g = found[i] ? pass.take(inputs[i]) : Tensor();
    gradients.push_back(g ? std::move(g) : Tensor(Array::full(inputs[i].shape(), 0, inputs[i].dtype())));
  }
  return gradients;
}

Tensor grad(const Tensor& output, const Tensor& input, const GradOptions& options, At at) {
  return std::move(grad(std::vector<Tensor>{output}, {input}, options, at)[0]);
}

namespace detail {
std::vector<Tensor> pull_alone(const NodeRef& node, const std::vector<Tensor>& cotangents) {
  Node& n = *node.node();
  const auto edges = n.edges();
  std::vector<Tensor> dx(edges.size());
  std::vector<std::uint8_t> wanted;
  for (const NodeRef& e : edges) wanted.push_back(static_cast<bool>(e));
  Pull p{cotangents, dx, wanted};
  const auto quiet = no_grad();
  const CallSite site(n.at());  // puts the caller's place back
  run_derivative(n, p);
  for (std::size_t i = 0; i < dx.size(); ++i) {
    if (!edges[i]) continue;
    if (!dx[i]) throw GraphError(fmt::format("its derivative by input {} gives nothing", i), n.name(), n.at());
    dx[i] = Tensor(kernels::sum_to(dx[i].value(), edges[i].node()->output(edges[i].output()).shape()));
  }
  return dx;
}

void require_finite(const Array& a, const std::string& what) {
  if (!is_floating(a.dtype())) return;
  const std::vector<double> x = a.to_vector<double>();
  const auto bad = std::ranges::find_if(x, [](double v) { return !std::isfinite(v); });
  if (bad != x.end()) throw ValueError(fmt::format("{} is {} at element {} of {}", what, *bad, bad - x.begin(), to_string(a.shape())));
}

void refuse_second_order(const char* name, At at) {
  throw GraphError("its derivative is of first order only (written on Arrays): a second order needs one written with operations on Tensors",
                   name, at);
}
}  // namespace detail

}  // namespace dz
