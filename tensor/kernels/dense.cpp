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

/// Rows [first, last) of `packs` packs of columns from `from` on: dz (unless `relu` is off: then it is da), and its sums.
template <bool relu, int packs, class T> DZ_INLINE void rectify_packs(const Rectified<T>& r, std::int64_t first, std::int64_t last, std::int64_t from, double* total) {
  constexpr std::int64_t width = Pack<T>::width;
  for (; first < last; first += few) {
    typename Pack<T>::V part[packs] = {};
    for (std::int64_t i = first; i < std::min(last, first + few); ++i)
      for (int k = 0; k < packs; ++k) {
        const std::int64_t at = i * r.columns + from + k * width;
        Pack<T> d = detail::load<T>(r.da + at, 1, width);
        if constexpr (relu) {
          d = where(less(Pack<T>(0), detail::load<T>(r.a + at, 1, width)), d, Pack<T>(0));
          detail::store<T>(r.dz + at, 1, width, d);
        }
        part[k] = part[k] + d.v;
      }
    for (int k = 0; k < packs; ++k)
      for (std::int64_t j = 0; j < width; ++j) total[k * width + j] += static_cast<double>(part[k][j]);
  }
}

/// The same of a few columns, fewer than a pack.
template <bool relu, class T> DZ_INLINE void rectify_columns(const Rectified<T>& r, std::int64_t first, std::int64_t last, std::int64_t from, std::int64_t n, double* total) {
  for (; first < last; first += few) {
    T part[Pack<T>::width] = {};
    for (std::int64_t i = first; i < std::min(last, first + few); ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        const std::int64_t at = i * r.columns + from + j;
        T d = r.da[at];
        if constexpr (relu) {
          d = r.a[at] > 0 ? d : T{0};
          r.dz[at] = d;
        }
        part[j] += d;
      }
    for (std::int64_t j = 0; j < n; ++j) total[j] += static_cast<double>(part[j]);
  }
}

/// The same of the columns [from, from + n).
template <bool relu, class T> DZ_INLINE void rectify(const Rectified<T>& r, std::int64_t first, std::int64_t last, std::int64_t from, std::int64_t n, double* total) {
  constexpr std::int64_t width = Pack<T>::width;
  std::int64_t j = 0;
  for (; j + 4 * width <= n; j += 4 * width) rectify_packs<relu, 4>(r, first, last, from + j, total + j);
  for (; j + 2 * width <= n; j += 2 * width) rectify_packs<relu, 2>(r, first, last, from + j, total + j);
  for (; j + width <= n; j += width) rectify_packs<relu, 1>(r, first, last, from + j, total + j);
  if (j < n) rectify_columns<relu>(r, first, last, from + j, n - j, total + j);
}

std::int64_t blocks_of(std::int64_t rows) { return (rows + block - 1) / block; }

/// The loop of both kernels below. `part` (blocks of rows, columns) is null where there is one block.
template <bool relu, class T> void sum_columns(const Rectified<T>& r, T* sums, double* part) {
  const std::int64_t strips = (r.columns + strip - 1) / strip, blocks = std::max<std::int64_t>(1, blocks_of(r.rows));
  const std::int64_t work = std::min(r.rows, block) * std::min(r.columns, strip);
  parallel_for(strips * blocks, std::max<std::int64_t>(1, elementwise_grain / (work + 1)), [&](std::int64_t begin, std::int64_t end) {
    detail::vectorised([&]() __attribute__((always_inline)) {
      for (std::int64_t k = begin; k < end; ++k) {
        const std::int64_t first = k / strips * block, last = std::min(r.rows, first + block), from = k % strips * strip;
        const std::int64_t n = std::min(strip, r.columns - from);
        double total[strip];
        for (std::int64_t j = 0; j < n; ++j) total[j] = 0;
        rectify<relu>(r, first, last, from, n, total);
        for (std::int64_t j = 0; j < n; ++j) {
          if (part) part[k / strips * r.columns + from + j] = total[j];
          else sums[from + j] = static_cast<T>(total[j]);
        }
      }
    });
  });
  if (!part) return;
  for (std::int64_t k = 1; k < blocks; ++k)
    for (std::int64_t j = 0; j < r.columns; ++j) part[j] += part[k * r.columns + j];
  for (std::int64_t j = 0; j < r.columns; ++j) sums[j] = static_cast<T>(part[j]);
}

// parts, float64, is empty where there is one block.

void relu_gradient_kernel(const Array& dz, const Array& db, const Array& parts, const Array& da, const Array& a) {
  visit_floating(dz.dtype(), [&]<class T>(std::type_identity<T>) {
    sum_columns<true, T>({dz.writable<T>(), da.data<T>(), a.data<T>(), dz.size(0), dz.size(1)}, db.writable<T>(), parts ? parts.writable<double>() : nullptr);
  });
}

void column_sums_kernel(const Array& sums, const Array& parts, const Array& a) {
  visit_floating(a.dtype(), [&]<class T>(std::type_identity<T>) {
    if (a.size(0) == 1) std::copy_n(a.data<T>(), a.size(1), sums.writable<T>());
    else sum_columns<false, T>({nullptr, a.data<T>(), nullptr, a.size(0), a.size(1)}, sums.writable<T>(), parts ? parts.writable<double>() : nullptr);
  });
}

/// Room for the blocks' own sums, where there are several.
Array parts_of(const Array& a) {
  const std::int64_t blocks = blocks_of(a.size(0));
  return blocks > 1 ? Array::make({blocks, a.size(1)}, float64) : Array();
}

}  // namespace

std::pair<Array, Array> relu_gradient(const Array& da, const Array& a, bool over) {
  Array dz = over && !dz::detail::is_heard() ? da : Array::make(a.shape(), a.dtype()), db = Array::make({a.size(1)}, a.dtype());
  launch(relu_gradient_kernel, dz, db, parts_of(a), da.contiguous(), a);
  return {std::move(dz), std::move(db)};
}

Array column_sums(const Array& a) {
  Array sums = Array::make({a.size(1)}, a.dtype());
  launch(column_sums_kernel, sums, parts_of(a), a.contiguous());
  return sums;
}

}  // namespace dz::kernels
