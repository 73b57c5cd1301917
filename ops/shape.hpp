#pragma once
// The same values in another shape: views, without a copy where strides allow it.

#include <dz/graph/tensor.hpp>

namespace dz {

/// The last two axes swapped. Throws ShapeError below rank 2.
Tensor t(In x);
/// Another shape of the same number of elements, in row order; one size may be −1.
Tensor reshape(In x, const Shape& shape);
/// (m, …) as (m, n): the notes' image2vector for every sample.
Tensor flatten(In x);

}  // namespace dz
