#include <dz/graph/basic.hpp>

#include <dz/graph/record.hpp>
#include <dz/tensor/kernels/kernels.hpp>

namespace dz {

Tensor add(In a, In b) {
  return record("add", kernels::add,
                wrt(a, [](const Tensor& dy) { return dy; }),
                wrt(b, [](const Tensor& dy) { return dy; }));
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
