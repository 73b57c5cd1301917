#include <dz/ops/creation.hpp>

#include <fmt/format.h>

#include <cmath>

namespace dz {

Tensor zeros(const Shape& shape, Dtype dtype) { return full(shape, 0, dtype); }
Tensor ones(const Shape& shape, Dtype dtype) { return full(shape, 1, dtype); }
Tensor full(const Shape& shape, double value, Dtype dtype) { return Tensor(Array::full(shape, value, dtype)); }
Tensor zeros_like(const Tensor& x) { return full_like(x, 0); }
Tensor ones_like(const Tensor& x) { return full_like(x, 1); }
Tensor full_like(const Tensor& x, double value) { return full(x.shape(), value, x.dtype()); }

namespace {

/// A vector of values(i), computed in double.
template <class F> Tensor sequence(std::int64_t count, Dtype dtype, F value) {
  Array out = Array::make({count}, float64);
  for (std::int64_t i = 0; i < count; ++i) out.writable<double>()[i] = value(static_cast<double>(i));
  return Tensor(out.cast(dtype));
}

}  // namespace

Tensor eye(std::int64_t n, Dtype dtype) {
  Tensor out = zeros({n, n}, dtype);
  visit_dtype(dtype, [&]<class T>(std::type_identity<T>) {
    for (std::int64_t i = 0; i < n; ++i) out.value().writable<T>()[i * n + i] = T{1};
  });
  return out;
}

Tensor arange(double start, double stop, double step, Dtype dtype) {
  const double count = std::ceil((stop - start) / step);
  if (!std::isfinite(count) || count > 1e15) throw ValueError(fmt::format("from {} to {} by {} is no finite sequence", start, stop, step), "arange");
  return sequence(static_cast<std::int64_t>(std::max(0.0, count)), dtype, [=](double i) { return start + i * step; });
}

Tensor linspace(double first, double last, std::int64_t count, Dtype dtype) {
  if (count < 1) throw ValueError(fmt::format("a sequence of {} values", count), "linspace");
  const double steps = static_cast<double>(std::max<std::int64_t>(1, count - 1));
  return sequence(count, dtype, [=](double i) { return i == steps && count > 1 ? last : first + (last - first) * i / steps; });
}

Tensor tensor(std::initializer_list<double> values, const Shape& shape, Dtype dtype) {
  return Tensor(Array::of(std::span<const double>(values.begin(), values.size()), shape).cast(dtype));
}

Tensor labels(const std::vector<std::int64_t>& values) { return Tensor(Array::of(values, {values.size()})); }

Tensor uniform(const Shape& shape, double low, double high, Dtype dtype, Generator& g) { return Tensor(kernels::uniform(shape, low, high, dtype, g)); }
Tensor normal(const Shape& shape, double mean, double deviation, Dtype dtype, Generator& g) { return Tensor(kernels::normal(shape, mean, deviation, dtype, g)); }
Tensor bernoulli(const Shape& shape, double p, Dtype dtype, Generator& g) { return Tensor(kernels::bernoulli(shape, p, dtype, g)); }
Tensor uniform_like(const Tensor& x, double low, double high, Generator& g) { return uniform(x.shape(), low, high, x.dtype(), g); }
Tensor normal_like(const Tensor& x, double mean, double deviation, Generator& g) { return normal(x.shape(), mean, deviation, x.dtype(), g); }
Tensor bernoulli_like(const Tensor& x, double p, Generator& g) { return bernoulli(x.shape(), p, x.dtype(), g); }
Tensor permutation(std::int64_t n, Generator& g) { return Tensor(kernels::permutation(n, g)); }

}  // namespace dz
