#include <dz/tensor/kernels/packing.hpp>

#include <dz/tensor/kernels/vectorised.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels::detail {
namespace {

// What is moved are cells of 32 bits: a float32, or two bfloat16 that are neighbours along the product's common axis.

constexpr int lanes = Pack<float>::width;
using Cells = dz::detail::Vector<std::uint32_t, 4 * lanes>::Type;
using Halves = dz::detail::Vector<std::uint16_t, 4 * lanes>::Type;
using Floats = Pack<float>::V;
using dz::detail::bits_to;

template <Precision p> constexpr int per_cell = p == Precision::bfloat16 ? 2 : 1;

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

/// One block of a strip: `lanes` rows of cells of strip_columns columns.
template <Precision p> DZ_INLINE void fill_block(std::uint32_t* to, const Matrix<const float>& m, std::int64_t row, std::int64_t column) {
  constexpr int per = per_cell<p>;
  if (lies_in_rows(m)) {
    for (int r = 0; r < lanes; ++r, row += per)
      for (std::int64_t j = 0; j < strip_columns; j += lanes) {
        const std::int64_t n = row < m.rows ? m.columns - column - j : 0;
        const Cells c = beside<p>(m.data + row * m.row_stride + column + j, m.row_stride, row + 1 < m.rows, n);
        std::memcpy(to + r * strip_columns + j, &c, sizeof c);
      }
    return;
  }
  for (std::int64_t j = 0; j < strip_columns; j += lanes) {
    Cells c[lanes];
    for (int i = 0; i < lanes; ++i)
      c[i] = following<p>(m.data + row + (column + j + i) * m.column_stride, column + j + i < m.columns ? m.rows - row : 0);
    transpose(c);
    for (int r = 0; r < lanes; ++r) std::memcpy(to + r * strip_columns + j, &c[r], sizeof c[r]);
  }
}

template <Precision p> void fill_strips(std::uint32_t* to, const Matrix<const float>& m) {
  constexpr std::int64_t step = rows_of_block(p), size = lanes * strip_columns;
  const std::int64_t blocks = (m.rows + step - 1) / step, strips = (m.columns + strip_columns - 1) / strip_columns;
  const bool by_rows = lies_in_rows(m);
  parallel_for(strips * blocks, std::max<std::int64_t>(1, elementwise_grain / size), [&](std::int64_t begin, std::int64_t end) {
    in_avx512([&, m = m]() __attribute__((always_inline)) {
      for (std::int64_t k = begin; k < end; ++k) {  // in the order in which m lies
        const std::int64_t strip = by_rows ? k % strips : k / blocks, block = by_rows ? k / strips : k % blocks;
        fill_block<p>(to + (strip * blocks + block) * size, m, block * step, strip * strip_columns);
      }
    });
  });
}

/// `lanes` rows of a matrix that lies in columns, from `row` on.
template <Precision p, class To> DZ_INLINE void turn_rows(To* to, const Matrix<const float>& m, std::int64_t row) {
  constexpr int per = per_cell<p>;
  const std::int64_t n = std::min<std::int64_t>(lanes, m.rows - row);
  for (std::int64_t column = 0; column < m.columns; column += lanes * per) {
    Cells c[lanes];
    for (int i = 0; i < lanes; ++i) {
      const std::int64_t at = column + i * per;
      c[i] = beside<p>(m.data + row + at * m.column_stride, m.column_stride, at + 1 < m.columns, at < m.columns ? n : 0);
    }
    transpose(c);
    const std::int64_t bytes = static_cast<std::int64_t>(sizeof(To)) * std::min<std::int64_t>(lanes * per, m.columns - column);
    for (std::int64_t i = 0; i < n; ++i) {
      To* const y = to + (row + i) * m.columns + column;
      if (bytes == sizeof c[i]) std::memcpy(y, &c[i], sizeof c[i]);
      else std::memcpy(y, &c[i], static_cast<std::size_t>(bytes));
    }
  }
}

template <Precision p, class To> void turn(To* to, const Matrix<const float>& m) {
  const std::int64_t bands = (m.rows + lanes - 1) / lanes;
  parallel_for(bands, std::max<std::int64_t>(1, elementwise_grain / (lanes * m.columns)), [&](std::int64_t begin, std::int64_t end) {
    in_avx512([&, m = m]() __attribute__((always_inline)) {
      for (std::int64_t k = begin; k < end; ++k) turn_rows<p>(to, m, k * lanes);
    });
  });
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

}  // namespace

void round_to_bfloat16(std::uint16_t* to, const float* from, std::int64_t n) {
  parallel_for(n, elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
    in_avx512([&]() __attribute__((always_inline)) { round_run(to + begin, from + begin, end - begin); });
  });
}

void pack_rows(void* to, const Matrix<const float>& m, Precision precision) {
  if (precision == Precision::full) return turn<Precision::full>(static_cast<float*>(to), m);
  auto* const y = static_cast<std::uint16_t*>(to);
  if (!lies_in_rows(m)) return turn<Precision::bfloat16>(y, m);
  if (m.row_stride == m.columns) return round_to_bfloat16(y, m.data, m.rows * m.columns);
  parallel_for(m.rows, std::max<std::int64_t>(1, elementwise_grain / m.columns), [&](std::int64_t begin, std::int64_t end) {
    in_avx512([&, m = m]() __attribute__((always_inline)) {
      for (std::int64_t i = begin; i < end; ++i) round_run(y + i * m.columns, m.data + i * m.row_stride, m.columns);
    });
  });
}

void pack_strips(void* to, const Matrix<const float>& m, Precision precision) {
  auto* const cells = static_cast<std::uint32_t*>(to);
  if (precision == Precision::full) fill_strips<Precision::full>(cells, m);
  else fill_strips<Precision::bfloat16>(cells, m);
}

}  // namespace dz::kernels::detail
