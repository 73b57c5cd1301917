#include <dz/testing/run.hpp>

#include <algorithm>

namespace dz::testing {
namespace {

Tensor nudged(const Tensor& x, Nudge nudge, std::uint64_t salt) {
  if (nudge.relative == 0 || !is_floating(x.dtype())) return x;
  Generator g(nudge.seed * 64 + salt);
  const Array sign = less(uniform(x.shape(), 0, 1, float32, g), 0.5).value().cast(x.dtype());
  return (x * (1 + nudge.relative * (Tensor(sign) * 2 - 1))).detach();
}

}  // namespace

Tensors as_leaves(const Tensors& inputs) {
  Tensors leaves;
  for (const Tensor& x : inputs) leaves.push_back(is_floating(x.dtype()) ? variable(x) : x);
  return leaves;
}

Run run(const Operation& o, const Tensors& inputs, Reverse reverse, Nudge nudge) {
  Tensors moved;
  for (const Tensor& x : inputs) moved.push_back(nudged(x, nudge, moved.size()));
  const Tensors leaves = as_leaves(moved);
  const Tensor y = o.call(leaves);
  Run r{y.to_vector(), {}, y.shape(), y.dtype(), {}};
  if (!y.requires_grad()) return r;
  Generator g(5);
  const Tensor seed = nudged(Tensor(normal(y.shape(), 0.3, 1, float32, g).value().cast(y.dtype())), nudge, 63);
  Tensors wanted;
  for (const Tensor& x : leaves)
    if (x.requires_grad()) wanted.push_back(x);
  const auto gradients = grad({y}, wanted, {.create_graph = reverse == Reverse::composed, .seeds = {seed}});
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i].shape() != wanted[i].shape() || gradients[i].dtype() != wanted[i].dtype())
      r.trouble = "gradient " + std::to_string(i) + " has the shape " + to_string(gradients[i].shape()) + " or another dtype than its input";
    r.gradients.push_back(gradients[i].to_vector());
  }
  return r;
}

std::vector<Operation> grown(const Operation& o, std::int64_t n) {
  std::vector<Operation> all;
  for (const auto& shapes : o.sizes) all.push_back(o.of(shapes(n)));
  if (!o.sizes.empty()) return all;
  std::vector<std::int64_t> sizes;
  for (const Input& i : o.inputs)
    for (int axis = 0; axis < i.shape.rank(); ++axis)
      if (i.shape[axis] > 1 && !std::ranges::count(sizes, i.shape[axis])) sizes.push_back(i.shape[axis]);
  for (const std::int64_t size : sizes) {
    Operation bigger = o;
    for (Input& i : bigger.inputs) {
      for (int axis = 0; axis < i.shape.rank(); ++axis)
        if (i.shape[axis] == size) i.shape[axis] = n;
      if (i.kind == Input::Kind::label && i.high == static_cast<double>(size)) i.high = static_cast<double>(n);
    }
    all.push_back(std::move(bigger));
  }
  return all;
}

std::string shapes_of(const Tensors& x) {
  std::string all;
  for (const Tensor& t : x) all += to_string(t.shape());
  return all;
}

std::string shapes_of(const Operation& o) {
  std::string all;
  for (const Input& i : o.inputs) all += to_string(i.shape);
  return all;
}

}  // namespace dz::testing
