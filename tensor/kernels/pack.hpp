#pragma once
// Packs: 64 bytes of elements that are computed with at once. An elementwise formula is a generic lambda on packs; it is compiled
// for several instruction sets (map.hpp), and the compiler splits a pack where registers are shorter.
//
// A pack has a copy constructor of its own on purpose: it then passes between functions in memory, in the same way for every
// instruction set, so that bodies compiled for different ones can never disagree about registers.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include <dz/tensor/dtype.hpp>
#include <dz/tensor/thresholds.hpp>

#define DZ_INLINE [[gnu::always_inline]] inline

namespace dz {

template <class T> struct Pack;

namespace detail {
/// The compiler's vectors of 64 bytes, by element.
template <class T> struct Vector;
template <> struct Vector<float> { using Type = float __attribute__((vector_size(64))); };
template <> struct Vector<double> { using Type = double __attribute__((vector_size(64))); };
template <> struct Vector<std::int64_t> { using Type = std::int64_t __attribute__((vector_size(64))); };
template <> struct Vector<std::int32_t> { using Type = std::int32_t __attribute__((vector_size(64))); };
template <> struct Vector<std::uint8_t> { using Type = std::uint8_t __attribute__((vector_size(64))); };
template <> struct Vector<std::int8_t> { using Type = std::int8_t __attribute__((vector_size(64))); };
}  // namespace detail

/// For each element of a pack, whether a comparison held. Conditions are `where(mask, a, b)`, never `?:`.
template <class T> struct Mask {
  using Bits = std::conditional_t<sizeof(T) == 8, std::int64_t, std::conditional_t<sizeof(T) == 4, std::int32_t, std::int8_t>>;
  using V = typename detail::Vector<Bits>::Type;
  V v;

  DZ_INLINE explicit Mask(const V& v) : v(v) {}
  DZ_INLINE Mask(const Mask& o) : v(o.v) {}
  Mask& operator=(const Mask&) = default;
  DZ_INLINE friend Mask operator&(const Mask& a, const Mask& b) { return Mask(a.v & b.v); }
  DZ_INLINE friend Mask operator|(const Mask& a, const Mask& b) { return Mask(a.v | b.v); }
  DZ_INLINE friend Mask operator!(const Mask& m) { return Mask(~m.v); }
};

namespace detail {
template <class T> DZ_INLINE Pack<T> pack_exp(const Pack<T>& x);
template <class T> DZ_INLINE Pack<T> pack_log(const Pack<T>& x);
template <class T> DZ_INLINE Pack<T> pack_log1p(const Pack<T>& x);
template <class T> DZ_INLINE Pack<T> pack_tanh(const Pack<T>& x);
template <class T> DZ_INLINE Pack<T> pack_sigmoid(const Pack<T>& x);
template <class T> DZ_INLINE Pack<T> pack_softplus(const Pack<T>& x);
}  // namespace detail

template <class T> struct Pack {
  static constexpr int width = static_cast<int>(thresholds::pack_bytes) / sizeof(T);
  using V = typename detail::Vector<T>::Type;
  using Element = T;
  V v;

  DZ_INLINE Pack(const V& v) : v(v) {}
  template <Arithmetic N> DZ_INLINE Pack(N s) : v(static_cast<T>(s) - V{}) {}
  DZ_INLINE Pack(const Pack& o) : v(o.v) {}
  Pack& operator=(const Pack&) = default;

  DZ_INLINE friend Pack operator+(const Pack& a, const Pack& b) { return Pack(V(a.v + b.v)); }
  DZ_INLINE friend Pack operator-(const Pack& a, const Pack& b) { return Pack(V(a.v - b.v)); }
  DZ_INLINE friend Pack operator*(const Pack& a, const Pack& b) { return Pack(V(a.v * b.v)); }
  DZ_INLINE friend Pack operator/(const Pack& a, const Pack& b) { return Pack(V(a.v / b.v)); }
  DZ_INLINE friend Pack operator-(const Pack& a) { return Pack(V(-a.v)); }

  DZ_INLINE friend Mask<T> less(const Pack& a, const Pack& b) { return Mask<T>(typename Mask<T>::V(a.v < b.v)); }
  DZ_INLINE friend Mask<T> greater(const Pack& a, const Pack& b) { return less(b, a); }
  DZ_INLINE friend Mask<T> less_equal(const Pack& a, const Pack& b) { return Mask<T>(typename Mask<T>::V(a.v <= b.v)); }
  DZ_INLINE friend Mask<T> equal(const Pack& a, const Pack& b) { return Mask<T>(typename Mask<T>::V(a.v == b.v)); }
  DZ_INLINE friend Mask<T> equal_to_itself(const Pack& a) { return equal(a, a); }
  DZ_INLINE friend Pack where(const Mask<T>& m, const Pack& a, const Pack& b) {
    using B = typename Mask<T>::V;
    B x, y;
    std::memcpy(&x, &a.v, 64);
    std::memcpy(&y, &b.v, 64);
    x = (m.v & x) | (~m.v & y);
    V r;
    std::memcpy(&r, &x, 64);
    return Pack(r);
  }
  // A NaN on either side gives a NaN, as everywhere in dz.
  DZ_INLINE friend Pack max(const Pack& a, const Pack& b) { return where(less(a, b) | !equal_to_itself(b), b, a); }
  DZ_INLINE friend Pack min(const Pack& a, const Pack& b) { return where(less(b, a) | !equal_to_itself(b), b, a); }
  DZ_INLINE friend Pack abs(const Pack& a) {
    if constexpr (std::is_floating_point_v<T>) {  // drops the sign, also of 0
      using Bits = typename Mask<T>::Bits;
      typename Mask<T>::V x;
      std::memcpy(&x, &a.v, 64);
      x &= std::numeric_limits<Bits>::max();
      V r;
      std::memcpy(&r, &x, 64);
      return Pack(r);
    } else if constexpr (std::is_unsigned_v<T>) {
      return a;
    } else {
      return max(a, -a);
    }
  }
  DZ_INLINE friend Pack clamp(const Pack& a, const Pack& low, const Pack& high) { return min(max(a, low), high); }

  /// The function applied element by element, for what has no vector form.
  template <class F> DZ_INLINE friend Pack each(F f, const Pack& a) {
    T x[width];
    std::memcpy(x, &a.v, 64);
    for (int i = 0; i < width; ++i) x[i] = f(x[i]);
    V r;
    std::memcpy(&r, x, 64);
    return Pack(r);
  }
  template <class F> DZ_INLINE friend Pack each(F f, const Pack& a, const Pack& b) {
    T x[width], y[width];
    std::memcpy(x, &a.v, 64);
    std::memcpy(y, &b.v, 64);
    for (int i = 0; i < width; ++i) x[i] = f(x[i], y[i]);
    V r;
    std::memcpy(&r, x, 64);
    return Pack(r);
  }
  DZ_INLINE friend Pack sqrt(const Pack& a) { return each([](T x) { return std::sqrt(x); }, a); }
  DZ_INLINE friend Pack pow(const Pack& a, const Pack& b) { return each([](T x, T y) { return std::pow(x, y); }, a, b); }
  DZ_INLINE friend Pack sin(const Pack& a) { return each([](T x) { return std::sin(x); }, a); }
  DZ_INLINE friend Pack cos(const Pack& a) { return each([](T x) { return std::cos(x); }, a); }
  // Friends, so that dz::exp, dz::tanh and their like each name one function: gradcheck(tanh, x).
  DZ_INLINE friend Pack exp(const Pack& a) { return detail::pack_exp(a); }
  DZ_INLINE friend Pack log(const Pack& a) { return detail::pack_log(a); }
  DZ_INLINE friend Pack log1p(const Pack& a) { return detail::pack_log1p(a); }
  DZ_INLINE friend Pack tanh(const Pack& a) { return detail::pack_tanh(a); }
  DZ_INLINE friend Pack sigmoid(const Pack& a) { return detail::pack_sigmoid(a); }
  DZ_INLINE friend Pack softplus(const Pack& a) { return detail::pack_softplus(a); }
  DZ_INLINE friend Pack expm1(const Pack& a) { return each([](T x) { return std::expm1(x); }, a); }
  DZ_INLINE friend Pack erf(const Pack& a) { return each([](T x) { return std::erf(x); }, a); }
};

namespace detail {

template <class To, class From> DZ_INLINE To bits_to(const From& from) {
  To to;
  static_assert(sizeof(To) == sizeof(From));
  std::memcpy(&to, &from, sizeof(To));
  return to;
}

/// Constants of a binary floating format, and how its polynomials are cut off (errors below half an ulp).
template <class T> struct Format;
template <> struct Format<float> {
  static constexpr int mantissa = 23, bias = 127, exp_degree = 7, log_terms = 6;
  static constexpr float round = 12582912.0f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;  // the high part has few bits: n·high is exact
  static constexpr float exp_low = -104.0f, exp_high = 89.0f, tiny = 1.17549435e-38f, scale = 8388608.0f, scale_log2 = 23.0f;
  static constexpr std::int32_t half_root = 0x3f3504f3;  // sqrt(1/2)
};
template <> struct Format<double> {
  static constexpr int mantissa = 52, bias = 1023, exp_degree = 13, log_terms = 12;
  static constexpr double round = 6755399441055744.0, ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
  static constexpr double exp_low = -746.0, exp_high = 710.0, tiny = 2.2250738585072014e-308, scale = 4503599627370496.0, scale_log2 = 52.0;
  static constexpr std::int64_t half_root = 0x3fe6a09e667f3bcd;
};

/// 2^n for an integral n within the normal exponents.
template <class T> DZ_INLINE Pack<T> power_of_two(const Pack<T>& n) {
  using F = Format<T>;
  using I = typename Mask<T>::V;
  const I i = bits_to<I>(Pack<T>(n + Pack<T>(F::round)).v) - bits_to<I>(Pack<T>(F::round).v);
  return Pack<T>(bits_to<typename Pack<T>::V>(I((i + F::bias) << F::mantissa)));
}

}  // namespace detail

/// e^x: x = n·ln 2 + r, |r| <= ln 2 / 2, and the series of e^r. Infinite above the range, 0 below, gradual underflow in between.
template <class T> DZ_INLINE Pack<T> detail::pack_exp(const Pack<T>& given) {
  using F = detail::Format<T>;
  const Pack<T> x = where(equal_to_itself(given), clamp(given, Pack<T>(F::exp_low), Pack<T>(F::exp_high)), Pack<T>(0));
  const Pack<T> n = (x * Pack<T>(1.4426950408889634) + Pack<T>(F::round)) - Pack<T>(F::round);
  const Pack<T> r = (x - n * Pack<T>(F::ln2_high)) - n * Pack<T>(F::ln2_low);
  double factor = 1;
  for (int k = 2; k <= F::exp_degree; ++k) factor /= k;
  Pack<T> p(factor);
  for (int k = F::exp_degree; k >= 1; --k) {
    factor *= k;
    p = p * r + Pack<T>(factor);
  }
  const Pack<T> half = (n * Pack<T>(0.5) + Pack<T>(F::round)) - Pack<T>(F::round);  // in two steps: 2^n itself may not be a normal number
  return where(equal_to_itself(given), p * detail::power_of_two(half) * detail::power_of_two(n - half), given);
}

/// The natural logarithm: x = 2^n·m with m in [sqrt(1/2), sqrt 2), and ln m = 2·artanh((m − 1)/(m + 1)) by its series.
template <class T> DZ_INLINE Pack<T> detail::pack_log(const Pack<T>& given) {
  using F = detail::Format<T>;
  using I = typename Mask<T>::V;
  const Mask<T> subnormal = less(given, Pack<T>(F::tiny));
  const Pack<T> x = where(subnormal, given * Pack<T>(F::scale), given);
  const I bits = detail::bits_to<I>(x.v), shifted = (bits - F::half_root) >> F::mantissa;
  const Pack<T> m(detail::bits_to<typename Pack<T>::V>(I(bits - (shifted << F::mantissa))));
  const Pack<T> n = Pack<T>(__builtin_convertvector(shifted, typename Pack<T>::V)) - where(subnormal, Pack<T>(F::scale_log2), Pack<T>(0));
  const Pack<T> f = m - Pack<T>(1), s = f / (Pack<T>(2) + f), z = s * s;
  Pack<T> p(1.0 / (2 * F::log_terms + 1));
  for (int k = F::log_terms - 1; k >= 1; --k) p = p * z + Pack<T>(1.0 / (2 * k + 1));
  const Pack<T> square = f * f * Pack<T>(0.5);  // ln m = f − (f²/2 − s·(f²/2 + 2·z·p)), which keeps f exact
  const Pack<T> result = n * Pack<T>(F::ln2_high) + (f - (square - (s * (square + Pack<T>(2) * z * p) + n * Pack<T>(F::ln2_low))));
  const Pack<T> infinity(__builtin_inf());
  const Pack<T> positive = where(less(given, infinity), result, given);
  return where(less(Pack<T>(0), given), positive, where(equal(given, Pack<T>(0)), -infinity, Pack<T>(__builtin_nan(""))));
}

/// 1/(1 + e^−x).
template <class T> DZ_INLINE Pack<T> detail::pack_sigmoid(const Pack<T>& x) { return Pack<T>(1) / (Pack<T>(1) + exp(-x)); }

/// ln(1 + x), exact for small x: the error of 1 + x is made good in the quotient (Kahan; HP-15C handbook).
template <class T> DZ_INLINE Pack<T> detail::pack_log1p(const Pack<T>& x) {
  const Pack<T> u = Pack<T>(1) + x, d = u - Pack<T>(1);
  return where(equal(d, Pack<T>(0)), x, where(less(u, Pack<T>(__builtin_inf())), log(u) * (x / d), u));
}

/// ln(1 + e^x), without overflow.
template <class T> DZ_INLINE Pack<T> detail::pack_softplus(const Pack<T>& x) { return max(x, Pack<T>(0)) + log1p(exp(-abs(x))); }

/// tanh: near 0 an odd rational approximation (Moshier, Cephes), elsewhere 1 − 2/(e^2|x| + 1).
template <class T> DZ_INLINE Pack<T> detail::pack_tanh(const Pack<T>& x) {
  const Pack<T> z = x * x, size = abs(x);
  Pack<T> near(0);
  if constexpr (std::is_same_v<T, float>) {
    near = x + x * z * (((((Pack<T>(-5.70498872745e-3) * z + Pack<T>(2.06390887954e-2)) * z - Pack<T>(5.37397155531e-2)) * z + Pack<T>(1.33314422036e-1)) * z) - Pack<T>(3.33332819422e-1));
  } else {
    const Pack<T> p = (Pack<T>(-9.64399179425052238628e-1) * z - Pack<T>(9.92877231001918586564e1)) * z - Pack<T>(1.61468768441708447952e3);
    const Pack<T> q = ((z + Pack<T>(1.12811678491632931402e2)) * z + Pack<T>(2.23548839060100448583e3)) * z + Pack<T>(4.84406305325125486048e3);
    near = x + x * z * p / q;
  }
  const Pack<T> far = Pack<T>(1) - Pack<T>(2) / (exp(Pack<T>(2) * size) + Pack<T>(1));
  return where(less(size, Pack<T>(0.625)), near, where(less(x, Pack<T>(0)), -far, far));
}

}  // namespace dz
