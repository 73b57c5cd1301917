#pragma once
// Products of any size, in float32 or from operands rounded to bfloat16: each thread lays out a part of either operand that its caches hold, and goes
// through it in tiles of 8 rows and 32 columns, the sums of which stay in registers. For AVX-512.

#include <dz/tensor/kernels/packing.hpp>

namespace dz::kernels::detail {

/// What becomes of a product's sums: each column's bias is added, then what is below 0 becomes 0 (a NaN stays).
template <class T> struct Finish {
  const T* bias = nullptr;
  bool relu = false;
};

/// out = a·b, finished. The result lies in rows. Each element's sum is the same for any number of threads. Throws MemoryError.
void tiled_product(const Matrix<float>& out, const Bands& a, const Strips& b, Precision precision, const Finish<float>& finish);

}  // namespace dz::kernels::detail
