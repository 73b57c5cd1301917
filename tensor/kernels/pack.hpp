#pragma once
// Packs: elements that are computed with at once. An elementwise formula is a generic lambda on packs; it is compiled for several
// instruction sets (map.hpp), each with packs of its own registers' size. Where a loop takes one size for all, that of 64 bytes, the
// compiler splits a pack where registers are shorter (and compares one element after the other).
//
// A pack has a copy constructor of its own on purpose: it then passes between functions in memory, in the same way for every
// instruction set, so that bodies compiled for different ones can never disagree about registers.

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include <dz/tensor/dtype.hpp>
#include <dz/tensor/thresholds.hpp>

#define DZ_INLINE [[gnu::always_inline]] inline

namespace dz {

template <class T, int bytes = static_cast<int>(thresholds::pack_bytes)> struct Pack;

namespace detail {
/// The compiler's vectors, by element.
template <class T, int bytes> struct Vector {
  using Type __attribute__((vector_size(bytes))) = T;
};
}  // namespace detail

/// For each element of a pack, whether a comparison held. Conditions are `where(mask, a, b)`, never `?:`.
template <class T, int bytes> struct Mask {
  using Bits = std::conditional_t<sizeof(T) == 8, std::int64_t, std::conditional_t<sizeof(T) == 4, std::int32_t, std::int8_t>>;
  using V = typename detail::Vector<Bits, bytes>::Type;
  V v;

  DZ_INLINE explicit Mask(const V& v) : v(v) {}
  DZ_INLINE Mask(const Mask& o) : v(o.v) {}
  Mask& operator=(const Mask&) = default;
  DZ_INLINE friend Mask operator&(const Mask& a, const Mask& b) { return Mask(a.v & b.v); }
  DZ_INLINE friend Mask operator|(const Mask& a, const Mask& b) { return Mask(a.v | b.v); }
  DZ_INLINE friend Mask operator!(const Mask& m) { return Mask(~m.v); }
};

namespace detail {
template <bool normal, class P> DZ_INLINE P exp_within(const P& x);
template <class P> DZ_INLINE P pack_exp(const P& x);
template <class P> DZ_INLINE P exp_or_nothing(const P& x);
template <class P> DZ_INLINE P pack_log(const P& x);
template <class P> DZ_INLINE P pack_log1p(const P& x);
template <class P> DZ_INLINE P pack_tanh(const P& x);
template <class P> DZ_INLINE P pack_sigmoid(const P& x);
template <class P> DZ_INLINE P pack_softplus(const P& x);
template <class P> DZ_INLINE P pack_erf(const P& x);
}  // namespace detail

template <class T, int bytes> struct Pack {
  static constexpr int width = bytes / static_cast<int>(sizeof(T));
  using V = typename detail::Vector<T, bytes>::Type;
  using Element = T;
  using Comparison = Mask<T, bytes>;
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

  DZ_INLINE friend Comparison less(const Pack& a, const Pack& b) { return Comparison(typename Comparison::V(a.v < b.v)); }
  DZ_INLINE friend Comparison greater(const Pack& a, const Pack& b) { return less(b, a); }
  DZ_INLINE friend Comparison less_equal(const Pack& a, const Pack& b) { return Comparison(typename Comparison::V(a.v <= b.v)); }
  DZ_INLINE friend Comparison equal(const Pack& a, const Pack& b) { return Comparison(typename Comparison::V(a.v == b.v)); }
  DZ_INLINE friend Comparison equal_to_itself(const Pack& a) { return equal(a, a); }
  DZ_INLINE friend Pack where(const Comparison& m, const Pack& a, const Pack& b) {
    using B = typename Comparison::V;
    B x, y;
    std::memcpy(&x, &a.v, bytes);
    std::memcpy(&y, &b.v, bytes);
    x = (m.v & x) | (~m.v & y);
    V r;
    std::memcpy(&r, &x, bytes);
    return Pack(r);
  }
  // A NaN on either side gives a NaN, as everywhere in dz.
  DZ_INLINE friend Pack max(const Pack& a, const Pack& b) { return where(less(a, b) | !equal_to_itself(b), b, a); }
  DZ_INLINE friend Pack min(const Pack& a, const Pack& b) { return where(less(b, a) | !equal_to_itself(b), b, a); }
  DZ_INLINE friend Pack abs(const Pack& a) {
    if constexpr (std::is_floating_point_v<T>) {  // drops the sign, also of 0
      using Bits = typename Comparison::Bits;
      typename Comparison::V x;
      std::memcpy(&x, &a.v, bytes);
      x &= std::numeric_limits<Bits>::max();
      V r;
      std::memcpy(&r, &x, bytes);
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
    std::memcpy(x, &a.v, bytes);
    for (int i = 0; i < width; ++i) x[i] = f(x[i]);
    V r;
    std::memcpy(&r, x, bytes);
    return Pack(r);
  }
  template <class F> DZ_INLINE friend Pack each(F f, const Pack& a, const Pack& b) {
    T x[width], y[width];
    std::memcpy(x, &a.v, bytes);
    std::memcpy(y, &b.v, bytes);
    for (int i = 0; i < width; ++i) x[i] = f(x[i], y[i]);
    V r;
    std::memcpy(&r, x, bytes);
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
  DZ_INLINE friend Pack erf(const Pack& a) { return detail::pack_erf(a); }
};

namespace detail {

template <class To, class From> DZ_INLINE To bits_to(const From& from) {
  To to;
  static_assert(sizeof(To) == sizeof(From));
  std::memcpy(&to, &from, sizeof(To));
  return to;
}

/// 1/k! for k from 0.
template <std::size_t n> constexpr std::array<double, n> exp_series() {
  std::array<double, n> c{1};
  for (std::size_t k = 1; k < n; ++k) c[k] = c[k - 1] / static_cast<double>(k);
  return c;
}
/// 1/(2k + 3) for k from 0.
template <std::size_t n> constexpr std::array<double, n> artanh_series() {
  std::array<double, n> c{};
  for (std::size_t k = 0; k < n; ++k) c[k] = 1.0 / static_cast<double>(2 * k + 3);
  return c;
}

/// Constants of a binary floating format, and how its polynomials are cut off (errors below half an ulp).
template <class T> struct Format;
template <> struct Format<float> {
  static constexpr int mantissa = 23, bias = 127;
  static constexpr auto exp_terms = exp_series<8>();
  static constexpr auto log_terms = artanh_series<6>();
  static constexpr std::array<double, 7> erf_near{0.128379166, -0.376126269, 0.112835975, -0.0268543288, 0.00518931194, -0.000801885499, 7.88249711e-05};
  static constexpr std::array<double, 8> erf_far{0.9861270785,   -1.0482097864,  0.7925931812,  -0.4316779673,
                                                 0.1641326696, -0.0409978283, 0.0060050618, -0.000388879038};
  static constexpr float round = 12582912.0f + 2 * bias, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;  // the high part has few bits: n·high is exact
  static constexpr float exp_low = -104.0f, exp_normal = -87.3f, exp_high = 89.0f, tiny = 1.17549435e-38f, scale = 8388608.0f, scale_log2 = 23.0f;
  static constexpr std::int32_t half_root = 0x3f3504f3;  // sqrt(1/2)
};
template <> struct Format<double> {
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr auto exp_terms = exp_series<14>();
  static constexpr auto log_terms = artanh_series<12>();
  static constexpr double round = 6755399441055744.0 + 2 * bias, ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
  static constexpr double exp_low = -746.0, exp_normal = -708.3, exp_high = 710.0, tiny = 2.2250738585072014e-308, scale = 4503599627370496.0, scale_log2 = 52.0;
  static constexpr std::int64_t half_root = 0x3fe6a09e667f3bcd;
};

/// Packs of each c[k], constants in memory: one that reaches Pack's constructor through calls may be put together element by element.
template <class P, const auto& c> struct Coefficients {
  static constexpr auto make() {
    std::array<std::array<typename P::Element, P::width>, c.size()> packs{};
    for (std::size_t k = 0; k < c.size(); ++k) packs[k].fill(static_cast<typename P::Element>(c[k]));
    return packs;
  }
  alignas(64) static constexpr auto packs = make();
};

/// Σ c[k]·x^k.
template <const auto& c, class P> DZ_INLINE P polynomial(const P& x) {
  constexpr auto& packs = Coefficients<P, c>::packs;
  constexpr std::size_t n = c.size();
  P p(bits_to<typename P::V>(packs[n - 1]));
  [&]<std::size_t... I>(std::index_sequence<I...>) __attribute__((always_inline)) {
    ((p = p * x + P(bits_to<typename P::V>(packs[n - 2 - I]))), ...);
  }(std::make_index_sequence<n - 1>{});
  return p;
}

/// a + b, and in `lost` what rounding takes from it: together exact (Knuth's TwoSum: The Art of Computer Programming 2, 4.2.2, theorem B).
template <class P> DZ_INLINE P two_sum(const P& a, const P& b, P& lost) {
  const P sum = a + b, taken = sum - a;
  lost = (a - (sum - taken)) + (b - taken);
  return sum;
}

/// x, but at least `low` and at most `high`; a NaN, less than nothing and than which nothing is less, stays.
template <class P> DZ_INLINE P within(const P& x, const P& low, const P& high) {
  const P above = where(less(x, low), low, x);
  return where(less(high, above), high, above);
}

}  // namespace detail

/// e^x: x = n·ln 2 + r, |r| <= ln 2 / 2, and the series of e^r times 2^n. Below their fixed upper bits those of `shifted` are n + 2·bias, so they need only be
/// moved to be the exponent of a power of 2: less the bias where the result is `normal`, else, as 2^n may be none, by halves that of two powers.
template <bool normal, class P> DZ_INLINE P detail::exp_within(const P& x) {
  using F = detail::Format<typename P::Element>;
  using I = typename P::Comparison::V;
  const P shifted = x * P(1.4426950408889634) + P(F::round), n = shifted - P(F::round);
  const P r = (x - n * P(F::ln2_high)) - n * P(F::ln2_low);
  const I sum = detail::bits_to<I>(shifted.v), half = sum >> 1;
  const auto power = [](const I& exponent) __attribute__((always_inline)) { return P(detail::bits_to<typename P::V>(I(exponent << F::mantissa))); };
  const P series = detail::polynomial<F::exp_terms>(r);
  if constexpr (normal) return series * power(sum - F::bias);
  else return series * power(half) * power(sum - half);
}
/// e^x. Infinite above the range, 0 below, gradual underflow in between.
template <class P> DZ_INLINE P detail::pack_exp(const P& x) {
  using F = detail::Format<typename P::Element>;
  return exp_within<false>(within(x, P(F::exp_low), P(F::exp_high)));
}
/// e^x of an x that is not above 0, and 0 below the least normal number, so that no processor slows down at what is hardly more than nothing.
template <class P> DZ_INLINE P detail::exp_or_nothing(const P& x) {
  const P low(detail::Format<typename P::Element>::exp_normal);
  const auto nothing = less(x, low);
  return where(nothing, P(0), exp_within<true>(where(nothing, low, x)));
}

/// The natural logarithm: x = 2^n·m with m in [sqrt(1/2), sqrt 2), and ln m = 2·artanh((m − 1)/(m + 1)) by its series.
template <class P> DZ_INLINE P detail::pack_log(const P& given) {
  using F = detail::Format<typename P::Element>;
  using I = typename P::Comparison::V;
  const typename P::Comparison subnormal = less(given, P(F::tiny));
  const P x = abs(where(subnormal, given * P(F::scale), given));  // of what is below 0 only so that its bits do not overflow
  const I bits = detail::bits_to<I>(x.v), shifted = (bits - F::half_root) >> F::mantissa;
  const P m(detail::bits_to<typename P::V>(I(bits - (shifted << F::mantissa))));
  const P n = P(__builtin_convertvector(shifted, typename P::V)) - where(subnormal, P(F::scale_log2), P(0));
  const P f = m - P(1), s = f / (P(2) + f), z = s * s;
  const P p = detail::polynomial<F::log_terms>(z);
  const P square = f * f * P(0.5);  // ln m = f − (f²/2 − s·(f²/2 + 2·z·p)), which keeps f exact
  const P result = n * P(F::ln2_high) + (f - (square - (s * (square + P(2) * z * p) + n * P(F::ln2_low))));
  const P infinity(__builtin_inf());
  const P positive = where(less(given, infinity), result, given);
  return where(less(P(0), given), positive, where(equal(given, P(0)), -infinity, P(__builtin_nan(""))));
}

/// 1/(1 + e^−x).
template <class P> DZ_INLINE P detail::pack_sigmoid(const P& x) { return P(1) / (P(1) + exp(-x)); }

/// ln(1 + x), exact for small x: the error of 1 + x is made good in the quotient (Kahan; HP-15C handbook).
template <class P> DZ_INLINE P detail::pack_log1p(const P& x) {
  const P u = P(1) + x, d = u - P(1);
  return where(equal(d, P(0)), x, where(less(u, P(__builtin_inf())), log(u) * (x / d), u));
}

/// ln(1 + e^x), without overflow.
template <class P> DZ_INLINE P detail::pack_softplus(const P& x) { return max(x, P(0)) + log1p(exp(-abs(x))); }

/// tanh: near 0 an odd rational approximation (Moshier, Cephes), elsewhere 1 − 2/(e^2|x| + 1).
template <class P> DZ_INLINE P detail::pack_tanh(const P& x) {
  const P z = x * x, size = abs(x);
  P near(0);
  if constexpr (std::is_same_v<typename P::Element, float>) {
    near = x + x * z * (((((P(-5.70498872745e-3) * z + P(2.06390887954e-2)) * z - P(5.37397155531e-2)) * z + P(1.33314422036e-1)) * z) - P(3.33332819422e-1));
  } else {
    const P p = (P(-9.64399179425052238628e-1) * z - P(9.92877231001918586564e1)) * z - P(1.61468768441708447952e3);
    const P q = ((z + P(1.12811678491632931402e2)) * z + P(2.23548839060100448583e3)) * z + P(4.84406305325125486048e3);
    near = x + x * z * p / q;
  }
  const P far = P(1) - P(2) / (exp(P(2) * size) + P(1));
  return where(less(size, P(0.625)), near, where(less(x, P(0)), -far, far));
}

/// The error function. float32: below 1 an even polynomial times x, from there ±(1 − e^(−x²)·q) with a polynomial q for e^(x²)·erfc x; fitted on
/// Chebyshev points of [0, 1] (in x²) and [1, 4], beyond which the value is ±1.
template <class P> DZ_INLINE P detail::pack_erf(const P& x) {
  if constexpr (std::is_same_v<typename P::Element, float>) {
    using F = detail::Format<typename P::Element>;
    using I = typename P::Comparison::V;
    const P size = abs(x), near = x + x * polynomial<F::erf_near>(P(x * x)), most = where(less(P(4), size), P(4), size);
    const P far = P(1) - exp_within<true>(-most * most) * polynomial<F::erf_far>(most);
    const I sign = bits_to<I>(x.v) ^ bits_to<I>(size.v);
    return where(less(size, P(1)), near, P(bits_to<typename P::V>(I(bits_to<I>(far.v) | sign))));
  } else {
    return each([](typename P::Element v) { return std::erf(v); }, x);
  }
}

}  // namespace dz
