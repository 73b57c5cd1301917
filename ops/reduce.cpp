#include <dz/ops/reduce.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <dz/graph/record.hpp>
#include <dz/ops/activation.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/creation.hpp>
#include <dz/ops/shape.hpp>
#include <dz/tensor/kernels/kernels.hpp>

namespace dz {
namespace {

/// What a reduction took away, given back: the kept axes as they are, the reduced ones repeated.
Tensor spread(const Tensor& reduced, const Shape& from, std::uint32_t mask) { return expand(reshape(reduced, dz::reduced(from, mask, true)), from); }

std::uint32_t mask_of(const In& x, const Axes& axis, const char* name) {
  return detail::run_forward(name, detail::call_site(x.at()), [&] { return axis.mask(x.rank()); });
}

/// The product along one axis. The others' product, which is what an element is multiplied by, is that of those before times that of those after.
Tensor prod_along(const In& x, int axis, bool keepdims) {
  auto others = [x, axis] { return shift(cumprod(x, axis), axis, 1, 1) * shift(cumprod(x, axis, true), axis, -1, 1); };
  return record("prod", [=](const Array& v) { return kernels::prod(v, 1u << axis, keepdims); },
                wrt(x, [=, from = x.shape()](const Tensor& dy) { return spread(dy, from, 1u << axis) * others(); }));
}

template <class Kernel> Tensor extremum(const char* name, Kernel kernel, const In& x, const Axes& axis, bool keepdims) {
  const std::uint32_t mask = mask_of(x, axis, name);
  return record(name, [=](const Array& v) { return kernel(v, mask, keepdims); },
                wrt(x, [=](const Tensor& dy, const Tensor& y) {
                  const Tensor is_chosen = cast(equal(x, spread(y, x.shape(), mask)), x.dtype());
                  return is_chosen * spread(dy / sum(is_chosen, axis, keepdims), x.shape(), mask);
                }));
}

/// The elements of each run less the correction. Throws ValueError where nothing is left.
double degrees_of_freedom(const In& x, const Tensor& reduced, int correction, const char* name) {
  const std::int64_t n = reduced.size() == 0 ? 0 : x.size() / reduced.size();
  if (n <= correction) throw ValueError(fmt::format("{} elements with a correction of {} leave nothing to divide by", n, correction), name, detail::call_site(x.at()));
  return static_cast<double>(n - correction);
}

}  // namespace

Tensor sum(In x, const Axes& axis, bool keepdims) {
  const std::uint32_t mask = mask_of(x, axis, "sum");
  return record("sum", [=](const Array& v) { return kernels::sum(v, mask, keepdims); },
                wrt(x, [mask, from = x.shape()](const Tensor& dy) { return spread(dy, from, mask); }));
}

Tensor mean(In x, const Axes& axis, bool keepdims) {
  if (!is_floating(x.dtype())) throw DtypeError("needs float32 or float64, got " + std::string(name(x.dtype())), "mean", detail::call_site(x.at()));
  const std::uint32_t mask = mask_of(x, axis, "mean");
  const auto part = [](const auto& reduced, std::int64_t of) { return static_cast<double>(reduced.size()) / static_cast<double>(of); };
  return record("mean", [=](const Array& v) {
                  const Array total = kernels::sum(v, mask, keepdims);
                  return kernels::scaled(total, part(total, v.size()));
                },
                wrt(x, [=, from = x.shape(), count = x.size()](const Tensor& dy) { return spread(dy * part(dy, count), from, mask); }));
}

Tensor prod(In x, const Axes& axis, bool keepdims) {
  const CallSite site(x.at());
  const std::uint32_t mask = mask_of(x, axis, "prod");
  Tensor y = x;  // axis by axis, from the last, so that the ones before keep their number
  for (int i = x.rank(); i-- > 0;)
    if (mask >> i & 1) y = prod_along(y, i, keepdims);
  return y;
}

Tensor max(In x, const Axes& axis, bool keepdims) { return extremum("max", kernels::max, x, axis, keepdims); }
Tensor min(In x, const Axes& axis, bool keepdims) { return extremum("min", kernels::min, x, axis, keepdims); }
Tensor argmax(In x, int axis) { return constant("argmax", [axis](const Array& v) { return kernels::argmax(v, axis); }, x); }
Tensor argmin(In x, int axis) { return constant("argmin", [axis](const Array& v) { return kernels::argmin(v, axis); }, x); }

Tensor var(In x, const Axes& axis, bool keepdims, int correction) {
  const CallSite site(x.at());
  const Tensor total = sum(square(x - mean(x, axis, true)), axis, keepdims);
  return total / degrees_of_freedom(x, total, correction, "var");
}

Tensor stddev(In x, const Axes& axis, bool keepdims, int correction) {
  const CallSite site(x.at());
  const Tensor length = norm(x - mean(x, axis, true), axis, keepdims);
  return length / std::sqrt(degrees_of_freedom(x, length, correction, "stddev"));
}

Tensor norm(In x, const Axes& axis, bool keepdims, double p) {
  const CallSite site(x.at());
  if (!(p >= 1)) throw ValueError(fmt::format("p is {}: at least 1", p), "norm", detail::call_site(x.at()));
  if (p == 1) return sum(abs(x), axis, keepdims);
  if (std::isinf(p)) return max(abs(x), axis, keepdims);
  const std::uint32_t mask = mask_of(x, axis, "norm");
  auto length = [=](const Array& v) {
    if (p == 2) return kernels::sqrt(kernels::sum(kernels::square(v), mask, keepdims));
    return kernels::pow(kernels::sum(kernels::pow(kernels::abs(v), Array::number(p)), mask, keepdims), Array::number(1 / p));
  };
  return record("norm", length, wrt(x, [=](const Tensor& dy, const Tensor& y) {
                  const Tensor unit = x / spread(where(equal(y, 0), 1, y), x.shape(), mask);
                  const Tensor direction = p == 2 ? unit : sign(x) * pow(abs(unit), p - 1);
                  return spread(dy, x.shape(), mask) * direction;
                }));
}

Tensor logsumexp(In x, int axis, bool keepdims) {
  return record("logsumexp", [=](const Array& v) { return kernels::logsumexp(v, axis, keepdims); },
                wrt(x, [=](const Tensor& dy) { return softmax(x, axis) * spread(dy, x.shape(), Axes(axis).mask(x.rank())); }));
}

Tensor cumsum(In x, int axis, bool reverse) {
  return record("cumsum", [=](const Array& v) { return kernels::cumsum(v, axis, reverse); },
                wrt(x, [=](const Tensor& dy) { return cumsum(dy, axis, !reverse); }));
}

Tensor cumprod(In x, int axis, bool reverse) {
  const CallSite site(x.at());
  return recurrence(x, zeros_like(x), axis, 1, reverse);
}

// The derivative is the recurrence backwards: g[i] = dh[i] + a[i + 1]·g[i + 1] is db, and g[i]·h[i − 1] is da.
Tensor recurrence(In a, In b, int axis, double initial, bool reverse) {
  const int next = reverse ? 1 : -1;
  auto term_gradient = [=](const Tensor& dh) { return recurrence(shift(a, axis, next), dh, axis, 0, !reverse); };
  return record("recurrence", [=](const Array& a, const Array& b) { return kernels::recurrence(a, b, axis, initial, reverse); },
                wrt(a, [=](const Tensor& dh, const Tensor& h) { return term_gradient(dh) * shift(h, axis, -next, initial); }),
                wrt(b, [=](const Tensor& dh) { return term_gradient(dh); }));
}

Tensor shift(In x, int axis, std::int64_t by, double fill) {
  return record("shift", [=](const Array& v) { return kernels::shift(v, axis, by, fill); },
                wrt(x, [axis, back = -std::max(by, -axis_end)](const Tensor& dy) { return shift(dy, axis, back); }));
}

Tensor any(In x, const Axes& axis, bool keepdims) {
  return constant("any", [=](const Array& v) { return kernels::any(v, axis.mask(v.rank()), keepdims); }, x);
}
Tensor all(In x, const Axes& axis, bool keepdims) {
  return constant("all", [=](const Array& v) { return kernels::all(v, axis.mask(v.rank()), keepdims); }, x);
}

}  // namespace dz
