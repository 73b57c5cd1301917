// The cost over two weights and the ways of descent, raw inputs beside normalised ones.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tools/contour.hpp"
#include "tools/report_parts.hpp"
#include "tools/svg.hpp"

namespace dz::tool {
namespace {

constexpr int levels = 12;
constexpr Area area{52, 10, 380, 380};
constexpr double width = 440, height = 432;

double x_of(const CostSurface& s, double w) { return area.left + area.width * (w - s.left) / (s.right - s.left); }
double y_of(const CostSurface& s, double w) { return area.top + area.height * (s.top - w) / (s.top - s.bottom); }

std::string axes(const CostSurface& s, const std::size_t (&features)[2]) {
  std::string out = fmt::format("<g class=\"axes\"><rect class=\"frame\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>", area.left, area.top, area.width, area.height);
  const double floor = area.top + area.height;
  const Axis x = linear_axis(s.left, s.right, 4), y = linear_axis(s.bottom, s.top, 5);
  for (const double tick : x.ticks) {
    const std::string at = coordinate(x_of(s, tick));
    out += fmt::format("<line class=\"base\" x1=\"{0}\" x2=\"{0}\" y1=\"{1}\" y2=\"{2}\"/>", at, floor, floor + 5);
    out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>", at, floor + 19, x.label(tick));
  }
  for (const double tick : y.ticks) {
    const std::string at = coordinate(y_of(s, tick));
    out += fmt::format("<line class=\"base\" x1=\"{1}\" x2=\"{2}\" y1=\"{0}\" y2=\"{0}\"/>", at, area.left - 5, area.left);
    out += fmt::format("<text x=\"{}\" y=\"{}\" dy=\".35em\" text-anchor=\"end\">{}</text>", area.left - 8, at, y.label(tick));
  }
  out += fmt::format("<text class=\"name\" x=\"{}\" y=\"{}\" text-anchor=\"end\">weight of feature {}</text>", area.left + area.width, height - 4, features[0] + 1);
  out += fmt::format("<text class=\"name\" x=\"{}\" y=\"{}\">weight of feature {}</text>", area.left + 8, area.top + 18, features[1] + 1);
  return out + "</g>";
}

/// Lines of equal cost, closer where it is steeper: of a round quadratic bowl they are equally far apart.
std::string lines(const CostSurface& s) {
  const Grid grid{s.costs, Descents::side, Descents::side};
  const auto [low, high] = std::ranges::minmax(s.costs);
  std::string out;
  for (int k = 1; k <= levels; ++k) {
    const double part = (k - 0.5) / levels;
    out += contour(grid, low + (high - low) * part * part, area);
  }
  return "<path class=\"level\" d=\"" + out + "\"/>";
}

std::string way(const CostSurface& s, std::string_view clip) {
  std::string line, dots;
  for (const auto& [w1, w2] : s.path) {
    if (!std::isfinite(w1) || !std::isfinite(w2)) break;
    const std::string x = coordinate(x_of(s, w1)), y = coordinate(y_of(s, w2));
    line += fmt::format("{}{} {}", line.empty() ? "M" : "L", x, y);
    dots += fmt::format("<circle r=\"{}\" cx=\"{}\" cy=\"{}\"/>", dots.empty() ? 5 : 2.6, x, y);
  }
  return fmt::format("<g class=\"way\" clip-path=\"url(#{})\"><path d=\"{}\"/>{}</g>", clip, line, dots);
}

std::string figure(const CostSurface& s, const std::size_t (&features)[2], std::string_view name, std::string_view clip) {
  std::string out = fmt::format("<figure><svg class=\"plane\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"Cost over two weights, {} inputs\">", width, height, name);
  out += fmt::format("<clipPath id=\"{}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>", clip, area.left, area.top, area.width, area.height);
  out += lines(s) + way(s, clip) + axes(s, features) + "</svg>";
  return out + fmt::format("<figcaption><b>{} inputs</b>: from {:.4g} to {:.4g} in {} steps at the rate {:.3g}.</figcaption></figure>", name, s.first_cost, s.last_cost,
                           s.path.size() - 1, s.learning_rate);
}

}  // namespace

std::string descents_section(const Descents& d) {
  return fmt::format("<section><h2>Cost over two weights</h2><p class=\"note\">Logistic regression of features {} and {}, without a bias: lines of equal cost, and the "
                     "way that gradient descent takes, each at the largest rate at which the cost falls at every step and the way stays in the picture. The features' scales differ by a factor of {:.3g}: raw, the bowl is a valley "
                     "whose steep sides allow small steps only; normalised, it is round.</p><div class=\"pair\">",
                     d.of.features[0] + 1, d.of.features[1] + 1, d.of.ratio) +
         figure(d.raw, d.of.features, "raw", "raw-area") + figure(d.normalised, d.of.features, "normalised", "normalised-area") + "</div></section>\n";
}

}  // namespace dz::tool
