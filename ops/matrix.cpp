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

using Gradients = std::array<Tensor, 3>;  // by x, w and b

/// dX = dZ·W, dW = dZᵀ·X, and db, the sums of dZ's columns, unless they are there.
Gradients linear_gradient(const Tensor& dz, const Tensor& x, const Tensor& w, Wanted wanted, Tensor db = {}) {
  const bool by_b = wanted[2] && !db;
  if (is_recording()) return {wanted[0] ? matmul(dz, w) : Tensor(), wanted[1] ? matmul(dz.t(), x) : Tensor(), by_b ? sum(dz, 0) : std::move(db)};
  auto d = kernels::linear_gradient(dz.value(), x.value(), w.value(), wanted[0], wanted[1], by_b);
  return {Tensor(std::move(d.x)), Tensor(std::move(d.w)), by_b ? Tensor(std::move(d.b)) : std::move(db)};
}

}  // namespace

Tensor linear(In x, In w, In b) {
  if (x.rank() > 2) return of_rows(x, [&](const Tensor& rows) { return linear(rows, w, b); });
  return record("linear", [](const Array& x, const Array& w, const Array& b) { return kernels::linear(x, w, b, false); },
                wrt_all(std::array{x, w, b}, [x = Tensor(x), w = Tensor(w)](const Tensor& dz, Wanted wanted) { return linear_gradient(dz, x, w, wanted); }));
}

Tensor linear(In x, In w, In b, Activation activation) {
  const CallSite site(x.at());
  if (x.rank() > 2) return of_rows(x, [&](const Tensor& rows) { return linear(rows, w, b, activation); });
  if (activation != relu) return activation ? activation(linear(x, w, b)) : linear(x, w, b);
  return record("linear_relu", [](const Array& x, const Array& w, const Array& b) { return kernels::linear(x, w, b, true); },
                wrt_all(std::array{x, w, b}, [x = Tensor(x), w = Tensor(w)](Tensor&& da, const Tensor& a, Wanted wanted) {
                  auto [dz, db] = detail::relu_gradient(std::move(da), a, 0, wanted[2]);
                  return linear_gradient(dz, x, w, wanted, std::move(db));
                }));
}

}  // namespace dz
