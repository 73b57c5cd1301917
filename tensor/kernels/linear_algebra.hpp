#pragma once
// Square matrices and triangles by LAPACK. All of them are batched: the last two axes are a matrix, those before count matrices.
// Each throws ShapeError where its operands are no such matrices, DtypeError where they are not float32 or float64, and ValueError,
// naming the matrix of the batch and the pivot (from 0), where a factorisation breaks off. A square matrix that holds a NaN or
// an infinity gives NaNs.

#include <dz/tensor/array.hpp>

namespace dz {

/// Which triangle of a matrix counts, the lower one by default; what stands in the other is never read.
struct Triangle {
  bool upper = false;
  bool transposed = false;  ///< the transposed triangle is meant
  bool unit = false;        ///< the diagonal counts as ones and is not read
};

namespace kernels {

/// L of A = L·Lᵀ, zero above the diagonal; reads A's lower triangle. (…, n, n) gives (…, n, n).
Array cholesky(const Array& a);
/// X of T·X = B, T a triangle of A: (…, n, n) and (…, n, k) give (…, n, k); axes before the last two broadcast.
Array triangular_solve(const Array& a, const Array& b, Triangle triangle);
/// X of A·X = B, by LU with row exchanges: (…, n, n) and (…, n, k) give (…, n, k); axes before the last two broadcast.
Array solve(const Array& a, const Array& b);
/// (…, n, n), by solve.
Array inverse(const Array& a);
/// The sign of the determinant and the logarithm of its absolute value: (…, n, n) gives two of (…).
std::vector<Array> slogdet(const Array& a);
/// The logarithm of the determinant; throws ValueError for a negative one, too.
Array logdet(const Array& a);

/// A triangle of A with its diagonal multiplied by a factor, zero elsewhere; of (…, m, n).
Array triangle(const Array& a, bool upper, double diagonal);
/// The diagonal of the last two axes: (…, m, n) gives (…, min(m, n)); a view where strides allow it.
Array diagonal(const Array& a);
/// The matrices of (…, rows, columns) that have this diagonal (…, min(rows, columns)) and zeros elsewhere.
Array diagonal_matrix(const Array& diagonal, std::int64_t rows, std::int64_t columns);

}  // namespace kernels
}  // namespace dz
