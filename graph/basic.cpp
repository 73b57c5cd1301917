#include <dz/graph/basic.hpp>

#include <dz/graph/record.hpp>
#include <dz/tensor/kernels/kernels.hpp>

namespace dz {

Tensor operator+(In a, In b) {
  return record("add", kernels::add,
                wrt(a, [](Tensor&& dy) { return std::move(dy); }),
                wrt(b, [](Tensor&& dy) { return std::move(dy); }));
}

Tensor sum_to(In x, const Shape& shape) {
  return record("sum_to", [shape](const Array& v) { return kernels::sum_to(v, shape); },
                wrt(x, [from = x.shape()](const Tensor& dy) { return expand(dy, from); }));
}

Tensor expand(In x, const Shape& shape) {
  return record("expand", [shape](const Array& v) { return v.expand(shape); },
                wrt(x, [from = x.shape()](const Tensor& dy) { return sum_to(dy, from); }));
}

}  // namespace dz
