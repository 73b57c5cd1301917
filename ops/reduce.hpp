#pragma once
// Reductions over one axis, several (`{0, 2}`) or all of them; negative axes count from the end. Throws ShapeError for an axis that
// is not there.

#include <dz/graph/tensor.hpp>

namespace dz {

Tensor sum(In x, const Axes& axis = {}, bool keepdims = false);
Tensor mean(In x, const Axes& axis = {}, bool keepdims = false);
/// The product; its gradient is right where elements are 0, too.
Tensor prod(In x, const Axes& axis = {}, bool keepdims = false);
/// The largest and the smallest element; equals share the gradient evenly. Throws ShapeError over no elements.
Tensor max(In x, const Axes& axis = {}, bool keepdims = false);
Tensor min(In x, const Axes& axis = {}, bool keepdims = false);
/// Index of the largest and of the smallest element along an axis, the first of equals; int64, a constant to the graph.
Tensor argmax(In x, int axis);
Tensor argmin(In x, int axis);
/// The mean square distance from the mean: the sum of squares over n − correction (0: the notes' and NumPy's 1/m; 1 is the unbiased one).
Tensor var(In x, const Axes& axis = {}, bool keepdims = false, int correction = 0);
/// Its root, the standard deviation; its derivative where all elements are equal is 0. (Not called std: that is a namespace.)
Tensor stddev(In x, const Axes& axis = {}, bool keepdims = false, int correction = 0);
/// (Σ|x|^p)^(1/p), p ≥ 1: 2 is Euclid's, 1 the sum of sizes, infinity the largest size. Its derivative at 0 is 0. Throws ValueError for p < 1.
Tensor norm(In x, const Axes& axis = {}, bool keepdims = false, double p = 2);
/// ln Σ e^x along an axis, without overflow; −∞ for a run of −∞ or of nothing, and no gradient there.
Tensor logsumexp(In x, int axis = -1, bool keepdims = false);
/// Running sums and products along an axis, from its end with `reverse`.
Tensor cumsum(In x, int axis, bool reverse = false);
Tensor cumprod(In x, int axis, bool reverse = false);
/// h[i] = a[i]·h[i − 1] + b[i] along an axis, h before its start being `initial`; from its end with `reverse`. a and b have one shape.
Tensor recurrence(In a, In b, int axis, double initial = 0, bool reverse = false);
/// y[i] = x[i − by] along an axis, and fill where there is none.
Tensor shift(In x, int axis, std::int64_t by, double fill = 0);
/// Whether any, or all, of the booleans are true; constants to the graph.
Tensor any(In x, const Axes& axis = {}, bool keepdims = false);
Tensor all(In x, const Axes& axis = {}, bool keepdims = false);

}  // namespace dz
