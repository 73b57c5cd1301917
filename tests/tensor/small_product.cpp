// Products in a core's registers: sizes on both sides of every tile, layouts, and what becomes of the sums.

#include <dz/tensor/kernels/small_product.hpp>

#include <algorithm>
#include <cmath>

#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::kernels::detail;

namespace {

/// Values of a (rows, columns) matrix in rows or in columns, with a gap between each two; nothing may be read behind the last.
template <class T> struct Given {
  std::vector<T> values;
  Matrix<const T> matrix;

  Given(std::int64_t rows, std::int64_t columns, bool in_rows, std::int64_t gap, double phase) {
    const std::int64_t step = (in_rows ? columns : rows) + gap;
    values.resize(static_cast<std::size_t>(std::max<std::int64_t>(step * (in_rows ? rows : columns) - gap, 0)));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(std::sin(phase + static_cast<double>(i)));
    matrix = {values.data(), rows, columns, in_rows ? step : 1, in_rows ? 1 : step};
  }
  double at(std::int64_t i, std::int64_t j) const { return static_cast<double>(matrix.data[i * matrix.row_stride + j * matrix.column_stride]); }
};

template <class T> void check_product(std::int64_t m, std::int64_t n, std::int64_t k, bool a_in_rows, bool b_in_rows, std::int64_t gap) {
  INFO("(" << m << ", " << k << ")·(" << k << ", " << n << "), " << a_in_rows << b_in_rows << ", gap " << gap << ", " << sizeof(T) << " bytes");
  const Given<T> a(m, k, a_in_rows, gap, 1), b(k, n, b_in_rows, gap, 2), before(m, n, true, gap, 3);
  const Given<T> bias(1, n, true, 0, 4);
  std::vector<T> room(static_cast<std::size_t>(k * in_packs<T>(n)) + 1, T(77));
  T* next = room.data();
  const Matrix<const T> right = in_packed_rows(b.matrix, next);
  CHECK(room.back() == T(77));
  for (const Epilogue<T>& epilogue : {Epilogue<T>{}, Epilogue<T>{.factor = T(0.5), .adds = true}, Epilogue<T>{.bias = bias.values.data()}}) {
    std::vector<T> out = before.values;
    small_product(Matrix<T>{out.data(), m, n, n + gap, 1}, a.matrix, right, epilogue);
    double worst = 0;
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (std::int64_t l = 0; l < k; ++l) sum += a.at(i, l) * b.at(l, j);
        const double expected = (epilogue.bias ? bias.at(0, j) : 0) + static_cast<double>(epilogue.factor) * sum + (epilogue.adds ? before.at(i, j) : 0);
        worst = std::max(worst, std::abs(static_cast<double>(out[static_cast<std::size_t>(i * (n + gap) + j)]) - expected));
      }
    CHECK(worst < (sizeof(T) == 4 ? 2e-6 : 4e-15) * static_cast<double>(k + 1));
    std::int64_t touched = 0;  // between the rows
    for (std::int64_t i = 0; i + 1 < m; ++i)
      for (std::int64_t j = n; j < n + gap; ++j) touched += out[static_cast<std::size_t>(i * (n + gap) + j)] != before.values[static_cast<std::size_t>(i * (n + gap) + j)];
    CHECK(touched == 0);
  }
}

}  // namespace

TEST_CASE("small products are those of plain loops, on every instruction set", "[kernels]") {
  const auto isa = GENERATE(Isa::baseline, Isa::avx2, Isa::avx512);
  limit_isa(isa);
  for (const std::int64_t m : {1, 3, 4, 5, 16, 18})
    for (const std::int64_t n : {1, 7, 8, 9, 16, 17, 32, 33, 64, 65, 100})
      for (const std::int64_t k : {0, 1, 16, 33})
        for (const bool a_in_rows : {true, false})
          for (const bool b_in_rows : {true, false})
            for (const std::int64_t gap : {0, 1, 3}) {
              check_product<float>(m, n, k, a_in_rows, b_in_rows, gap);
              check_product<double>(m, n, k, a_in_rows, b_in_rows, gap);
            }
  limit_isa(Isa::avx512);
}
