// What a dense layer's reverse step needs beside its products.

#include <dz/tensor/kernels/kernels.hpp>
#include <dz/tensor/kernels/vectorised.hpp>

namespace dz::kernels {
namespace {

constexpr std::int64_t strip = thresholds::summed_strip;  // columns gone through together
constexpr std::int64_t block = thresholds::summed_rows;   // rows summed in the element type before they go over into double

template <class T> struct Rectified {
  T* dz;
  T* db;
  const T *da, *a;
  std::int64_t rows, columns;
};

/// Columns [from, from + n) of all rows: dz, and its sums.
template <class T> DZ_INLINE void rectify(const Rectified<T>& r, std::int64_t from, std::int64_t n) {
  double total[strip] = {};
  for (std::int64_t first = 0; first < r.rows; first += block) {
    T part[strip] = {};
    for (std::int64_t i = first; i < std::min(r.rows, first + block); ++i) {
      const std::int64_t at = i * r.columns + from;
      for (std::int64_t j = 0; j < n; ++j) {
        const T d = r.a[at + j] > 0 ? r.da[at + j] : T{0};
        r.dz[at + j] = d;
        part[j] += d;
      }
    }
    for (std::int64_t j = 0; j < n; ++j) total[j] += static_cast<double>(part[j]);
  }
  for (std::int64_t j = 0; j < n; ++j) r.db[from + j] = static_cast<T>(total[j]);
}

void relu_gradient_kernel(const Array& dz, const Array& db, const Array& da, const Array& a) {
  visit_floating(dz.dtype(), [&]<class T>(std::type_identity<T>) {
    const Rectified<T> r{dz.writable<T>(), db.writable<T>(), da.data<T>(), a.data<T>(), dz.size(0), dz.size(1)};
    const std::int64_t strips = (r.columns + strip - 1) / strip;
    parallel_for(strips, std::max<std::int64_t>(1, elementwise_grain / (r.rows * strip + 1)), [&](std::int64_t begin, std::int64_t end) {
      detail::vectorised([&]() __attribute__((always_inline)) {
        for (std::int64_t s = begin; s < end; ++s) {
          if ((s + 1) * strip <= r.columns) rectify(r, s * strip, strip);
          else rectify(r, s * strip, r.columns - s * strip);
        }
      });
    });
  });
}

}  // namespace

std::pair<Array, Array> relu_gradient(const Array& da, const Array& a) {
  Array dz = Array::make(a.shape(), a.dtype()), db = Array::make({a.size(1)}, a.dtype());
  launch(relu_gradient_kernel, dz, db, da.contiguous(), a);
  return {std::move(dz), std::move(db)};
}

}  // namespace dz::kernels
