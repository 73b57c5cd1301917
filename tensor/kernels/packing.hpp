#pragma once
// Operands of large products as oneDNN multiplies them fastest: the left one in rows, the right one in strips of columns; on the way there
// they are rounded to bfloat16 where the product is to be. oneDNN's own reorders take several times as long on two threads.

#include <cstdint>

#include <dz/tensor/kernels/matmul.hpp>

namespace dz::kernels::detail {

/// How a product takes an operand.
enum class Packing {
  given,   ///< as it lies
  rows,    ///< in rows without gaps
  strips,  ///< in strips of 64 columns, one after another, zeros beyond the last; within each row by row, in bfloat16 by pairs of rows
};

/// Rows that strips are filled up to a multiple of: whole blocks of 16 float32 or 16 pairs of bfloat16.
constexpr std::int64_t rows_of_block(Precision precision) { return precision == Precision::bfloat16 ? 32 : 16; }
inline constexpr std::int64_t strip_columns = 64;

/// What does not lie in rows lies in columns.
inline bool lies_in_rows(const Matrix<const float>& m) { return m.column_stride == 1 || m.columns == 1; }

/// Packs m to `to`, as float32 or, to the nearest and of two as near the even one, as bfloat16. In rows, float32 is packed that lies in columns:
/// else it can be taken as given. For AVX-512.
void pack_rows(void* to, const Matrix<const float>& m, Precision precision);
void pack_strips(void* to, const Matrix<const float>& m, Precision precision);
/// n numbers side by side, rounded.
void round_to_bfloat16(std::uint16_t* to, const float* from, std::int64_t n);

}  // namespace dz::kernels::detail
