// Products whose operands both lie along their common axis, of few columns or few rows: the first layer of a network on photographs, dense layers
// of small batches. Tiles of four by five dot products are held in vector registers; no operand is laid out anew, and no lane is wasted on columns
// that are not there.

#include <dz/tensor/kernels/matmul.hpp>
#include <dz/tensor/kernels/vectorised.hpp>

namespace dz::kernels::detail {
namespace {

using V = Pack<float>::V;
constexpr int lanes = Pack<float>::width;
constexpr int tile_rows = 4, tile_columns = 5;  // 20 sums and what they take stay within AVX-512's 32 registers
constexpr std::int64_t stretch = 4096;          // of the common axis; all tiles go through it before the next, so what they share stays in the L2 cache

/// out (rows, columns) = the products over n terms of a's rows and b's columns, or those added to what stands there.
template <int rows, int columns>
DZ_AVX512 inline void tile(float* out, std::int64_t out_step, const float* a, std::int64_t a_step, const float* b, std::int64_t b_step, std::int64_t n, bool adds) {
  V sum[rows][columns] = {};
  const auto add = [&](std::int64_t k, std::int64_t count) DZ_AVX512 {  // of whole packs, count is a constant
    V y[columns];
    for (int j = 0; j < columns; ++j) y[j] = load_lanes(b + j * b_step + k, count);
    for (int i = 0; i < rows; ++i) {
      const V x = load_lanes(a + i * a_step + k, count);
      for (int j = 0; j < columns; ++j) sum[i][j] += x * y[j];
    }
  };
  std::int64_t k = 0;
  for (; k + lanes <= n; k += lanes) add(k, lanes);
  if (k < n) add(k, n - k);
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) out[i * out_step + j] = sum_of(Pack<float>(sum[i][j])) + (adds ? out[i * out_step + j] : 0);
}

/// Tiles of `rows` rows, columns [first, last).
template <int rows> DZ_AVX512 inline void strip(const Matrix<float>& out, const Matrix<const float>& a, const Matrix<const float>& b, std::int64_t row, std::int64_t first, std::int64_t last, std::int64_t from, std::int64_t n) {
  float* const y = out.data + row * out.row_stride;
  const float *const x = a.data + row * a.row_stride + from, *w = b.data + from;
  std::int64_t j = first;
  for (; j + tile_columns <= last; j += tile_columns) tile<rows, tile_columns>(y + j, out.row_stride, x, a.row_stride, w + j * b.column_stride, b.column_stride, n, from > 0);
  for (; j < last; ++j) tile<rows, 1>(y + j, out.row_stride, x, a.row_stride, w + j * b.column_stride, b.column_stride, n, from > 0);
}

/// Rows and columns [first, last), of all terms.
struct Block {
  std::int64_t first_row, last_row, first_column, last_column;
};
void compute(const Matrix<float>& out, const Matrix<const float>& a, const Matrix<const float>& b, const Block& block) {
  in_avx512([&, out = out, a = a, b = b, block = block]() DZ_AVX512 {
    for (std::int64_t from = 0; from < a.columns; from += stretch) {
      const std::int64_t n = std::min(stretch, a.columns - from);
      std::int64_t i = block.first_row;
      for (; i + tile_rows <= block.last_row; i += tile_rows) strip<tile_rows>(out, a, b, i, block.first_column, block.last_column, from, n);
      for (; i < block.last_row; ++i) strip<1>(out, a, b, i, block.first_column, block.last_column, from, n);
    }
  });
}

}  // namespace

bool is_dot_product(const Matrix<const float>& a, const Matrix<const float>& b, Precision precision) {
  return active_isa() == Isa::avx512 && a.column_stride == 1 && b.row_stride == 1 && a.columns >= dot_terms &&
         (b.columns <= dot_columns || (precision == Precision::full && a.rows <= dot_rows));
}

void dot_matmul(const Matrix<float>& out, const Matrix<const float>& a, const Matrix<const float>& b) {
  // Threads share the longer side, and go through the shorter one for each tile of theirs.
  const bool by_rows = out.rows > out.columns;
  const std::int64_t unit = by_rows ? tile_rows : tile_columns, n = by_rows ? out.rows : out.columns, other = by_rows ? out.columns : out.rows;
  parallel_for((n + unit - 1) / unit, std::max<std::int64_t>(1, elementwise_grain / (a.columns * other)), [&](std::int64_t begin, std::int64_t end) {
    if (by_rows) return compute(out, a, b, {begin * unit, std::min(n, end * unit), 0, out.columns});
    for (std::int64_t k = begin; k < end; ++k) compute(out, a, b, {0, out.rows, k * unit, std::min(n, (k + 1) * unit)});
  });
}

}  // namespace dz::kernels::detail
