#pragma once
// Arrays as PNG pictures, and bytes as text for data URIs.

#include <string>
#include <string_view>

#include <dz/tensor/array.hpp>

namespace dz::tool {

/// A PNG file of uint8 pixels: (height, width) or (height, width, 1) grey, (height, width, 3) red-green-blue, (height, width, 4)
/// with opacity; any strides. Throws ShapeError for other shapes or an empty picture, DtypeError for another dtype.
std::string to_png(const Array& pixels);

/// Base64 with padding (RFC 4648), without line breaks.
std::string base64(std::string_view bytes);

}  // namespace dz::tool
