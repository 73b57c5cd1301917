#include <dz/ops/shape.hpp>

#include <dz/graph/record.hpp>

namespace dz {

Tensor t(In x) {
  return record("t", [](const Array& v) { return v.t(); }, wrt(x, [](const Tensor& dy) { return t(dy); }));
}
Tensor Tensor::t(At at) const { return dz::t(In(*this, at)); }

Tensor reshape(In x, const Shape& shape) {
  return record("reshape", [shape](const Array& v) { return v.reshape(shape); },
                wrt(x, [from = x.shape()](const Tensor& dy) { return reshape(dy, from); }));
}

Tensor flatten(In x) {
  const CallSite site(x.at());
  if (x.rank() < 1) throw ShapeError("a scalar has no samples to keep", "flatten", detail::call_site(x.at()));
  std::int64_t features = 1;  // spelt out: −1 could not tell the features of an empty batch
  for (int i = 1; i < x.rank(); ++i) features *= x.size(i);
  return reshape(x, {x.size(0), features});
}

}  // namespace dz
