#pragma once
// How attention multiplies the matrices of a head, on one thread: an engine lays operands out as its products read them, in room that it is given,
// and multiplies parts of them. What is given lies in rows, or, left, in columns of which whole bands can be read; a part along the common axis
// begins at a multiple of band_rows, as does one of a right operand's columns.

#include <dz/tensor/kernels/small_product.hpp>
#include <dz/tensor/kernels/tiles.hpp>
#include <dz/tensor/shape.hpp>

namespace dz::kernels::detail {

/// In packs, for every element type and instruction set.
template <class T> struct InPacks {
  using Element = T;

  struct Left {
    Matrix<const T> m;
    Left rows_from(std::int64_t i) const { return {{m.data + i * m.row_stride, m.rows - i, m.columns, m.row_stride, m.column_stride}}; }
    Left along(std::int64_t k) const { return {{m.data + k * m.column_stride, m.rows, m.columns - k, m.row_stride, m.column_stride}}; }
  };
  struct Right {
    Matrix<const T> m;
    Right columns_from(std::int64_t j) const { return {{m.data + j, m.rows, m.columns - j, m.row_stride, 1}}; }
    Right along(std::int64_t k) const { return {{m.data + k * m.row_stride, m.rows - k, m.columns, m.row_stride, 1}}; }
  };

  /// Elements of room for a left operand, and for a right one.
  std::int64_t left_size(std::int64_t, std::int64_t) const { return 0; }
  std::int64_t right_size(std::int64_t common, std::int64_t columns) const { return checked_product(common, in_packs<T>(columns)); }

  Left left(const Matrix<const T>& m, T*&) const { return {m}; }
  Right right(const Matrix<const T>& m, T*& room) const { return {in_packed_rows(m, room)}; }
  /// out = a·b, or grown by it, over n elements of the common axis.
  void multiply(const Matrix<T>& out, const Left& a, const Right& b, std::int64_t n, bool adds = false) const {
    small_product(out, {a.m.data, out.rows, n, a.m.row_stride, a.m.column_stride}, b.m, {.adds = adds});
  }
};

/// In tiles, of float32 on AVX-512.
struct InTiles {
  using Element = float;
  Precision precision;

  struct Left {
    LaidOut bands;
    std::int64_t per_cell;
    Left rows_from(std::int64_t i) const { return {{bands.first + i * bands.step, bands.step, bands.across}, per_cell}; }
    Left along(std::int64_t k) const { return {{bands.first + k / per_cell * (bands.across ? bands.step : 1), bands.step, bands.across}, per_cell}; }
  };
  struct Right {
    LaidOut strip;
    std::int64_t per_cell, next;  ///< cells from one strip to the next
    Right columns_from(std::int64_t j) const { return {{strip.first + j / strip_columns * next + j % strip_columns, strip.step}, per_cell, next}; }
    Right along(std::int64_t k) const { return {{strip.first + k / per_cell * strip.step, strip.step}, per_cell, next}; }
  };

  std::int64_t left_size(std::int64_t rows, std::int64_t common) const { return checked_product(rounded_up(rows, band_rows), common); }
  std::int64_t right_size(std::int64_t common, std::int64_t columns) const { return checked_product(common, rounded_up(columns, strip_columns)); }

  Left left(const Matrix<const float>& m, float*& room) const {
    const Bands b = bands_of(m, precision);
    const std::int64_t per_cell = elements_of_cell(precision);
    if (precision == Precision::full && b.across) return {{reinterpret_cast<const Cell*>(m.data), m.column_stride, true}, per_cell};
    if (b.as_they_lie && m.rows % band_rows == 0) return {{b.as_they_lie, b.step}, per_cell};
    Cell* const first = reinterpret_cast<Cell*>(room);
    for (std::int64_t i = 0; i < m.rows; i += band_rows) b.part(first + i * b.cells, &m, i, 0, b.cells);
    room += rounded_up(m.rows, band_rows) * b.cells;
    return {{first, b.across ? band_rows : b.cells, b.across}, per_cell};
  }
  Right right(const Matrix<const float>& m, float*& room) const {
    const Strips s = strips_of(m, precision);
    Cell* const first = reinterpret_cast<Cell*>(room);
    s.part(first, &m, 0, s.cells, 0, m.columns);
    room += rounded_up(m.columns, strip_columns) * s.cells;
    return {{first, strip_columns}, elements_of_cell(precision), s.cells * strip_columns};
  }
  void multiply(const Matrix<float>& out, const Left& a, const Right& b, std::int64_t n, bool adds = false) const {
    const std::int64_t cells = (n + a.per_cell - 1) / a.per_cell;
    for (std::int64_t j = 0; j < out.columns; j += strip_columns)
      product_in_tiles({out.data + j, out.rows, std::min(strip_columns, out.columns - j), out.row_stride, 1}, a.bands, b.columns_from(j).strip, cells, precision, adds);
  }
};

}  // namespace dz::kernels::detail
