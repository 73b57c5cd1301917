#pragma once
// Elementwise operations of one operand whose slope costs about as much as their value: it is computed in the same pass, and kept.

#include <dz/ops/elementwise.hpp>
#include <dz/tensor/kernels/vectorised.hpp>
#include <dz/tensor/launch.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::detail {

/// f of z, and its slope, all in row order.
template <class F> void value_and_slope(const Array& y, const Array& slope, const Array& z, F f) {
  visit_floating(z.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* const from = z.data<T>();
    T *const to = y.writable<T>(), *const slopes = slope.writable<T>();
    parallel_for(z.size(), elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
      kernels::detail::vectorised([&]() __attribute__((always_inline)) {
        using P = Pack<T>;
        for (std::int64_t i = begin; i < end; i += P::width) {
          const Dual<P> r = f(Dual<P>{kernels::detail::load<T>(from + i, 1, end - i), P(1)});
          kernels::detail::store<T>(to + i, 1, end - i, r.value);
          kernels::detail::store<T>(slopes + i, 1, end - i, r.slope);
        }
      });
    });
  });
}

/// As elementwise(name, f, z), but half as much again is kept, and the reverse pass is one multiplication.
template <class F> Tensor elementwise_keeping_slope(const char* name, const F& f, In z) {
  if (!is_recording() || !z.requires_grad()) return elementwise_value(name, f, z);
  const Beside slope(Array::make(z.shape(), z.dtype()));
  const auto forward = [f, slope](const Array& z) {
    const Array y = Array::make(z.shape(), z.dtype());
    launch(value_and_slope<F>, y, slope.room(), z.contiguous(), f);
    return y;
  };
  return record(name, forward, wrt(z, [f, slope = slope.array(), z = Tensor(z)](Tensor&& dy) -> Tensor {
                  if (is_recording()) return dy * slope_by<0, Number>(f, Number(z));
                  return Tensor(kernels::map_over([](auto dy, auto slope) { return dy * slope; }, std::move(dy).value(), slope));
                }));
}

}  // namespace dz::detail
