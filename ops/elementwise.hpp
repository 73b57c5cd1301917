#pragma once
// elementwise(name, f, x…): an operation from one generic lambda. On packs the lambda is a vector loop; on duals of packs, the loop
// of its derivative; on duals of tensors, a recorded derivative that can be differentiated again. It captures plain data only
// (tensors are arguments), and its conditions are where, max, min, abs and clamp, never ?:.
//
//   Tensor swish(In z) { return elementwise("swish", [](auto z) { return z * sigmoid(z); }, z); }
//
// Its words: + − * /, less, equal, where, max, min, clamp, abs, exp, expm1, log, log1p, sqrt, pow, tanh, sigmoid, softplus, sin, cos, erf.

#include <dz/graph/record.hpp>
#include <dz/ops/activation.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/math.hpp>
#include <dz/tensor/kernels/map.hpp>

namespace dz {

/// A tensor as a generic lambda sees it: numbers convert, and what is computed stays a Number.
struct Number : Tensor {
  Number(Tensor t) : Tensor(std::move(t)) {}
  template <Arithmetic N> Number(N v) : Tensor(Array::number(static_cast<double>(v))) {}

  friend Number operator+(const Number& a, const Number& b) { return add(a, b); }
  friend Number operator-(const Number& a, const Number& b) { return sub(a, b); }
  friend Number operator*(const Number& a, const Number& b) { return mul(a, b); }
  friend Number operator/(const Number& a, const Number& b) { return div(a, b); }
  friend Number operator-(const Number& a) { return neg(a); }
  friend Number where(const Tensor& m, const Number& a, const Number& b) { return dz::where(In(m), In(a), In(b)); }
  // A NaN on either side gives a NaN, as on packs.
  friend Number max(const Number& a, const Number& b) { return where(less(b, a), a, where(equal(a, a), b, a)); }
  friend Number min(const Number& a, const Number& b) { return where(less(a, b), a, where(equal(a, a), b, a)); }
  friend Number clamp(const Number& a, const Number& low, const Number& high) { return min(max(a, low), high); }
  friend Number abs(const Number& a) { return dz::abs(In(a)); }
  friend Number exp(const Number& a) { return dz::exp(In(a)); }
  friend Number expm1(const Number& a) { return dz::expm1(In(a)); }
  friend Number log(const Number& a) { return dz::log(In(a)); }
  friend Number log1p(const Number& a) { return dz::log1p(In(a)); }
  friend Number sqrt(const Number& a) { return dz::sqrt(In(a)); }
  friend Number tanh(const Number& a) { return dz::tanh(In(a)); }
  friend Number sigmoid(const Number& a) { return dz::sigmoid(In(a)); }
  friend Number softplus(const Number& a) { return dz::softplus(In(a)); }
  friend Number erf(const Number& a) { return dz::erf(In(a)); }
  friend Number sin(const Number& a) { return dz::sin(In(a)); }
  friend Number cos(const Number& a) { return dz::cos(In(a)); }
  friend Number pow(const Number& a, const Number& p) { return dz::pow(In(a), In(p)); }
};

/// A value and its slope. What does not depend on the variable stays a plain T beside it. At a kink (max and min of equals, abs of
/// 0) the slope is that of the second argument, and 0: relu and abs have the slope 0 at 0.
template <class T> struct Dual {
  T value, slope;

  DZ_INLINE friend Dual operator+(const Dual& a, const Dual& b) { return {a.value + b.value, a.slope + b.slope}; }
  DZ_INLINE friend Dual operator+(const Dual& a, const T& b) { return {a.value + b, a.slope}; }
  DZ_INLINE friend Dual operator+(const T& a, const Dual& b) { return {a + b.value, b.slope}; }
  DZ_INLINE friend Dual operator-(const Dual& a, const Dual& b) { return {a.value - b.value, a.slope - b.slope}; }
  DZ_INLINE friend Dual operator-(const Dual& a, const T& b) { return {a.value - b, a.slope}; }
  DZ_INLINE friend Dual operator-(const T& a, const Dual& b) { return {a - b.value, -b.slope}; }
  DZ_INLINE friend Dual operator-(const Dual& a) { return {-a.value, -a.slope}; }
  DZ_INLINE friend Dual operator*(const Dual& a, const Dual& b) { return {a.value * b.value, a.slope * b.value + a.value * b.slope}; }
  DZ_INLINE friend Dual operator*(const Dual& a, const T& b) { return {a.value * b, a.slope * b}; }
  DZ_INLINE friend Dual operator*(const T& a, const Dual& b) { return {a * b.value, a * b.slope}; }
  DZ_INLINE friend Dual operator/(const Dual& a, const Dual& b) {
    const T q = a.value / b.value;
    return {q, (a.slope - q * b.slope) / b.value};
  }
  DZ_INLINE friend Dual operator/(const Dual& a, const T& b) { return {a.value / b, a.slope / b}; }
  DZ_INLINE friend Dual operator/(const T& a, const Dual& b) {
    const T q = a / b.value;
    return {q, -q * b.slope / b.value};
  }

  DZ_INLINE friend auto less(const Dual& a, const Dual& b) { return less(a.value, b.value); }
  DZ_INLINE friend auto less(const Dual& a, const T& b) { return less(a.value, b); }
  DZ_INLINE friend auto less(const T& a, const Dual& b) { return less(a, b.value); }
  DZ_INLINE friend auto equal(const Dual& a, const T& b) { return equal(a.value, b); }
  template <class M> DZ_INLINE friend Dual where(const M& m, const Dual& a, const Dual& b) { return {where(m, a.value, b.value), where(m, a.slope, b.slope)}; }
  template <class M> DZ_INLINE friend Dual where(const M& m, const Dual& a, const T& b) { return {where(m, a.value, b), where(m, a.slope, T(0))}; }
  template <class M> DZ_INLINE friend Dual where(const M& m, const T& a, const Dual& b) { return {where(m, a, b.value), where(m, T(0), b.slope)}; }
  DZ_INLINE friend Dual max(const Dual& a, const Dual& b) { return {max(a.value, b.value), where(less(b.value, a.value), a.slope, b.slope)}; }
  DZ_INLINE friend Dual max(const Dual& a, const T& b) { return {max(a.value, b), where(less(b, a.value), a.slope, T(0))}; }
  DZ_INLINE friend Dual max(const T& a, const Dual& b) { return {max(a, b.value), where(less(b.value, a), T(0), b.slope)}; }
  DZ_INLINE friend Dual min(const Dual& a, const Dual& b) { return {min(a.value, b.value), where(less(a.value, b.value), a.slope, b.slope)}; }
  DZ_INLINE friend Dual min(const Dual& a, const T& b) { return {min(a.value, b), where(less(a.value, b), a.slope, T(0))}; }
  DZ_INLINE friend Dual min(const T& a, const Dual& b) { return {min(a, b.value), where(less(a, b.value), T(0), b.slope)}; }
  DZ_INLINE friend Dual clamp(const Dual& a, const T& low, const T& high) { return min(max(a, low), high); }
  DZ_INLINE friend Dual abs(const Dual& a) {
    return {abs(a.value), where(less(a.value, T(0)), -a.slope, where(less(T(0), a.value), a.slope, T(0)))};
  }

  DZ_INLINE friend Dual exp(const Dual& a) {
    const T e = exp(a.value);
    return {e, e * a.slope};
  }
  DZ_INLINE friend Dual expm1(const Dual& a) {
    const T e = expm1(a.value);
    return {e, (e + T(1)) * a.slope};
  }
  DZ_INLINE friend Dual log(const Dual& a) { return {log(a.value), a.slope / a.value}; }
  DZ_INLINE friend Dual log1p(const Dual& a) { return {log1p(a.value), a.slope / (T(1) + a.value)}; }
  DZ_INLINE friend Dual sqrt(const Dual& a) {
    const T s = sqrt(a.value);
    return {s, a.slope / (s + s)};
  }
  DZ_INLINE friend Dual tanh(const Dual& a) {
    const T t = tanh(a.value);
    return {t, (T(1) - t * t) * a.slope};
  }
  DZ_INLINE friend Dual sigmoid(const Dual& a) {
    const T s = sigmoid(a.value);
    return {s, s * (T(1) - s) * a.slope};
  }
  DZ_INLINE friend Dual softplus(const Dual& a) { return {softplus(a.value), sigmoid(a.value) * a.slope}; }
  DZ_INLINE friend Dual erf(const Dual& a) { return {erf(a.value), T(1.1283791670955126) * exp(-a.value * a.value) * a.slope}; }  // 2/√π
  DZ_INLINE friend Dual sin(const Dual& a) { return {sin(a.value), cos(a.value) * a.slope}; }
  DZ_INLINE friend Dual cos(const Dual& a) { return {cos(a.value), -sin(a.value) * a.slope}; }
  /// To a constant power; the power 0 is flat at 0 too.
  DZ_INLINE friend Dual pow(const Dual& a, const T& p) {
    return {pow(a.value, p), where(equal(p, T(0)), T(0), p * pow(a.value, p - T(1))) * a.slope};
  }
};

namespace detail {

/// An operand that is only read: a tensor needs no handle of its own.
inline const Tensor& operand(const Tensor& t, At at) {
  if (!t) [[unlikely]] static_cast<void>(In(t, at));  // which says what is wrong
  return t;
}
template <Arithmetic N> In operand(N v, At at) { return In(v, at); }

/// f's slope by argument number i, the others held.
template <std::size_t i, class T, class F, class... X> DZ_INLINE T slope_by(const F& f, const X&... x) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) __attribute__((always_inline)) {
    auto seen = [&]<std::size_t k>(std::integral_constant<std::size_t, k>, const T& v) __attribute__((always_inline)) {
      if constexpr (k == i) return Dual<T>{v, T(1)};
      else return T(v);
    };
    auto y = f(seen(std::integral_constant<std::size_t, I>{}, T(x))...);
    if constexpr (std::is_same_v<decltype(y), Dual<T>>) return T(y.slope);
    else return T(0);
  }(std::index_sequence_for<X...>{});
}

template <std::size_t i, class F, class... X> auto elementwise_derivative(F f, const X&... x) {
  return [f, x...](Tensor&& dy) -> Tensor {
    if (is_recording()) return dy * slope_by<i, Number>(f, Number(x)...);
    auto product = [f](auto dy, auto... v) __attribute__((always_inline)) {
      using P = decltype(dy);
      return dy * slope_by<i, P>(f, v...);
    };
    return Tensor(kernels::map_over(product, std::move(dy).value(), x.value()...));
  };
}

/// Where nothing is recorded. `first` is used up: of a temporary, the result takes the place.
template <class F, class... X> Tensor elementwise_value(const char* name, const F& f, In& first, const X&... rest) {
  return Tensor(run_forward(name, call_site(first.at()), [&] { return kernels::map_over(f, std::move(first).value(), rest.value()...); }));
}

template <class F, class... X> Tensor elementwise(const char* name, const F& f, In& first, const X&... rest) {
  if (!(first.requires_grad() || ... || rest.requires_grad())) return elementwise_value(name, f, first, rest...);
  auto forward = [f](const auto&... v) { return kernels::map(f, v...); };
  return [&]<std::size_t... I>(std::index_sequence<I...>, const auto&... x) {
    return record(name, forward, wrt(x, elementwise_derivative<I>(f, x...))...);
  }(std::make_index_sequence<1 + sizeof...(X)>{}, std::as_const(first), rest...);
}

}  // namespace detail

/// An elementwise operation of any number of operands, broadcast. f is called with packs, duals or tensors, all of one kind.
template <class F, class... X> Tensor elementwise(const char* name, const F& f, In x, const X&... more) {
  if (!is_recording()) return detail::elementwise_value(name, f, x, detail::operand(more, x.at())...);
  return detail::elementwise(name, f, x, In(more, x.at())...);
}

}  // namespace dz
