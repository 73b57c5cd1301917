#pragma once

#include <dz/models/parameters.hpp>

namespace dz {

/// (x − μ)/σ of every feature (the notes, part four, section five). It is made from the training part alone and then applied to every part;
/// as a member of a model it is saved and loaded with it. Both are (1, features…), and no gradient trains them.
struct InputNormalisation {
  Parameter mean, deviation;

  InputNormalisation() = default;
  /// Changes nothing: μ 0 and σ 1, to be loaded.
  InputNormalisation(const Shape& features, Dtype dtype);
  /// Mean and deviation over the samples of (m, features…), gathered in float64. A feature that never changes has the deviation 1, and becomes 0.
  /// Throws ShapeError for no samples or rank 1 or less.
  explicit InputNormalisation(const Tensor& training_part);
  /// Throws ShapeError for other features.
  Tensor operator()(In x) const;
};
BOOST_DESCRIBE_STRUCT(InputNormalisation, (), (mean, deviation))

}  // namespace dz
