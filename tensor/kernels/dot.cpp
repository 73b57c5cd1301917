// Products whose operands both lie along their common axis, few columns wide: the first layer of a network on photographs. Tiles of four by
// five dot products are held in vector registers; no operand is packed, and no lane is wasted on columns that are not there.

#include <dz/tensor/kernels/matmul.hpp>
#include <dz/tensor/kernels/vectorised.hpp>

namespace dz::kernels::detail {
namespace {

using V = Pack<float>::V;
constexpr int lanes = Pack<float>::width;
constexpr int tile_rows = 4, tile_columns = 5;  // 20 sums and what they take stay within AVX-512's 32 registers
constexpr std::int64_t stretch = 4096;          // of the common axis; all tiles go through it before the next, so b's part stays in the L2 cache

/// out (rows, columns) += the products over n terms of a's rows and b's columns.
template <int rows, int columns>
DZ_INLINE void tile(float* out, std::int64_t out_step, const float* a, std::int64_t a_step, const float* b, std::int64_t b_step, std::int64_t n) {
  V sum[rows][columns] = {};
  const auto add = [&](std::int64_t k, std::int64_t count) __attribute__((always_inline)) {  // of whole packs, count is a constant
    V y[columns];
    for (int j = 0; j < columns; ++j) y[j] = load<float>(b + j * b_step + k, 1, count).v;
    for (int i = 0; i < rows; ++i) {
      const V x = load<float>(a + i * a_step + k, 1, count).v;
      for (int j = 0; j < columns; ++j) sum[i][j] += x * y[j];
    }
  };
  std::int64_t k = 0;
  for (; k + lanes <= n; k += lanes) add(k, lanes);
  if (k < n) add(k, n - k);
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) out[i * out_step + j] += sum_of(sum[i][j]);
}

template <int rows> DZ_INLINE void strip(const Matrix<float>& out, const Matrix<const float>& a, const Matrix<const float>& b, std::int64_t row, std::int64_t from, std::int64_t n) {
  float* const y = out.data + row * out.row_stride;
  const float *const x = a.data + row * a.row_stride + from, *w = b.data + from;
  std::int64_t j = 0;
  for (; j + tile_columns <= out.columns; j += tile_columns) tile<rows, tile_columns>(y + j, out.row_stride, x, a.row_stride, w + j * b.column_stride, b.column_stride, n);
  for (; j < out.columns; ++j) tile<rows, 1>(y + j, out.row_stride, x, a.row_stride, w + j * b.column_stride, b.column_stride, n);
}

}  // namespace

bool is_dot_product(const Matrix<const float>& a, const Matrix<const float>& b) {
  return active_isa() == Isa::avx512 && a.column_stride == 1 && b.row_stride == 1 && a.columns >= dot_terms && b.columns <= dot_columns;
}

void dot_matmul(const Matrix<float>& out, const Matrix<const float>& a, const Matrix<const float>& b) {
  const std::int64_t strips = (out.rows + tile_rows - 1) / tile_rows;
  parallel_for(strips, std::max<std::int64_t>(1, elementwise_grain / (a.columns * out.columns)), [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t last = std::min(out.rows, end * tile_rows);
    in_avx512([&]() __attribute__((always_inline)) {
      for (std::int64_t i = begin * tile_rows; i < last; ++i) std::fill_n(out.data + i * out.row_stride, out.columns, 0.0f);
      for (std::int64_t from = 0; from < a.columns; from += stretch) {
        const std::int64_t n = std::min(stretch, a.columns - from);
        std::int64_t i = begin * tile_rows;
        for (; i + tile_rows <= last; i += tile_rows) strip<tile_rows>(out, a, b, i, from, n);
        for (; i < last; ++i) strip<1>(out, a, b, i, from, n);
      }
    });
  });
}

}  // namespace dz::kernels::detail
