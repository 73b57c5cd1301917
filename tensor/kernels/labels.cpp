#include <fmt/format.h>

#include <cmath>
#include <limits>

#include <dz/tensor/kernels/kernels.hpp>
#include <dz/tensor/kernels/slab.hpp>
#include <dz/tensor/kernels/vectorised.hpp>
#include <dz/tensor/launch.hpp>

namespace dz::kernels {
namespace {

/// Labels as a contiguous (m) int64 array, each in [0, n).
Array checked(const Array& labels, std::int64_t n) {
  if (labels.dtype() != int64) throw DtypeError(fmt::format("labels are int64, got {}", name(labels.dtype())));
  if (labels.rank() != 1) throw ShapeError(fmt::format("labels have one axis, got {}", to_string(labels.shape())));
  Array plain = labels.contiguous();
  const std::int64_t* label = plain.data<std::int64_t>();
  for (std::int64_t i = 0; i < plain.size(); ++i)
    if (label[i] < 0 || label[i] >= n) throw ValueError(fmt::format("label {} of sample {} is outside [0, {})", label[i], i, n));
  return plain;
}

void one_hot_kernel(const Array& out, const Array& labels) {
  visit_dtype(out.dtype(), [&]<class T>(std::type_identity<T>) {
    T* y = out.writable<T>();
    const std::int64_t* label = labels.data<std::int64_t>();
    std::fill_n(y, out.size(), T{});
    for (std::int64_t i = 0; i < labels.size(); ++i) y[i * out.size(1) + label[i]] = T{1};
  });
}

void pick_kernel(const Array& out, const Array& a, const Array& labels) {
  visit_dtype(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* x = a.data<T>();
    const std::int64_t* label = labels.data<std::int64_t>();
    for (std::int64_t i = 0; i < labels.size(); ++i) out.writable<T>()[i] = x[i * a.stride(0) + label[i] * a.stride(1)];
  });
}

/// Of one row: its largest logit, passing over a NaN, and ln Σ e^(z − largest), a NaN where one is there.
template <class T> DZ_INLINE std::pair<double, double> log_total(const T* z, std::int64_t n) {
  constexpr std::int64_t lanes = Pack<T>::width, stretch = 64 * lanes;  // summed in the element type before they go over into double
  constexpr T lowest = -std::numeric_limits<T>::infinity();
  Pack<T> top(lowest);
  std::int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    const Pack<T> x = detail::load<T>(z + j, 1, lanes);
    top = where(less(top, x), x, top);
  }
  T largest = lowest, lane[lanes];
  std::memcpy(lane, &top.v, sizeof lane);
  for (T x : lane) largest = std::max(largest, x);
  for (; j < n; ++j) largest = std::max(largest, z[j]);
  double total = 0;
  const auto add = [&](const Pack<T>& sums, std::int64_t count) __attribute__((always_inline)) {
    std::memcpy(lane, &sums.v, sizeof lane);
    for (std::int64_t i = 0; i < count; ++i) total += static_cast<double>(lane[i]);
  };
  const Pack<T> level(largest);
  for (j = 0; j + lanes <= n;) {
    Pack<T> sums(0);
    for (const std::int64_t stop = std::min(n, j + stretch); j + lanes <= stop; j += lanes) sums = sums + exp(detail::load<T>(z + j, 1, lanes) - level);
    add(sums, lanes);
  }
  if (j < n) add(exp(detail::load<T>(z + j, 1, n - j) - level), n - j);
  return {static_cast<double>(largest), std::log(total)};
}

/// Calls row(i) for every sample, on several threads where that pays.
template <class F> void for_each_sample(std::int64_t samples, std::int64_t classes, const F& row) {
  parallel_for(samples, std::max<std::int64_t>(1, elementwise_grain / 8 / (classes + 1)), [&](std::int64_t begin, std::int64_t end) {
    detail::vectorised([&]() __attribute__((always_inline)) {
      for (std::int64_t i = begin; i < end; ++i) row(i);
    });
  });
}

void cross_entropy_kernel(const Array& out, const Array& logits, const Array& labels, double smoothing) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const std::int64_t n = logits.size(1);
    const T* z = logits.data<T>();
    T* y = out.writable<T>();
    const std::int64_t* label = labels.data<std::int64_t>();
    for_each_sample(out.size(), n, [&](std::int64_t i) __attribute__((always_inline)) {
      const T* row = z + i * n;
      const auto [largest, log_sum] = log_total(row, n);
      double mean = 0;
      if (smoothing > 0)
        for (std::int64_t j = 0; j < n; ++j) mean += static_cast<double>(row[j]) / static_cast<double>(n);
      const double at_label = static_cast<double>(row[label[i]]);
      y[i] = static_cast<T>(log_sum + (largest - at_label) + (smoothing > 0 ? smoothing * (at_label - mean) : 0));
    });
  });
}

void cross_entropy_gradient_kernel(const Array& out, const Array& dy, const Array& logits, const Array& labels, double smoothing) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const std::int64_t n = logits.size(1);
    const T *z = logits.data<T>(), *scale = dy.data<T>();
    T* dz = out.writable<T>();
    const std::int64_t* label = labels.data<std::int64_t>();
    const T spread = static_cast<T>(smoothing / static_cast<double>(n)), mass = static_cast<T>(1 - smoothing);
    for_each_sample(labels.size(), n, [&](std::int64_t i) __attribute__((always_inline)) {
      const T *row = z + i * n, factor = scale[i * dy.stride(0)];
      const auto [largest, log_sum] = log_total(row, n);
      T* const to = dz + i * n;
      const Pack<T> top(static_cast<T>(largest)), total(static_cast<T>(log_sum)), evenly(spread);
      for (std::int64_t j = 0; j < n; j += Pack<T>::width)
        detail::store(to + j, 1, n - j, Pack<T>(exp((detail::load<T>(row + j, 1, n - j) - top) - total) - evenly));
      to[label[i]] -= mass;
      for (std::int64_t j = 0; j < n; ++j) to[j] *= factor;  // last: what cancels at the label does so exactly
    });
  });
}

/// Logits (m, n) with labels of their own number, both in row order.
std::pair<Array, Array> labelled(const Array& logits, const Array& labels) {
  if (logits.rank() != 2 || labels.rank() != 1 || labels.size() != logits.size(0))
    throw ShapeError(fmt::format("labels {} for rows {}", to_string(labels.shape()), to_string(logits.shape())));
  require_floating(logits);
  return {logits.contiguous(), checked(labels, logits.size(1))};
}

}  // namespace

Array cross_entropy(const Array& logits, const Array& labels, double smoothing) {
  const auto [z, label] = labelled(logits, labels);
  Array out = Array::make({z.size(0)}, z.dtype());
  launch(cross_entropy_kernel, out, z, label, smoothing);
  return out;
}

Array cross_entropy_gradient(const Array& dy, const Array& logits, const Array& labels, double smoothing) {
  const auto [z, label] = labelled(logits, labels);
  Array out = Array::make(z.shape(), z.dtype());
  launch(cross_entropy_gradient_kernel, out, dy, z, label, smoothing);
  return out;
}

Array one_hot(const Array& labels, std::int64_t n, Dtype dtype) {
  Array plain = checked(labels, n);
  Array out = Array::make({plain.size(), n}, dtype);
  launch(one_hot_kernel, out, plain);
  return out;
}

Array pick(const Array& a, const Array& labels) {
  if (a.rank() != 2 || labels.rank() != 1 || labels.size() != a.size(0))
    throw ShapeError(fmt::format("labels {} for rows {}", to_string(labels.shape()), to_string(a.shape())));
  Array plain = checked(labels, a.size(1));
  Array out = Array::make({a.size(0)}, a.dtype());
  launch(pick_kernel, out, a, plain);
  return out;
}

}  // namespace dz::kernels
