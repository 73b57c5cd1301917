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

/// out = a·b, finished. The result lies in rows. Each element is a sum along the whole common axis or, where that suits several threads, of
/// two sums along its halves. Throws MemoryError.
void tiled_product(const Matrix<float>& out, const Bands& a, const Strips& b, Precision precision, const Finish<float>& finish);

/// An operand that lies as tiles read it. Left, rows are `step` cells apart or, across, side by side, and `step` cells from one cell of all of them to the
/// next. Right, it is a strip: 32 columns side by side, `step` cells from one cell of all of them to the next.
struct LaidOut {
  const Cell* first;
  std::int64_t step;
  bool across = false;
};

/// out = a·b, or grown by it, over n cells, on this thread. Rows of a are read eight by eight, or the last four; across there are 16 at most. b is
/// one strip: out has 32 columns at most.
void product_in_tiles(const Matrix<float>& out, const LaidOut& a, const LaidOut& b, std::int64_t n, Precision precision, bool adds);

}  // namespace dz::kernels::detail
