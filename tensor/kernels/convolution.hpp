#pragma once
// Convolutions of images, channels last, and the two other bilinear maps that are their derivatives. As in every network library the
// kernel is not mirrored: y[m, i, j, o] = Σ x[m, i·stride + r·dilation − padding, …, c]·w[o, c, r, s].

#include <bit>

#include <dz/tensor/array.hpp>
#include <dz/tensor/autocast.hpp>

namespace dz {

/// A number along the rows and one along the columns; one alone stands for both: `{.stride = 2, .padding = {1, 0}}`.
struct Pair {
  std::int64_t rows, columns;

  constexpr Pair(std::integral auto both) : Pair(both, both) {}
  constexpr Pair(std::integral auto rows, std::integral auto columns) : rows(Extent(rows).value), columns(Extent(columns).value) {}
  friend bool operator==(const Pair&, const Pair&) = default;
};

struct Conv2dOptions {
  Pair stride = 1;          ///< how far the kernel moves from one output to the next
  Pair padding = 0;         ///< zeros around the image, on each side
  Pair dilation = 1;        ///< how far the kernel's elements lie apart
  std::int64_t groups = 1;  ///< the channels are parted into so many convolutions beside each other
};

namespace kernels {

/// x (m, height, width, in) by the kernel w (out, in/groups, rows, columns), plus b (out) where there is one, as (m, height′, width′, out)
/// with height′ = ⌊(height + 2·padding − dilation·(rows − 1) − 1)/stride⌋ + 1. Each of these throws ShapeError where the shapes and
/// options do not fit, and DtypeError.
Array conv2d(const Array& x, const Array& w, const Conv2dOptions& options);
/// With `relu`, what is below 0 becomes 0.
Array conv2d(const Array& x, const Array& w, const Array& b, const Conv2dOptions& options, bool relu = false);
/// The transposed map: dy (m, height′, width′, out) and w as above give (m, height, width, in), of the image size asked for.
Array conv2d_by_input(const Array& dy, const Array& w, Pair image, const Conv2dOptions& options);
/// dy and x as above give (out, in/groups, rows, columns), of the window asked for.
Array conv2d_by_kernel(const Array& dy, const Array& x, Pair window, const Conv2dOptions& options);

/// The number of places a window takes along one axis; throws ShapeError where it takes none, or for options out of their range.
std::int64_t window_places(std::int64_t size, std::int64_t window, std::int64_t stride, std::int64_t padding, std::int64_t dilation = 1);

namespace detail {

/// All sizes of a convolution.
struct Convolution {
  std::int64_t samples;
  Pair image, output, window;
  std::int64_t in, out, groups;
  Pair stride, padding, dilation;

  std::int64_t group_in() const { return in / groups; }
  std::int64_t group_out() const { return out / groups; }
};

enum class ConvolutionMap : std::int64_t { forward, by_input, by_kernel };

/// The maps by tiles, on AVX-512, of contiguous arrays none of which is empty. bias may be null.
void tiled_forward(const Convolution& c, Precision precision, const float* x, const float* w, const float* bias, bool relu, float* y);
void tiled_by_input(const Convolution& c, Precision precision, const float* dy, const float* w, float* dx);
void tiled_by_kernel(const Convolution& c, Precision precision, const float* dy, const float* x, float* dw);

/// Whether oneDNN has a fast implementation of this map, with or without a bias.
bool onednn_convolves(const Convolution& c, ConvolutionMap map, bool bias);
/// The map of contiguous arrays by oneDNN, once onednn_convolves() has said yes; that which it gives is written. bias may be null.
void onednn_convolve(const Convolution& c, ConvolutionMap map, float* x, float* w, float* bias, float* y);

}  // namespace detail
}  // namespace kernels
}  // namespace dz
