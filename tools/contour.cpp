#include "tools/contour.hpp"

#include <fmt/format.h>

#include <cmath>

#include "tools/svg.hpp"

namespace dz::tool {
namespace {

struct Place {
  double x, y;
};

/// Where the line crosses between four corners: marching squares. Corners go round, from the upper left.
template <class Draw> void cross(const double (&values)[4], const Place (&corners)[4], double level, Draw&& draw) {
  for (const double v : values)
    if (!std::isfinite(v)) return;
  Place crossings[4];
  int count = 0;
  for (int i = 0; i < 4; ++i) {
    const int j = (i + 1) % 4;
    if ((values[i] > level) == (values[j] > level)) continue;
    const double t = (level - values[i]) / (values[j] - values[i]);
    crossings[count++] = {corners[i].x + t * (corners[j].x - corners[i].x), corners[i].y + t * (corners[j].y - corners[i].y)};
  }
  if (count == 2) draw(crossings[0], crossings[1]);
  if (count != 4) return;
  const bool middle = (values[0] + values[1] + values[2] + values[3]) / 4 > level;  // a saddle: which corners hang together
  const int shift = middle == (values[0] > level) ? 0 : 1;
  draw(crossings[shift], crossings[1 + shift]);
  draw(crossings[2 + shift], crossings[(3 + shift) % 4]);
}

}  // namespace

std::string contour(const Grid& grid, double level, const Area& area) {
  const auto place = [&](std::size_t row, std::size_t column) {
    return Place{area.left + area.width * static_cast<double>(column) / static_cast<double>(grid.columns - 1),
                 area.top + area.height * static_cast<double>(row) / static_cast<double>(grid.rows - 1)};
  };
  std::string out;
  for (std::size_t r = 0; r + 1 < grid.rows; ++r)
    for (std::size_t c = 0; c + 1 < grid.columns; ++c)
      cross({grid.at(r, c), grid.at(r, c + 1), grid.at(r + 1, c + 1), grid.at(r + 1, c)},
            {place(r, c), place(r, c + 1), place(r + 1, c + 1), place(r + 1, c)}, level, [&](Place a, Place b) {
              out += fmt::format("M{} {}L{} {}", coordinate(a.x), coordinate(a.y), coordinate(b.x), coordinate(b.y));
            });
  return out;
}

}  // namespace dz::tool
