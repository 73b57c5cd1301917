#pragma once
// Products of matrices that a core's caches hold, on one thread: tiles of the result in registers, its columns in packs, the elements of the
// left operand spread over them one by one. Nothing is allocated and no library is called.

#include <dz/tensor/kernels/map.hpp>
#include <dz/tensor/kernels/matmul.hpp>

namespace dz::kernels::detail {

/// Columns rounded up to whole packs.
template <class T> constexpr std::int64_t in_packs(std::int64_t columns) { return rounded_up(columns, Pack<T>::width); }

/// What becomes of the sums: bias + factor·sum, written or added.
template <class T> struct Epilogue {
  T factor = 1;
  bool adds = false;
  const T* bias = nullptr;  // an element for each column
};

/// out gets a·b. The result lies in rows; b's rows lie in one piece each and can be read up to a whole pack. For float and double.
template <class T> void small_product(const Matrix<T>& out, const Matrix<const T>& a, const Matrix<const T>& b, const Epilogue<T>& epilogue = {});

/// A copy of m in rows of whole packs, zeros at their ends, to `room`, which then goes on behind it.
template <class T> Matrix<const T> copied_to_packs(const Matrix<const T>& m, T*& room);
/// m as small_product() reads its right operand: m itself, or a copy.
template <class T> Matrix<const T> in_packed_rows(const Matrix<const T>& m, T*& room) {
  const bool whole = m.column_stride == 1 && m.columns == in_packs<T>(m.columns);
  return whole ? m : copied_to_packs(m, room);
}

}  // namespace dz::kernels::detail
