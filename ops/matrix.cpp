#include <dz/ops/matrix.hpp>

#include <dz/graph/record.hpp>
#include <dz/tensor/kernels/kernels.hpp>

namespace dz {

Tensor matmul(In a, In b) {
  return record("matmul", kernels::matmul,
                wrt(a, [b](const Tensor& dy) { return matmul(dy, b.t()); }),   // dW = dZ · Aᵀ
                wrt(b, [a](const Tensor& dy) { return matmul(a.t(), dy); }));  // dA = Wᵀ · dZ
}

}  // namespace dz
