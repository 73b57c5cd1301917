#include <dz/tensor/kernels/tiles.hpp>

#include <algorithm>
#include <limits>
#include <utility>

#include <dz/tensor/kernels/tile_loop.hpp>
#include <dz/tensor/memory.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels::detail {
namespace {

using dz::detail::Range;
using dz::detail::share;

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
  void strip(std::int64_t i, std::int64_t rows, std::int64_t j, const LaidOut& left, const LaidOut& right, std::int64_t n, bool adds, bool last) const {
    const Matrix<float> part{out.data + i * out.row_stride + j, rows, std::min(strip_columns, out.columns - j), out.row_stride, 1};
    strip_by_tiles(part, left, right, n, loops, adds, {last && finish.bias ? finish.bias + j : nullptr, last && finish.relu});
  }

  /// These rows and columns of the result, as far as these cells make them.
  void compute(const Range& rows, const Range& columns, const Range& cells, Cell* left, Cell* right) const {
    const std::int64_t together = columns_at_a_time(columns);
    const bool strips_lie = b.as_they_lie && rows.end - rows.begin <= few_bands * band_rows;
    for (std::int64_t cell = cells.begin; cell < cells.end; cell += part_cells) {
      const std::int64_t n = std::min(part_cells, cells.end - cell);
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
            strip(i, std::min(band_rows, rows.end - i), j, band, columns, n, cell > cells.begin, cell + n == cells.end);
          }
        }
      }
    }
  }
};

/// Into how many parts the rows, the columns and the common axis of a product are cut, together one for each thread.
struct Cut {
  std::int64_t down, along, deep;
};
/// The cheapest, by what it costs beside the multiplying: elements laid out, strips four times as dear as bands; where columns are cut, the result's way to the
/// threads that go through it later; where the common axis is, the adding of two results. Its halves mostly lie in the caches of the threads that take them.
Cut cut(const Matrix<float>& out, std::int64_t common, std::int64_t threads, bool may_be_added) {
  constexpr double adding = 0.4;  // of an element, in layings out
  const double rows = static_cast<double>(out.rows), columns = static_cast<double>(out.columns);
  Cut best{threads, 1, 1};
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t deep = 1; deep <= (may_be_added ? 2 : 1); ++deep)
    for (std::int64_t along = 1; along * deep <= threads; ++along) {
      if (threads % (along * deep) != 0) continue;
      const std::int64_t down = threads / (along * deep);
      const double laid_out = static_cast<double>(common) / static_cast<double>(deep) * (rows / 4 / static_cast<double>(down) + columns / static_cast<double>(along));
      const double cost = laid_out + (along > 1 ? rows * columns / static_cast<double>(threads) : 0) + (deep > 1 ? rows * columns * adding : 0);
      if (cost < least) best = {down, along, deep}, least = cost;
    }
  return best;
}

/// out += second, which lies in rows without gaps.
void add(const Matrix<float>& out, const float* second) {
  parallel_for(out.rows, std::max<std::int64_t>(1, elementwise_grain / out.columns), [&](std::int64_t begin, std::int64_t end) {
    in_avx512([&]() __attribute__((always_inline)) {
      for (std::int64_t i = begin; i < end; ++i)
        for (std::int64_t j = 0; j < out.columns; ++j) out.data[i * out.row_stride + j] += second[i * out.columns + j];
    });
  });
}

}  // namespace

void product_in_tiles(const Matrix<float>& out, const LaidOut& a, const LaidOut& b, std::int64_t n, Precision precision, bool adds) {
  strip_by_tiles(out, a, b, n, loops_for(precision, a.across), adds, {});
}

void tiled_product(const Matrix<float>& out, const Bands& a, const Strips& b, Precision precision, const Finish<float>& finish) {
  const double work = static_cast<double>(out.rows) * static_cast<double>(out.columns) * static_cast<double>(a.cells);
  const std::int64_t threads = std::clamp<std::int64_t>(static_cast<std::int64_t>(work / (static_cast<double>(grain_products) * static_cast<double>(elementwise_grain))), 1, loop_threads());
  const auto [down, along, deep] = cut(out, a.cells * elements_of_cell(precision), threads, !finish.bias && !finish.relu);
  const TiledProduct product{out, a, b, loops_for(precision, a.across), finish};
  const std::int64_t left = product.left_room(), both = left + product.right_room(product.columns_at_a_time({0, out.columns}));
  const memory::Room room(static_cast<std::size_t>(threads * both + (deep > 1 ? out.rows * out.columns : 0)) * sizeof(Cell));
  Cell* const rooms = static_cast<Cell*>(room.piece());
  float* const second = reinterpret_cast<float*>(rooms + threads * both);
  const TiledProduct halves[2] = {product, {{second, out.rows, out.columns, out.columns, 1}, a, b, product.loops, finish}};
  parallel_for(threads, 1, [&, along = along, down = down, deep = deep](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      Cell* const own = rooms + k * both;
      const std::int64_t half = k / (down * along), piece = k % (down * along);
      halves[half].compute(share(out.rows, band_rows, piece / along, down), share(out.columns, strip_columns, piece % along, along), share(a.cells, 1, half, deep), own, own + left);
    }
  });
  if (deep > 1) add(out, second);
}

}  // namespace dz::kernels::detail
