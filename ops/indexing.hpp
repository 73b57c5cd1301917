#pragma once
// Elements by index, and in order. Indices are int64 tensors and constants to the graph; one outside its axis throws ValueError, which names it.
// Axes count from the end where they are negative.

#include <cstdint>

#include <dz/graph/tensor.hpp>

namespace dz {

/// x[…, indices[k], …] along the axis, in the order of `indices`, which have one axis.
Tensor index_select(In x, In indices, int axis = 0);
/// Zeros of size n along the axis, with x[…, k, …] added at indices[k]; the derivative of index_select.
Tensor index_scatter(In x, In indices, std::int64_t n, int axis = 0);
/// Rows of a table (n, d) by indices of any shape (…): (…, d). The reverse pass adds up what one row has been given.
Tensor embedding(In indices, In table);

/// y[…, k, …] = x[…, indices[…, k, …], …] along the axis: indices have x's shape but for that axis, and so has the result.
Tensor gather(In x, In indices, int axis);
/// The same with indices that broadcast to x's shape beside the axis.
Tensor take_along(In x, In indices, int axis);
/// Zeros of size n along the axis, with x[…, k, …] added at indices[…, k, …], of one shape with x; the derivative of gather.
Tensor scatter(In x, In indices, std::int64_t n, int axis);
/// x with source[…, k, …] added at indices[…, k, …] along the axis; the last two of one shape.
Tensor scatter_add(In x, In indices, In source, int axis);

/// x with `value` where the mask, which broadcasts to x's shape, is true.
Tensor masked_fill(In x, In mask, double value);
/// Labels below `classes`, of any shape (…), as (…, classes): 1 at the label's place, 0 elsewhere. A constant.
Tensor one_hot(In labels, std::int64_t classes, Dtype dtype = float32);

/// Elements in order, and where they came from.
struct Sorted {
  Tensor values;
  Tensor indices;  ///< int64, a constant to the graph
};
/// The elements along an axis in rising order, or falling; equal ones keep theirs, a NaN counts as the largest.
Sorted sort(In x, int axis = -1, bool descending = false);
/// The k largest elements along an axis, largest first (or the smallest, smallest first). Throws ShapeError where there are fewer.
Sorted topk(In x, std::int64_t k, int axis = -1, bool largest = true);
/// The indices that sort() would give. A constant.
Tensor argsort(In x, int axis = -1, bool descending = false);

}  // namespace dz
