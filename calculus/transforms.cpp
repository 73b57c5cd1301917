#include <dz/calculus/transforms.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include <dz/graph/mode.hpp>
#include <dz/graph/record.hpp>
#include <dz/graph/reverse.hpp>
#include <dz/ops/creation.hpp>
#include <dz/ops/joining.hpp>
#include <dz/ops/shape.hpp>
#include <dz/tensor/kernels/copy.hpp>

namespace dz::detail {
namespace {

thread_local int depth = 0;  // of functions under evaluation

constexpr const char* leaf_name = "argument";

/// A leaf of an evaluation's own.
Tensor own_leaf(const Tensor& x) {
  const Array value = x.value().is_number() ? x.value().cast(float32) : x.value();  // a number as variable() takes it
  return Tensor(value, NodeRef::adopt(make_node<Leaf>(value, leaf_name)));
}

/// The same tensor at another place of the graph, so that what f has captured is told from what it is given.
Tensor argument(In x) { return reshape(x, x.shape()); }

/// Whether y was computed from anything that was recorded before `start`, but these; or on another thread, which counts otherwise:
/// then from a leaf that no evaluation has made.
bool reaches_beyond(const Tensor& y, const std::vector<In>& own, std::uint64_t start) {
  if (!y.from()) return false;
  std::unordered_set<const Node*> seen;
  for (const In& x : own) seen.insert(x.from().node());
  std::vector<const Node*> open;
  const auto visit = [&](const Node* n) {
    if (seen.insert(n).second) open.push_back(n);
  };
  visit(y.from().node());
  while (!open.empty()) {
    const Node* n = open.back();
    open.pop_back();
    if (n->number() <= start || (n->is_leaf() && n->name() != leaf_name)) return true;
    for (const NodeRef& e : n->edges())
      if (e) visit(e.node());
  }
  return false;
}

/// grad, where outputs that nothing was recorded for give zeros.
std::vector<Tensor> pass(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs, const std::vector<Tensor>& seeds,
                         bool record, bool retain, At at) {
  std::vector<Tensor> recorded, cotangents;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i].requires_grad()) recorded.push_back(outputs[i]), cotangents.push_back(seeds[i]);
  if (!recorded.empty()) return grad(recorded, inputs, {.create_graph = record, .retain = retain, .seeds = cotangents}, at);
  std::vector<Tensor> zeros;
  for (const Tensor& x : inputs) zeros.push_back(zeros_like(x));
  return zeros;
}

/// 1 at one element, 0 elsewhere.
Tensor unit_like(const Tensor& x, std::int64_t element) {
  Array unit = Array::full(x.shape(), 0, x.dtype());
  kernels::fill(unit.reshape({x.size()}).slice(0, element, element + 1), 1);
  return Tensor(std::move(unit));
}

/// Tensors of one shape as the rows of a matrix.
Tensor stacked(const std::vector<Tensor>& rows) {
  return reshape(stack(rows), {static_cast<std::int64_t>(rows.size()), rows[0].value().size()});
}

Shape joined(Shape first, const Shape& second) {
  for (const std::int64_t n : second) first.append(n);
  return first;
}

}  // namespace

Evaluation::Recording::Recording() : before_(std::exchange(thread_state.recording, true)) { ++depth; }
Evaluation::Recording::~Recording() {
  thread_state.recording = before_;
  --depth;
}

Evaluation::Evaluation(const char* name, At at, const std::vector<Tensor>& arguments, TransformOptions options)
    : name_(name), at_(at), options_(options), recording_(is_recording()), nested_(false), count_(arguments.size()) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const Tensor& x = arguments[i];
    if (!x) throw GraphError(fmt::format("argument {} is an empty handle", i), name_, at_);
    if (!is_floating(x.dtype()))
      throw DtypeError(fmt::format("argument {} is {}: gradients are of float32 or float64", i, dz::name(x.dtype())), name_, at_);
    const bool linked = recording_ && x.requires_grad();
    outside_ |= linked;
    places_.push_back(i);
    inputs_.emplace_back(linked ? argument(In(x, at)) : own_leaf(x), at);
  }
  start_ = thread_state.created;
}

Evaluation::Evaluation(const char* name, At at, const std::vector<NamedParameter>& parameters, TransformOptions options)
    : name_(name), at_(at), options_(options), recording_(is_recording()), nested_(depth > 0), count_(parameters.size()) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& p = *parameters[i].parameter;
    if (!p || !p.requires_grad()) continue;
    places_.push_back(i);
    inputs_.emplace_back(p, at);
  }
  start_ = thread_state.created;
}

void Evaluation::finish(Tensor y) {
  if (!y) throw GraphError("the function gives an empty handle", name_, at_);
  y_ = std::move(y);
  outside_ = outside_ || reaches_beyond(y_, inputs_, start_);
}

bool Evaluation::carries(const std::vector<Tensor>& directions) const {
  return is_recording() && recording_ &&
         (options_.create_graph || nested_ || outside_ ||
          std::any_of(directions.begin(), directions.end(), [](const Tensor& t) { return t.requires_grad(); }));
}

void Evaluation::require_single_element() const {
  if (y_.size() != 1) throw ShapeError(fmt::format("the function gives {}, not a single element", to_string(y_.shape())), name_, at_);
}

void Evaluation::require_like(const Tensor& given, const Tensor& of, const char* what, At at) const {
  if (!given || given.shape() != of.shape())
    throw ShapeError(
        fmt::format("the {} is {}, what it belongs to {}", what, given ? to_string(given.shape()) : "empty", to_string(of.shape())), name_,
        at);
  if (given.dtype() != of.dtype())
    throw DtypeError(fmt::format("the {} is {}, what it belongs to {}", what, dz::name(given.dtype()), dz::name(of.dtype())), name_, at);
}

std::vector<Tensor> Evaluation::trained_tangents(const std::vector<Tensor>& tangents) const {
  if (tangents.size() != count_) throw ShapeError(fmt::format("{} tangents for {} inputs", tangents.size(), count_), name_, at_);
  std::vector<Tensor> trained;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    trained.push_back(tangents[places_[i]]);
    require_like(trained.back(), inputs_[i], "tangent", at_);
  }
  return trained;
}

std::vector<Tensor> Evaluation::in_places(std::vector<Tensor> trained) const {
  std::vector<Tensor> all(count_);
  for (std::size_t i = 0; i < places_.size(); ++i) all[places_[i]] = std::move(trained[i]);
  return all;
}

std::vector<Tensor> Evaluation::back(const Tensor& dy, bool record, bool retain) const {
  return pass({y_}, {inputs_.begin(), inputs_.end()}, {dy}, record, retain, at_);
}

Tensor Evaluation::value() const { return carries() ? y_ : y_.detach(); }

std::vector<Tensor> Evaluation::gradients() const {
  require_single_element();
  return in_places(back(ones_like(y_), carries(), outside_));
}

std::vector<Tensor> Evaluation::pull(const Tensor& dy, At at) const {
  require_like(dy, y_, "cotangent", at);
  return in_places(back(dy, carries({dy}), true));
}

// ∂y/∂x · v by reversing twice: the first pass is linear in its cotangent u, so its derivative by u along v does not depend on u.
Tensor Evaluation::push(const std::vector<Tensor>& tangents) const {
  const std::vector<Tensor> v = trained_tangents(tangents);
  const Tensor u = own_leaf(zeros_like(y_));
  const bool record = carries(tangents);
  return pass(back(u, true, true), {u}, v, record, record || outside_, at_)[0];
}

std::vector<Tensor> Evaluation::push_gradients(const std::vector<Tensor>& tangents) const {
  require_single_element();
  const std::vector<Tensor> v = trained_tangents(tangents);
  const bool record = carries(tangents);
  return in_places(pass(back(ones_like(y_), true, true), {inputs_.begin(), inputs_.end()}, v, record, record || outside_, at_));
}

std::vector<Tensor> Evaluation::jacobians() const {
  const bool record = carries();
  const auto recording = FlagGuard(thread_state.recording, record);
  const CallSite site(at_);
  std::int64_t arguments = 0;
  for (const In& x : inputs_) arguments += x.size();
  std::vector<Tensor> found;
  if (y_.size() == 0 || arguments == 0) {
    for (const In& x : inputs_) found.push_back(zeros(joined(y_.shape(), x.shape()), y_.dtype()));
  } else if (y_.size() <= 2 * arguments) {  // by rows
    std::vector<std::vector<Tensor>> rows(inputs_.size());
    for (std::int64_t i = 0; i < y_.size(); ++i) {
      const std::vector<Tensor> dx = back(unit_like(y_, i), record, true);
      for (std::size_t k = 0; k < dx.size(); ++k) rows[k].push_back(dx[k]);
    }
    for (std::size_t k = 0; k < inputs_.size(); ++k) found.push_back(reshape(stacked(rows[k]), joined(y_.shape(), inputs_[k].shape())));
  } else {  // by columns, as push
    const Tensor u = own_leaf(zeros_like(y_));
    const std::vector<Tensor> g = back(u, true, true);
    for (std::size_t k = 0; k < inputs_.size(); ++k) {
      std::vector<Tensor> columns;
      for (std::int64_t i = 0; i < inputs_[k].size(); ++i)
        columns.push_back(pass({g[k]}, {u}, {unit_like(inputs_[k], i)}, record, true, at_)[0]);
      const Shape shape = joined(y_.shape(), inputs_[k].shape());
      found.push_back(columns.empty() ? zeros(shape, y_.dtype()) : reshape(t(stacked(columns)), shape));
    }
  }
  return in_places(std::move(found));
}

}  // namespace dz::detail
