#pragma once
// Plain loops compiled for each instruction set, the best one of the machine taken at run time.

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <dz/tensor/kernels/map.hpp>

namespace dz::kernels::detail {

/// For inline functions and lambdas of AVX-512's own instructions.
#if defined(__x86_64__)
#define DZ_AVX512_TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"
#define DZ_AVX512 __attribute__((always_inline, target(DZ_AVX512_TARGET)))
#else
#define DZ_AVX512 __attribute__((always_inline))
#endif

template <class F> void loop_baseline(const F& f) { f(); }
#if defined(__x86_64__)
template <class F> __attribute__((target("avx2,fma"), flatten)) void loop_avx2(const F& f) { f(); }
template <class F> __attribute__((target(DZ_AVX512_TARGET), flatten, aligned(64))) void loop_avx512(const F& f) { f(); }
#endif

/// Calls f(), compiled for the machine's instruction set with all that it calls inline. Inside a parallel loop's body, not around it. A
/// lambda that computes with packs is `[&]() __attribute__((always_inline)) { … }`: else its packs are cut up for the baseline first.
template <class F> void vectorised(const F& f) {
#if defined(__x86_64__)
  const Isa isa = active_isa();
  if (isa == Isa::avx512) return loop_avx512(f);
  if (isa == Isa::avx2) return loop_avx2(f);
#endif
  loop_baseline(f);
}

/// The same, f called with the bytes of a register, a constant: for sums that are to stay in registers, which longer packs do not.
template <class F> void with_registers(const F& f) {
#if defined(__x86_64__)
  const Isa isa = active_isa();
  if (isa == Isa::avx512) return loop_avx512([&]() __attribute__((always_inline)) { f(std::integral_constant<int, 64>{}); });
  if (isa == Isa::avx2) return loop_avx2([&]() __attribute__((always_inline)) { f(std::integral_constant<int, 32>{}); });
#endif
  loop_baseline([&] { f(std::integral_constant<int, 16>{}); });
}

/// As vectorised(), where active_isa() is known to be AVX-512.
template <class F> void in_avx512(const F& f) {
#if defined(__x86_64__)
  loop_avx512(f);
#else
  f();
#endif
}

/// The first n of a pack's floats, or all, 0 in the other lanes; and the same stored, nothing behind them touched.
DZ_AVX512 inline Pack<float>::V load_lanes(const float* p, std::int64_t n) {
#if defined(__x86_64__)
  if (n < Pack<float>::width) return (Pack<float>::V)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1 << std::max<std::int64_t>(n, 0)) - 1), p);
#endif
  return load<float>(p, 1, n).v;
}
DZ_AVX512 inline void store_lanes(float* p, std::int64_t n, const Pack<float>::V& v) {
#if defined(__x86_64__)
  if (n < Pack<float>::width) return _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1 << std::max<std::int64_t>(n, 0)) - 1), (__m512)v);
#endif
  store<float>(p, 1, n, Pack<float>(v));
}

/// A vector's elements put together by f, halves with halves; f takes vectors and single elements.
template <class V, class F> DZ_INLINE auto folded(const V& v, const F& f) {
  constexpr int n = static_cast<int>(sizeof(V) / sizeof(v[0]));
  if constexpr (n == 2) return f(v[0], v[1]);
  else
    return [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
      return folded(f(__builtin_shufflevector(v, v, i...), __builtin_shufflevector(v, v, (i + n / 2)...)), f);
    }(std::make_integer_sequence<int, n / 2>{});
}

/// The sum of a pack's elements.
template <class T, int bytes> DZ_INLINE T sum_of(const Pack<T, bytes>& x) {
  return folded(x.v, [](const auto& a, const auto& b) __attribute__((always_inline)) { return a + b; });
}

}  // namespace dz::kernels::detail
