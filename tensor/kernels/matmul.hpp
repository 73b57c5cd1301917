#pragma once
// One product of two matrices, wherever their elements lie.

#include <cstdint>

#include <dz/tensor/autocast.hpp>

namespace dz::kernels::detail {

/// The next multiple of a unit.
constexpr std::int64_t rounded_up(std::int64_t n, std::int64_t unit) { return (n + unit - 1) / unit * unit; }

/// A (rows, columns) matrix in memory, strides in elements.
template <class T> struct Matrix {
  T* data;
  std::int64_t rows, columns, row_stride, column_stride;
};
template <class T> Matrix<T> transposed(const Matrix<T>& m) { return {m.data, m.columns, m.rows, m.column_stride, m.row_stride}; }

/// out = a · b by oneDNN, with a bias for each column or none; false where it has no implementation for these layouts (then nothing was
/// written).
bool onednn_matmul(const Matrix<float>& out, const Matrix<const float>& a, const Matrix<const float>& b, const float* bias);

/// Rows of a, and columns of b, lie along their common axis, which is long, and there are few of one of them: each element is summed by itself.
bool is_dot_product(const Matrix<const float>& a, const Matrix<const float>& b, Precision precision);
/// out = a · b of such operands, in vector registers, nothing packed.
void dot_matmul(const Matrix<float>& out, const Matrix<const float>& a, const Matrix<const float>& b);

}  // namespace dz::kernels::detail
