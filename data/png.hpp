#pragma once
// Arrays as PNG pictures.

#include <string>

#include <dz/tensor/array.hpp>

namespace dz {

/// A PNG file of uint8 pixels: (height, width) or (height, width, 1) grey, (height, width, 3) red-green-blue, (height, width, 4)
/// with opacity; any strides. Throws ShapeError for other shapes or an empty picture, DtypeError for another dtype.
///
///   write_file("picture.png", to_png(pixels));
std::string to_png(const Array& pixels);

}  // namespace dz
