#include <dz/tensor/kernels/tiles.hpp>

#include <algorithm>
#include <limits>
#include <utility>

#include <dz/tensor/kernels/tile_loop.hpp>
#include <dz/tensor/memory.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels::detail {
namespace {

constexpr std::int64_t part_cells = 512;     // along the common axis, gone through at a time
constexpr std::int64_t few_bands = 4;        // by which strips are not gone through often enough to lay them out
constexpr std::int64_t part_size = 1 << 17;  // cells of the right operand that are laid out at a time: half of a core's second cache

/// `rows` rows of a, n cells of each, by n rows of a strip.
template <Precision p, bool across, int rows, int packs> DZ_BF16_LOOP void go_through(const Tile& t, const LaidOut& a, const LaidOut& b, std::int64_t n) {
  Sum sum[rows][packs] = {};
  const Cell *left = a.first, *right = b.first;
  const std::int64_t row = across ? 1 : a.step, on = across ? a.step : 1, down = b.step;
  for (; n > 0; --n, left += on, right += down) {
    Sum along[packs];
    unrolled<packs>([&](auto c) DZ_BF16 { std::memcpy(&along[c], right + c * tile_width, sizeof(Sum)); });
    unrolled<rows>([&](auto r) DZ_BF16 { unrolled<packs>([&](auto c) DZ_BF16 { add_product<p>(sum[r][c], along[c], left + r * row); }); });
  }
  if (t.rows >= rows && t.columns >= packs * tile_width) finish<true>(t, sum, rows);
  else finish<false>(t, sum, t.rows);
}

using TileLoop = void (*)(const Tile& t, const LaidOut& a, const LaidOut& b, std::int64_t n);

/// How tiles of few or of all rows are gone through, over one pack of columns or two.
struct Loops {
  TileLoop of[2][2];
};
template <Precision p, bool across> constexpr Loops loops{{{go_through<p, across, few_rows, 1>, go_through<p, across, few_rows, 2>}, {go_through<p, across, tile_rows, 1>, go_through<p, across, tile_rows, 2>}}};

const Loops& loops_for(Precision precision, bool across) {
  constexpr auto full = Precision::full, bfloat16 = Precision::bfloat16;
  if (precision == full) return across ? loops<full, true> : loops<full, false>;
  return across ? loops<bfloat16, true> : loops<bfloat16, false>;
}

/// All rows of one strip of a product.
void strip_by_tiles(const Matrix<float>& out, const LaidOut& a, const LaidOut& b, std::int64_t n, const Loops& loops, bool adds, const Finish<float>& finish) {
  for (std::int64_t r = 0; r < out.rows; r += tile_rows) {
    const Tile t{out.data + r * out.row_stride, out.row_stride, out.rows - r, out.columns, adds, finish};
    for (std::int64_t k = 0; adds && k < std::min<std::int64_t>(tile_rows, t.rows); ++k)
      for (std::int64_t c = 0; c < t.columns; c += tile_width) __builtin_prefetch(t.out + k * t.step + c, 1);
    loops.of[t.rows > few_rows][t.columns > tile_width](t, {a.first + (a.across ? r : r * a.step), a.step}, b, n);
  }
}

struct Range {
  std::int64_t begin, end;
};
/// The part of [0, n) that is `index`'s of `shares`, in whole units.
Range share(std::int64_t n, std::int64_t unit, std::int64_t index, std::int64_t shares) {
  const std::int64_t units = (n + unit - 1) / unit;
  return {std::min(n, units * index / shares * unit), std::min(n, units * (index + 1) / shares * unit)};
}

struct TiledProduct {
  Matrix<float> out;
  const Bands& a;
  const Strips& b;
  const Loops& loops;
  Finish<float> finish;

  /// In whole strips: as many as are laid out together, or all.
  std::int64_t columns_at_a_time(const Range& columns) const {
    return std::min(part_size / std::min(part_cells, a.cells), columns.end - columns.begin + strip_columns - 1) / strip_columns * strip_columns;
  }
  /// Cells of a's part, and of b's.
  std::int64_t left_room() const { return band_rows * std::min(part_cells, a.cells); }
  std::int64_t right_room(std::int64_t columns) const { return columns * std::min(part_cells, a.cells); }

  /// One strip of a band.
  void strip(std::int64_t i, std::int64_t rows, std::int64_t j, const LaidOut& left, const LaidOut& right, std::int64_t cell, std::int64_t n) const {
    const bool last = cell + n == a.cells;
    const Matrix<float> part{out.data + i * out.row_stride + j, rows, std::min(strip_columns, out.columns - j), out.row_stride, 1};
    strip_by_tiles(part, left, right, n, loops, cell > 0, {last && finish.bias ? finish.bias + j : nullptr, last && finish.relu});
  }

  /// These rows and columns of the result.
  void compute(const Range& rows, const Range& columns, Cell* left, Cell* right) const {
    const std::int64_t together = columns_at_a_time(columns);
    const bool strips_lie = b.as_they_lie && rows.end - rows.begin <= few_bands * band_rows;
    for (std::int64_t cell = 0; cell < a.cells; cell += part_cells) {
      const std::int64_t n = std::min(part_cells, a.cells - cell);
      for (std::int64_t from = columns.begin; from < columns.end; from += together) {
        const std::int64_t to = std::min(from + together, columns.end), whole = strips_lie ? to / strip_columns * strip_columns : from;
        if (whole < to) b.part(right + (whole - from) * n, b.of, cell, n, whole, to);
        for (std::int64_t i = rows.begin; i < rows.end; i += band_rows) {
          const bool lies = a.as_they_lie && i + band_rows <= rows.end;
          if (!lies) a.part(left, a.of, i, cell, n);
          const LaidOut band = lies ? LaidOut{a.as_they_lie + i * a.step + cell, a.step} : LaidOut{left, a.across ? band_rows : n, a.across};
          for (std::int64_t j = from; j < to; j += strip_columns) {
            const LaidOut columns = j < whole ? LaidOut{b.as_they_lie + cell * b.step + j, b.step} : LaidOut{right + (j - from) * n, strip_columns};
            if (!lies) a.fetch(a.of, i + band_rows, cell, n, (j - from) / strip_columns, (to - from + strip_columns - 1) / strip_columns);  // while tiles are gone through
            strip(i, std::min(band_rows, rows.end - i), j, band, columns, cell, n);
          }
        }
      }
    }
  }
};

/// Into how many parts the rows, and the columns, are cut for so many threads, by what it costs beside the multiplying: cells laid out, strips four
/// times as dear as bands, and, where rows are cut to pieces, their way to the threads that go through the result's elements later.
std::pair<std::int64_t, std::int64_t> cut(const Matrix<float>& out, std::int64_t cells, std::int64_t threads) {
  const double rows = static_cast<double>(out.rows), columns = static_cast<double>(out.columns);
  std::pair<std::int64_t, std::int64_t> best{threads, 1};
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t along = 1; along <= threads; ++along) {
    if (threads % along != 0) continue;
    const std::int64_t down = threads / along;
    const double laid_out = static_cast<double>(cells) * (rows / 4 / static_cast<double>(down) + columns / static_cast<double>(along));
    const double cost = laid_out + (along > 1 ? rows * columns / static_cast<double>(threads) : 0);
    if (cost < least) best = {down, along}, least = cost;
  }
  return best;
}

}  // namespace

void product_in_tiles(const Matrix<float>& out, const LaidOut& a, const LaidOut& b, std::int64_t n, Precision precision, bool adds) {
  strip_by_tiles(out, a, b, n, loops_for(precision, a.across), adds, {});
}

void tiled_product(const Matrix<float>& out, const Bands& a, const Strips& b, Precision precision, const Finish<float>& finish) {
  const TiledProduct product{out, a, b, loops_for(precision, a.across), finish};
  const double work = static_cast<double>(out.rows) * static_cast<double>(out.columns) * static_cast<double>(a.cells);
  const std::int64_t threads = std::clamp<std::int64_t>(static_cast<std::int64_t>(work / (static_cast<double>(grain_products) * static_cast<double>(elementwise_grain))), 1, loop_threads());
  const auto [down, along] = cut(out, a.cells, threads);
  const std::int64_t wide = product.columns_at_a_time({0, out.columns});
  const std::int64_t left = product.left_room(), both = left + product.right_room(wide);
  const memory::Room room(static_cast<std::size_t>(threads * both) * sizeof(Cell));
  parallel_for(threads, 1, [&, along = along, down = down](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      Cell* const own = static_cast<Cell*>(room.piece()) + k * both;
      product.compute(share(out.rows, band_rows, k / along, down), share(out.columns, strip_columns, k % along, along), own, own + left);
    }
  });
}

}  // namespace dz::kernels::detail
