// OpenBLAS's LAPACK: it counts matrices in columns, so a matrix in rows is its transposed one, and each routine is called for that.

#include <dz/tensor/kernels/linear_algebra.hpp>

#include <cblas.h>
#include <f77blas.h>
#include <fmt/format.h>

#include <atomic>
#include <climits>
#include <cmath>
#include <limits>

#include <dz/tensor/kernels/copy.hpp>
#include <dz/tensor/kernels/kernels.hpp>
#include <dz/tensor/kernels/map.hpp>
#include <dz/tensor/launch.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels {
namespace {

// ---- LAPACK and BLAS for both precisions

blasint factorise_lu(blasint n, float* a, blasint* pivots) {
  blasint info = 0;
  sgetrf_(&n, &n, a, &n, pivots, &info);
  return info;
}
blasint factorise_lu(blasint n, double* a, blasint* pivots) {
  blasint info = 0;
  dgetrf_(&n, &n, a, &n, pivots, &info);
  return info;
}

blasint factorise_cholesky(blasint n, float* a) {
  char upper[] = "U";  // the lower triangle of the matrix in rows
  blasint info = 0;
  spotrf_(upper, &n, a, &n, &info);
  return info;
}
blasint factorise_cholesky(blasint n, double* a) {
  char upper[] = "U";
  blasint info = 0;
  dpotrf_(upper, &n, a, &n, &info);
  return info;
}

/// b (n, k) becomes T⁻¹·b.
template <class T> void solve_in_place(std::int64_t n, std::int64_t k, const T* a, Triangle t, T* b) {
  const auto uplo = t.upper ? CblasUpper : CblasLower;
  const auto transposed = t.transposed ? CblasTrans : CblasNoTrans;
  const auto unit = t.unit ? CblasUnit : CblasNonUnit;
  const int rows = static_cast<int>(n), columns = static_cast<int>(k);
  if constexpr (std::is_same_v<T, float>)
    cblas_strsm(CblasRowMajor, CblasLeft, uplo, transposed, unit, rows, columns, 1, a, rows, b, columns);
  else cblas_dtrsm(CblasRowMajor, CblasLeft, uplo, transposed, unit, rows, columns, 1, a, rows, b, columns);
}

// ---- batches

Shape batch_of(const Array& a) { return Shape(a.sizes().first(static_cast<std::size_t>(a.rank() - 2))); }

Shape with_axes(Shape batch, std::initializer_list<std::int64_t> sizes) {
  for (const std::int64_t s : sizes) batch.append(s);
  return batch;
}

/// "the matrix", or which of the batch.
std::string which(const Shape& batch, std::int64_t number) {
  if (batch.rank() == 0) return "the matrix";
  std::string index;
  for (int axis = batch.rank(); axis-- > 0; number /= batch[axis])
    index = fmt::format("{}{}{}", number % batch[axis], index.empty() ? "" : ", ", index);
  return fmt::format("matrix [{}] of the batch", index);
}

/// Calls body(number) for every (n, n) matrix of a batch; it gives the pivot that it broke off at, or −1. Throws for the first of them.
template <class Body> void for_each_matrix(const Shape& batch, std::int64_t n, const char* reason, Body body) {
  constexpr std::int64_t single_threaded = thresholds::factorised_size;  // up to this size OpenBLAS uses one thread, so threads may share the batch
  std::atomic<std::int64_t> first_failure{INT64_MAX};
  auto range = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t pivot = body(i);
      if (pivot < 0) continue;
      std::int64_t seen = first_failure.load();
      while (i * n + pivot < seen && !first_failure.compare_exchange_weak(seen, i * n + pivot)) {
      }
    }
  };
  const std::int64_t count = batch.volume();
  if (n <= single_threaded) parallel_for(count, std::max<std::int64_t>(1, elementwise_grain / (n * n * n + 256)), range);
  else range(0, count);
  const std::int64_t failure = first_failure.load();
  if (failure != INT64_MAX) throw ValueError(fmt::format("{} is {}: pivot {}", which(batch, failure / n), reason, failure % n));
}

/// Of each matrix of a broadcast batch: which matrix of the operand it comes from.
std::int64_t matrix_of(const Array& operand, const Array& out, std::int64_t number) {
  std::int64_t from = 0, step = 1;
  for (int axis = out.rank() - 2; axis-- > 0;) {
    const std::int64_t index = number % out.size(axis);
    number /= out.size(axis);
    if (operand.size(axis) > 1) from += index * step;
    step *= operand.size(axis);
  }
  return from;
}

template <class T> bool all_finite(const T* p, std::int64_t count) {
  bool finite = true;
  for (std::int64_t i = 0; i < count; ++i) finite &= std::isfinite(p[i]);
  return finite;
}

// ---- checks

void check_matrices(const Array& a) {
  if (a.rank() < 2) throw ShapeError(fmt::format("needs matrices, got {}", to_string(a.shape())));
}

/// Gives n.
std::int64_t check_square(const Array& a) {
  if (!is_floating(a.dtype())) throw DtypeError(fmt::format("needs float32 or float64, got {}", name(a.dtype())));
  if (a.rank() < 2 || a.size(a.rank() - 1) != a.size(a.rank() - 2))
    throw ShapeError(fmt::format("needs square matrices, got {}", to_string(a.shape())));
  if (a.size(a.rank() - 1) > INT_MAX) throw ShapeError(fmt::format("a matrix of {} is too large", to_string(a.shape())));
  return a.size(a.rank() - 1);
}

/// The shape of X in A·X = B.
Shape solution_shape(const Array& a, const Array& b) {
  const int r = a.rank();
  if (b.rank() != r || b.size(r - 2) != a.size(r - 1))
    throw ShapeError(
        fmt::format("the sides {} and {} are not (…, n, n) and (…, n, k) of equal rank", to_string(a.shape()), to_string(b.shape())));
  if (b.size(r - 1) > INT_MAX) throw ShapeError(fmt::format("a matrix of {} is too large", to_string(b.shape())));
  return with_axes(broadcast(batch_of(a), batch_of(b)), {b.size(r - 2), b.size(r - 1)});
}

/// Room for the row exchanges of a's factorisations, which LAPACK counts in its own integers.
Array room_for_pivots(const Array& a) {
  return Array::make({a.size() / std::max<std::int64_t>(1, a.size(a.rank() - 1)), sizeof(blasint)}, uint8);
}
blasint* pivots_in(const Array& room, std::int64_t number, std::int64_t n) {
  return reinterpret_cast<blasint*>(room.writable_bytes()) + number * n;
}

// ---- kernels: lu and pivots are the caller's room for intermediate values

/// lu becomes the factors of a, matrix by matrix.
template <class T> void lu_kernel(const Array& a, const Array& lu, const Array& pivots) {
  const std::int64_t n = a.size(a.rank() - 1);
  if (lu.size() == 0) return;
  copy(lu, a);
  for_each_matrix(batch_of(a), n, "singular", [&](std::int64_t i) -> std::int64_t {
    T* const factors = lu.writable<T>() + i * n * n;
    if (all_finite(factors, n * n)) return factorise_lu(static_cast<blasint>(n), factors, pivots_in(pivots, i, n)) - 1;
    std::fill_n(factors, n * n, std::numeric_limits<T>::quiet_NaN());
    for (std::int64_t row = 0; row < n; ++row) pivots_in(pivots, i, n)[row] = static_cast<blasint>(row + 1);
    return -1;
  });
}

void solve_kernel(const Array& out, const Array& a, const Array& b, const Array& lu, const Array& pivots) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    lu_kernel<T>(a, lu, pivots);
    copy(out, b);
    const std::int64_t n = out.size(out.rank() - 2), k = out.size(out.rank() - 1);
    if (out.size() == 0) return;
    for_each_matrix(batch_of(out), n, "", [&](std::int64_t i) -> std::int64_t {
      T* const x = out.writable<T>() + i * n * k;
      const std::int64_t from = matrix_of(a, out, i);
      const T* const factors = lu.writable<T>() + from * n * n;
      const blasint* const exchanged = pivots_in(pivots, from, n);
      solve_in_place(n, k, factors, {}, x);  // Aᵀ = P·L·U was factorised, so A = Uᵀ·Lᵀ·Pᵀ, Uᵀ below and Lᵀ above the diagonal
      solve_in_place(n, k, factors, {.upper = true, .unit = true}, x);
      for (std::int64_t row = n; row-- > 0;)
        if (exchanged[row] - 1 != row) std::swap_ranges(x + row * k, x + (row + 1) * k, x + (exchanged[row] - 1) * k);
      return -1;
    });
  });
}

void slogdet_kernel(const Array& logarithm, const Array& sign, const Array& a, const Array& lu, const Array& pivots) {
  visit_floating(logarithm.dtype(), [&]<class T>(std::type_identity<T>) {
    lu_kernel<T>(a, lu, pivots);
    const std::int64_t n = a.size(a.rank() - 1);
    for (std::int64_t i = 0; i < logarithm.size(); ++i) {
      const T* const factors = lu.writable<T>() + i * n * n;
      double sum = 0;
      bool negative = false;
      for (std::int64_t row = 0; row < n; ++row) {
        const T pivot = factors[row * n + row];
        sum += std::log(std::abs(static_cast<double>(pivot)));
        negative ^= (pivot < 0) != (pivots_in(pivots, i, n)[row] - 1 != row);
      }
      logarithm.writable<T>()[i] = static_cast<T>(sum);
      sign.writable<T>()[i] = std::isnan(sum) ? std::numeric_limits<T>::quiet_NaN() : negative ? T{-1} : T{1};
    }
  });
}

void triangle_kernel(const Array& out, const Array& a, bool upper, double diagonal) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const std::int64_t m = out.size(out.rank() - 2), n = out.size(out.rank() - 1);
    if (out.size() == 0) return;
    const T *const x = a.data<T>(), factor = static_cast<T>(diagonal);
    T* const y = out.writable<T>();
    parallel_for(out.size() / n, std::max<std::int64_t>(1, elementwise_grain / n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const std::int64_t on = std::min(row % m, n), after = std::min(on + 1, n);  // the diagonal's column
        const std::int64_t first = upper ? after : 0, last = upper ? n : on;
        std::fill_n(y + row * n, n, T{});
        std::copy(x + row * n + first, x + row * n + last, y + row * n + first);
        if (on < n) y[row * n + on] = factor == 0 ? T{} : factor * x[row * n + on];
      }
    });
  });
}

void cholesky_kernel(const Array& out, const Array& a) {
  triangle_kernel(out, a, false, 1);
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const std::int64_t n = out.size(out.rank() - 1);
    if (out.size() == 0) return;
    for_each_matrix(batch_of(out), n, "not positive definite", [&](std::int64_t i) -> std::int64_t {
      T* const l = out.writable<T>() + i * n * n;
      if (all_finite(l, n * n)) return factorise_cholesky(static_cast<blasint>(n), l) - 1;
      for (std::int64_t row = 0; row < n; ++row) std::fill_n(l + row * n, row + 1, std::numeric_limits<T>::quiet_NaN());
      return -1;
    });
  });
}

void triangular_solve_kernel(const Array& out, const Array& a, const Array& b, Triangle triangle) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const std::int64_t n = out.size(out.rank() - 2), k = out.size(out.rank() - 1);
    const T* const matrices = a.data<T>();
    if (!triangle.unit)
      for_each_matrix(batch_of(a), n, "singular", [&](std::int64_t i) -> std::int64_t {
        for (std::int64_t row = 0; row < n; ++row)
          if (matrices[(i * n + row) * n + row] == 0) return row;
        return -1;
      });
    copy(out, b);
    if (out.size() == 0) return;
    for_each_matrix(batch_of(out), n, "", [&](std::int64_t i) -> std::int64_t {
      solve_in_place(n, k, matrices + matrix_of(a, out, i) * n * n, triangle, out.writable<T>() + i * n * k);
      return -1;
    });
  });
}

void diagonal_matrix_kernel(const Array& out, const Array& values) {
  visit_dtype(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const std::int64_t area = out.size(out.rank() - 2) * out.size(out.rank() - 1), step = out.size(out.rank() - 1) + 1;
    const std::int64_t n = values.size(values.rank() - 1);
    std::fill_n(out.writable<T>(), out.size(), T{});
    for (std::int64_t i = 0; i < values.size(); ++i) out.writable<T>()[i / n * area + i % n * step] = values.data<T>()[i];
  });
}

}  // namespace

Array cholesky(const Array& a) {
  check_square(a);
  Array out = Array::make(a.shape(), a.dtype());
  launch(cholesky_kernel, out, a.contiguous());
  return out;
}

Array triangular_solve(const Array& a, const Array& b, Triangle triangle) {
  const Dtype dtype = common_dtype({&a, &b});
  check_square(a);
  Array out = Array::make(solution_shape(a, b), dtype), matrix = in_dtype(a, dtype);
  if (!matrix.is_contiguous() && matrix.t().is_contiguous()) {
    matrix = matrix.t();
    triangle.upper = !triangle.upper;
    triangle.transposed = !triangle.transposed;
  }
  launch(triangular_solve_kernel, out, matrix.contiguous(), in_dtype(b, dtype), triangle);
  return out;
}

Array solve(const Array& a, const Array& b) {
  const Dtype dtype = common_dtype({&a, &b});
  check_square(a);
  Array out = Array::make(solution_shape(a, b), dtype);
  launch(solve_kernel, out, in_dtype(a, dtype), in_dtype(b, dtype), Array::make(a.shape(), dtype), room_for_pivots(a));
  return out;
}

Array inverse(const Array& a) {
  const std::int64_t n = check_square(a);
  const Array ones = Array::full({n}, 1, a.dtype());
  Shape identity;
  for (int axis = 0; axis < a.rank() - 2; ++axis) identity.append(1);
  return solve(a, diagonal_matrix(ones, n, n).reshape(with_axes(identity, {n, n})));
}

std::vector<Array> slogdet(const Array& a) {
  check_square(a);
  const Array sign = Array::make(batch_of(a), a.dtype()), logarithm = Array::make(batch_of(a), a.dtype());
  launch(slogdet_kernel, logarithm, sign, a, Array::make(a.shape(), a.dtype()), room_for_pivots(a));
  return {sign, logarithm};
}

Array logdet(const Array& a) {
  const std::vector<Array> parts = slogdet(a);
  const std::vector<double> signs = parts[0].to_vector<double>();
  for (std::size_t i = 0; i < signs.size(); ++i)
    if (signs[i] < 0)
      throw ValueError(
          fmt::format("{} has a negative determinant; slogdet gives its sign", which(batch_of(a), static_cast<std::int64_t>(i))));
  return parts[1];
}

Array triangle(const Array& a, bool upper, double diagonal) {
  check_matrices(a);
  Array out = Array::make(a.shape(), a.dtype());
  launch(triangle_kernel, out, a.contiguous(), upper, diagonal);
  return out;
}

Array diagonal(const Array& a) {
  check_matrices(a);
  const std::int64_t rows = a.size(a.rank() - 2), columns = a.size(a.rank() - 1), n = std::min(rows, columns);
  return a.reshape(with_axes(batch_of(a), {rows * columns})).slice(-1, 0, n == 0 ? 0 : (n - 1) * (columns + 1) + 1, columns + 1);
}

Array diagonal_matrix(const Array& diagonal, std::int64_t rows, std::int64_t columns) {
  if (diagonal.rank() < 1 || diagonal.size(diagonal.rank() - 1) != std::min(rows, columns))
    throw ShapeError(fmt::format("{} is no diagonal of ({}, {}) matrices", to_string(diagonal.shape()), rows, columns));
  Shape batch(diagonal.sizes().first(static_cast<std::size_t>(diagonal.rank() - 1)));
  Array out = Array::make(with_axes(batch, {rows, columns}), diagonal.dtype());
  launch(diagonal_matrix_kernel, out, diagonal.contiguous());
  return out;
}

}  // namespace dz::kernels
