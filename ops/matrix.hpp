#pragma once
// Products of matrices.

#include <dz/graph/tensor.hpp>

namespace dz {

/// (…, m, k) · (…, k, n) = (…, m, n). Ranks are equal and at least 2; axes before the last two broadcast. Transposed views cost no
/// copy. Throws ShapeError where the inner sizes differ.
Tensor matmul(In a, In b);

}  // namespace dz
