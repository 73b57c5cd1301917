#include <fmt/format.h>

#include <cmath>
#include <limits>

#include <dz/tensor/kernels/kernels.hpp>
#include <dz/tensor/kernels/slab.hpp>
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

/// Of one row: its largest logit and ln Σ e^(z − largest).
template <class T> std::pair<double, double> log_total(const T* z, std::int64_t n) {
  T largest = -std::numeric_limits<T>::infinity();
  for (std::int64_t j = 0; j < n; ++j) largest = std::max(largest, z[j]);
  double total = 0;
  for (std::int64_t j = 0; j < n; ++j) total += static_cast<double>(std::exp(z[j] - largest));
  return {static_cast<double>(largest), std::log(total)};
}

void cross_entropy_kernel(const Array& out, const Array& logits, const Array& labels, double smoothing) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const std::int64_t n = logits.size(1);
    const T* z = logits.data<T>();
    T* y = out.writable<T>();
    const std::int64_t* label = labels.data<std::int64_t>();
    parallel_for(out.size(), std::max<std::int64_t>(1, elementwise_grain / 8 / (n + 1)), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const T* row = z + i * n;
        const auto [largest, log_sum] = log_total(row, n);
        double mean = 0;
        if (smoothing > 0)
          for (std::int64_t j = 0; j < n; ++j) mean += static_cast<double>(row[j]) / static_cast<double>(n);
        const double at_label = static_cast<double>(row[label[i]]);
        y[i] = static_cast<T>(largest + log_sum - (smoothing > 0 ? (1 - smoothing) * at_label + smoothing * mean : at_label));
      }
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
    parallel_for(labels.size(), std::max<std::int64_t>(1, elementwise_grain / 8 / (n + 1)), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const T *row = z + i * n, factor = scale[i * dy.stride(0)];
        const auto [largest, log_sum] = log_total(row, n);
        const T top = static_cast<T>(largest), total = static_cast<T>(log_sum);
        for (std::int64_t j = 0; j < n; ++j) dz[i * n + j] = factor * (std::exp((row[j] - top) - total) - spread);
        dz[i * n + label[i]] -= factor * mass;
      }
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
