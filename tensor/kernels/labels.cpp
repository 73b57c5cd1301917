#include <fmt/format.h>

#include <dz/tensor/kernels/kernels.hpp>
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

}  // namespace

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
