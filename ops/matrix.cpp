#include <dz/ops/matrix.hpp>

#include <dz/graph/record.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/reduce.hpp>
#include <dz/ops/relu_gradient.hpp>
#include <dz/ops/shape.hpp>
#include <dz/tensor/kernels/kernels.hpp>

namespace dz {

Tensor matmul(In a, In b) {
  return record("matmul", kernels::matmul,
                wrt(a, [b](const Tensor& dy) { return matmul(dy, b.t()); }),   // dW = dZ · Aᵀ
                wrt(b, [a](const Tensor& dy) { return matmul(a.t(), dy); }));  // dA = Wᵀ · dZ
}

namespace {

/// f of x (…, n) as rows (m, n), its result (m, k) as (…, k).
template <class F> Tensor of_rows(const In& x, F f) {
  const CallSite site(x.at());
  Shape shape = x.shape();
  const int last = shape.rank() - 1;
  std::int64_t m = 1;
  for (int i = 0; i < last; ++i) m *= shape[i];
  const Tensor y = f(reshape(x, {m, shape[last]}));
  shape[last] = y.size(1);
  return reshape(y, shape);
}

}  // namespace

Tensor linear(In x, In w, In b) {
  if (x.rank() > 2) return of_rows(x, [&](const Tensor& rows) { return linear(rows, w, b); });
  return record("linear", [](const Array& x, const Array& w, const Array& b) { return kernels::linear(x, w, b, false); },
                wrt(x, [w](const Tensor& dz) { return matmul(dz, w); }),
                wrt(w, [x](const Tensor& dz) { return matmul(dz.t(), x); }),
                wrt(b, [](const Tensor& dz) { return sum(dz, 0); }));
}

Tensor linear(In x, In w, In b, Activation activation) {
  const CallSite site(x.at());
  if (x.rank() > 2) return of_rows(x, [&](const Tensor& rows) { return linear(rows, w, b, activation); });
  if (activation != relu) return activation ? activation(linear(x, w, b)) : linear(x, w, b);
  return record("linear_relu", [](const Array& x, const Array& w, const Array& b) { return kernels::linear(x, w, b, true); },
                wrt_all({x, w, b}, [x, w](const Tensor& da, const Tensor& a, Wanted wanted) {
                  const auto [dz, db] = detail::relu_gradient(da, a, 0, wanted[2]);
                  return std::vector<Tensor>{wanted[0] ? matmul(dz, w) : Tensor(), wanted[1] ? matmul(dz.t(), x) : Tensor(), db};
                }));
}

}  // namespace dz
