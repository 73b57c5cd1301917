#pragma once
// Normalisation (the notes normalise the inputs in part four, section five; these, what flows between layers): of each group of
// elements x̂ = (x − mean)/√(variance + ε), then y = scale·x̂ + shift. scale and shift have one element for each channel (feature), the
// last axis. The variance is the mean of the squared deviations; ε is added to it, 1e−5 unless told otherwise. Each function throws
// ShapeError where scale or shift do not fit.

#include <dz/graph/tensor.hpp>

namespace dz {

/// What batch_norm gives.
struct BatchNormed {
  Tensor y;
  Tensor mean, variance;  ///< of the batch, (channels): what a layer's running statistics are made of. Differentiable like y.
};

/// Each channel of the batch by itself: x (m, …, channels), in training. Throws ShapeError for an empty batch.
BatchNormed batch_norm(In x, In scale, In shift, double epsilon = 1e-5);
/// In evaluation: with the mean and variance (channels) given, as a rule the running ones.
Tensor batch_norm(In x, In scale, In shift, In mean, In variance, double epsilon = 1e-5);

/// Each sample's features by themselves: x (…, features).
Tensor layer_norm(In x, In scale, In shift, double epsilon = 1e-5);

/// x (m, …, channels): each sample's channels in so many groups of neighbours, each group by itself. Throws ShapeError where groups do not
/// divide the channels.
Tensor group_norm(In x, std::int64_t groups, In scale, In shift, double epsilon = 1e-5);

/// scale·x/√(mean of x² + ε) over each sample's features: x (…, features) (Zhang and Sennrich 2019).
Tensor rms_norm(In x, In scale, double epsilon = 1e-5);

}  // namespace dz
