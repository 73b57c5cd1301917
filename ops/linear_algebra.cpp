#include <dz/ops/linear_algebra.hpp>

#include <fmt/format.h>

#include <dz/graph/basic.hpp>
#include <dz/graph/record.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/matrix.hpp>
#include <dz/ops/reduce.hpp>
#include <dz/ops/shape.hpp>

namespace dz {
namespace {

/// x's shape without its last axes, and others in their place.
Shape replace_last(const Tensor& x, int count, std::initializer_list<std::int64_t> sizes) {
  Shape shape(x.value().sizes().first(static_cast<std::size_t>(x.rank() - count)));
  for (const std::int64_t s : sizes) shape.append(s);
  return shape;
}

void require_vectors(const In& a, const In& b, const char* name) {
  detail::run_forward(name, detail::call_site(a.at()), [&] {
    if (a.rank() < 1 || a.rank() != b.rank()) throw ShapeError(fmt::format("vectors are of equal rank, got {} and {}", to_string(a.shape()), to_string(b.shape())));
    if (a.rank() == max_rank) throw ShapeError(fmt::format("vectors of {} axes: the product needs one more, and there are at most {}", a.rank(), max_rank));
    return broadcast(replace_last(a, 1, {}), replace_last(b, 1, {}));
  });
}

/// A triangle of x with its diagonal times a factor, zero elsewhere. Its own adjoint.
Tensor part(In x, bool upper, double diagonal) {
  return record("triangle", [=](const Array& v) { return kernels::triangle(v, upper, diagonal); },
                wrt(x, [=](const Tensor& dy) { return part(dy, upper, diagonal); }));
}

/// Φ of Murray's: the lower triangle, its diagonal halved.
Tensor half(In x) { return part(x, false, 0.5); }

Tensor with_diagonal(In x, std::int64_t rows, std::int64_t columns) {
  return record("diagonal_matrix", [=](const Array& v) { return kernels::diagonal_matrix(v, rows, columns); },
                wrt(x, [](const Tensor& dy) { return diagonal(dy); }));
}

}  // namespace

Tensor outer(In a, In b) {
  const CallSite site(a.at());
  require_vectors(a, b, "outer");
  return reshape(a, replace_last(a, 1, {a.size(-1), 1})) * reshape(b, replace_last(b, 1, {1, b.size(-1)}));
}

Tensor dot(In a, In b) {
  const CallSite site(a.at());
  require_vectors(a, b, "dot");
  if (a.size(-1) != b.size(-1)) throw ShapeError(fmt::format("lengths differ: {} and {}", to_string(a.shape()), to_string(b.shape())), "dot", detail::call_site(a.at()));
  const Tensor product = matmul(reshape(a, replace_last(a, 1, {1, a.size(-1)})), reshape(b, replace_last(b, 1, {b.size(-1), 1})));
  return reshape(product, replace_last(product, 2, {}));
}

Tensor diagonal(In x) {
  return record("diagonal", kernels::diagonal, wrt(x, [from = x.shape()](const Tensor& dy) { return with_diagonal(dy, from[from.rank() - 2], from[from.rank() - 1]); }));
}

Tensor diagonal_matrix(In x) {
  if (x.rank() < 1) throw ShapeError("a scalar is no diagonal", "diagonal_matrix", detail::call_site(x.at()));
  return with_diagonal(x, x.size(-1), x.size(-1));
}

Tensor trace(In x) {
  const CallSite site(x.at());
  if (x.rank() < 2 || x.size(-1) != x.size(-2)) throw ShapeError(fmt::format("needs square matrices, got {}", to_string(x.shape())), "trace", detail::call_site(x.at()));
  return sum(diagonal(x), -1);
}

Tensor triangular_solve(In a, In b, Triangle t) {
  return record("triangular_solve", [t](const Array& a, const Array& b) { return kernels::triangular_solve(a, b, t); },
                wrt_all({a, b}, [a, t](const Tensor& dx, const Tensor& x, Wanted wanted) -> std::vector<Tensor> {
                  const Tensor db = triangular_solve(a, dx, {t.upper, !t.transposed, t.unit});      // dB = T⁻ᵀ · dX
                  if (!wanted[0]) return {Tensor(), db};
                  const Tensor dt = t.transposed ? matmul(x, db.t()) : matmul(db, x.t());           // dT = −dB · Xᵀ
                  return {part(-dt, t.upper, t.unit ? 0 : 1), db};
                }));
}

Tensor cholesky(In a) {
  return record("cholesky", kernels::cholesky,
                wrt(a, [](const Tensor& dl, const Tensor& l) {
                  const Tensor p = half(matmul(l.t(), dl));                                         // P = Φ(Lᵀ · dL)
                  const Tensor left = triangular_solve(l, p + p.t(), {.transposed = true});         // L⁻ᵀ · (P + Pᵀ)
                  return half(triangular_solve(l, left.t(), {.transposed = true}));                 // dA = Φ(L⁻ᵀ · (P + Pᵀ) · L⁻¹)
                }));
}

Tensor solve(In a, In b) {
  return record("solve", kernels::solve,
                wrt_all({a, b}, [a](const Tensor& dx, const Tensor& x, Wanted wanted) -> std::vector<Tensor> {
                  const Tensor db = solve(a.t(), dx);                                               // dB = A⁻ᵀ · dX
                  return {wanted[0] ? -matmul(db, x.t()) : Tensor(), db};                           // dA = −dB · Xᵀ
                }));
}

Tensor inverse(In a) {
  return record("inverse", kernels::inverse,
                wrt(a, [](const Tensor& dc, const Tensor& c) { return -matmul(c.t(), matmul(dc, c.t())); }));  // dA = −A⁻ᵀ · dC · A⁻ᵀ
}

Tensor logdet(In a) {
  return record("logdet", kernels::logdet,
                wrt(a, [a](const Tensor& dy) { return reshape(dy, replace_last(a, 2, {1, 1})) * inverse(a).t(); }));  // dA = dy · A⁻ᵀ
}

SignLogdet slogdet(In a) {
  const auto both = record_many("slogdet", [](std::span<const Array> in) { return kernels::slogdet(in[0]); },
                                wrt_all({a}, [a](std::span<const Tensor> dy, std::span<const Tensor>, Wanted) -> std::vector<Tensor> {
                                  return {reshape(dy[1], replace_last(a, 2, {1, 1})) * inverse(a).t()};
                                }));
  return {both[0].detach(), both[1]};
}

}  // namespace dz
