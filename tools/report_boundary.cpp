// The decision boundary of a model of two features.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <dz/data/png.hpp>

#include "tools/contour.hpp"
#include "tools/report_parts.hpp"
#include "tools/svg.hpp"

namespace dz::tool {

namespace {

// Blue and vermilion, told apart by every kind of colour vision (Okabe and Ito).
struct Colour {
  std::uint8_t red, green, blue;
};
constexpr Colour colours[2] = {{0, 114, 178}, {213, 94, 0}};

constexpr std::size_t most_points = 4000;

void check(const Boundary& b) {
  const auto refuse = [](const std::string& what, const Array& a) {
    throw ShapeError(what + ", got " + (a ? to_string(a.shape()) : "none"), "to_html");
  };
  if (!b.points || b.points.rank() != 2 || b.points.size(1) != 2) refuse("a boundary's points are (m, 2)", b.points);
  if (!b.labels || b.labels.size() != b.points.size(0)) refuse("a boundary has a label for each of its points", b.labels);
  const Array& p = b.probability;
  if (!p || p.rank() != 2 || p.size(0) < 2 || p.size(1) < 2) refuse("a boundary's probability is (rows, columns), two at least", p);
  if (!is_floating(p.dtype())) throw DtypeError("a boundary's probability is floating, got " + std::string(name(p.dtype())), "to_html");
  if (!(b.left < b.right) || !(b.bottom < b.top) || !std::isfinite(b.right - b.left) || !std::isfinite(b.top - b.bottom))
    throw ValueError("a boundary's left is below its right, its bottom below its top", "to_html");
}

/// The colour of the likelier class, the more opaque the surer, so that it lies on light and dark pages alike.
std::string heat_map(const Grid& grid) {
  const Array pixels = Array::make({grid.rows, grid.columns, 4}, uint8);
  auto* to = pixels.writable<std::uint8_t>();
  for (const double p : grid.values) {
    const Colour& c = colours[p > 0.5];
    const double opacity = std::isfinite(p) ? 0.52 * std::min(1.0, std::abs(2 * p - 1)) : 0;
    for (const std::uint8_t channel : {c.red, c.green, c.blue}) *to++ = channel;
    *to++ = static_cast<std::uint8_t>(std::lround(255 * opacity));
  }
  return "data:image/png;base64," + base64(to_png(pixels));
}

struct Frame {
  double width = 520, height = 520, left = 44, right = 8, top = 8, bottom = 30;
  double inner_width() const { return width - left - right; }
  double inner_height() const { return height - top - bottom; }
};

std::string mark(int label, double x, double y) {
  if (label == 0) return fmt::format("<circle class=\"c0\" cx=\"{}\" cy=\"{}\" r=\"4\"/>", coordinate(x), coordinate(y));
  return fmt::format("<path class=\"c1\" d=\"M{} {}l4.7 8.1h-9.4z\"/>", coordinate(x), coordinate(y - 5.2));
}

std::string points(const Boundary& b, const Frame& f, std::size_t step) {
  const std::vector<double> at = b.points.to_vector<double>(), labels = b.labels.to_vector<double>();
  std::string out = "<g class=\"points\">";
  for (std::size_t i = 0; i < labels.size(); i += step) {
    const double x = (at[2 * i] - b.left) / (b.right - b.left), y = (b.top - at[2 * i + 1]) / (b.top - b.bottom);
    if (!(x >= 0 && x <= 1 && y >= 0 && y <= 1)) continue;
    out += mark(labels[i] > 0.5, f.left + x * f.inner_width(), f.top + y * f.inner_height());
  }
  return out + "</g>";
}

std::string axes(const Boundary& b, const Frame& f) {
  std::string out = fmt::format("<g class=\"axes\"><rect class=\"frame\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>", f.left, f.top,
                                f.inner_width(), f.inner_height());
  const double floor = f.height - f.bottom;
  const Axis x = linear_axis(b.left, b.right, 6), y = linear_axis(b.bottom, b.top, 6);
  for (const double tick : x.ticks) {
    const std::string at = coordinate(f.left + x.fraction(tick) * f.inner_width());
    out += fmt::format("<line class=\"base\" x1=\"{0}\" x2=\"{0}\" y1=\"{1}\" y2=\"{2}\"/>", at, floor, floor + 5);
    out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>", at, floor + 20, x.label(tick));
  }
  for (const double tick : y.ticks) {
    const std::string at = coordinate(floor - y.fraction(tick) * f.inner_height());
    out += fmt::format("<line class=\"base\" x1=\"{1}\" x2=\"{2}\" y1=\"{0}\" y2=\"{0}\"/>", at, f.left - 5, f.left);
    out += fmt::format("<text x=\"{}\" y=\"{}\" dy=\".35em\" text-anchor=\"end\">{}</text>", f.left - 9, at, y.label(tick));
  }
  return out + "</g>";
}

std::string drawing(const Boundary& b, const Grid& grid, std::size_t step) {
  Frame f;
  const double shape = (b.top - b.bottom) / (b.right - b.left);  // the same scale both ways, unless that makes a strip
  f.height = f.top + f.bottom + f.inner_width() * (shape > 0.4 && shape < 1.6 ? shape : 0.75);
  std::string out = fmt::format("<svg class=\"plane\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"Decision boundary\">", f.width,
                                coordinate(f.height));
  out += fmt::format("<clipPath id=\"inside\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>", f.left, f.top,
                     f.inner_width(), coordinate(f.inner_height()));
  // The outer values lie on the frame, so half of their pixels is beyond it.
  const double pixel_x = f.inner_width() / static_cast<double>(grid.columns - 1),
               pixel_y = f.inner_height() / static_cast<double>(grid.rows - 1);
  out += fmt::format(
      "<g clip-path=\"url(#inside)\"><image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" href=\"{}\"/>",
      coordinate(f.left - pixel_x / 2), coordinate(f.top - pixel_y / 2), coordinate(f.inner_width() + pixel_x),
      coordinate(f.inner_height() + pixel_y), heat_map(grid));
  out += "<path class=\"contour\" d=\"" + contour(grid, 0.5, {f.left, f.top, f.inner_width(), f.inner_height()}) + "\"/></g>";
  return out + axes(b, f) + points(b, f, step) + "</svg>";
}

std::string legend(const std::vector<std::string>& classes) {
  std::string out = "<ul class=\"legend\">";
  for (const int label : {0, 1})
    out += "<li><svg viewBox=\"0 0 12 12\" width=\"12\" height=\"12\"><g class=\"points\">" + mark(label, 6, 6) + "</g></svg> " +
           class_name(classes, label) + "</li>";
  out += "<li><svg viewBox=\"0 0 22 12\" width=\"22\" height=\"12\"><path class=\"contour\" d=\"M1 6H21\"/></svg> probability 0.5</li>";
  out += "<li>probability of " + class_name(classes, 1) + ": 0 <span class=\"ramp\"></span> 1</li>";
  return out + "</ul>";
}

}  // namespace

std::string boundary_section(const Boundary& b, const std::vector<std::string>& classes) {
  check(b);
  const Grid grid{b.probability.to_vector<double>(), static_cast<std::size_t>(b.probability.size(0)),
                  static_cast<std::size_t>(b.probability.size(1))};
  const auto count = static_cast<std::size_t>(b.labels.size()), step = (count + most_points - 1) / most_points;
  std::string out =
      "<section><h2>Decision boundary</h2><figure class=\"boundary\">" + drawing(b, grid, std::max<std::size_t>(step, 1)) + legend(classes);
  if (step > 1) out += fmt::format("<figcaption>One of every {} of the {} samples is shown.</figcaption>", step, count);
  return out + "</figure></section>\n";
}

}  // namespace dz::tool
