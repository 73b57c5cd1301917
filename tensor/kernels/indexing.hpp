#pragma once
// Elements chosen and added by int64 indices along one axis. Each function throws DtypeError where indices are not int64, ShapeError where shapes do
// not fit, and ValueError for an index outside the axis.

#include <dz/tensor/array.hpp>

namespace dz::kernels {

/// y[…, k, …] = a[…, indices[k], …] along the axis; indices have one axis.
Array index_select(const Array& a, const Array& indices, int axis);
/// Zeros of size n along the axis, with source[…, k, …] added at indices[k].
Array index_scatter(const Array& source, const Array& indices, std::int64_t n, int axis);
/// The same added to a sum that is there, in row order and the caller's alone, in place.
void index_add(const Array& sum, const Array& source, const Array& indices, int axis);
/// y[…, k, …] = a[…, indices[…, k, …], …] along the axis; indices have a's shape but for that axis.
Array gather(const Array& a, const Array& indices, int axis);
/// Zeros of size n along the axis, with source[…, k, …] added at indices[…, k, …]; both of one shape.
Array scatter(const Array& source, const Array& indices, std::int64_t n, int axis);
/// The same added to a sum that is there, in row order and the caller's alone, in place.
void scatter_add(const Array& sum, const Array& source, const Array& indices, int axis);
/// The indices of the `count` first elements in order along the axis, equal ones in their order; a NaN counts as the largest.
Array argsort(const Array& a, int axis, bool descending, std::int64_t count);

}  // namespace dz::kernels
