#include <dz/ops/matrix.hpp>

#include <dz/graph/record.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/control.hpp>
#include <dz/ops/reduce.hpp>
#include <dz/tensor/kernels/kernels.hpp>

namespace dz {

Tensor matmul(In a, In b) {
  return record("matmul", kernels::matmul,
                wrt(a, [b](const Tensor& dy) { return matmul(dy, b.t()); }),   // dW = dZ · Aᵀ
                wrt(b, [a](const Tensor& dy) { return matmul(a.t(), dy); }));  // dA = Wᵀ · dZ
}

Tensor linear(In x, In w, In b) {
  return record("linear", [](const Array& x, const Array& w, const Array& b) { return kernels::linear(x, w, b, false); },
                wrt(x, [w](const Tensor& dz) { return matmul(dz, w); }),
                wrt(w, [x](const Tensor& dz) { return matmul(dz.t(), x); }),
                wrt(b, [](const Tensor& dz) { return sum(dz, 0); }));
}

// dZ = dA where A > 0, summed over the samples while it is made.
Tensor linear(In x, In w, In b, Activation activation) {
  const CallSite site(x.at());
  if (activation != relu) return activation ? activation(linear(x, w, b)) : linear(x, w, b);
  return record("linear_relu", [](const Array& x, const Array& w, const Array& b) { return kernels::linear(x, w, b, true); },
                wrt_all({x, w, b}, [x, w](const Tensor& da, const Tensor& a, Wanted wanted) {
                  Tensor dz, db;
                  if (is_recording()) {
                    dz = where(less(0, a), da, 0);
                    if (wanted[2]) db = sum(dz, 0);
                  } else {
                    auto [by_z, by_b] = kernels::relu_gradient(da.value(), a.value());
                    dz = Tensor(std::move(by_z));
                    db = Tensor(std::move(by_b));
                  }
                  return std::vector<Tensor>{wanted[0] ? matmul(dz, w) : Tensor(), wanted[1] ? matmul(dz.t(), x) : Tensor(), db};
                }));
}

}  // namespace dz
