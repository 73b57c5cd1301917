#pragma once
// What tiles of products are made of: sums in registers, multiplied up cell by cell and finished. For AVX-512.

#include <cstring>
#include <utility>

#include <dz/tensor/kernels/tiles.hpp>
#include <dz/tensor/kernels/vectorised.hpp>

namespace dz::kernels::detail {

inline constexpr int tile_rows = 8, few_rows = 4, tile_width = Pack<float>::width;
inline constexpr std::int64_t grain_products = 6;  // of elements: their multiply-adds pay for a second thread as a loop's do
using Sum = Pack<float>::V;

// For inline functions and lambdas, and for the functions that they end in: all of AVX-512 that dz makes use of.
#if defined(__x86_64__)
#define DZ_BF16 __attribute__((always_inline, target(DZ_AVX512_TARGET ",avx512bf16")))
#define DZ_BF16_LOOP __attribute__((target(DZ_AVX512_TARGET ",avx512bf16"), aligned(64)))
#else
#define DZ_BF16 __attribute__((always_inline))
#define DZ_BF16_LOOP
#endif

template <int n, class F> DZ_BF16 inline void unrolled(const F& f) {
  [&]<int... i>(std::integer_sequence<int, i...>) DZ_BF16 { (f(std::integral_constant<int, i>{}), ...); }(std::make_integer_sequence<int, n>{});
}

/// sum + a·b, by cells.
template <Precision p> DZ_BF16 inline void add_product(Sum& sum, const Sum& b, const Cell* a) {
  if constexpr (p == Precision::full) {
    float x;
    std::memcpy(&x, a, sizeof x);
    sum += b * x;
  } else {
#if defined(__x86_64__)
    sum = (Sum)_mm512_dpbf16_ps((__m512)sum, (__m512bh)b, (__m512bh)_mm512_set1_epi32(static_cast<int>(*a)));
#endif
  }
}

/// A tile of the result: its place, how much of it there is, and what is done with its sums.
struct Tile {
  float* out;
  std::int64_t step, rows, columns;
  bool adds;                    // to what stands there
  const Finish<float>& finish;  // not a copy: read whole just after it was written in parts, it would wait for all stores before it
};

/// A tile's sums, `rows` rows of them at most, finished and stored; `whole` if the tile has all its columns. Step by step: asked at every pack, what is to be done would
/// take longer than doing it.
template <bool whole, int rows_at_most, int packs> DZ_BF16 inline void finish(const Tile& t, Sum (&sum)[rows_at_most][packs], std::int64_t rows) {
  const auto each = [&](const auto& f) DZ_BF16 {
    unrolled<rows_at_most>([&](auto r) DZ_BF16 {
      if (r < rows) unrolled<packs>([&](auto c) DZ_BF16 { f(sum[r][c], t.out + r * t.step + c * tile_width, c * tile_width, whole ? tile_width : t.columns - c * tile_width); });
    });
  };
  if (t.adds) each([](Sum& v, const float* y, std::int64_t, std::int64_t n) DZ_BF16 { v += load_lanes(y, n); });
  if (t.finish.bias) each([&](Sum& v, const float*, std::int64_t column, std::int64_t n) DZ_BF16 { v += load_lanes(t.finish.bias + column, n); });
  if (t.finish.relu) each([](Sum& v, const float*, std::int64_t, std::int64_t) DZ_BF16 { v = v < 0 ? Sum{} : v; });
  each([](const Sum& v, float* y, std::int64_t, std::int64_t n) DZ_BF16 { store_lanes(y, n, v); });
}

}  // namespace dz::kernels::detail
