#include <dz/ops/matrix.hpp>

#include <fmt/format.h>

#include <dz/graph/record.hpp>
#include <dz/ops/reduce.hpp>
#include <dz/tensor/kernels/kernels.hpp>

namespace dz {

Tensor matmul(In a, In b) {
  return record("matmul", kernels::matmul,
                wrt(a, [b](const Tensor& dy) { return matmul(dy, b.t()); }),   // dW = dZ · Aᵀ
                wrt(b, [a](const Tensor& dy) { return matmul(a.t(), dy); }));  // dA = Wᵀ · dZ
}

Tensor linear(In x, In w, In b) {
  auto forward = [](const Array& x, const Array& w, const Array& b) {
    if (x.rank() != 2 || w.rank() != 2 || b.rank() != 1 || x.size(1) != w.size(1) || b.size(0) != w.size(0))
      throw ShapeError(fmt::format("x {}, W {} and b {} are not (m, n_in), (n_out, n_in) and (n_out)", to_string(x.shape()), to_string(w.shape()), to_string(b.shape())));
    return kernels::add(kernels::matmul(x, w.t()), b.reshape({1, b.size()}));
  };
  return record("linear", forward,
                wrt(x, [w](const Tensor& dz) { return matmul(dz, w); }),
                wrt(w, [x](const Tensor& dz) { return matmul(dz.t(), x); }),
                wrt(b, [](const Tensor& dz) { return sum(dz, 0); }));
}

}  // namespace dz
