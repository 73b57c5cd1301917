// Reductions. Sums are taken in chunks of a fixed length whose partial sums are added in double, so the result does not depend on
// the number of threads.

#include <fmt/format.h>

#include <functional>

#include <dz/tensor/kernels/kernels.hpp>
#include <dz/tensor/kernels/slab.hpp>
#include <dz/tensor/launch.hpp>
#include <dz/tensor/memory.hpp>

namespace dz::kernels {
namespace {

constexpr std::int64_t block = thresholds::sum_block;  // summed by one thread
constexpr std::int64_t chunk = thresholds::sum_chunk;   // summed in the element type itself: a lane rounds sixteen times before it goes over into double

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
  if (e.after == 1 && e.before == 1 && e.reduced <= thresholds::sum_block) {
    out[0] = static_cast<T>(sum_run(x, e.reduced));
    return;
  }
  if (e.after == 1 && e.before == 1) {  // one long run: blocks in parallel, then added in order
    memory::Vector<double> parts(static_cast<std::size_t>((e.reduced + block - 1) / block));
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
  constexpr std::int64_t width = thresholds::sum_columns;  // columns summed at a time, in double
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

/// x is to be taken for best; a NaN wins and stays.
template <bool largest, class T> bool beats(T x, T best) { return (largest ? x > best : x < best) || (x != x && best == best); }

template <bool largest> void extremum_kernel(const Array& out, const Array& in, Extents e) {
  visit_dtype(in.dtype(), [&]<class T>(std::type_identity<T>) {
    T* y = out.writable<T>();
    const T* x = in.data<T>();
    parallel_for(e.before, grain_of(e), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t a = begin; a < end; ++a)
        for (std::int64_t r = 0; r < e.reduced; ++r) {
          const T* row = x + (a * e.reduced + r) * e.after;
          for (std::int64_t i = 0; i < e.after; ++i) {
            T& best = y[a * e.after + i];
            if (r == 0 || beats<largest>(row[i], best)) best = row[i];
          }
        }
    });
  });
}

template <bool largest> void arg_kernel(const Array& out, const Array& in, Extents e) {
  visit_dtype(in.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* x = in.data<T>();
    std::int64_t* y = out.writable<std::int64_t>();
    for (std::int64_t a = 0; a < e.before; ++a)
      for (std::int64_t i = 0; i < e.after; ++i) {
        const T* column = x + a * e.reduced * e.after + i;
        std::int64_t best = 0;
        for (std::int64_t r = 1; r < e.reduced; ++r)
          if (beats<largest>(column[r * e.after], column[best * e.after])) best = r;
        y[a * e.after + i] = best;
      }
  });
}

/// y = f(y, x) over each run, from `first` on; in the accumulator's precision.
template <class Accumulate, class Out, class In, class F> void fold(const Array& out, const Array& in, Extents e, Accumulate first, F f) {
  const In* x = in.data<In>();
  Out* y = out.writable<Out>();
  parallel_for(e.before, grain_of(e), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t a = begin; a < end; ++a)
      for (std::int64_t i = 0; i < e.after; ++i) {
        Accumulate so_far = first;
        for (std::int64_t r = 0; r < e.reduced; ++r) so_far = f(so_far, static_cast<Accumulate>(x[(a * e.reduced + r) * e.after + i]));
        y[a * e.after + i] = static_cast<Out>(so_far);
      }
  });
}

void prod_kernel(const Array& out, const Array& in, Extents e) {
  visit_floating(in.dtype(), [&]<class T>(std::type_identity<T>) { fold<double, T, T>(out, in, e, 1, std::multiplies<>()); });
}
void any_kernel(const Array& out, const Array& in, Extents e) { fold<bool, bool, bool>(out, in, e, false, std::logical_or<>()); }
void all_kernel(const Array& out, const Array& in, Extents e) { fold<bool, bool, bool>(out, in, e, true, std::logical_and<>()); }

template <class Kernel> Array reduce(Kernel kernel, const Array& a, std::uint32_t axes, bool keepdims, Dtype dtype) {
  const Slab s = slab(a, axes);
  Array out = Array::make(reduced(a.shape(), axes, keepdims), dtype);
  launch(kernel, out, s.values, s.extents);
  return out;
}

void require_some(const Array& a, bool some) {
  if (!some) throw ShapeError(fmt::format("no element to choose: {} is empty", to_string(a.shape())));
}

template <class Kernel> Array extremum(const Array& a, std::uint32_t axes, bool keepdims, Kernel kernel) {
  if (axes == 0) return a;
  require_some(a, a.size() > 0 || reduced(a.shape(), axes, keepdims).volume() == 0);
  return reduce(kernel, a, axes, keepdims, a.dtype());
}

template <class Kernel> Array arg(const Array& a, int axis, Kernel kernel) {
  const std::uint32_t mask = 1u << a.shape().axis(axis);
  require_some(a, a.size() > 0 || reduced(a.shape(), mask, false).volume() == 0);
  return reduce(kernel, a, mask, false, int64);
}

template <class Kernel> Array logic(Kernel kernel, const Array& a, std::uint32_t axes, bool keepdims) {
  if (a.dtype() != boolean) throw DtypeError(fmt::format("logic is of booleans, got {}", name(a.dtype())));
  return axes == 0 ? a : reduce(kernel, a, axes, keepdims, boolean);
}

}  // namespace

Array sum(const Array& a, std::uint32_t axes, bool keepdims) {
  if (is_floating(a.dtype())) return axes == 0 ? a : reduce(sum_kernel, a, axes, keepdims, a.dtype());
  return axes == 0 ? a.cast(int64) : reduce(sum_integers, a, axes, keepdims, int64);
}

Array max(const Array& a, std::uint32_t axes, bool keepdims) { return extremum(a, axes, keepdims, extremum_kernel<true>); }
Array min(const Array& a, std::uint32_t axes, bool keepdims) { return extremum(a, axes, keepdims, extremum_kernel<false>); }

Array prod(const Array& a, std::uint32_t axes, bool keepdims) {
  require_floating(a);
  return axes == 0 ? a : reduce(prod_kernel, a, axes, keepdims, a.dtype());
}

Array any(const Array& a, std::uint32_t axes, bool keepdims) { return logic(any_kernel, a, axes, keepdims); }
Array all(const Array& a, std::uint32_t axes, bool keepdims) { return logic(all_kernel, a, axes, keepdims); }

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

Array argmax(const Array& a, int axis) { return arg(a, axis, arg_kernel<true>); }
Array argmin(const Array& a, int axis) { return arg(a, axis, arg_kernel<false>); }

}  // namespace dz::kernels
