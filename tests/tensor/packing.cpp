// Operands as oneDNN's products take them: every element in its place, zeros around them, and the nearest bfloat16.

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
    values.resize(static_cast<std::size_t>(step * (in_rows ? rows : columns)));
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

template <class To> void check_packing(const Given& g, Precision precision) {
  const Matrix<const float>& m = g.matrix;
  INFO("(" << m.rows << ", " << m.columns << "), strides " << m.row_stride << " and " << m.column_stride << ", " << 8 * sizeof(To) << " bits");
  const std::int64_t block = rows_of_block(precision), pair = precision == Precision::bfloat16 ? 2 : 1;
  const std::int64_t depth = (m.rows + block - 1) / block * block, width = (m.columns + strip_columns - 1) / strip_columns * strip_columns;
  const To untouched = static_cast<To>(77);
  std::vector<To> strips(static_cast<std::size_t>(depth * width) + 1, untouched), rows(static_cast<std::size_t>(m.rows * m.columns) + 1, untouched);
  pack_strips(strips.data(), m, precision);
  pack_rows(rows.data(), m, precision);
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < depth; ++i)
    for (std::int64_t j = 0; j < width; ++j) {
      const std::int64_t within = (i / pair * strip_columns + j % strip_columns) * pair + i % pair;
      wrong += strips[static_cast<std::size_t>(j / strip_columns * strip_columns * depth + within)] != expected<To>(g.at(i, j));
      if (i < m.rows && j < m.columns) wrong += rows[static_cast<std::size_t>(i * m.columns + j)] != expected<To>(g.at(i, j));
    }
  CHECK(wrong == 0);
  CHECK(strips.back() == untouched);
  CHECK(rows.back() == untouched);
}

}  // namespace

TEST_CASE("operands of products are packed element by element, and zeros fill the blocks", "[tensor]") {
  if (active_isa() != Isa::avx512) DZ_SKIP("this processor has no AVX-512");
  const bool rounds = unsupported(bfloat16).empty();
  for (const auto& [rows, columns] : {std::pair{1, 1}, {1, 70}, {70, 1}, {2, 3}, {16, 64}, {17, 65}, {31, 15}, {33, 130}, {64, 16}, {300, 200}})
    for (const bool in_rows : {true, false})
      for (const std::int64_t gap : {0, 3}) {
        const Given g(rows, columns, in_rows, gap);
        if (!in_rows) check_packing<float>(g, Precision::full);
        if (rounds) check_packing<std::uint16_t>(g, Precision::bfloat16);
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
