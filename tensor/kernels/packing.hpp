#pragma once
// Operands of large products, part by part in the order in which tiles go through them (tiles.hpp), on the way there rounded to bfloat16 where the
// product is to be. For AVX-512.

#include <cstdint>

#include <dz/tensor/kernels/matmul.hpp>

namespace dz::kernels::detail {

/// What parts consist of: a float32, or two bfloat16 that are neighbours along the product's common axis.
using Cell = std::uint32_t;
constexpr std::int64_t elements_of_cell(Precision p) { return p == Precision::bfloat16 ? 2 : 1; }

inline constexpr std::int64_t band_rows = 16, strip_columns = 32;

/// A left operand, given out in bands of 16 rows, those beyond the last all 0. A part is n cells of each row: row after row, or across them, the first
/// cells of all rows first.
struct Bands {
  const void* of;
  std::int64_t cells;
  bool across;
  void (*part)(Cell* to, const void* of, std::int64_t row, std::int64_t cell, std::int64_t n);
  /// Asks memory for share `index` of `shares` of what a band's part is made of, to be there when it is laid out. A band that begins behind the last row is none.
  void (*fetch)(const void* of, std::int64_t row, std::int64_t cell, std::int64_t n, std::int64_t index, std::int64_t shares);
  const Cell* as_they_lie = nullptr;  ///< row after row, where a whole band need not be laid out
  std::int64_t step = 0;              ///< then: from a row to the next
};

/// A right operand, given out in strips of 32 columns, those beyond the last all 0. A part is n cells of each column
/// of the strips that begin in [from, last): strip by strip, of each the first cells of all columns first.
struct Strips {
  const void* of;
  std::int64_t cells;
  void (*part)(Cell* to, const void* of, std::int64_t cell, std::int64_t n, std::int64_t from, std::int64_t last);
  const Cell* as_they_lie = nullptr;  ///< the first cells of all columns, then the next, where a whole strip need not be laid out
  std::int64_t step = 0;              ///< then: from one cell of a column to the next
};

/// The bands, or strips, of a matrix that lies in rows or in columns, and outlives them. Roundings are to the nearest, of two as near to the even one.
Bands bands_of(const Matrix<const float>& m, Precision precision);
Strips strips_of(const Matrix<const float>& m, Precision precision);

/// A copy in rows without gaps of what lies in columns.
void turn(float* to, const Matrix<const float>& m);
/// n numbers side by side, rounded.
void round_to_bfloat16(std::uint16_t* to, const float* from, std::int64_t n);
/// n cells `to_step` apart of numbers `step` apart, rounded, and others beside them; of 0 where there are none.
void round_pairs(Cell* to, std::int64_t to_step, const float* first, const float* second, std::int64_t step, std::int64_t n);

}  // namespace dz::kernels::detail
