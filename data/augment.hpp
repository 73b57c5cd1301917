#pragma once
// More pictures from the same ones (the notes, part four, section four).

#include <cstdint>

#include <dz/tensor/array.hpp>
#include <dz/tensor/random.hpp>

namespace dz {

/// What may happen to a picture, each by a draw of its own; everything at rest changes nothing.
struct Augmentation {
  double flip = 0;        ///< probability that left and right are exchanged
  double shift = 0;       ///< at most so many pixels each way, whole ones
  double crop = 1;        ///< at least this part of each side is cut out at random, and enlarged to the full size
  double rotate = 0;      ///< at most so many degrees either way
  double brightness = 0;  ///< pixels times a factor from 1 − brightness to 1 + brightness
};

/// Another version of every picture (m, height, width, channels), uint8. All movements are one map of the plane, sampled once, bilinear; what
/// would come from outside a picture is its nearest pixel. Picture i draws from the generator's positions 4·i to 4·i + 3, so it does not
/// depend on its neighbours. Throws ShapeError, DtypeError; ValueError for a flip outside [0, 1], a crop outside (0, 1], or anything else that is
/// negative or not finite.
Array augment(const Array& images, const Augmentation& augmentation, Generator& g = default_generator());

/// Pictures (m, height, width, channels), uint8, as (m, rows, columns, channels): every pixel is the mean over the area that it covers.
/// Throws ShapeError for a side below 1, DtypeError.
Array resize(const Array& images, std::int64_t rows, std::int64_t columns);

}  // namespace dz
