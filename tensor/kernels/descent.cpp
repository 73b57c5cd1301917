#include <dz/tensor/kernels/descent.hpp>

#include <dz/tensor/kernels/vectorised.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels {
namespace {

template <class T> void descend_plain(T* w, const T* g, T rate, T decay, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) w[i] -= rate * (g[i] + decay * w[i]);
}

/// Knuth's TwoSum (TAOCP 2, 4.2.2, theorem B): next + remainder is exactly w + step.
template <class T> void descend_compensated(T* w, T* remainder, const T* g, T rate, T decay, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T step = remainder[i] - rate * (g[i] + decay * w[i]), next = w[i] + step, taken = next - w[i];
    remainder[i] = (w[i] - (next - taken)) + (step - taken);
    w[i] = next;
  }
}

}  // namespace

void descend(const Array& w, const Array& remainder, const Array& g, double rate, double decay) {
  auto kernel = [](const Array& w, const Array& remainder, const Array& g, double rate, double decay) {
    visit_floating(w.dtype(), [&]<class T>(std::type_identity<T>) {
      T* const to = w.writable<T>();
      T* const owed = remainder ? remainder.writable<T>() : nullptr;
      const T* const slope = g.data<T>();
      const T a = static_cast<T>(rate), d = static_cast<T>(decay);
      parallel_for(w.size(), elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
        detail::vectorised([&] {
          if (owed) descend_compensated(to + begin, owed + begin, slope + begin, a, d, end - begin);
          else descend_plain(to + begin, slope + begin, a, d, end - begin);
        });
      });
    });
  };
  launch(kernel, w, remainder, g.contiguous(), rate, decay);
}

}  // namespace dz::kernels
