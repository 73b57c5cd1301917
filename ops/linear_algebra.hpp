#pragma once
// Square matrices: factorisations, solutions of linear systems and determinants; and the small products. All are batched: the last
// two axes (one for vectors) are the matrix, those before count matrices. Each throws ShapeError where the shapes do not fit and
// DtypeError for anything but float32 and float64. Only exact singularity is noticed, by a pivot of 0: ValueError names the matrix
// of the batch and the pivot, counted from 0. A matrix that holds a NaN or an infinity gives NaNs.
//
// The derivatives are M. Giles's (An extended collection of matrix derivative results, 2008) and, of cholesky, I. Murray's
// (Differentiation of the Cholesky decomposition, 2016, arXiv:1602.07527).

#include <dz/graph/tensor.hpp>
#include <dz/tensor/kernels/linear_algebra.hpp>

namespace dz {

/// a·bᵀ: (…, m) and (…, n) of equal ranks give (…, m, n); leading axes broadcast.
Tensor outer(In a, In b);
/// Σ a·b: (…, n) and (…, n) of equal ranks give (…); leading axes broadcast.
Tensor dot(In a, In b);

/// The diagonal: (…, m, n) gives (…, min(m, n)).
Tensor diagonal(In x);
/// The matrix with this diagonal and zeros elsewhere: (…, n) gives (…, n, n).
Tensor diagonal_matrix(In x);
/// The sum of the diagonal: (…, n, n) gives (…).
Tensor trace(In x);

/// X of T·X = B, where T is a triangle of a (the other one is never read): (…, n, n) and (…, n, k) of equal ranks give (…, n, k);
/// axes before the last two broadcast. A vector is a matrix of one column. Throws ValueError for a 0 on the diagonal.
Tensor triangular_solve(In a, In b, Triangle triangle = {});
/// The lower triangle L with A = L·Lᵀ and a positive diagonal: (…, n, n) gives (…, n, n). A function of a's lower triangle: what
/// stands above the diagonal counts as its mirror image and is never read, and the gradient there is 0. Throws ValueError for a matrix
/// that is not positive definite.
Tensor cholesky(In a);

/// X of A·X = B, by LU with row exchanges: (…, n, n) and (…, n, k) of equal ranks give (…, n, k); axes before the last two
/// broadcast. A vector is a matrix of one column. The derivative factorises Aᵀ again. Throws ValueError for a singular matrix.
Tensor solve(In a, In b);
/// A⁻¹: (…, n, n) gives (…, n, n). Throws ValueError for a singular matrix. `solve` is faster and more accurate than a product with it.
Tensor inverse(In a);
/// The logarithm of the determinant: (…, n, n) gives (…). Throws ValueError for a singular matrix or a negative determinant.
Tensor logdet(In a);

/// A determinant, which itself would soon overflow: sign·e^logarithm.
struct SignLogdet {
  Tensor sign;       ///< −1 or 1, a constant to the graph
  Tensor logarithm;  ///< of the determinant's absolute value
};
/// Both of shape (…), from (…, n, n). Throws ValueError for a singular matrix.
SignLogdet slogdet(In a);

}  // namespace dz
