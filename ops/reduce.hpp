#pragma once
// Reductions over one axis, several (`{0, 2}`) or all of them; negative axes count from the end. Throws ShapeError for an axis that
// is not there.

#include <dz/graph/tensor.hpp>

namespace dz {

Tensor sum(In x, const Axes& axis = {}, bool keepdims = false);
Tensor mean(In x, const Axes& axis = {}, bool keepdims = false);
/// The largest element; equals share its gradient evenly. Throws ShapeError over no elements.
Tensor max(In x, const Axes& axis = {}, bool keepdims = false);
/// Index of the largest element along an axis, the first of equals; int64, a constant to the graph.
Tensor argmax(In x, int axis);

}  // namespace dz
