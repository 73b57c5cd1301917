#pragma once
// Normalisation between layers, with its parameters.

#include <dz/models/parameters.hpp>

namespace dz {

/// Batch normalisation of (m, …, channels) (Ioffe and Szegedy, ICML 2015). While training() by the batch's mean and variance, which go into
/// the running ones: running := (1 − momentum)·running + momentum·batch, the variance there with m − 1 for m as in PyTorch. Otherwise by
/// the running ones. Its parameters have PyTorch's names.
struct BatchNorm {
  Parameter weight, bias;               ///< (channels), 1 and 0 at first: y = weight·(x − mean)/√(variance + ε) + bias
  Parameter running_mean, running_var;  ///< (channels), buffers, 0 and 1 at first
  Parameter num_batches_tracked;        ///< (), int64, a buffer: the batches that went into the running ones
  double momentum = 0.1, epsilon = 1e-5;

  BatchNorm() = default;
  explicit BatchNorm(std::int64_t channels, Dtype dtype = float32);
  /// Throws ShapeError for other channels, and while training() for a batch of one position, which has no variance.
  Tensor operator()(In x) const;
};
BOOST_DESCRIBE_STRUCT(BatchNorm, (), (weight, bias, running_mean, running_var, num_batches_tracked, momentum, epsilon))

/// Layer normalisation: each sample's features (…, features) by their own mean and variance (Ba, Kiros and Hinton, 2016).
struct LayerNorm {
  Parameter weight, bias;  ///< (features), 1 and 0 at first
  double epsilon = 1e-5;

  LayerNorm() = default;
  explicit LayerNorm(std::int64_t features, Dtype dtype = float32);
  /// Throws ShapeError for other features.
  Tensor operator()(In x) const;
};
BOOST_DESCRIBE_STRUCT(LayerNorm, (), (weight, bias, epsilon))

/// weight·x/√(mean of x² + ε) over the features (…, features) (Zhang and Sennrich, NeurIPS 2019).
struct RmsNorm {
  Parameter weight;  ///< (features), 1 at first
  double epsilon = 1e-5;

  RmsNorm() = default;
  explicit RmsNorm(std::int64_t features, Dtype dtype = float32);
  Tensor operator()(In x) const;
};
BOOST_DESCRIBE_STRUCT(RmsNorm, (), (weight, epsilon))

}  // namespace dz
