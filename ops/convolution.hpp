#pragma once
// Convolutions, channels last: images are (m, height, width, channels), sequences (m, length, channels); kernels are (out, in/groups,
// rows, columns). The kernel is not mirrored. Each function throws ShapeError, naming all shapes and options, where they do not fit.

#include <dz/ops/activation.hpp>
#include <dz/tensor/kernels/convolution.hpp>

namespace dz {

/// x (m, height, width, in) by the kernel w (out, in/groups, rows, columns), plus b (out) on every channel:
/// (m, height′, width′, out) with height′ = ⌊(height + 2·padding − dilation·(rows − 1) − 1)/stride⌋ + 1, the width alike.
Tensor conv2d(In x, In w, const Conv2dOptions& options = {});
Tensor conv2d(In x, In w, In b, const Conv2dOptions& options = {});
/// activation(conv2d(x, w, b, options)); relu is taken together with the convolution, forward and back. Null for none.
Tensor conv2d(In x, In w, In b, const Conv2dOptions& options, Activation activation);

/// The derivative of conv2d by its input along dy (m, height′, width′, out): (m, height, width, in), for the image size asked for, since
/// with a stride several lead to one height′ × width′.
Tensor conv2d_by_input(In dy, In w, Pair image, const Conv2dOptions& options = {});
/// The derivative of conv2d by its kernel along dy: (out, in/groups, rows, columns), for the window asked for.
Tensor conv2d_by_kernel(In dy, In x, Pair window, const Conv2dOptions& options = {});

struct TransposedConv2dOptions {
  Pair stride = 1, padding = 0, dilation = 1;  ///< of the convolution that this is the transpose of
  std::int64_t groups = 1;
  Pair output_padding = 0;  ///< added to the output's size at its end; smaller than the stride
};

/// The transposed convolution, which enlarges: x (m, height, width, in) by w (in, out/groups, rows, columns), plus b (out), as
/// (m, height′, width′, out) with height′ = (height − 1)·stride − 2·padding + dilation·(rows − 1) + 1 + output_padding: what conv2d with the
/// same kernel maps back to (m, height, width, in).
Tensor transposed_conv2d(In x, In w, const TransposedConv2dOptions& options = {});
Tensor transposed_conv2d(In x, In w, In b, const TransposedConv2dOptions& options = {});

struct Conv1dOptions {
  std::int64_t stride = 1, padding = 0, dilation = 1, groups = 1;  ///< as for conv2d
};
struct TransposedConv1dOptions {
  std::int64_t stride = 1, padding = 0, dilation = 1, groups = 1, output_padding = 0;
};

/// Along sequences: x (m, length, in) by w (out, in/groups, size), plus b (out), as (m, length′, out).
Tensor conv1d(In x, In w, const Conv1dOptions& options = {});
Tensor conv1d(In x, In w, In b, const Conv1dOptions& options = {});
/// x (m, length, in) by w (in, out/groups, size), plus b (out), as (m, length′, out).
Tensor transposed_conv1d(In x, In w, const TransposedConv1dOptions& options = {});
Tensor transposed_conv1d(In x, In w, In b, const TransposedConv1dOptions& options = {});

}  // namespace dz
