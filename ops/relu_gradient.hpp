#pragma once
// For layers whose relu is part of them.

#include <dz/graph/tensor.hpp>

namespace dz::detail {

/// dZ = dA where A > 0, and db, its sums over all axes but the last.
struct ReluGradient {
  Tensor dz, db;
};

/// Of the cotangents and values (…, n) of a = max(z, 0). Where nothing is recorded, the sums are taken while dZ is made; `summed` lists their
/// axes. Where it is, db is empty unless it is wanted. dZ is written over dA where nobody else holds it.
ReluGradient relu_gradient(Tensor&& da, const Tensor& a, const Axes& summed, bool wanted);

}  // namespace dz::detail
