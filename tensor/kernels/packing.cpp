#include <dz/tensor/kernels/packing.hpp>

#include <dz/tensor/kernels/vectorised.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels::detail {
namespace {

constexpr int lanes = Pack<float>::width;
using Cells = dz::detail::Vector<Cell, 4 * lanes>::Type;
using Halves = dz::detail::Vector<std::uint16_t, 4 * lanes>::Type;
using Floats = Pack<float>::V;
using dz::detail::bits_to;

/// Gone through together where rows are laid out in strips: cells of one row go to addresses that fall on the same lines of a core's first cache.
constexpr std::int64_t few_strips = 8;

template <Precision p> constexpr int per_cell = static_cast<int>(elements_of_cell(p));

/// The nearest bfloat16s of both, one behind the other.
DZ_INLINE Halves rounded(const Floats& first, const Floats& second) {
  Halves both;
#if defined(__x86_64__) && !defined(__clang__)
  // Whoever asks for bfloat16 has the instruction. (Its intrinsic is refused here, where the function is one of every instruction set.)
  asm("vcvtne2ps2bf16 %2, %1, %0" : "=v"(both) : "v"(second), "v"(first));
#else
  using Part = dz::detail::Vector<std::uint16_t, 2 * lanes>::Type;
  const auto nearest = [](const Floats& x) __attribute__((always_inline)) {
    const Cells bits = bits_to<Cells>(x), number = bits_to<Cells>(x == x);
    return __builtin_convertvector((((bits + 0x7fff + (bits >> 16 & 1)) & number) | ((bits | 0x400000) & ~number)) >> 16, Part);  // a NaN stays one
  };
  const Part parts[2] = {nearest(first), nearest(second)};
  std::memcpy(&both, parts, sizeof both);
#endif
  return both;
}

/// Lanes [0, n) of the floats from p on, the others 0.
DZ_INLINE Floats load_floats(const float* p, std::int64_t n) { return n > 0 ? load<float>(p, 1, n).v : Floats{}; }

/// Cells of which the second elements lie `step` floats behind the first, the neighbours of both beside them; the second may be wanting.
template <Precision p> DZ_INLINE Cells beside(const float* from, std::int64_t step, bool both, std::int64_t n) {
  const Floats first = load_floats(from, n);
  if constexpr (p == Precision::full) return bits_to<Cells>(first);
  else {
    const Halves halves = rounded(first, both ? load_floats(from + step, n) : Floats{});
    return [&]<int... l>(std::integer_sequence<int, l...>) __attribute__((always_inline)) {
      return bits_to<Cells>(__builtin_shufflevector(halves, halves, (l / 2 + l % 2 * lanes)...));
    }(std::make_integer_sequence<int, 2 * lanes>{});
  }
}

/// n floats (at most as many as a pack of cells holds) that follow each other.
template <Precision p> DZ_INLINE Cells following(const float* from, std::int64_t n) {
  if constexpr (p == Precision::full) return bits_to<Cells>(load_floats(from, n));
  else return bits_to<Cells>(rounded(load_floats(from, n), load_floats(from + lanes, n - lanes)));
}

/// The first n cells, or all.
template <class To> DZ_INLINE void store_cells(To* to, const Cells& c, std::int64_t n) {
  if (n >= lanes) std::memcpy(to, &c, sizeof c);
  else std::memcpy(to, &c, sizeof(To) * static_cast<std::size_t>(n));
}

/// Exchanges, of two rows `distance` apart, the lanes that lie on the wrong side of the diagonal.
template <int distance> DZ_INLINE void exchange(Cells& a, Cells& b) {
  [&]<int... l>(std::integer_sequence<int, l...>) __attribute__((always_inline)) {
    const Cells upper = __builtin_shufflevector(a, b, (l & distance ? lanes + l - distance : l)...);
    b = __builtin_shufflevector(a, b, (l & distance ? lanes + l : l + distance)...);
    a = upper;
  }(std::make_integer_sequence<int, lanes>{});
}
template <int distance> DZ_INLINE void exchange_all(Cells (&rows)[lanes]) {
  for (int i = 0; i < lanes; ++i)
    if (!(i & distance)) exchange<distance>(rows[i], rows[i + distance]);
}
DZ_INLINE void transpose(Cells (&rows)[lanes]) {
  exchange_all<8>(rows);
  exchange_all<4>(rows);
  exchange_all<2>(rows);
  exchange_all<1>(rows);
}

/// Asks for the floats of a pack of cells, long before they are read.
template <Precision p> DZ_INLINE void fetch(const float* from) {
  for (int i = 0; i < per_cell<p>; ++i) __builtin_prefetch(from + i * lanes, 0, 2);
}

template <Precision p> void band_of_rows(Cell* to, const void* of, std::int64_t row, std::int64_t cell, std::int64_t n) {
  const auto& m = *static_cast<const Matrix<const float>*>(of);
  in_avx512([=, m = m]() __attribute__((always_inline)) {
    const std::int64_t rows = std::min(band_rows, m.rows - row), step = m.row_stride;
    const float* const first = m.data + row * step + cell * per_cell<p>;
    const std::int64_t whole = std::min(n, m.columns / per_cell<p> - cell) / lanes * lanes;
    if (rows == band_rows)
      for (std::int64_t k = 0; k < whole; k += lanes) {  // all rows at once: memory is slow to begin with each
        const float* from = first + k * per_cell<p>;
        Cell* y = to + k;
        for (int i = 0; i < band_rows; ++i, from += step, y += n) {
          const Cells c = following<p>(from, per_cell<p> * lanes);
          std::memcpy(y, &c, sizeof c);
        }
      }
    for (std::int64_t k = rows == band_rows ? whole : 0; k < n; k += lanes)
      for (std::int64_t i = 0; i < rows; ++i) store_cells(to + i * n + k, following<p>(first + i * step + k * per_cell<p>, m.columns - (cell + k) * per_cell<p>), n - k);
    for (std::int64_t i = rows * n; i < band_rows * n; ++i) to[i] = 0;
  });
}

template <Precision p> void band_across_columns(Cell* to, const void* of, std::int64_t row, std::int64_t cell, std::int64_t n) {
  const auto& m = *static_cast<const Matrix<const float>*>(of);
  in_avx512([=, m = m]() __attribute__((always_inline)) {
    Cell* y = to;
    for (std::int64_t at = cell * per_cell<p>, end = at + n * per_cell<p>; at < end; at += per_cell<p>, y += band_rows) {
      const Cells c = beside<p>(m.data + row + at * m.column_stride, m.column_stride, at + 1 < m.columns, m.rows - row);
      std::memcpy(y, &c, sizeof c);
    }
  });
}

/// Of the lines of memory that a band's part is made of, those that are number `index` of so many shares.
template <Precision p> void fetch_rows(const void* of, std::int64_t row, std::int64_t cell, std::int64_t n, std::int64_t index, std::int64_t shares) {
  const auto& m = *static_cast<const Matrix<const float>*>(of);
  const std::int64_t rows = std::min(band_rows, m.rows - row);
  for (std::int64_t i = rows * index / shares; i < rows * (index + 1) / shares; ++i)
    for (std::int64_t k = 0; k < n * per_cell<p>; k += lanes) __builtin_prefetch(m.data + (row + i) * m.row_stride + cell * per_cell<p> + k, 0, 2);
}
template <Precision p> void fetch_across(const void* of, std::int64_t row, std::int64_t cell, std::int64_t n, std::int64_t index, std::int64_t shares) {
  const auto& m = *static_cast<const Matrix<const float>*>(of);
  if (row >= m.rows) return;
  const std::int64_t first = cell * per_cell<p>, count = std::min(n * per_cell<p>, m.columns - first);
  for (std::int64_t i = count * index / shares; i < count * (index + 1) / shares; ++i) __builtin_prefetch(m.data + row + (first + i) * m.column_stride, 0, 2);
}

template <Precision p> void strips_of_rows(Cell* to, const void* of, std::int64_t cell, std::int64_t n, std::int64_t from, std::int64_t last) {
  const auto& m = *static_cast<const Matrix<const float>*>(of);
  in_avx512([=, m = m]() __attribute__((always_inline)) {
    for (std::int64_t some = from; some < last; some += few_strips * strip_columns)
      for (std::int64_t k = 0; k < n; ++k) {
        const std::int64_t at = (cell + k) * per_cell<p>, end = std::min(last, some + few_strips * strip_columns);
        const float *const row = m.data + at * m.row_stride, *const later = row + 8 * per_cell<p> * m.row_stride;
        Cell* strip = to + (some - from) * n + k * strip_columns;
        for (std::int64_t j = some; j < end; j += strip_columns, strip += n * strip_columns)
          for (std::int64_t c = 0; c < strip_columns; c += lanes) {
            __builtin_prefetch(later + j + c);
            if constexpr (p == Precision::bfloat16) __builtin_prefetch(later + m.row_stride + j + c);
            const Cells cells = beside<p>(row + j + c, m.row_stride, at + 1 < m.rows, m.columns - j - c);
            std::memcpy(strip + c, &cells, sizeof cells);
          }
      }
  });
}

template <Precision p> void strips_across_columns(Cell* to, const void* of, std::int64_t cell, std::int64_t n, std::int64_t from, std::int64_t last) {
  const auto& m = *static_cast<const Matrix<const float>*>(of);
  in_avx512([=, m = m]() __attribute__((always_inline)) {
    for (std::int64_t j = from; j < from + (last - from + strip_columns - 1) / strip_columns * strip_columns; j += lanes) {
      Cell* const strip = to + (j - from) / strip_columns * strip_columns * n + (j - from) % strip_columns;
      for (std::int64_t k = 0; k < n; k += lanes) {
        const std::int64_t at = (cell + k) * per_cell<p>;
        Cells c[lanes];
        for (int i = 0; i < lanes; ++i) {
          fetch<p>(m.data + at + (j + lanes + i) * m.column_stride);
          c[i] = following<p>(m.data + at + (j + i) * m.column_stride, j + i < m.columns ? m.rows - at : 0);
        }
        transpose(c);
        for (std::int64_t i = 0; i < std::min<std::int64_t>(lanes, n - k); ++i) std::memcpy(strip + (k + i) * strip_columns, &c[i], sizeof c[i]);
      }
    }
  });
}

/// `lanes` rows of a matrix that lies in columns, from `row` on.
DZ_INLINE void turn_rows(float* to, const Matrix<const float>& m, std::int64_t row) {
  const std::int64_t n = std::min<std::int64_t>(lanes, m.rows - row);
  for (std::int64_t column = 0; column < m.columns; column += lanes) {
    Cells c[lanes];
    for (int i = 0; i < lanes; ++i) c[i] = bits_to<Cells>(load_floats(m.data + row + (column + i) * m.column_stride, column + i < m.columns ? n : 0));
    transpose(c);
    for (std::int64_t i = 0; i < n; ++i) store_cells(to + (row + i) * m.columns + column, c[i], m.columns - column);
  }
}

DZ_INLINE void round_run(std::uint16_t* to, const float* from, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const Cells c = following<Precision::bfloat16>(from + i, 2 * lanes);
    std::memcpy(to + i, &c, sizeof c);
  }
  if (i == n) return;
  const Cells c = following<Precision::bfloat16>(from + i, n - i);
  std::memcpy(to + i, &c, sizeof(std::uint16_t) * static_cast<std::size_t>(n - i));
}

DZ_INLINE void round_cells(Cell* to, const float* first, const float* second, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += lanes) store_cells(to + i, beside<Precision::bfloat16>(first + i, second ? second - first : 0, second != nullptr, n - i), n - i);
}

/// What does not lie in rows lies in columns.
bool lies_in_rows(const Matrix<const float>& m) { return m.column_stride == 1 || m.columns == 1; }

std::int64_t cells_of(std::int64_t elements, Precision p) { return (elements + elements_of_cell(p) - 1) / elements_of_cell(p); }

}  // namespace

Bands bands_of(const Matrix<const float>& m, Precision precision) {
  const bool across = !lies_in_rows(m), full = precision == Precision::full;
  const auto part = across ? (full ? band_across_columns<Precision::full> : band_across_columns<Precision::bfloat16>)
                           : (full ? band_of_rows<Precision::full> : band_of_rows<Precision::bfloat16>);
  const auto fetch = across ? (full ? fetch_across<Precision::full> : fetch_across<Precision::bfloat16>)
                            : (full ? fetch_rows<Precision::full> : fetch_rows<Precision::bfloat16>);
  return {&m, cells_of(m.columns, precision), across, part, fetch, full && !across ? reinterpret_cast<const Cell*>(m.data) : nullptr, m.row_stride};
}

Strips strips_of(const Matrix<const float>& m, Precision precision) {
  const bool full = precision == Precision::full, lies = lies_in_rows(m);
  const auto part = lies ? (full ? strips_of_rows<Precision::full> : strips_of_rows<Precision::bfloat16>)
                         : (full ? strips_across_columns<Precision::full> : strips_across_columns<Precision::bfloat16>);
  return {&m, cells_of(m.rows, precision), part, full && lies ? reinterpret_cast<const Cell*>(m.data) : nullptr, m.row_stride};
}

void round_to_bfloat16(std::uint16_t* to, const float* from, std::int64_t n) {
  parallel_for(n, elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
    in_avx512([&]() __attribute__((always_inline)) { round_run(to + begin, from + begin, end - begin); });
  });
}

void round_pairs(Cell* to, std::int64_t to_step, const float* first, const float* second, std::int64_t step, std::int64_t n) {
  in_avx512([=]() __attribute__((always_inline)) {
    if (to_step == 1 && step == 1) return round_cells(to, first, second, n);
    for (std::int64_t i = 0; i < n; i += lanes) {
      const std::int64_t count = std::min<std::int64_t>(lanes, n - i);
      float a[lanes] = {}, b[lanes] = {};
      Cell cells[lanes];
      for (std::int64_t k = 0; k < count; ++k) a[k] = first[(i + k) * step], b[k] = second ? second[(i + k) * step] : 0;
      round_cells(cells, a, b, lanes);
      for (std::int64_t k = 0; k < count; ++k) to[(i + k) * to_step] = cells[k];
    }
  });
}

void turn(float* to, const Matrix<const float>& m) {
  const std::int64_t bands = (m.rows + lanes - 1) / lanes;
  parallel_for(bands, std::max<std::int64_t>(1, elementwise_grain / (lanes * m.columns)), [&](std::int64_t begin, std::int64_t end) {
    in_avx512([&, m = m]() __attribute__((always_inline)) {
      for (std::int64_t k = begin; k < end; ++k) turn_rows(to, m, k * lanes);
    });
  });
}

}  // namespace dz::kernels::detail
