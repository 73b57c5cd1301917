#pragma once
// What drawings in SVG and text in HTML need: escaping, axes with round ticks, and curves of any length.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dz::tool {

/// Text as it may stand between tags and in quoted attributes of HTML and SVG: & < > " ' escaped, what is no UTF-8 replaced by
/// U+FFFD, and control characters other than tab and line feed too.
std::string escape(std::string_view text);

/// Base64 with padding (RFC 4648), without line breaks: bytes as text for data URIs.
std::string base64(std::string_view bytes);

/// A coordinate with at most two decimals, none of them needless.
std::string coordinate(double v);

/// Values along one side of a drawing.
struct Axis {
  double low = 0, high = 1;
  bool logarithmic = false;
  std::vector<double> ticks;  ///< round values within low and high, rising

  /// 0 at low, 1 at high; not finite for what is not.
  double fraction(double value) const;
  /// A tick with as many digits as tell it from its neighbours.
  std::string label(double tick) const;
};

/// An axis from low to high, about `count` ticks at 1, 2 or 5 times a power of ten. Equal bounds are set apart.
Axis linear_axis(double low, double high, int count);
/// The same, with ticks at whole numbers only.
Axis whole_axis(double low, double high, int count);
/// An axis over powers of ten with about `count` ticks; both bounds are above zero.
Axis logarithmic_axis(double low, double high, int count);

/// Which values to draw over `columns` columns of pixels, by index, rising. Of every column the first, lowest, highest and last
/// finite value are among them, so that no spike is lost, and the first and last that are not finite, so that no gap is.
std::vector<std::size_t> thinned(const std::vector<double>& values, std::size_t columns);

}  // namespace dz::tool
