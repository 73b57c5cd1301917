// Parts of operands as a product's tiles go through them: every element in its place, zeros around them, and the nearest bfloat16.

#include <cmath>
#include <cstring>
#include <limits>

#include <dz/tensor/kernels/map.hpp>
#include <dz/tensor/kernels/packing.hpp>

#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::kernels::detail;

namespace {

/// A (rows, columns) matrix of values of all sizes, within more memory than it needs; in rows or in columns.
struct Given {
  std::vector<float> values;
  Matrix<const float> matrix;

  Given(std::int64_t rows, std::int64_t columns, bool in_rows, std::int64_t gap) {
    const std::int64_t step = (in_rows ? columns : rows) + gap;
    values.resize(static_cast<std::size_t>(step * (in_rows ? rows : columns) - gap));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(std::ldexp(std::sin(static_cast<double>(i) + 1), static_cast<int>(i % 37) - 18));
    matrix = {values.data(), rows, columns, in_rows ? step : 1, in_rows ? 1 : step};
  }
  float at(std::int64_t i, std::int64_t j) const { return i < matrix.rows && j < matrix.columns ? matrix.data[i * matrix.row_stride + j * matrix.column_stride] : 0; }
};

std::uint16_t nearest(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

template <class To> To expected(float x) {
  if constexpr (sizeof(To) == sizeof(float)) return x;
  else return nearest(x);
}

/// The parts of g as a left and as a right operand, `n` cells at a time.
template <class To> void check_packing(const Given& g, Precision precision, std::int64_t n) {
  const Matrix<const float>& m = g.matrix;
  INFO("(" << m.rows << ", " << m.columns << "), strides " << m.row_stride << " and " << m.column_stride << ", " << 8 * sizeof(To) << " bits, " << n << " cells");
  const std::int64_t per = elements_of_cell(precision);
  std::int64_t wrong = 0, touched = 0;
  const auto check = [&](const std::vector<Cell>& part, std::int64_t at, std::int64_t i, std::int64_t j, bool along_rows) {
    To elements[sizeof(Cell) / sizeof(To)];
    std::memcpy(elements, &part[static_cast<std::size_t>(at)], sizeof elements);
    for (std::int64_t e = 0; e < per; ++e) wrong += elements[e] != expected<To>(along_rows ? g.at(i, j * per + e) : g.at(i * per + e, j));
  };
  const Bands bands = bands_of(m, precision);
  for (std::int64_t row = 0; row < m.rows; row += band_rows)
    for (std::int64_t cell = 0; cell < bands.cells; cell += n) {
      const std::int64_t count = std::min(n, bands.cells - cell);
      std::vector<Cell> part(static_cast<std::size_t>(band_rows * count) + 1, 77);
      bands.part(part.data(), bands.of, row, cell, count);
      for (std::int64_t i = 0; i < band_rows; ++i)
        for (std::int64_t c = 0; c < count; ++c) check(part, bands.across ? c * band_rows + i : i * count + c, row + i, cell + c, true);
      touched += part.back() != 77;
    }
  const Strips strips = strips_of(m, precision);
  for (std::int64_t from = 0; from < m.columns; from += 2 * strip_columns)
    for (std::int64_t cell = 0; cell < strips.cells; cell += n) {
      const std::int64_t count = std::min(n, strips.cells - cell), last = std::min(m.columns, from + 2 * strip_columns);
      std::vector<Cell> part(static_cast<std::size_t>(2 * strip_columns * count) + 1, 77);
      strips.part(part.data(), strips.of, cell, count, from, last);
      for (std::int64_t j = from; j < (last + strip_columns - 1) / strip_columns * strip_columns; ++j)
        for (std::int64_t c = 0; c < count; ++c) check(part, ((j - from) / strip_columns * count + c) * strip_columns + j % strip_columns, cell + c, j, false);
      touched += part.back() != 77;
    }
  CHECK(wrong == 0);
  CHECK(touched == 0);
}

}  // namespace

TEST_CASE("operands of products are laid out element by element, and zeros fill the bands and strips", "[tensor]") {
  if (active_isa() != Isa::avx512) DZ_SKIP("this processor has no AVX-512");
  const bool rounds = unsupported(bfloat16).empty();
  for (const auto& [rows, columns] : {std::pair{1, 1}, {1, 70}, {70, 1}, {2, 3}, {16, 64}, {17, 65}, {31, 15}, {33, 130}, {64, 16}, {300, 200}})
    for (const bool in_rows : {true, false})
      for (const std::int64_t gap : {0, 3}) {
        const Given g(rows, columns, in_rows, gap);
        for (const std::int64_t n : {16, 7, 1000}) {
          check_packing<float>(g, Precision::full, n);
          if (rounds) check_packing<std::uint16_t>(g, Precision::bfloat16, n);
        }
      }
}

TEST_CASE("rounding to bfloat16 takes the nearest, of two the even one, and keeps what is no number", "[tensor]") {
  if (!unsupported(bfloat16).empty()) DZ_SKIP(std::string(unsupported(bfloat16)));
  constexpr float inf = std::numeric_limits<float>::infinity();
  // 1 + 2⁻⁷ is the next after 1; the half between them goes to 1, the one after that to 1 + 2⁻⁶.
  const std::vector<float> from{0.0f, -0.0f, 1.0f, -1.0f, 1 + 0x1p-8f, 1 + 0x1.8p-8f, 1 + 0x1.8p-7f, -1 - 0x1.8p-7f, inf, -inf, std::numeric_limits<float>::max()};
  const std::vector<std::uint16_t> to{0x0000, 0x8000, 0x3f80, 0xbf80, 0x3f80, 0x3f81, 0x3f82, 0xbf82, 0x7f80, 0xff80, 0x7f80};
  std::vector<std::uint16_t> got(from.size());
  round_to_bfloat16(got.data(), from.data(), std::ssize(from));
  CHECK(got == to);
  for (const float nan : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN()}) {
    round_to_bfloat16(got.data(), &nan, 1);
    CHECK((got[0] & 0x7fff) > 0x7f80);
  }
}
