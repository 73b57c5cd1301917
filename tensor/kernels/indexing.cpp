#include <dz/tensor/kernels/indexing.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include <dz/tensor/kernels/slab.hpp>
#include <dz/tensor/launch.hpp>

namespace dz::kernels {
namespace {

Array checked(const Array& indices, std::int64_t n) {
  if (indices.dtype() != int64) throw DtypeError(fmt::format("indices are int64, got {}", name(indices.dtype())));
  Array plain = indices.contiguous();
  const std::int64_t* at = plain.data<std::int64_t>();
  for (std::int64_t i = 0; i < plain.size(); ++i)
    if (at[i] < 0 || at[i] >= n) throw ValueError(fmt::format("index {} (element {} of {}) is outside [0, {})", at[i], i, to_string(indices.shape()), n));
  return plain;
}

/// The array around its axis: before, along, after.
Extents around(const Array& a, int axis) {
  Extents e;
  for (int i = 0; i < a.rank(); ++i) (i < axis ? e.before : i == axis ? e.reduced : e.after) *= a.size(i);
  return e;
}

Shape with_size(const Shape& shape, int axis, std::int64_t n) {
  Shape s = shape;
  s[axis] = n;
  return s;
}

void require_row(const Array& indices, const Array& along, int axis) {
  if (indices.rank() != 1) throw ShapeError(fmt::format("indices have one axis, got {}", to_string(indices.shape())));
  if (along && indices.size() != along.size(axis))
    throw ShapeError(fmt::format("{} indices for axis {} of {}", indices.size(), axis, to_string(along.shape())));
}

void select_kernel(const Array& out, const Array& a, const Array& indices, int axis) {
  const Extents e = around(a, axis);
  const std::int64_t count = indices.size(), bytes = e.after * static_cast<std::int64_t>(size_of(a.dtype()));
  const std::int64_t* at = indices.data<std::int64_t>();
  const std::byte* from = a.bytes();
  std::byte* to = out.writable_bytes();
  parallel_for(e.before * count, std::max<std::int64_t>(1, elementwise_grain / (e.after + 1)), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      std::memcpy(to + r * bytes, from + (r / count * e.reduced + at[r % count]) * bytes, static_cast<std::size_t>(bytes));
  });
}

/// Threads share the columns, never an element of the sum: what meets in one place is added in the order of the indices.
void index_add_kernel(const Array& out, const Array& source, const Array& indices, int axis) {
  visit_dtype(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const Extents e = around(source, axis);
    const std::int64_t n = out.size(axis), *at = indices.data<std::int64_t>();
    const T* from = source.data<T>();
    T* to = out.writable<T>();
    for (std::int64_t b = 0; b < e.before; ++b)
      parallel_for(e.after, std::max<std::int64_t>(16, elementwise_grain / (e.reduced + 1)), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t k = 0; k < e.reduced; ++k) {
          T* y = to + (b * n + at[k]) * e.after;
          const T* x = from + (b * e.reduced + k) * e.after;
          for (std::int64_t i = begin; i < end; ++i) y[i] = static_cast<T>(y[i] + x[i]);
        }
      });
  });
}

void gather_kernel(const Array& out, const Array& a, const Array& indices, int axis) {
  visit_dtype(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const Extents e = around(out, axis);
    const std::int64_t n = a.size(axis), *at = indices.data<std::int64_t>();
    const T* from = a.data<T>();
    T* to = out.writable<T>();
    parallel_for(e.before * e.reduced, std::max<std::int64_t>(1, elementwise_grain / (e.after + 1)), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r)
        for (std::int64_t i = 0; i < e.after; ++i) to[r * e.after + i] = from[(r / e.reduced * n + at[r * e.after + i]) * e.after + i];
    });
  });
}

void scatter_add_kernel(const Array& out, const Array& source, const Array& indices, int axis) {
  visit_dtype(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const Extents e = around(source, axis);
    const std::int64_t n = out.size(axis), *at = indices.data<std::int64_t>();
    const T* from = source.data<T>();
    T* to = out.writable<T>();
    parallel_for(e.before, std::max<std::int64_t>(1, elementwise_grain / (e.reduced * e.after + 1)), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b)
        for (std::int64_t k = 0; k < e.reduced * e.after; ++k) {
          const std::int64_t source_at = b * e.reduced * e.after + k;
          T& y = to[(b * n + at[source_at]) * e.after + k % e.after];
          y = static_cast<T>(y + from[source_at]);
        }
    });
  });
}

template <class T> bool comes_before(T a, T b, bool descending) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return descending ? std::isnan(a) && !std::isnan(b) : !std::isnan(a) && std::isnan(b);
  }
  return descending ? b < a : a < b;
}

void argsort_kernel(const Array& out, const Array& a, int axis, bool descending) {
  visit_dtype(a.dtype(), [&]<class T>(std::type_identity<T>) {
    const Extents e = around(a, axis);
    const std::int64_t count = out.size(axis);
    const T* x = a.data<T>();
    std::int64_t* y = out.writable<std::int64_t>();
    parallel_for(e.before * e.after, std::max<std::int64_t>(1, elementwise_grain / (16 * e.reduced + 1)), [&](std::int64_t begin, std::int64_t end) {
      std::vector<std::int64_t> order(static_cast<std::size_t>(e.reduced));
      for (std::int64_t r = begin; r < end; ++r) {
        const T* row = x + r / e.after * e.reduced * e.after + r % e.after;
        std::iota(order.begin(), order.end(), std::int64_t{0});
        std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](std::int64_t i, std::int64_t j) {
          const T u = row[i * e.after], v = row[j * e.after];
          return comes_before(u, v, descending) || (!comes_before(v, u, descending) && i < j);
        });
        for (std::int64_t k = 0; k < count; ++k) y[(r / e.after * count + k) * e.after + r % e.after] = order[static_cast<std::size_t>(k)];
      }
    });
  });
}

void require_sum(const Array& sum, const Array& source, int axis) {
  if (sum.dtype() != source.dtype()) throw DtypeError(fmt::format("{} added to {}", name(source.dtype()), name(sum.dtype())));
  if (source.rank() != sum.rank() || with_size(source.shape(), axis, 0) != with_size(sum.shape(), axis, 0))
    throw ShapeError(fmt::format("values of {} for a sum of {}: they differ beside axis {}", to_string(source.shape()), to_string(sum.shape()), axis));
}

void require_alike(const Array& a, const Array& indices, int axis) {
  if (indices.rank() != a.rank() || with_size(indices.shape(), axis, 0) != with_size(a.shape(), axis, 0))
    throw ShapeError(fmt::format("indices of {} for {}: they differ beside axis {}", to_string(indices.shape()), to_string(a.shape()), axis));
}

}  // namespace

Array index_select(const Array& a, const Array& indices, int axis) {
  const int i = a.shape().axis(axis);
  require_row(indices, {}, i);
  const Array plain = checked(indices, a.size(i));
  Array out = Array::make(with_size(a.shape(), i, plain.size()), a.dtype());
  launch(select_kernel, out, a.contiguous(), plain, i);
  return out;
}

Array index_scatter(const Array& source, const Array& indices, std::int64_t n, int axis) {
  const int i = source.shape().axis(axis);
  require_row(indices, source, i);
  const Array plain = checked(indices, n);
  Array out = Array::full(with_size(source.shape(), i, n), 0, source.dtype());
  launch(index_add_kernel, out, source.contiguous(), plain, i);
  return out;
}

void index_add(const Array& sum, const Array& source, const Array& indices, int axis) {
  const int i = sum.shape().axis(axis);
  require_sum(sum, source, i);
  require_row(indices, source, i);
  launch(index_add_kernel, sum, source.contiguous(), checked(indices, sum.size(i)), i);
}

Array gather(const Array& a, const Array& indices, int axis) {
  const int i = a.shape().axis(axis);
  require_alike(a, indices, i);
  const Array plain = checked(indices, a.size(i));
  Array out = Array::make(indices.shape(), a.dtype());
  launch(gather_kernel, out, a.contiguous(), plain, i);
  return out;
}

Array scatter(const Array& source, const Array& indices, std::int64_t n, int axis) {
  const int i = source.shape().axis(axis);
  if (!indices.same_shape(source)) throw ShapeError(fmt::format("indices of {} for values of {}", to_string(indices.shape()), to_string(source.shape())));
  const Array plain = checked(indices, n);
  Array out = Array::full(with_size(source.shape(), i, n), 0, source.dtype());
  launch(scatter_add_kernel, out, source.contiguous(), plain, i);
  return out;
}

void scatter_add(const Array& sum, const Array& source, const Array& indices, int axis) {
  const int i = sum.shape().axis(axis);
  require_sum(sum, source, i);
  if (!indices.same_shape(source)) throw ShapeError(fmt::format("indices of {} for values of {}", to_string(indices.shape()), to_string(source.shape())));
  launch(scatter_add_kernel, sum, source.contiguous(), checked(indices, sum.size(i)), i);
}

Array argsort(const Array& a, int axis, bool descending, std::int64_t count) {
  const int i = a.shape().axis(axis);
  if (count < 0 || count > a.size(i)) throw ShapeError(fmt::format("{} of {} elements along axis {} of {}", count, a.size(i), i, to_string(a.shape())));
  Array out = Array::make(with_size(a.shape(), i, count), int64);
  launch(argsort_kernel, out, a.contiguous(), i, descending);
  return out;
}

}  // namespace dz::kernels
