#pragma once
// Tensors put together and taken apart along an axis, which counts from the end where it is negative. Each throws ShapeError for an axis or
// a size that is not there.

#include <cstdint>
#include <vector>

#include <dz/graph/tensor.hpp>

namespace dz {

/// The tensors one after the other along an axis; their other sizes are equal. Throws DtypeError where they differ in dtype.
Tensor concat(const std::vector<Tensor>& parts, int axis = 0, At at = At::here());
/// Tensors of one shape along a new axis.
Tensor stack(const std::vector<Tensor>& parts, int axis = 0, At at = At::here());
/// Pieces of these sizes along an axis, which they fill.
std::vector<Tensor> split(In x, const std::vector<std::int64_t>& sizes, int axis = 0);
/// A number of pieces of equal size along an axis, whose size it divides.
std::vector<Tensor> chunk(In x, std::int64_t pieces, int axis = 0);

/// Elements to add on both sides of an axis.
struct Padding {
  int axis;
  std::int64_t before = 0, after = 0;
};
/// x with a border of `value`: pad(x, {{.axis = 1, .before = 2, .after = 2}}).
Tensor pad(In x, const std::vector<Padding>& by, double value = 0);
/// The elements moved on by `shift` along an axis; those that leave its end come back at its beginning.
Tensor roll(In x, std::int64_t shift, int axis);
/// x so many times one after the other along an axis.
Tensor repeat(In x, std::int64_t times, int axis);

/// The matrix on and below its k-th diagonal (0 the main one, above it counted positive), zeros elsewhere: (…, m, n).
Tensor tril(In x, std::int64_t k = 0);
/// The matrix on and above its k-th diagonal, zeros elsewhere: (…, m, n).
Tensor triu(In x, std::int64_t k = 0);
/// Of a vector the matrix with this diagonal; of a matrix its diagonal.
Tensor diag(In x);

}  // namespace dz
