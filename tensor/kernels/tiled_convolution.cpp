// The three maps of a convolution in tiles that walk along images as they lie in cells (cells.hpp): a tile's rows are places, or elements of the window,
// each an offset from which every row of the image is seen alike. The matrix of windows is never laid out.

#include <algorithm>
#include <numeric>

#include <dz/tensor/kernels/cells.hpp>
#include <dz/tensor/kernels/tile_loop.hpp>
#include <dz/tensor/kernels/vectorised.hpp>
#include <dz/tensor/memory.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels::detail {
namespace {

constexpr std::int64_t block_places = 128;       // gone through together: what they see stays in a core's caches for all strips of the kernel
constexpr std::int64_t unit_cells = 12 << 10;    // of an image and its outputs, gone through together for a gradient by the kernel: a core's first cache
constexpr std::int64_t most_parts = 16;          // in which such a gradient is summed
constexpr std::int64_t part_elements = 1 << 19;  // of all these parts together

std::int64_t volume(Pair p) { return p.rows * p.columns; }
std::int64_t strips_in(std::int64_t columns) { return (columns + strip_columns - 1) / strip_columns; }
/// So many parts of a loop, each of so many multiply-adds, as are worth a thread.
std::int64_t worth_a_thread(std::int64_t products) { return std::max<std::int64_t>(1, grain_products * elementwise_grain / std::max<std::int64_t>(1, products)); }

/// So many pieces of memory of one type.
template <class T> class Space {
 public:
  explicit Space(std::int64_t n) : room_(static_cast<std::size_t>(n) * sizeof(T)) {}
  T* data() const { return static_cast<T*>(room_.piece()); }

 private:
  memory::Room room_;
};

// ---- tiles

/// A walk along cells: rows of runs of n cells.
struct Walk {
  std::int64_t n, step, runs, run_step, rows, row_step;

  std::int64_t cells() const { return n * runs * rows; }
};

/// Sums of `rows` walks that begin at these offsets, each cell multiplied by the next row of `right`, which lie `down` apart.
template <Precision p, int rows, int packs> DZ_BF16_LOOP void go_along(const Tile& t, const Cell* left, const std::int64_t* offsets, const Walk& w, const Cell* right, std::int64_t down) {
  Sum sum[rows][packs] = {};
  const Cell* row[rows];
  unrolled<rows>([&](auto r) DZ_BF16 { row[r] = left + offsets[r]; });
  const std::int64_t later = 8 * down;
  for (std::int64_t i = 0; i < w.rows; ++i)
    for (std::int64_t j = 0; j < w.runs; ++j) {
      std::int64_t at = i * w.row_step + j * w.run_step;
      for (const Cell* const end = right + w.n * down; right != end; at += w.step, right += down) {
        Sum along[packs];
        unrolled<packs>([&](auto c) DZ_BF16 { __builtin_prefetch(right + later + c * tile_width); });
        unrolled<packs>([&](auto c) DZ_BF16 { std::memcpy(&along[c], right + c * tile_width, sizeof(Sum)); });
        unrolled<rows>([&](auto r) DZ_BF16 { unrolled<packs>([&](auto c) DZ_BF16 { add_product<p>(sum[r][c], along[c], row[r] + at); }); });
      }
    }
  if (t.rows >= rows && t.columns >= packs * tile_width) finish<true>(t, sum, rows);
  else finish<false>(t, sum, t.rows);
}

using WalkingTile = void (*)(const Tile&, const Cell*, const std::int64_t*, const Walk&, const Cell*, std::int64_t);
/// For few or all rows, over one pack of columns or two.
struct WalkingTiles {
  WalkingTile of[2][2];

  void go(const Tile& t, const Cell* left, const std::int64_t* offsets, const Walk& w, const Cell* right, std::int64_t down) const {
    of[t.rows > few_rows][t.columns > tile_width](t, left, offsets, w, right, down);
  }
};
template <Precision p> constexpr WalkingTiles walking_tiles{{{go_along<p, few_rows, 1>, go_along<p, few_rows, 2>}, {go_along<p, tile_rows, 1>, go_along<p, tile_rows, 2>}}};
const WalkingTiles& tiles_for(Precision p) { return p == Precision::full ? walking_tiles<Precision::full> : walking_tiles<Precision::bfloat16>; }

// ---- the kernel as the right operand

/// A kernel's elements as a matrix wants them: for each of `outer` a window, and for each element of it `inner` channels, filled up with zeros to `whole`.
/// Steps are those of the kernel (out, in/groups, rows, columns).
struct KernelOrder {
  std::int64_t outer, outer_step, inner, inner_step, whole;
  Pair window, step;
  std::int64_t first;

  std::int64_t row() const { return volume(window) * whole; }
};
void lay_out(float* to, const float* kernel, const KernelOrder& o, std::int64_t begin, std::int64_t end) {
  for (std::int64_t a = begin; a < end; ++a)
    for (std::int64_t r = 0; r < o.window.rows; ++r)
      for (std::int64_t s = 0; s < o.window.columns; ++s, to += o.whole) {
        const float* from = kernel + o.first + a * o.outer_step + r * o.step.rows + s * o.step.columns;
        for (std::int64_t b = 0; b < o.inner; ++b) to[b] = from[b * o.inner_step];
        std::fill_n(to + o.inner, o.whole - o.inner, 0.0f);
      }
}

/// The strips of such a matrix, transposed: `outer` are the columns.
class KernelStrips {
 public:
  KernelStrips(const float* kernel, const KernelOrder& o, Precision precision)
      : cells_(o.row() / elements_of_cell(precision)), rows_(o.outer * o.row()), strips_(strips_in(o.outer) * strip_columns * cells_) {
    parallel_for(strips_in(o.outer), std::max<std::int64_t>(1, elementwise_grain / (strip_columns * o.row())), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        const std::int64_t from = k * strip_columns, last = std::min(o.outer, from + strip_columns);
        float* const rows = rows_.data() + from * o.row();
        lay_out(rows, kernel, o, from, last);
        const Matrix<const float> columns{rows, o.row(), last - from, 1, o.row()};
        const Strips s = strips_of(columns, precision);
        s.part(strips_.data() + from * cells_, s.of, 0, cells_, 0, last - from);
      }
    });
  }
  const Cell* strip(std::int64_t k) const { return strips_.data() + k * strip_columns * cells_; }

 private:
  std::int64_t cells_;
  Space<float> rows_;
  Space<Cell> strips_;
};

// ---- places that slide over an image

/// Places in rows and columns of each sample, each the first cell of what it sees: a step apart from column to column, row to row, sample to sample.
struct Sliding {
  const Cell* first;
  std::int64_t samples;
  Pair places;
  std::int64_t column, row, sample;

  std::int64_t count() const { return samples * volume(places); }
  /// The offsets of places [begin, begin + n).
  void offsets(std::int64_t* to, std::int64_t begin, std::int64_t n) const {
    std::int64_t line = begin / places.columns, j = begin % places.columns;
    for (std::int64_t k = 0; k < n; ++line, j = 0) {
      const std::int64_t here = line / places.rows * sample + line % places.rows * row;
      for (; j < places.columns && k < n; ++j) to[k++] = here + j * column;
    }
  }
};

/// out = what each place sees · kernel, finished.
void slide(const Matrix<float>& out, const Sliding& s, const Walk& w, const KernelStrips& kernel, Precision precision, const Finish<float>& finish) {
  const WalkingTiles& tiles = tiles_for(precision);
  const std::int64_t blocks = (out.rows + block_places - 1) / block_places, strips = strips_in(out.columns);
  parallel_for(blocks * strips, worth_a_thread(std::min(block_places, out.rows) * strip_columns * w.cells()), [&](std::int64_t begin, std::int64_t end) {
    std::int64_t offsets[block_places + tile_rows], of = -1;
    for (std::int64_t k = begin; k < end; ++k) {
      const std::int64_t from = k / strips * block_places, n = std::min(block_places, out.rows - from), j = k % strips * strip_columns;
      if (of != from) s.offsets(offsets, from, n), std::fill_n(offsets + n, tile_rows, offsets[n - 1]), of = from;
      for (std::int64_t i = 0; i < n; i += tile_rows) {
        const Tile t{out.data + (from + i) * out.row_stride + j, out.row_stride, n - i, std::min(strip_columns, out.columns - j), false, {finish.bias ? finish.bias + j : nullptr, finish.relu}};
        tiles.go(t, s.first, offsets + i, w, kernel.strip(k % strips), strip_columns);
      }
    }
  });
}

Pairs along_channels(Precision p) { return p == Precision::bfloat16 ? Pairs::channels : Pairs::none; }

/// The walk over a window: what lies side by side in the image is one run.
Walk over_window(const CellImages& m, Pair window, Pair dilation, std::int64_t groups) {
  if (groups == 1 && dilation.columns == 1) return {window.columns * m.point(), 1, 1, 0, window.rows, dilation.rows * m.row()};
  return {m.group(), 1, window.columns, dilation.columns * m.point(), window.rows, dilation.rows * m.row()};
}

/// The zeros that an image needs after its end, along one axis.
std::int64_t missing(std::int64_t size, std::int64_t places, std::int64_t window, std::int64_t stride, std::int64_t first, std::int64_t dilation) {
  return std::max<std::int64_t>(0, (places - 1) * stride + first + (window - 1) * dilation + 1 - size);
}
Margin margin_of(const Convolution& c) {
  const auto after = [&](std::int64_t Pair::*axis) { return missing(c.image.*axis, c.output.*axis, c.window.*axis, c.stride.*axis, -(c.padding.*axis), c.dilation.*axis); };
  return {c.padding, {after(&Pair::rows), after(&Pair::columns)}};
}
/// The places of a convolution over its image with that margin.
Sliding outputs_over(const CellImages& m, const Convolution& c, std::int64_t group) {
  return {m.data() + group * m.group(), m.samples(), c.output, c.stride.columns * m.point(), c.stride.rows * m.row(), m.sample()};
}

}  // namespace

void tiled_forward(const Convolution& c, Precision precision, const float* x, const float* w, const float* bias, bool relu, float* y) {
  const CellImages image({x, c.samples, c.image, c.in, c.groups}, along_channels(precision), margin_of(c), 1);
  const std::int64_t area = volume(c.window), in = c.group_in(), out = c.group_out();
  const KernelOrder order{out, area * in, in, area, rounded_up(in, elements_of_cell(precision)), c.window, {c.window.columns, 1}, 0};
  for (std::int64_t g = 0; g < c.groups; ++g) {
    const Sliding places = outputs_over(image, c, g);
    slide({y + g * out, places.count(), out, c.out, 1}, places, over_window(image, c.window, c.dilation, c.groups), KernelStrips(w + g * out * area * in, order, precision), precision,
          {bias ? bias + g * out : nullptr, relu});
  }
}

// ---- by input: the points of the image that lie a stride apart slide over the outputs

namespace {

/// Which elements of the kernel, along one axis, meet image points that lie a stride apart: `count` of them, `step` apart, from the last one on backwards.
/// Point number q of those sees the outputs q + first, q + first + dilation, …
struct Meeting {
  std::int64_t count, last, step, first, dilation;
};
Meeting meeting(std::int64_t point, std::int64_t window, std::int64_t stride, std::int64_t padding, std::int64_t dilation) {
  const std::int64_t common = std::gcd(stride, dilation), step = stride / common, beyond = point + padding, some = std::min(window, step);
  std::int64_t k = 0;
  while (k < some && (beyond - k * dilation) % stride != 0) ++k;
  if (k == some) return {0, 0, step, 0, 1};
  const std::int64_t count = (window - k + step - 1) / step, last = k + (count - 1) * step;
  return {count, last, step, (beyond - last * dilation) / stride, dilation / common};
}
/// How many points lie a stride apart, from this one on.
std::int64_t points_from(std::int64_t point, std::int64_t size, std::int64_t stride) { return (size - point - 1) / stride + 1; }

/// What the points see along one axis, and the outputs' margin for all of them.
struct Meetings {
  std::int64_t size, window, stride, padding, dilation;

  std::int64_t lines() const { return std::min(stride, size); }
  Meeting of(std::int64_t point) const { return meeting(point, window, stride, padding, dilation); }
  std::int64_t points(std::int64_t point) const { return points_from(point, size, stride); }
  std::pair<std::int64_t, std::int64_t> margin(std::int64_t outputs) const {
    std::int64_t before = 0, after = 0;
    for (std::int64_t p = 0; p < lines(); ++p) {
      const Meeting m = of(p);
      if (m.count == 0) continue;
      before = std::max(before, -m.first);
      after = std::max(after, missing(outputs, points(p), m.count, 1, m.first, m.dilation));
    }
    return {before, after};
  }
};

/// Points of the image that lie a stride apart, from `from` on, as rows of a matrix (or zeros), put in their places.
void spread(float* dx, const float* rows, const Convolution& c, Pair from, Pair points) {
  parallel_for(c.samples * points.rows, std::max<std::int64_t>(1, elementwise_grain / (points.columns * c.in)), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      const std::int64_t row = k / points.rows * c.image.rows + from.rows + k % points.rows * c.stride.rows;
      for (std::int64_t j = 0; j < points.columns; ++j) {
        float* const to = dx + (row * c.image.columns + from.columns + j * c.stride.columns) * c.in;
        if (rows) std::copy_n(rows + (k * points.columns + j) * c.in, c.in, to);
        else std::fill_n(to, c.in, 0.0f);
      }
    }
  });
}

}  // namespace

void tiled_by_input(const Convolution& c, Precision precision, const float* dy, const float* w, float* dx) {
  const Meetings down{c.image.rows, c.window.rows, c.stride.rows, c.padding.rows, c.dilation.rows}, along{c.image.columns, c.window.columns, c.stride.columns, c.padding.columns, c.dilation.columns};
  const auto [above, below] = down.margin(c.output.rows);
  const auto [left, right] = along.margin(c.output.columns);
  const CellImages outputs({dy, c.samples, c.output, c.out, c.groups}, along_channels(precision), {{above, left}, {below, right}}, 1);
  const std::int64_t area = volume(c.window), in = c.group_in(), out = c.group_out();
  const bool all = c.stride == Pair(1);
  for (std::int64_t i = 0; i < down.lines(); ++i)
    for (std::int64_t j = 0; j < along.lines(); ++j) {
      const Meeting rows = down.of(i), columns = along.of(j);
      const Pair points{down.points(i), along.points(j)}, window{rows.count, columns.count}, dilation{rows.dilation, columns.dilation};
      if (volume(window) == 0) {
        spread(dx, nullptr, c, {i, j}, points);
        continue;
      }
      const std::int64_t count = c.samples * volume(points);
      const Space<float> apart(all ? 0 : count * c.in);
      float* const to = all ? dx : apart.data();
      const KernelOrder order{in, area, out, area * in, rounded_up(out, elements_of_cell(precision)), window, {-rows.step * c.window.columns, -columns.step}, rows.last * c.window.columns + columns.last};
      for (std::int64_t g = 0; g < c.groups; ++g) {
        const Sliding places{outputs.data() + (above + rows.first) * outputs.row() + (left + columns.first) * outputs.point() + g * outputs.group(), c.samples, points, outputs.point(), outputs.row(),
                             outputs.sample()};
        slide({to + g * in, count, in, c.in, 1}, places, over_window(outputs, window, dilation, c.groups), KernelStrips(w + g * out * area * in, order, precision), precision, {});
      }
      if (!all) spread(dx, to, c, {i, j}, points);
    }
}

// ---- by kernel: the elements of the window walk along the places

namespace {

/// The places of all samples, cut into units of whole samples or of some rows of one, and these dealt out to parts, which are summed by themselves.
struct Units {
  std::int64_t samples, rows, rows_of_units, count, parts;

  Units(std::int64_t all_samples, std::int64_t all_rows, std::int64_t cells_of_sample, std::int64_t elements) {
    samples = std::clamp<std::int64_t>(unit_cells / cells_of_sample, 1, all_samples);
    rows = (all_rows - 1) / std::clamp<std::int64_t>((cells_of_sample + unit_cells - 1) / unit_cells, 1, all_rows) + 1;
    rows_of_units = (all_rows + rows - 1) / rows;
    count = (all_samples + samples - 1) / samples * rows_of_units;
    parts = std::clamp<std::int64_t>(part_elements / elements, 1, std::min(count, most_parts));
  }
};

/// The gradient by the kernel of one group.
struct KernelGradient {
  const Convolution& c;
  const CellImages &image, &outputs;
  const Units& units;
  std::int64_t group, elements;  // of the window
  const std::int64_t* offsets;   // theirs
  float* sums;                   // parts, each (elements, out)

  /// What the places of a unit add to the elements [from, to) of a part's sums.
  void add_unit(const WalkingTiles& tiles, std::int64_t u, float* sum, bool adds, std::int64_t from, std::int64_t to) const {
    const std::int64_t sample = u / units.rows_of_units * units.samples, row = u % units.rows_of_units * units.rows, out = c.group_out();
    const std::int64_t rows = std::min(units.rows, c.output.rows - row), samples = std::min(units.samples, image.samples() - sample);
    const Walk walk{c.output.columns, c.stride.columns * image.point(), rows, c.stride.rows * image.row(), samples, image.sample()};
    const Cell* const left = image.data() + group * image.group() + sample * image.sample() + row * c.stride.rows * image.row();
    const Cell* const right = outputs.data() + group * outputs.group() + sample * outputs.sample() + row * outputs.row();
    for (std::int64_t j = 0; j < out; j += strip_columns)
      for (std::int64_t e = from; e < to; e += tile_rows) tiles.go({sum + e * out + j, out, to - e, std::min(strip_columns, out - j), adds, {}}, left, offsets + e, walk, right + j, outputs.point());
  }
  /// Where there are few parts, their elements are dealt out as well.
  void compute(const WalkingTiles& tiles) const {
    const std::int64_t cuts = std::min((elements + tile_rows - 1) / tile_rows, most_parts / units.parts), height = (elements + cuts * tile_rows - 1) / (cuts * tile_rows) * tile_rows;
    const std::int64_t pieces = units.parts * cuts, products = c.samples * volume(c.output) / pieces * elements * c.group_out();
    parallel_for(pieces, worth_a_thread(products), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        const std::int64_t part = k / cuts, from = k % cuts * height, first = units.count * part / units.parts, last = units.count * (part + 1) / units.parts;
        for (std::int64_t u = first; u < last; ++u) add_unit(tiles, u, sums + part * elements * c.group_out(), u > first, from, std::min(elements, from + height));
      }
    });
  }
};

/// dw (out, in, rows, columns) from the sum of `parts` matrices (element of the window, out), which are added up in the first.
void add_up(float* dw, float* sums, std::int64_t parts, const Convolution& c) {
  const std::int64_t area = volume(c.window), in = c.group_in(), out = c.group_out(), size = area * in * out;
  parallel_for(parts > 1 ? size : 0, std::max<std::int64_t>(1, elementwise_grain / parts), [&](std::int64_t begin, std::int64_t end) {
    in_avx512([&]() __attribute__((always_inline)) {
      for (std::int64_t k = 1; k < parts; ++k)
        for (std::int64_t i = begin; i < end; ++i) sums[i] += sums[k * size + i];
    });
  });
  const KernelOrder order{out, 1, area, in * out, area, {1, in}, {0, out}, 0};
  parallel_for(out, std::max<std::int64_t>(1, elementwise_grain / (area * in)), [&](std::int64_t begin, std::int64_t end) { lay_out(dw + begin * area * in, sums, order, begin, end); });
}

}  // namespace

void tiled_by_kernel(const Convolution& c, Precision precision, const float* dy, const float* x, float* dw) {
  const Pairs pairs = precision == Precision::bfloat16 ? Pairs::samples : Pairs::none;
  const CellImages image({x, c.samples, c.image, c.in, c.groups}, pairs, margin_of(c), 1), outputs({dy, c.samples, c.output, c.out, c.groups}, pairs, {}, tile_width);
  const std::int64_t in = c.group_in(), out = c.group_out(), elements = volume(c.window) * in;
  const Units units(image.samples(), c.output.rows, image.sample() + outputs.sample(), elements * out);
  const Space<float> sums(units.parts * elements * out);
  const Space<std::int64_t> offsets(elements + tile_rows);
  const Sliding window{nullptr, c.window.rows, {c.window.columns, in}, 1, c.dilation.columns * image.point(), c.dilation.rows * image.row()};
  window.offsets(offsets.data(), 0, elements);
  std::fill_n(offsets.data() + elements, tile_rows, offsets.data()[elements - 1]);
  for (std::int64_t g = 0; g < c.groups; ++g) {
    KernelGradient{c, image, outputs, units, g, elements, offsets.data(), sums.data()}.compute(tiles_for(precision));
    add_up(dw + g * out * elements, sums.data(), units.parts, c);
  }
}

}  // namespace dz::kernels::detail
