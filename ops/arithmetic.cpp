#include <dz/ops/arithmetic.hpp>

#include <dz/graph/record.hpp>
#include <dz/tensor/kernels/kernels.hpp>

namespace dz {

Tensor sub(In a, In b) {
  return record("sub", kernels::sub,
                wrt(a, [](const Tensor& dy) { return dy; }),
                wrt(b, [](const Tensor& dy) { return -dy; }));
}

Tensor mul(In a, In b) {
  return record("mul", kernels::mul,
                wrt(a, [b](const Tensor& dy) { return dy * b; }),
                wrt(b, [a](const Tensor& dy) { return dy * a; }));
}

Tensor div(In a, In b) {
  return record("div", kernels::div,
                wrt(a, [b](const Tensor& dy) { return dy / b; }),
                wrt(b, [b](const Tensor& dy, const Tensor& y) { return -dy * y / b; }));
}

Tensor neg(In x) {
  return record("neg", kernels::neg, wrt(x, [](const Tensor& dy) { return -dy; }));
}

Tensor pow(In x, In p) {
  return record("pow", kernels::pow,
                wrt(x, [x, p](const Tensor& dy) { return dy * where(equal(p, 0), 0, p * pow(x, p - 1)); }),
                wrt(p, [x](const Tensor& dy, const Tensor& y) { return dy * where(equal(x, 0), 0, y * log(where(equal(x, 0), 1, x))); }));
}

Tensor square(In x) {
  return record("square", kernels::square, wrt(x, [x](const Tensor& dy) { return dy * 2 * x; }));
}

Tensor sqrt(In x) {
  return record("sqrt", kernels::sqrt, wrt(x, [](const Tensor& dy, const Tensor& y) { return dy / (2 * y); }));
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

Tensor cast(In x, Dtype dtype) {
  auto convert = [dtype](const Array& v) { return v.cast(dtype); };
  if (!is_floating(dtype)) return Tensor(detail::run_forward("cast", detail::call_site(x.at()), [&] { return convert(x.value()); }));
  return record("cast", convert, wrt(x, [from = x.dtype()](const Tensor& dy) { return cast(dy, from); }));
}

namespace {

/// An operation whose result is a constant to the graph.
template <class F, class... X> Tensor constant(const char* name, F forward, const In& first, const X&... rest) {
  return Tensor(detail::run_forward(name, detail::call_site(first.at()), [&] { return forward(first.value(), rest.value()...); }));
}

}  // namespace

Tensor sign(In x) { return constant("sign", kernels::sign, x); }
Tensor less(In a, In b) { return constant("less", kernels::less, a, b); }
Tensor less_equal(In a, In b) { return constant("less_equal", kernels::less_equal, a, b); }
Tensor greater(In a, In b) { return constant("greater", kernels::less, b, a); }
Tensor equal(In a, In b) { return constant("equal", kernels::equal, a, b); }

Tensor where(In condition, In a, In b) {
  auto choose = [c = condition.value()](const Array& x, const Array& y) { return kernels::where(c, x, y); };
  return record("where", choose,
                wrt(a, [condition](const Tensor& dy) { return where(condition, dy, 0); }),
                wrt(b, [condition](const Tensor& dy) { return where(condition, 0, dy); }));
}

}  // namespace dz
