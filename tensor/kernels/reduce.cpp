// Reductions. The reduced axes are brought together, so that every input is (before, reduced, after); sums are taken in chunks of
// a fixed length whose partial sums are added in double, so the result does not depend on the number of threads.

#include <fmt/format.h>

#include <limits>

#include <dz/tensor/kernels/kernels.hpp>
#include <dz/tensor/launch.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels {
namespace {

/// An array seen as (before, reduced, after), contiguous.
struct Slab {
  Array values;
  std::int64_t before = 1, reduced = 1, after = 1;
};

Slab slab(const Array& a, std::uint32_t mask) {
  std::array<int, max_rank> order{};
  std::size_t count = 0;
  // Reduced axes that already lie together stay where they are; otherwise they move to the end.
  int first = -1, last = -1;
  for (int i = 0; i < a.rank(); ++i)
    if (mask >> i & 1) {
      if (first < 0) first = i;
      last = i;
    }
  bool together = first >= 0;
  for (int i = first; together && i <= last; ++i) together = mask >> i & 1;
  Slab s;
  if (together) {
    s.values = a.contiguous();
    for (int i = 0; i < a.rank(); ++i) (i < first ? s.before : i <= last ? s.reduced : s.after) *= a.size(i);
    return s;
  }
  for (int pass = 0; pass < 2; ++pass)
    for (int i = 0; i < a.rank(); ++i)
      if ((mask >> i & 1) == static_cast<std::uint32_t>(pass)) order[count++] = i;
  s.values = a.permute(std::span(order).first(count)).contiguous();
  for (int i = 0; i < a.rank(); ++i) (mask >> i & 1 ? s.reduced : s.before) *= a.size(i);
  return s;
}

struct Extents {
  std::int64_t before, reduced, after;
};

constexpr std::int64_t block = 4096;  // summed by one thread
constexpr std::int64_t chunk = 256;   // summed in the element type itself: a lane rounds sixteen times before it goes over into double

template <class T> using Accumulator = std::conditional_t<std::is_floating_point_v<T>, double, std::int64_t>;

template <class T> double sum_run(const T* x, std::int64_t n) {
  constexpr std::int64_t lanes = 16;
  double wide[lanes] = {}, total = 0;
  std::int64_t i = 0;
  while (i + lanes <= n) {
    T lane[lanes] = {};
    for (const std::int64_t stop = std::min(n, i + chunk); i + lanes <= stop; i += lanes)
      for (std::int64_t k = 0; k < lanes; ++k) lane[k] += x[i + k];
    for (std::int64_t k = 0; k < lanes; ++k) wide[k] += static_cast<double>(lane[k]);
  }
  for (; i < n; ++i) total += static_cast<double>(x[i]);
  for (double w : wide) total += w;
  return total;
}

template <class T> void sum_rows(T* out, const T* x, Extents e) {
  if (e.after == 1 && e.before == 1) {  // one long run: blocks in parallel, then added in order
    std::vector<double> parts(static_cast<std::size_t>((e.reduced + block - 1) / block));
    parallel_for(e.reduced, block * 4, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t start = begin; start < end; start += block)
        parts[static_cast<std::size_t>(start / block)] = sum_run(x + start, std::min(end, start + block) - start);
    });
    double total = 0;
    for (double p : parts) total += p;
    out[0] = static_cast<T>(total);
    return;
  }
  const std::int64_t grain = std::max<std::int64_t>(1, elementwise_grain / std::max<std::int64_t>(1, e.reduced));
  if (e.after == 1) {
    parallel_for(e.before, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t a = begin; a < end; ++a) out[a] = static_cast<T>(sum_run(x + a * e.reduced, e.reduced));
    });
    return;
  }
  constexpr std::int64_t width = 256;  // columns summed at a time, in double
  const std::int64_t strips = (e.after + width - 1) / width;
  parallel_for(e.before * strips, std::max<std::int64_t>(1, grain / width), [&](std::int64_t begin, std::int64_t end) {
    double column[width];
    for (std::int64_t s = begin; s < end; ++s) {
      const std::int64_t a = s / strips, from = s % strips * width, n = std::min(width, e.after - from);
      std::fill_n(column, n, 0.0);
      for (std::int64_t r = 0; r < e.reduced; ++r) {
        const T* row = x + (a * e.reduced + r) * e.after + from;
        for (std::int64_t i = 0; i < n; ++i) column[i] += static_cast<double>(row[i]);
      }
      for (std::int64_t i = 0; i < n; ++i) out[a * e.after + from + i] = static_cast<T>(column[i]);
    }
  });
}

void sum_kernel(const Array& out, const Array& in, Extents e) {
  visit_floating(in.dtype(), [&]<class T>(std::type_identity<T>) { sum_rows<T>(out.writable<T>(), in.data<T>(), e); });
}

void sum_integers(const Array& out, const Array& in, Extents e) {
  visit_dtype(in.dtype(), [&]<class T>(std::type_identity<T>) {
    std::int64_t* y = out.writable<std::int64_t>();
    const T* x = in.data<T>();
    std::fill_n(y, e.before * e.after, std::int64_t{0});
    for (std::int64_t a = 0; a < e.before; ++a)
      for (std::int64_t r = 0; r < e.reduced; ++r)
        for (std::int64_t i = 0; i < e.after; ++i) y[a * e.after + i] += static_cast<std::int64_t>(x[(a * e.reduced + r) * e.after + i]);
  });
}

void max_kernel(const Array& out, const Array& in, Extents e) {
  visit_dtype(in.dtype(), [&]<class T>(std::type_identity<T>) {
    T* y = out.writable<T>();
    const T* x = in.data<T>();
    parallel_for(e.before, std::max<std::int64_t>(1, elementwise_grain / (e.reduced * e.after + 1)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t a = begin; a < end; ++a)
                     for (std::int64_t r = 0; r < e.reduced; ++r) {
                       const T* row = x + (a * e.reduced + r) * e.after;
                       for (std::int64_t i = 0; i < e.after; ++i) {
                         T& best = y[a * e.after + i];
                         if (r == 0 || row[i] > best || row[i] != row[i]) best = row[i];  // a NaN stays
                       }
                     }
                 });
  });
}

void argmax_kernel(const Array& out, const Array& in, Extents e) {
  visit_dtype(in.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* x = in.data<T>();
    std::int64_t* y = out.writable<std::int64_t>();
    for (std::int64_t a = 0; a < e.before; ++a)
      for (std::int64_t i = 0; i < e.after; ++i) {
        const T* column = x + a * e.reduced * e.after + i;
        std::int64_t best = 0;
        for (std::int64_t r = 1; r < e.reduced; ++r)
          if (const T v = column[r * e.after], b = column[best * e.after]; v > b || (v != v && b == b)) best = r;  // a NaN is largest, as in max
        y[a * e.after + i] = best;
      }
  });
}

/// z along its axis as softmax or its logarithm: shifted by the largest element, so that nothing overflows. A row of −∞ is NaN.
template <bool logarithm> void softmax_kernel(const Array& out, const Array& in, Extents e) {
  visit_floating(in.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* x = in.data<T>();
    T* y = out.writable<T>();
    parallel_for(e.before, std::max<std::int64_t>(1, elementwise_grain / 8 / (e.reduced * e.after + 1)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t a = begin; a < end; ++a)
                     for (std::int64_t i = 0; i < e.after; ++i) {
                       const T* from = x + a * e.reduced * e.after + i;
                       T* to = y + a * e.reduced * e.after + i;
                       T largest = -std::numeric_limits<T>::infinity();
                       for (std::int64_t r = 0; r < e.reduced; ++r) largest = std::max(largest, from[r * e.after]);
                       double total = 0;
                       for (std::int64_t r = 0; r < e.reduced; ++r) {
                         to[r * e.after] = std::exp(from[r * e.after] - largest);
                         total += static_cast<double>(to[r * e.after]);
                       }
                       const T log_total = static_cast<T>(std::log(total)), factor = static_cast<T>(1 / total);
                       for (std::int64_t r = 0; r < e.reduced; ++r) {
                         if constexpr (logarithm) to[r * e.after] = (from[r * e.after] - largest) - log_total;
                         else to[r * e.after] *= factor;
                       }
                     }
                 });
  });
}

Array along(const Array& z, int axis, auto kernel) {
  if (!is_floating(z.dtype())) throw DtypeError("needs float32 or float64, got " + std::string(name(z.dtype())));
  const Slab s = slab(z, 1u << z.shape().axis(axis));
  Array out = Array::make(z.shape(), z.dtype());
  launch(kernel, out, s.values, Extents{s.before, s.reduced, s.after});
  return out;
}

}  // namespace

Array sum(const Array& a, std::uint32_t axes, bool keepdims) {
  const bool integers = !is_floating(a.dtype());
  if (axes == 0) return integers ? a.cast(int64) : a;
  const Slab s = slab(a, axes);
  Array out = Array::make(reduced(a.shape(), axes, keepdims), integers ? int64 : a.dtype());
  launch(integers ? sum_integers : sum_kernel, out, s.values, Extents{s.before, s.reduced, s.after});
  return out;
}

Array max(const Array& a, std::uint32_t axes, bool keepdims) {
  if (axes == 0) return a;
  const Slab s = slab(a, axes);
  Array out = Array::make(reduced(a.shape(), axes, keepdims), a.dtype());
  if (s.reduced == 0 && out.size() > 0) throw ShapeError(fmt::format("no largest element: {} is empty", to_string(a.shape())));
  launch(max_kernel, out, s.values, Extents{s.before, s.reduced, s.after});
  return out;
}

Array sum_to(const Array& a, const Shape& shape) {
  if (a.shape() == shape) return a;
  if (shape.rank() == 0) return sum(a, (1u << a.rank()) - 1, false);
  std::uint32_t mask = 0;
  bool fits = shape.rank() == a.rank();
  for (int i = 0; fits && i < shape.rank(); ++i)
    if (shape[i] != a.size(i)) {
      fits = shape[i] == 1;
      mask |= 1u << i;
    }
  if (!fits) throw ShapeError(fmt::format("{} is no broadcast of {}", to_string(a.shape()), to_string(shape)));
  return sum(a, mask, true);
}

Array argmax(const Array& a, int axis) {
  const int i = a.shape().axis(axis);
  const Slab s = slab(a, 1u << i);
  Array out = Array::make(reduced(a.shape(), 1u << i, false), int64);
  if (s.reduced == 0 && out.size() > 0) throw ShapeError(fmt::format("no largest element: {} is empty", to_string(a.shape())));
  launch(argmax_kernel, out, s.values, Extents{s.before, s.reduced, s.after});
  return out;
}

Array softmax(const Array& z, int axis) { return along(z, axis, softmax_kernel<false>); }
Array log_softmax(const Array& z, int axis) { return along(z, axis, softmax_kernel<true>); }

}  // namespace dz::kernels
