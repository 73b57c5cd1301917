#pragma once

#include <dz/models/initialise.hpp>
#include <dz/models/summary.hpp>
#include <dz/ops/convolution.hpp>

namespace dz {

BOOST_DESCRIBE_STRUCT(Pair, (), (rows, columns))
BOOST_DESCRIBE_STRUCT(Conv2dOptions, (), (stride, padding, dilation, groups))

/// A convolution of images: (m, height, width, inputs) to (m, height′, width′, outputs), as conv2d. The kernel is
/// (outputs, inputs/groups, rows, columns), the bias (outputs), 0 at first.
struct Conv2d {
  Parameter weight, bias;
  Conv2dOptions options{};

  Conv2d() = default;
  /// Throws ShapeError for a size below 1, or groups that do not divide inputs and outputs.
  Conv2d(std::int64_t inputs, std::int64_t outputs, Pair window, const Conv2dOptions& options = {},
         Initialiser initialiser = initialise::he, Dtype dtype = float32, Generator& g = default_generator());
  Tensor operator()(In x) const {
    return layer_call(*this, std::move(x), [this](In x) { return conv2d(std::move(x), weight, bias, options); });
  }
  /// With the activation that follows, as Linear's.
  Tensor operator()(In x, Activation activation) const {
    return layer_call(*this, std::move(x), [&](In x) { return conv2d(std::move(x), weight, bias, options, activation); });
  }
};
BOOST_DESCRIBE_STRUCT(Conv2d, (), (weight, bias, options))

BOOST_DESCRIBE_STRUCT(Conv1dOptions, (), (stride, padding, dilation, groups))

/// A convolution of sequences: (m, length, inputs) to (m, length′, outputs), as conv1d. The kernel is (outputs, inputs/groups, window), the
/// bias (outputs), 0 at first.
struct Conv1d {
  Parameter weight, bias;
  Conv1dOptions options{};

  Conv1d() = default;
  /// Throws ShapeError as Conv2d.
  Conv1d(std::int64_t inputs, std::int64_t outputs, std::int64_t window, const Conv1dOptions& options = {},
         Initialiser initialiser = initialise::he, Dtype dtype = float32, Generator& g = default_generator());
  Tensor operator()(In x) const {
    return layer_call(*this, std::move(x), [this](In x) { return conv1d(std::move(x), weight, bias, options); });
  }
};
BOOST_DESCRIBE_STRUCT(Conv1d, (), (weight, bias, options))

}  // namespace dz
