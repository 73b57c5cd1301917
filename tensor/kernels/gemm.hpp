#pragma once
// A product of matrices for kernels that keep their own layouts: oneDNN's for float32, BLAS's for float64. Inside a parallel loop it runs
// on one thread.

#include <cblas.h>

#include <algorithm>
#include <cstdint>

namespace dz::kernels::detail {

/// A matrix in rows as BLAS sees it: `step` elements from a row to the next; transposed, its columns are the product's rows.
template <class T> struct Operand {
  const T* data;
  std::int64_t step;
  bool transposed = false;
};

/// gemm by oneDNN; does not throw.
void onednn_gemm(float* out, std::int64_t out_step, std::int64_t m, std::int64_t n, std::int64_t k, Operand<float> a, Operand<float> b,
                 float factor, float keep);

/// out (m, n) = factor·a (m, k)·b (k, n) + keep·out; sizes and steps fit an int.
template <class T>
void gemm(T* out, std::int64_t out_step, std::int64_t m, std::int64_t n, std::int64_t k, Operand<T> a, Operand<T> b, T factor = 1,
          T keep = 0) {
  if (m == 0 || n == 0) return;
  if (k == 0) {  // oneDNN would leave out as it is
    for (std::int64_t i = 0; i < m; ++i)
      for (T* y = out + i * out_step; y < out + i * out_step + n; ++y) *y = keep == 0 ? T{} : keep * *y;
    return;
  }
  if constexpr (sizeof(T) == sizeof(float)) {
    onednn_gemm(out, out_step, m, n, k, a, b, factor, keep);
  } else {
    const auto flag = [](const Operand<T>& o) { return o.transposed ? CblasTrans : CblasNoTrans; };
    const auto narrow = [](std::int64_t i) { return static_cast<int>(std::max<std::int64_t>(i, 1)); };
    cblas_dgemm(CblasRowMajor, flag(a), flag(b), static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), factor, a.data,
                narrow(a.step), b.data, narrow(b.step), keep, out, narrow(out_step));
  }
}

}  // namespace dz::kernels::detail
