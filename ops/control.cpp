#include <dz/ops/control.hpp>

#include <fmt/format.h>

#include <unordered_set>

#include <dz/graph/record.hpp>
#include <dz/graph/reverse.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/tensor/random.hpp>

namespace dz {
namespace {

Array same(const Array& v) { return v; }

}  // namespace

Tensor scale_grad(In x, double factor) {
  return record("scale_grad", same, wrt(x, [factor](const Tensor& dy) { return dy * factor; }));
}

Tensor hook(In x, std::function<Tensor(const Tensor&)> hook) {
  return record("hook", same, wrt(x, [hook = std::move(hook)](const Tensor& dy) {
                  Tensor on = hook(dy);
                  if (!on || on.shape() != dy.shape() || on.dtype() != dy.dtype())
                    throw ShapeError(fmt::format("the hook gives {} for a gradient {}", on ? to_string(on.shape()) : "nothing", to_string(dy.shape())));
                  return on;
                }));
}

namespace detail {
namespace {

/// The leaves that y was computed from, other than by way of `known`. Their values are not to be had from a node; what stands for them
/// has their shape.
std::vector<In> other_leaves(const Tensor& y, const std::vector<Tensor>& known) {
  std::unordered_set<const Node*> seen;
  for (const Tensor& x : known)
    if (x.requires_grad()) seen.insert(x.from().node());
  std::vector<NodeRef> open;
  if (y.requires_grad()) open.push_back(y.from());
  std::vector<In> leaves;
  while (!open.empty()) {
    const NodeRef r = std::move(open.back());
    open.pop_back();
    if (!seen.insert(r.node()).second) continue;
    if (r.node()->is_leaf()) {
      const OutputKind& kind = r.node()->output(0);
      leaves.emplace_back(Tensor(Array::full({}, 0, kind.dtype()).expand(kind.shape()), r));
    }
    for (const NodeRef& e : r.node()->edges())
      if (e) open.push_back(e);
  }
  return leaves;
}

/// Runs f as it was run the first time: the generator where it stood, and the thread in the same mode.
struct Rerun {
  Generator start = default_generator();
  bool was_training = is_training();

  Tensor operator()(const std::function<Tensor(const std::vector<Tensor>&)>& f, const std::vector<Tensor>& x) const {
    const Generator before = std::exchange(default_generator(), start);
    const struct PutBack {
      Generator g;
      ~PutBack() { default_generator() = g; }
    } put_back{before};
    const auto mode = training(was_training);
    const auto recording = with_grad();
    return f(x);
  }
};

}  // namespace

Tensor checkpoint(std::function<Tensor(const std::vector<Tensor>&)> f, std::vector<In> x) {
  const At at = call_site(x[0].at());
  const CallSite site(at);
  const std::size_t count = x.size();
  std::vector<Tensor> given(x.begin(), x.end());
  if (!is_recording() || thread_state.checking) return f(given);  // an examination looks at every operation inside

  const Rerun rerun;
  std::vector<Tensor> own;  // leaves of this call's own, so that the graph ends here
  for (const Tensor& t : given) own.push_back(t.requires_grad() ? variable(t.detach()) : t);
  const Tensor once = f(own);
  std::vector<In> inputs = std::move(x);
  for (In& leaf : other_leaves(once, own)) inputs.push_back(std::move(leaf));

  auto derivative = [f, given, rerun, inputs, count](const Tensor& dy, const Tensor&, Wanted wanted) {
    const bool again = is_recording();
    std::vector<Tensor> own, targets;
    for (const Tensor& t : given) own.push_back(t.requires_grad() && !again ? variable(t.detach()) : t);
    const Tensor y = rerun(f, own);
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < wanted.size(); ++i)
      if (wanted[i]) places.push_back(i), targets.push_back(i < count ? own[i] : Tensor(inputs[i]));
    std::vector<Tensor> all(wanted.size()), found = grad({y}, targets, {.create_graph = again, .seeds = {dy}});
    for (std::size_t k = 0; k < places.size(); ++k) all[places[k]] = std::move(found[k]);
    return all;
  };
  return record("checkpoint", [value = once.value()](std::span<const Array>) { return value; }, wrt_all(inputs, std::move(derivative)));
}

}  // namespace detail
}  // namespace dz
