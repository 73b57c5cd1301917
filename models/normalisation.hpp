#pragma once
// Normalisation between layers, with its parameters.

#include <dz/models/parameters.hpp>

namespace dz {

/// Batch normalisation of (m, …, channels) (Ioffe and Szegedy, ICML 2015). While training() by the batch's mean and variance, which go into
/// the running ones: running := (1 − momentum)·running + momentum·batch, the variance there with m − 1 for m as in PyTorch. Otherwise by
/// the running ones.
struct BatchNorm {
  Parameter scale, shift;    ///< (channels), 1 and 0 at first
  Parameter mean, variance;  ///< (channels), the running ones: buffers, 0 and 1 at first
  double momentum = 0.1, epsilon = 1e-5;

  BatchNorm() = default;
  explicit BatchNorm(std::int64_t channels, Dtype dtype = float32);
  /// Throws ShapeError for other channels, and while training() for a batch of one position, which has no variance.
  Tensor operator()(In x) const;
};
BOOST_DESCRIBE_STRUCT(BatchNorm, (), (scale, shift, mean, variance, momentum, epsilon))

/// Layer normalisation: each sample's features (…, features) by their own mean and variance (Ba, Kiros and Hinton, 2016).
struct LayerNorm {
  Parameter scale, shift;  ///< (features), 1 and 0 at first
  double epsilon = 1e-5;

  LayerNorm() = default;
  explicit LayerNorm(std::int64_t features, Dtype dtype = float32);
  /// Throws ShapeError for other features.
  Tensor operator()(In x) const;
};
BOOST_DESCRIBE_STRUCT(LayerNorm, (), (scale, shift, epsilon))

/// scale·x/√(mean of x² + ε) over the features (…, features) (Zhang and Sennrich, NeurIPS 2019).
struct RmsNorm {
  Parameter scale;  ///< (features), 1 at first
  double epsilon = 1e-5;

  RmsNorm() = default;
  explicit RmsNorm(std::int64_t features, Dtype dtype = float32);
  Tensor operator()(In x) const;
};
BOOST_DESCRIBE_STRUCT(RmsNorm, (), (scale, epsilon))

}  // namespace dz
