#pragma once
// The same values in another shape, or some of them: views, without a copy where strides allow it. Axes count from the end where they
// are negative; each function throws ShapeError for an axis or a size that is not there.

#include <cstdint>
#include <limits>
#include <vector>

#include <dz/graph/tensor.hpp>

namespace dz {

/// The last two axes swapped. Throws ShapeError below rank 2.
Tensor t(In x);
/// Another shape of the same number of elements, in row order; one size may be −1.
Tensor reshape(In x, const Shape& shape);
/// (m, …) as (m, n): the notes' image2vector for every sample.
Tensor flatten(In x);
/// The axes in another order: axis i of the result is axis axes[i] of x.
Tensor permute(In x, const std::vector<int>& axes);
/// Without these axes, all of size 1; none given: without every axis of size 1.
Tensor squeeze(In x, const Axes& axis = {});
/// With an axis of size 1 put in, which has this number in the result.
Tensor unsqueeze(In x, int axis);

/// The end of an axis, however long.
inline constexpr std::int64_t axis_end = std::numeric_limits<std::int64_t>::max();
/// The elements start, start + step, … before stop along an axis; both count from its end where they are negative. step > 0.
Tensor slice(In x, int axis, std::int64_t start, std::int64_t stop = axis_end, std::int64_t step = 1);
/// Zeros of this shape with x at start, start + step, … along an axis; the derivative of slice.
Tensor place(In x, const Shape& shape, int axis, std::int64_t start, std::int64_t step = 1);
/// The elements in reverse order along these axes; none given: along all.
Tensor flip(In x, const Axes& axis = {});

}  // namespace dz
