// The decision boundary of a model of two features, for two classes or a few.

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

// Told apart by every kind of colour vision (Okabe and Ito).
struct Colour {
  std::uint8_t red, green, blue;
};
constexpr Colour colours[most_drawn_classes] = {{0, 114, 178},  {213, 94, 0},  {0, 158, 115},  {204, 121, 167},
                                                {86, 180, 233}, {230, 159, 0}, {240, 228, 66}, {120, 120, 120}};

constexpr std::size_t most_points = 4000;

void check(const Boundary& b) {
  const auto refuse = [](const std::string& what, const Array& a) {
    throw ShapeError(what + ", got " + (a ? to_string(a.shape()) : "none"), "to_html");
  };
  if (!b.points || b.points.rank() != 2 || b.points.size(1) != 2) refuse("a boundary's points are (m, 2)", b.points);
  if (!b.labels || b.labels.size() != b.points.size(0)) refuse("a boundary has a label for each of its points", b.labels);
  const Array& p = b.probability;
  if (!p || p.rank() < 2 || p.rank() > 3 || p.size(0) < 2 || p.size(1) < 2 ||
      (p.rank() == 3 && (p.size(2) < 2 || p.size(2) > most_drawn_classes)))
    refuse("a boundary's probability is (rows, columns), two at least, or (rows, columns, classes), two to eight of these", p);
  if (!is_floating(p.dtype())) throw DtypeError("a boundary's probability is floating, got " + std::string(name(p.dtype())), "to_html");
  if (!(b.left < b.right) || !(b.bottom < b.top) || !std::isfinite(b.right - b.left) || !std::isfinite(b.top - b.bottom))
    throw ValueError("a boundary's left is below its right, its bottom below its top", "to_html");
}

/// The probabilities of all classes over the plane.
struct Plane {
  std::size_t rows, columns, classes;
  std::vector<double> values;  // (rows, columns, classes)
  double at(std::size_t place, std::size_t c) const { return values[place * classes + c]; }

  explicit Plane(const Array& p)
      : rows(static_cast<std::size_t>(p.size(0))), columns(static_cast<std::size_t>(p.size(1))),
        classes(p.rank() == 3 ? static_cast<std::size_t>(p.size(2)) : 2), values(p.to_vector<double>()) {
    if (p.rank() == 3) return;
    std::vector<double> both;
    for (const double one : values) both.insert(both.end(), {1 - one, one});
    values = std::move(both);
  }

  /// How far a class is likelier than the likeliest other one.
  double lead(std::size_t place, std::size_t c) const {
    double other = 0;
    for (std::size_t k = 0; k < classes; ++k)
      if (k != c) other = std::isnan(at(place, k)) ? at(place, k) : std::max(other, at(place, k));
    return at(place, c) - other;
  }
  Grid leads(std::size_t c) const {
    Grid grid{{}, rows, columns};
    for (std::size_t place = 0; place < rows * columns; ++place) grid.values.push_back(lead(place, c));
    return grid;
  }
};

/// The colour of the likeliest class, the more opaque the surer, so that it lies on light and dark pages alike.
std::string heat_map(const Plane& plane) {
  const Array pixels = Array::make({plane.rows, plane.columns, 4}, uint8);
  auto* to = pixels.writable<std::uint8_t>();
  for (std::size_t place = 0; place < plane.rows * plane.columns; ++place) {
    std::size_t likeliest = 0;
    for (std::size_t c = 1; c < plane.classes; ++c)
      if (plane.at(place, c) > plane.at(place, likeliest)) likeliest = c;
    const Colour& c = colours[likeliest];
    const double lead = plane.lead(place, likeliest), opacity = std::isfinite(lead) ? 0.52 * std::clamp(lead, 0.0, 1.0) : 0;
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

/// Circle, triangle, square, diamond, and again.
std::string mark(int label, double x, double y) {
  if (label % 4 == 0) return fmt::format("<circle class=\"c{}\" cx=\"{}\" cy=\"{}\" r=\"4\"/>", label, coordinate(x), coordinate(y));
  constexpr const char* shapes[] = {"l4.7 8.1h-9.4z", "h3.6v7.2h-7.2v-7.2z", "l4.9 4.9l-4.9 4.9l-4.9 -4.9z"};
  constexpr double above[] = {5.2, 3.6, 4.9};
  const int shape = label % 4 - 1;
  return fmt::format("<path class=\"c{}\" d=\"M{} {}{}\"/>", label, coordinate(x), coordinate(y - above[shape]), shapes[shape]);
}

std::string points(const Boundary& b, const Frame& f, std::size_t step) {
  const std::vector<double> at = b.points.to_vector<double>(), labels = b.labels.to_vector<double>();
  std::string out = "<g class=\"points\">";
  for (std::size_t i = 0; i < labels.size(); i += step) {
    const double x = (at[2 * i] - b.left) / (b.right - b.left), y = (b.top - at[2 * i + 1]) / (b.top - b.bottom);
    if (!(x >= 0 && x <= 1 && y >= 0 && y <= 1)) continue;
    out += mark(std::clamp(static_cast<int>(labels[i]), 0, most_drawn_classes - 1), f.left + x * f.inner_width(),
                f.top + y * f.inner_height());
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

std::string drawing(const Boundary& b, const Plane& plane, std::size_t step) {
  Frame f;
  const double shape = (b.top - b.bottom) / (b.right - b.left);  // the same scale both ways, unless that makes a strip
  f.height = f.top + f.bottom + f.inner_width() * (shape > 0.4 && shape < 1.6 ? shape : 0.75);
  std::string out = fmt::format("<svg class=\"plane\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"Decision boundary\">", f.width,
                                coordinate(f.height));
  out += fmt::format("<clipPath id=\"inside\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>", f.left, f.top,
                     f.inner_width(), coordinate(f.inner_height()));
  // The outer values lie on the frame, so half of their pixels is beyond it.
  const double pixel_x = f.inner_width() / static_cast<double>(plane.columns - 1),
               pixel_y = f.inner_height() / static_cast<double>(plane.rows - 1);
  out += fmt::format(
      "<g clip-path=\"url(#inside)\"><image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" href=\"{}\"/>",
      coordinate(f.left - pixel_x / 2), coordinate(f.top - pixel_y / 2), coordinate(f.inner_width() + pixel_x),
      coordinate(f.inner_height() + pixel_y), heat_map(plane));
  for (std::size_t c = 1; c < plane.classes; ++c)
    out += "<path class=\"contour\" d=\"" + contour(plane.leads(c), 0, {f.left, f.top, f.inner_width(), f.inner_height()}) + "\"/>";
  return out + "</g>" + axes(b, f) + points(b, f, step) + "</svg>";
}

std::string legend(const std::vector<std::string>& classes, int count) {
  std::string out = "<ul class=\"legend\">";
  for (int label = 0; label < count; ++label)
    out += "<li><svg viewBox=\"0 0 12 12\" width=\"12\" height=\"12\"><g class=\"points\">" + mark(label, 6, 6) + "</g></svg> " +
           class_name(classes, label) + "</li>";
  out += fmt::format("<li><svg viewBox=\"0 0 22 12\" width=\"22\" height=\"12\"><path class=\"contour\" d=\"M1 6H21\"/></svg> {}</li>",
                     count == 2 ? "probability 0.5" : "two classes alike");
  if (count == 2) out += "<li>probability of " + class_name(classes, 1) + ": 0 <span class=\"ramp\"></span> 1</li>";
  return out + "</ul>";
}

}  // namespace

std::string boundary_section(const Boundary& b, const std::vector<std::string>& classes) {
  check(b);
  const Plane plane(b.probability);
  const auto count = static_cast<std::size_t>(b.labels.size()), step = (count + most_points - 1) / most_points;
  std::string out = "<section><h2>Decision boundary</h2><figure class=\"boundary\">" + drawing(b, plane, std::max<std::size_t>(step, 1)) +
                    legend(classes, static_cast<int>(plane.classes));
  if (step > 1) out += fmt::format("<figcaption>One of every {} of the {} samples is shown.</figcaption>", step, count);
  return out + "</figure></section>\n";
}

}  // namespace dz::tool
