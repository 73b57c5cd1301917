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

/// Rows [first, last) of the columns [from, from + n): dz, and its sums.
template <class T> DZ_INLINE void rectify(const Rectified<T>& r, std::int64_t first, std::int64_t last, std::int64_t from, std::int64_t n, double* total) {
  for (; first < last; first += few) {
    T part[strip] = {};
    for (std::int64_t i = first; i < std::min(last, first + few); ++i) {
      const std::int64_t at = i * r.columns + from;
      for (std::int64_t j = 0; j < n; ++j) {
        const T d = r.a[at + j] > 0 ? r.da[at + j] : T{0};
        r.dz[at + j] = d;
        part[j] += d;
      }
    }
    for (std::int64_t j = 0; j < n; ++j) total[j] += static_cast<double>(part[j]);
  }
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
          if (n == strip) rectify(r, first, last, from, strip, total);
          else rectify(r, first, last, from, n, total);
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
