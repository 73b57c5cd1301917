// What runs along one axis and keeps it: softmax and its kin, running sums, recurrences.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <dz/tensor/kernels/kernels.hpp>
#include <dz/tensor/kernels/slab.hpp>
#include <dz/tensor/kernels/vectorised.hpp>
#include <dz/tensor/launch.hpp>

namespace dz::kernels {

void require_floating(const Array& a) {
  if (!is_floating(a.dtype())) throw DtypeError(fmt::format("needs float32 or float64, got {}", name(a.dtype())));
}

Slab slab(const Array& a, std::uint32_t mask) {
  int first = -1, last = -1;
  for (int i = 0; i < a.rank(); ++i)
    if (mask >> i & 1) {
      if (first < 0) first = i;
      last = i;
    }
  bool together = first >= 0;
  for (int i = first; together && i <= last; ++i) together = mask >> i & 1;
  Slab s;
  Extents& e = s.extents;
  if (together) {  // they stay where they are
    s.values = a.contiguous();
    for (int i = 0; i < a.rank(); ++i) (i < first ? e.before : i <= last ? e.reduced : e.after) *= a.size(i);
    return s;
  }
  std::array<int, max_rank> order{};
  std::size_t count = 0;
  for (std::uint32_t reduced = 0; reduced < 2; ++reduced)  // otherwise they move to the end
    for (int i = 0; i < a.rank(); ++i)
      if ((mask >> i & 1) == reduced) order[count++] = i;
  s.values = a.permute(std::span(order).first(count)).contiguous();
  for (int i = 0; i < a.rank(); ++i) (mask >> i & 1 ? e.reduced : e.before) *= a.size(i);
  return s;
}

namespace {

/// to = e^(from − level), for n elements `step` apart.
template <class T> void exp_less(T* to, const T* from, std::int64_t step, std::int64_t n, T level) {
  detail::vectorised([&]() __attribute__((always_inline)) {
    for (std::int64_t i = 0; i < n; i += Pack<T>::width)
      detail::store(to + i * step, step, n - i, exp(detail::load<T>(from + i * step, step, n - i) - Pack<T>(level)));
  });
}

/// z along its axis as softmax or its logarithm: shifted by the largest element, so that nothing overflows. A row of −∞ has no mass.
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
                       if (largest == -std::numeric_limits<T>::infinity()) {  // or NaN everywhere, which max passes over
                         for (std::int64_t r = 0; r < e.reduced; ++r) {
                           const T z = from[r * e.after];
                           to[r * e.after] = z != z || logarithm ? z : T{0};
                         }
                         continue;
                       }
                       exp_less(to, from, e.after, e.reduced, largest);
                       double total = 0;
                       for (std::int64_t r = 0; r < e.reduced; ++r) total += static_cast<double>(to[r * e.after]);
                       const T log_total = static_cast<T>(std::log(total)), factor = static_cast<T>(1 / total);
                       for (std::int64_t r = 0; r < e.reduced; ++r) {
                         if constexpr (logarithm) to[r * e.after] = (from[r * e.after] - largest) - log_total;
                         else to[r * e.after] *= factor;
                       }
                     }
                 });
  });
}

/// For every run along the axis: f(first element of the run, its step).
template <class F> void for_each_run(Extents e, F f) {
  parallel_for(e.before, grain_of(e), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t a = begin; a < end; ++a)
      for (std::int64_t i = 0; i < e.after; ++i) f(a * e.reduced * e.after + i, e.after);
  });
}

void logsumexp_kernel(const Array& out, const Array& in, Extents e) {
  visit_floating(in.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* x = in.data<T>();
    T* y = out.writable<T>();
    for_each_run(e, [&](std::int64_t first, std::int64_t step) {
      T largest = -std::numeric_limits<T>::infinity();
      for (std::int64_t r = 0; r < e.reduced; ++r) {
        const T v = x[first + r * step];
        if (v > largest || v != v) largest = v;
      }
      double total = 0;
      for (std::int64_t r = 0; r < e.reduced; ++r) total += std::exp(static_cast<double>(x[first + r * step] - largest));
      const std::int64_t run = first / (e.reduced * step) * step + first % step;
      y[run] = std::isinf(largest) ? largest : static_cast<T>(static_cast<double>(largest) + std::log(total));
    });
  });
}

struct Scan {
  Extents extents;
  bool reverse;
  double initial = 0;
  /// The place of step number r of a run.
  std::int64_t at(std::int64_t first, std::int64_t r) const { return first + (reverse ? extents.reduced - 1 - r : r) * extents.after; }
};

void cumsum_kernel(const Array& out, const Array& in, Scan s) {
  visit_dtype(out.dtype(), [&]<class T>(std::type_identity<T>) {
    using Sum = std::conditional_t<std::is_floating_point_v<T>, double, std::int64_t>;
    const T* x = in.data<T>();
    T* y = out.writable<T>();
    for_each_run(s.extents, [&](std::int64_t first, std::int64_t) {
      Sum so_far{};
      for (std::int64_t r = 0; r < s.extents.reduced; ++r) {
        so_far += static_cast<Sum>(x[s.at(first, r)]);
        y[s.at(first, r)] = static_cast<T>(so_far);
      }
    });
  });
}

void recurrence_kernel(const Array& out, const Array& factors, const Array& terms, Scan s) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const T *a = factors.data<T>(), *b = terms.data<T>();
    T* h = out.writable<T>();
    for_each_run(s.extents, [&](std::int64_t first, std::int64_t) {
      double state = s.initial;
      for (std::int64_t r = 0; r < s.extents.reduced; ++r) {
        const std::int64_t at = s.at(first, r);
        state = static_cast<double>(a[at]) * state + static_cast<double>(b[at]);
        h[at] = static_cast<T>(state);
      }
    });
  });
}

struct Shift {
  Extents extents;
  std::int64_t by;
  double fill;
};

void shift_kernel(const Array& out, const Array& in, Shift s) {
  visit_dtype(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* x = in.data<T>();
    T* y = out.writable<T>();
    for_each_run(s.extents, [&](std::int64_t first, std::int64_t step) {
      for (std::int64_t r = 0; r < s.extents.reduced; ++r) {
        const std::int64_t from = r - s.by;
        y[first + r * step] = from >= 0 && from < s.extents.reduced ? x[first + from * step] : static_cast<T>(s.fill);
      }
    });
  });
}

Slab along(const Array& a, int axis) { return slab(a, 1u << a.shape().axis(axis)); }

Array softmax(const Array& z, int axis, auto kernel) {
  require_floating(z);
  const Slab s = along(z, axis);
  Array out = Array::make(z.shape(), z.dtype());
  launch(kernel, out, s.values, s.extents);
  return out;
}

}  // namespace

Array softmax(const Array& z, int axis) { return softmax(z, axis, softmax_kernel<false>); }
Array log_softmax(const Array& z, int axis) { return softmax(z, axis, softmax_kernel<true>); }

Array logsumexp(const Array& z, int axis, bool keepdims) {
  require_floating(z);
  const Slab s = along(z, axis);
  Array out = Array::make(reduced(z.shape(), 1u << z.shape().axis(axis), keepdims), z.dtype());
  if (s.extents.reduced == 0) return Array::full(out.shape(), -std::numeric_limits<double>::infinity(), z.dtype());
  launch(logsumexp_kernel, out, s.values, s.extents);
  return out;
}

Array cumsum(const Array& a, int axis, bool reverse) {
  const Array numbers = is_floating(a.dtype()) || a.dtype() == int64 ? a : a.cast(int64);
  const Slab s = along(numbers, axis);
  Array out = Array::make(numbers.shape(), numbers.dtype());
  launch(cumsum_kernel, out, s.values, Scan{s.extents, reverse});
  return out;
}

Array recurrence(const Array& a, const Array& b, int axis, double initial, bool reverse) {
  require_floating(a);
  if (a.dtype() != b.dtype()) throw DtypeError(fmt::format("factors are {}, terms {}", name(a.dtype()), name(b.dtype())));
  if (!a.same_shape(b)) throw ShapeError(fmt::format("factors are {}, terms {}", to_string(a.shape()), to_string(b.shape())));
  const Slab factors = along(a, axis), terms = along(b, axis);
  Array out = Array::make(a.shape(), a.dtype());
  launch(recurrence_kernel, out, factors.values, terms.values, Scan{factors.extents, reverse, initial});
  return out;
}

Array shift(const Array& a, int axis, std::int64_t by, double fill) {
  const Slab s = along(a, axis);
  Array out = Array::make(a.shape(), a.dtype());
  launch(shift_kernel, out, s.values, Shift{s.extents, std::clamp(by, -s.extents.reduced, s.extents.reduced), fill});
  return out;
}

}  // namespace dz::kernels
