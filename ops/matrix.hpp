#pragma once
// Products of matrices.

#include <dz/ops/activation.hpp>

namespace dz {

/// (…, m, k) · (…, k, n) = (…, m, n). Ranks are equal and at least 2; axes before the last two broadcast. Transposed views cost no
/// copy. Throws ShapeError where the inner sizes differ.
Tensor matmul(In a, In b);

/// x·Wᵀ + b, a dense layer: x (m, n_in), W (n_out, n_in), b (n_out) give (m, n_out); of x (…, n_in), all that stands before the last axis counts
/// samples. Throws ShapeError where they do not fit.
Tensor linear(In x, In w, In b);
/// activation(linear(x, w, b)); relu is taken together with the product, forward and back. Null for none.
Tensor linear(In x, In w, In b, Activation activation);

}  // namespace dz
