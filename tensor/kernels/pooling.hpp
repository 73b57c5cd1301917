#pragma once
// Pooling: of each window of an image, channel by channel, the largest element or the average. Images are (samples, height, width,
// channels).

#include <dz/tensor/kernels/convolution.hpp>

namespace dz::kernels {

/// Where windows lie over an image: at even steps, or parting it. Those at the rim are cut off there; none is empty.
struct Windows {
  Pair image, places, window, stride, padding;  ///< where they part the image, `window` is the largest
  bool parting;
};

/// Windows over x at even steps. Throws ShapeError where x is no image, no window fits, or padding is not smaller than the window.
Windows sliding_windows(const Shape& x, Pair window, Pair stride, Pair padding);
/// Windows number i of n along an axis from ⌊i·size/n⌋ to ⌈(i + 1)·size/n⌉. Throws ShapeError where x is no image or a size is none.
Windows parting_windows(const Shape& x, Pair places);

/// Room for the choices among windows over images of shape x, (samples, places, channels): uint8, or int64 where windows are too large for that.
Array choices(const Shape& x, const Windows& windows);
/// The largest element of each window, (samples, places, channels); `which`, as choices() makes it, gets its number in the window, that of the first of
/// equals, counted along rows. A NaN is larger than all.
Array max_pool2d(const Array& x, const Array& which, const Windows& windows);
/// dy at the place of each window's largest element, added up: of the image's shape.
Array max_pool2d_by_input(const Array& dy, const Array& which, const Windows& windows);
/// The transposed map: of each window, the element which.
Array pick_pool2d(const Array& x, const Array& which, const Windows& windows);

/// The average of each window; with count_padding over its full size, else over what lies in the image.
Array average_pool2d(const Array& x, const Windows& windows, bool count_padding);
/// The transposed map: dy shared out over each window.
Array average_pool2d_by_input(const Array& dy, const Windows& windows, bool count_padding);

}  // namespace dz::kernels
