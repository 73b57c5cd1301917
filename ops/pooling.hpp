#pragma once
// Pooling, channels last: of each window, channel by channel, the largest element or the average. Images are (m, height, width, channels),
// sequences (m, length, channels). Each function throws ShapeError, naming shapes and options, where they do not fit.

#include <dz/graph/tensor.hpp>
#include <dz/tensor/kernels/convolution.hpp>

namespace dz {

struct MaxPool2dOptions {
  Pair window;
  Pair stride = 0;   ///< 0: the window's size
  Pair padding = 0;  ///< around the image, smaller than the window; never the largest
};
struct AveragePool2dOptions {
  Pair window;
  Pair stride = 0;             ///< 0: the window's size
  Pair padding = 0;            ///< zeros around the image, smaller than the window
  bool count_padding = true;  ///< the average is over the whole window; else over what of it lies in the image
};

/// (m, height, width, channels) as (m, height′, width′, channels) with height′ = ⌊(height + 2·padding − window)/stride⌋ + 1. The gradient goes
/// to the first largest element of each window; a NaN is larger than all.
Tensor max_pool2d(In x, const MaxPool2dOptions& options);
/// The same shapes.
Tensor average_pool2d(In x, const AveragePool2dOptions& options);
/// As many windows as asked for, which part the image: number i of n goes from ⌊i·height/n⌋ to ⌈(i + 1)·height/n⌉. `1` is the average, or the
/// largest, of each whole channel.
Tensor adaptive_average_pool2d(In x, Pair size);
Tensor adaptive_max_pool2d(In x, Pair size);

struct MaxPool1dOptions {
  std::int64_t window, stride = 0, padding = 0;  ///< as in two dimensions
};
struct AveragePool1dOptions {
  std::int64_t window, stride = 0, padding = 0;
  bool count_padding = true;
};

/// Along sequences: (m, length, channels) as (m, length′, channels).
Tensor max_pool1d(In x, const MaxPool1dOptions& options);
Tensor average_pool1d(In x, const AveragePool1dOptions& options);

}  // namespace dz
