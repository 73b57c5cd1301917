// What a dense layer's reverse step needs beside its products.

#include <dz/tensor/kernels/kernels.hpp>
#include <dz/tensor/kernels/vectorised.hpp>

namespace dz::kernels {
namespace {

constexpr std::int64_t strip = thresholds::summed_strip;  // columns gone through together
constexpr std::int64_t few = thresholds::summed_rows;     // rows summed in the element type before they go over into double
constexpr std::int64_t block = thresholds::summed_block;  // rows summed by one thread

template <class T> struct Rectified {
  T* dz;
  const T *da, *a;
  std::int64_t rows, columns;
};

/// Rows [first, last) of `packs` packs of columns from `from` on: dz, and its sums.
template <int packs, class T> DZ_INLINE void rectify_packs(const Rectified<T>& r, std::int64_t first, std::int64_t last, std::int64_t from, double* total) {
  constexpr std::int64_t width = Pack<T>::width;
  for (; first < last; first += few) {
    typename Pack<T>::V part[packs] = {};
    for (std::int64_t i = first; i < std::min(last, first + few); ++i)
      for (int k = 0; k < packs; ++k) {
        const std::int64_t at = i * r.columns + from + k * width;
        const Pack<T> d = where(less(Pack<T>(0), detail::load<T>(r.a + at, 1, width)), detail::load<T>(r.da + at, 1, width), Pack<T>(0));
        detail::store<T>(r.dz + at, 1, width, d);
        part[k] = part[k] + d.v;
      }
    for (int k = 0; k < packs; ++k)
      for (std::int64_t j = 0; j < width; ++j) total[k * width + j] += static_cast<double>(part[k][j]);
  }
}

/// The same of a few columns, fewer than a pack.
template <class T> DZ_INLINE void rectify_columns(const Rectified<T>& r, std::int64_t first, std::int64_t last, std::int64_t from, std::int64_t n, double* total) {
  for (; first < last; first += few) {
    T part[Pack<T>::width] = {};
    for (std::int64_t i = first; i < std::min(last, first + few); ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        const std::int64_t at = i * r.columns + from + j;
        const T along = r.da[at], d = r.a[at] > 0 ? along : T{0};
        r.dz[at] = d;
        part[j] += d;
      }
    for (std::int64_t j = 0; j < n; ++j) total[j] += static_cast<double>(part[j]);
  }
}

/// The same of the columns [from, from + n).
template <class T> DZ_INLINE void rectify(const Rectified<T>& r, std::int64_t first, std::int64_t last, std::int64_t from, std::int64_t n, double* total) {
  constexpr std::int64_t width = Pack<T>::width;
  std::int64_t j = 0;
  for (; j + 4 * width <= n; j += 4 * width) rectify_packs<4>(r, first, last, from + j, total + j);
  for (; j + width <= n; j += width) rectify_packs<1>(r, first, last, from + j, total + j);
  if (j < n) rectify_columns(r, first, last, from + j, n - j, total + j);
}

std::int64_t blocks_of(std::int64_t rows) { return (rows + block - 1) / block; }

/// parts (blocks of rows, columns), float64, is empty where there is one block.
void relu_gradient_kernel(const Array& dz, const Array& db, const Array& parts, const Array& da, const Array& a) {
  visit_floating(dz.dtype(), [&]<class T>(std::type_identity<T>) {
    const Rectified<T> r{dz.writable<T>(), da.data<T>(), a.data<T>(), dz.size(0), dz.size(1)};
    T* const sums = db.writable<T>();
    double* const part = parts ? parts.writable<double>() : nullptr;
    const std::int64_t strips = (r.columns + strip - 1) / strip, blocks = std::max<std::int64_t>(1, blocks_of(r.rows));
    const std::int64_t work = std::min(r.rows, block) * std::min(r.columns, strip);
    parallel_for(strips * blocks, std::max<std::int64_t>(1, elementwise_grain / (work + 1)), [&](std::int64_t begin, std::int64_t end) {
      detail::vectorised([&]() __attribute__((always_inline)) {
        for (std::int64_t k = begin; k < end; ++k) {
          const std::int64_t first = k / strips * block, last = std::min(r.rows, first + block), from = k % strips * strip;
          const std::int64_t n = std::min(strip, r.columns - from);
          double total[strip] = {};
          rectify(r, first, last, from, n, total);
          for (std::int64_t j = 0; j < n; ++j) {
            if (part) part[k / strips * r.columns + from + j] = total[j];
            else sums[from + j] = static_cast<T>(total[j]);
          }
        }
      });
    });
    for (std::int64_t j = 0; part && j < r.columns; ++j) {
      double total = 0;
      for (std::int64_t k = 0; k < blocks; ++k) total += part[k * r.columns + j];
      sums[j] = static_cast<T>(total);
    }
  });
}

}  // namespace

std::pair<Array, Array> relu_gradient(const Array& da, const Array& a) {
  Array dz = Array::make(a.shape(), a.dtype()), db = Array::make({a.size(1)}, a.dtype());
  const std::int64_t blocks = blocks_of(a.size(0));
  launch(relu_gradient_kernel, dz, db, blocks > 1 ? Array::make({blocks, a.size(1)}, float64) : Array(), da.contiguous(), a);
  return {std::move(dz), std::move(db)};
}

}  // namespace dz::kernels
