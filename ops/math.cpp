#include <dz/ops/math.hpp>

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <numbers>

#include <dz/ops/elementwise.hpp>
#include <dz/tensor/kernels/special.hpp>

namespace dz {
namespace {

/// A function of one number as a forward.
template <class F> auto pointwise(F f) {
  return [f](const Array& v) { return kernels::map([f](auto x) { return each(f, x); }, v); };
}

/// 1/√(1 − x²), which does not cancel near 1; by duals, since the product rule over the two factors would meet ∞·0 at 1.
Tensor arc_slope(In x) {
  return elementwise("arc_slope", [](auto x) { return 1 / sqrt((1 - x) * (1 + x)); }, x);
}

}  // namespace

Tensor expm1(In x) {
  return elementwise("expm1", [](auto x) { return expm1(x); }, x);
}
Tensor exp2(In x) {
  return record("exp2", pointwise([](auto v) { return std::exp2(v); }),
                wrt(x, [](const Tensor& dy, const Tensor& y) { return dy * y * std::numbers::ln2; }));
}
Tensor log1p(In x) {
  return elementwise("log1p", [](auto x) { return log1p(x); }, x);
}
Tensor log2(In x) {
  return record("log2", pointwise([](auto v) { return std::log2(v); }),
                wrt(x, [x](const Tensor& dy) { return dy / (x * std::numbers::ln2); }));
}
Tensor xlogy(In x, In y) {
  return elementwise("xlogy", [](auto x, auto y) {
    const auto known = where(less(y, 0), 1, where(equal(y, 0), 1, y));  // a NaN stays one
    return x * log(where(equal(x, 0), known, y));
  }, x, y);
}

Tensor sin(In x) {
  return elementwise("sin", [](auto x) { return sin(x); }, x);
}
Tensor cos(In x) {
  return elementwise("cos", [](auto x) { return cos(x); }, x);
}
Tensor tan(In x) {
  return record("tan", pointwise([](auto v) { return std::tan(v); }),
                wrt(x, [](const Tensor& dy, const Tensor& y) { return dy * (1 + square(y)); }));
}
Tensor asin(In x) {
  return record("asin", pointwise([](auto v) { return std::asin(v); }),
                wrt(x, [x](const Tensor& dy) { return dy * arc_slope(x); }));
}
Tensor acos(In x) {
  return record("acos", pointwise([](auto v) { return std::acos(v); }),
                wrt(x, [x](const Tensor& dy) { return -dy * arc_slope(x); }));
}
Tensor atan(In x) {
  return record("atan", pointwise([](auto v) { return std::atan(v); }),
                wrt(x, [x](const Tensor& dy) { return dy / (1 + square(x)); }));
}
Tensor atan2(In y, In x) {
  auto forward = [](const Array& y, const Array& x) {
    return kernels::map([](auto y, auto x) { return each([](auto b, auto a) { return std::atan2(b, a); }, y, x); }, y, x);
  };
  // x/(x² + y²), of both as shares of the larger one, so that no square leaves the range
  auto slope = [](const Tensor& x, const Tensor& y) {
    const Tensor larger = maximum(abs(x.detach()), abs(y.detach()));
    const Tensor unit = where(equal(larger, std::numeric_limits<double>::infinity()), 1, larger);
    const Tensor u = x / unit, v = y / unit;
    return u / (square(u) + square(v)) / unit;
  };
  return record("atan2", forward,
                wrt(y, [=](const Tensor& da) { return da * slope(x, y); }),
                wrt(x, [=](const Tensor& da) { return -da * slope(y, x); }));
}
Tensor sinh(In x) {
  return record("sinh", pointwise([](auto v) { return std::sinh(v); }), wrt(x, [x](const Tensor& dy) { return dy * cosh(x); }));
}
Tensor cosh(In x) {
  return record("cosh", pointwise([](auto v) { return std::cosh(v); }), wrt(x, [x](const Tensor& dy) { return dy * sinh(x); }));
}

Tensor erf(In x) {
  return elementwise("erf", [](auto x) { return erf(x); }, x);
}
Tensor lgamma(In x) {
  return record("lgamma", pointwise([](auto v) { return kernels::lgamma(v); }),
                wrt(x, [x](const Tensor& dy) { return dy * polygamma(0, x); }));
}
Tensor polygamma(int n, In x) {
  if (n < 0 || n > 150) throw ValueError(fmt::format("order {} is outside [0, 150], beyond which its factorial leaves the range", n), "polygamma", x.at());
  return record("polygamma", pointwise([n](auto v) { return static_cast<decltype(v)>(kernels::polygamma(n, v)); }),
                wrt(x, [n, x](const Tensor& dy) { return dy * polygamma(n + 1, x); }));
}

Tensor floor(In x) { return constant("floor", pointwise([](auto v) { return std::floor(v); }), x); }
Tensor ceil(In x) { return constant("ceil", pointwise([](auto v) { return std::ceil(v); }), x); }
Tensor round(In x) { return constant("round", pointwise([](auto v) { return std::nearbyint(v); }), x); }

}  // namespace dz
