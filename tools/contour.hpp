#pragma once
// Lines of equal height on a grid of values, as SVG draws them.

#include <cstddef>
#include <string>
#include <vector>

namespace dz::tool {

/// Values in rows, the first row on top.
struct Grid {
  std::vector<double> values;
  std::size_t rows, columns;
  double at(std::size_t row, std::size_t column) const { return values[row * columns + column]; }
};

/// Where on the drawing a grid lies: its outer values are on the border.
struct Area {
  double left, top, width, height;
};

/// The data of a path along which the values, taken linear between neighbours, are `level`. Next to values that are not finite there is none.
std::string contour(const Grid& grid, double level, const Area& area);

}  // namespace dz::tool
