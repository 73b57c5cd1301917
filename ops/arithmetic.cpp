#include <dz/ops/arithmetic.hpp>

#include <dz/ops/elementwise.hpp>
#include <dz/tensor/kernels/kernels.hpp>

namespace dz {

Tensor operator-(In a, In b) {
  return record("sub", kernels::sub,
                wrt(a, [](Tensor&& dy) { return std::move(dy); }),
                wrt(b, [](const Tensor& dy) { return -dy; }));
}

namespace {

/// dy·x within a derivative, the most frequent of all: where nothing is recorded, no handle is copied for it.
Tensor times(Tensor&& dy, const Tensor& x) { return is_recording() ? dy * x : Tensor(kernels::mul_over(std::move(dy).value(), x.value())); }

}  // namespace

Tensor operator*(In a, In b) {
  if (!is_recording()) return constant("mul", kernels::mul, a, b);  // nothing is captured
  return record("mul", kernels::mul,
                wrt(a, [b = Tensor(b)](Tensor&& dy) { return times(std::move(dy), b); }),  // a Tensor is half the size of an In: long chains are made of this
                wrt(b, [a = Tensor(a)](Tensor&& dy) { return times(std::move(dy), a); }));
}

Tensor scaled(In x, double factor) {
  return record("mul", [factor](const Array& v) { return kernels::scaled(v, factor); },
                wrt(x, [factor](const Tensor& dy) { return dy * factor; }));
}

Tensor operator/(In a, In b) {
  return record("div", kernels::div,
                wrt(a, [b](const Tensor& dy) { return dy / b; }),
                wrt(b, [b](const Tensor& dy, const Tensor& y) { return -dy * y / b; }));
}

Tensor operator-(In x) {
  return record("neg", kernels::neg, wrt(x, [](const Tensor& dy) { return -dy; }));
}

Tensor pow(In x, In p) {  // the side that is not chosen at p = 0 has to be finite at x = 0, or a higher order meets 0·∞ there
  return record("pow", kernels::pow,
                wrt(x, [x, p](const Tensor& dy) { return dy * where(equal(p, 0), 0, p * pow(x, where(equal(p, 0), 1, p - 1))); }),
                wrt(p, [x](const Tensor& dy, const Tensor& y) { return dy * where(equal(x, 0), 0, y * log(where(equal(x, 0), 1, x))); }));
}

Tensor square(In x) {
  return record("square", kernels::square, wrt(x, [x](const Tensor& dy) { return dy * 2 * x; }));
}

Tensor sqrt(In x) {
  return record("sqrt", kernels::sqrt, wrt(x, [](const Tensor& dy, const Tensor& y) { return dy / (2 * y); }));
}

Tensor rsqrt(In x) {
  return record("rsqrt", [](const Array& v) { return kernels::map([](auto x) { return 1 / sqrt(x); }, v); },
                wrt(x, [](const Tensor& dy, const Tensor& y) { return dy * -0.5 * y * y * y; }));
}

Tensor reciprocal(In x) {
  return record("reciprocal", [](const Array& v) { return kernels::map([](auto x) { return 1 / x; }, v); },
                wrt(x, [](const Tensor& dy, const Tensor& y) { return -dy * y * y; }));
}

Tensor abs(In x) {
  return record("abs", kernels::abs, wrt(x, [x](const Tensor& dy) { return dy * sign(x); }));
}

Tensor exp(In x) {
  return record("exp", kernels::exp, wrt(x, [](const Tensor& dy, const Tensor& y) { return dy * y; }));
}

Tensor log(In x) {
  return record("log", kernels::log, wrt(x, [x](const Tensor& dy) { return dy / x; }));
}

Tensor maximum(In a, In b) {
  return elementwise("maximum", [](auto a, auto b) { return max(a, b); }, a, b);
}

Tensor minimum(In a, In b) {
  return elementwise("minimum", [](auto a, auto b) { return min(a, b); }, a, b);
}

Tensor clamp(In x, In low, In high) {
  return elementwise("clamp", [](auto x, auto low, auto high) { return min(max(x, low), high); }, x, low, high);
}

Tensor lerp(In a, In b, In t) {
  return elementwise("lerp", [](auto a, auto b, auto t) { return a + t * (b - a); }, a, b, t);
}

Tensor cast(In x, Dtype dtype) {
  auto convert = [dtype](const Array& v) { return v.cast(dtype); };
  if (!is_floating(dtype)) return Tensor(detail::run_forward("cast", detail::call_site(x.at()), [&] { return convert(x.value()); }));
  return record("cast", convert, wrt(x, [from = x.dtype()](const Tensor& dy) { return cast(dy, from); }));
}

Tensor sign(In x) { return constant("sign", kernels::sign, x); }
Tensor less(In a, In b) { return constant("less", kernels::less, a, b); }
Tensor less_equal(In a, In b) { return constant("less_equal", kernels::less_equal, a, b); }
Tensor greater(In a, In b) { return constant("greater", kernels::less, b, a); }
Tensor greater_equal(In a, In b) { return constant("greater_equal", kernels::less_equal, b, a); }
Tensor equal(In a, In b) { return constant("equal", kernels::equal, a, b); }
Tensor not_equal(In a, In b) { return constant("not_equal", kernels::not_equal, a, b); }
Tensor logical_and(In a, In b) { return constant("logical_and", kernels::logical_and, a, b); }
Tensor logical_or(In a, In b) { return constant("logical_or", kernels::logical_or, a, b); }
Tensor logical_xor(In a, In b) { return constant("logical_xor", kernels::logical_xor, a, b); }
Tensor logical_not(In x) { return constant("logical_not", kernels::logical_not, x); }

Tensor where(In condition, In a, In b) {
  auto choose = [c = condition.value()](const Array& x, const Array& y) { return kernels::where(c, x, y); };
  return record("where", choose,
                wrt(a, [condition](const Tensor& dy) { return where(condition, dy, 0); }),
                wrt(b, [condition](const Tensor& dy) { return where(condition, 0, dy); }));
}

}  // namespace dz
