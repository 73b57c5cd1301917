#pragma once
// The three operations that the reverse pass itself needs: adding cotangents, undoing a broadcast, and repeating that.

#include <dz/graph/tensor.hpp>

namespace dz {

/// a + b, broadcast.
Tensor operator+(In a, In b);
inline Tensor add(In a, In b) { return std::move(a) + std::move(b); }

/// x summed down to a shape that it was broadcast from; the derivative of expand.
Tensor sum_to(In x, const Shape& shape);

/// x repeated along its axes of size 1 (a scalar along all), without a copy; the derivative of sum_to.
Tensor expand(In x, const Shape& shape);

}  // namespace dz
