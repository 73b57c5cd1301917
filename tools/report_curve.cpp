// The cost curve, and those of other quantities.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "tools/report_parts.hpp"
#include "tools/svg.hpp"

namespace dz::tool {

namespace {

struct Summary {
  std::size_t first, last, lowest, highest;  // of the finite ones
  std::size_t gaps = 0, first_gap = 0;
};

std::optional<Summary> summary_of(const std::vector<double>& costs) {
  std::optional<Summary> s;
  std::size_t gaps = 0, first_gap = 0;
  for (std::size_t i = 0; i < costs.size(); ++i) {
    if (!std::isfinite(costs[i])) {
      if (gaps++ == 0) first_gap = i;
      continue;
    }
    if (!s) s = Summary{i, i, i, i};
    s->last = i;
    if (costs[i] < costs[s->lowest]) s->lowest = i;
    if (costs[i] > costs[s->highest]) s->highest = i;
  }
  if (s) {
    s->gaps = gaps;
    s->first_gap = first_gap;
  }
  return s;
}

/// A little more than the values span; from 0 where that is near.
Axis value_axis(double low, double high, int ticks) {
  const auto finite = [](double v) { return std::clamp(v, std::numeric_limits<double>::lowest(), std::numeric_limits<double>::max()); };
  if (low > 0 && high / 100 > low) return logarithmic_axis(std::max(low / 1.15, 5e-324), finite(high * 1.15), ticks);
  if (low >= 0 && low < high / 3) return linear_axis(0, finite(high * 1.04), ticks);
  const double room = (high / 2 - low / 2) * 0.08;
  return linear_axis(finite(low - room), finite(high + room), ticks);
}

struct Frame {
  double width, height, left = 56, right = 24, top = 26, bottom = 44;
  double x(double fraction) const { return left + fraction * (width - left - right); }
  double y(double fraction) const { return height - bottom - fraction * (height - top - bottom); }
};

std::string axes(const Frame& f, const Axis& x, const Axis& y, std::string_view quantity) {
  std::string out = "<g class=\"axes\">";
  for (const double tick : y.ticks) {
    const std::string at = coordinate(f.y(y.fraction(tick)));
    out += fmt::format("<line x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>", f.left, f.width - f.right, at, at);
    out += fmt::format("<text x=\"{}\" y=\"{}\" dy=\".35em\" text-anchor=\"end\">{}</text>", f.left - 8, at, y.label(tick));
  }
  const double floor = f.height - f.bottom;
  out += fmt::format("<line class=\"base\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>", f.left, f.width - f.right, floor, floor);
  for (const double tick : x.ticks) {
    const std::string at = coordinate(f.x(x.fraction(tick)));
    out += fmt::format("<line class=\"base\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>", at, at, floor, floor + 5);
    out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>", at, floor + 19, x.label(tick));
  }
  out += fmt::format("<text class=\"name\" x=\"{}\" y=\"14\">{}{}</text>", f.left, escape(quantity), y.logarithmic ? ", logarithmic" : "");
  out += fmt::format("<text class=\"name\" x=\"{}\" y=\"{}\" text-anchor=\"end\">iteration</text>", f.width - f.right, f.height - 6);
  return out + "</g>";
}

/// The finite costs as lines, a new one after each gap; a cost alone between gaps is a dot.
std::string path(const Frame& f, const Axis& x, const Axis& y, const std::vector<double>& costs, std::int64_t first_iteration) {
  std::string out;
  bool drawing = false, alone = false;
  const auto end = [&] {
    if (drawing && alone) out += "h0";
    drawing = false;
  };
  for (const std::size_t i : thinned(costs, static_cast<std::size_t>(f.width - f.left - f.right))) {
    if (!std::isfinite(costs[i])) {
      end();
      continue;
    }
    const double iteration = static_cast<double>(first_iteration) + static_cast<double>(i);
    out += fmt::format("{}{} {}", drawing ? "L" : "M", coordinate(f.x(x.fraction(iteration))), coordinate(f.y(y.fraction(costs[i]))));
    alone = !drawing;
    drawing = true;
  }
  end();
  return out;
}

using Points = std::vector<std::pair<double, double>>;

/// Points as one line, those that are finite.
std::string path(const Frame& f, const Axis& x, const Axis& y, const Points& points) {
  std::string out;
  for (const auto& [iteration, value] : points)
    if (std::isfinite(y.fraction(value)))
      out += fmt::format("{}{} {}", out.empty() ? "M" : "L", coordinate(f.x(x.fraction(iteration))), coordinate(f.y(y.fraction(value))));
  return out.find('L') == out.npos && !out.empty() ? out + "h0" : out;
}

/// The axis of values, and the room at the left that its labels need.
Axis fitted_axis(Frame& f, double low, double high) {
  Axis y = value_axis(low, high, f.height < 320 ? 5 : 7);
  std::size_t longest = 0;
  for (const double tick : y.ticks) longest = std::max(longest, y.label(tick).size());
  f.left = std::max(30.0, 14 + 7.2 * static_cast<double>(longest));
  return y;
}
Axis iterations(const Frame& f, double first, double last) { return whole_axis(first, last, f.width < 500 ? 4 : 8); }
std::string opening(const Frame& f, std::string_view size, std::string_view label) {
  return fmt::format("<svg class=\"chart {}\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{} by iteration\">", size, f.width, f.height,
                     escape(label));
}

std::string chart(const std::vector<double>& costs, std::int64_t first_iteration, const Points& dev_costs, const Summary& s, Frame f,
                  std::string_view name) {
  const auto first = static_cast<double>(first_iteration), last = first + static_cast<double>(costs.size() - 1);
  double low = costs[s.lowest], high = costs[s.highest];
  for (const auto& [iteration, cost] : dev_costs)
    if (std::isfinite(cost)) low = std::min(low, cost), high = std::max(high, cost);
  const Axis y = fitted_axis(f, low, high), x = iterations(f, first, last);
  std::string out = opening(f, name, "Cost") + axes(f, x, y, "cost");
  out += fmt::format("<path class=\"curve\" d=\"{}\"/>", path(f, x, y, costs, first_iteration));
  if (!dev_costs.empty()) out += fmt::format("<path class=\"curve dev\" d=\"{}\"/>", path(f, x, y, dev_costs));
  out += fmt::format("<circle class=\"last\" r=\"4\" cx=\"{}\" cy=\"{}\"/>",
                     coordinate(f.x(x.fraction(first + static_cast<double>(s.last)))), coordinate(f.y(y.fraction(costs[s.last]))));
  return out + "</svg>";
}

std::string caption(const std::vector<double>& costs, std::int64_t first_iteration, const Summary& s) {
  const auto iteration = [&](std::size_t i) { return first_iteration + static_cast<std::int64_t>(i); };
  std::string out;
  if (s.first == s.last) {
    out = fmt::format("{:.6g} at iteration {}.", costs[s.first], iteration(s.first));
  } else {
    out = fmt::format("From {:.6g} at iteration {} to {:.6g} at iteration {}", costs[s.first], iteration(s.first), costs[s.last],
                      iteration(s.last));
    if (s.lowest != s.last) out += fmt::format("; lowest {:.6g} at iteration {}", costs[s.lowest], iteration(s.lowest));
    out += ".";
  }
  if (s.gaps > 0)
    out += fmt::format(" <strong>{} of {} costs {} not finite</strong>, the first at iteration {}; the curve has gaps there.", s.gaps,
                       costs.size(), s.gaps == 1 ? "is" : "are", iteration(s.first_gap));
  return out;
}

/// Of the curves' finite points; low > high where there are none.
struct Extent {
  double first = HUGE_VAL, last = -HUGE_VAL, low = HUGE_VAL, high = -HUGE_VAL;
};
Extent extent_of(const std::vector<Curve>& curves) {
  Extent e;
  for (const Curve& c : curves)
    for (const auto& [iteration, value] : c.points) {
      if (!std::isfinite(value)) continue;
      e.first = std::min(e.first, iteration), e.last = std::max(e.last, iteration);
      e.low = std::min(e.low, value), e.high = std::max(e.high, value);
    }
  return e;
}

/// From blue over purple to orange, told apart on light and dark paper.
std::string colour(std::size_t i, std::size_t count) {
  const double share = count > 1 ? static_cast<double>(i) / static_cast<double>(count - 1) : 0;
  return fmt::format("hsl({:.0f} 75% 48%)", std::fmod(205 + 175 * share, 360));
}

std::string chart(const std::vector<Curve>& curves, const Extent& e, Frame f, std::string_view size, std::string_view quantity) {
  const Axis y = fitted_axis(f, e.low, e.high), x = iterations(f, e.first, e.last);
  std::string out = opening(f, size, quantity) + axes(f, x, y, quantity);
  for (std::size_t i = 0; i < curves.size(); ++i)
    out += fmt::format("<path class=\"curve\" style=\"stroke:{}\" d=\"{}\"/>", colour(i, curves.size()), path(f, x, y, curves[i].points));
  return out + "</svg>";
}

}  // namespace

std::string curves_section(std::string_view heading, std::string_view quantity, const std::vector<Curve>& curves) {
  const Extent e = extent_of(curves);
  if (e.low > e.high) return {};
  std::string out = fmt::format("<section><h2>{}</h2><figure>", escape(heading)) + chart(curves, e, {880, 280}, "wide", quantity) +
                    chart(curves, e, {400, 250}, "narrow", quantity);
  if (curves.size() > 1) {
    out += "<ul class=\"legend\">";
    for (std::size_t i = 0; i < curves.size(); ++i)
      out += fmt::format("<li><i class=\"swatch\" style=\"background:{}\"></i> {}</li>", colour(i, curves.size()), escape(curves[i].name));
    out += "</ul>";
  }
  return out + "</figure></section>\n";
}

std::string cost_section(const std::vector<double>& costs, std::int64_t first_iteration, const Points& dev_costs) {
  if (costs.empty()) return {};
  std::string out = "<section><h2>Cost</h2>";
  if (const auto s = summary_of(costs)) {
    out += "<figure>" + chart(costs, first_iteration, dev_costs, *s, {880, 360}, "wide") +
           chart(costs, first_iteration, dev_costs, *s, {400, 290}, "narrow");
    out += "<figcaption>" + caption(costs, first_iteration, *s) + (dev_costs.empty() ? "" : " Broken: the dev part's cost.") +
           "</figcaption></figure>";
  } else {
    out += fmt::format("<p><strong>None of the {} costs is finite</strong>, from iteration {} on.</p>", costs.size(), first_iteration);
  }
  return out + "</section>\n";
}

}  // namespace dz::tool
