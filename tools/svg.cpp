#include "tools/svg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "tools/text.hpp"

namespace dz::tool {

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    text.remove_prefix(character.size());
    if (length == 0 || is_unwanted(character)) out += "\xef\xbf\xbd";
    else if (character == "&") out += "&amp;";
    else if (character == "<") out += "&lt;";
    else if (character == ">") out += "&gt;";
    else if (character == "\"") out += "&quot;";
    else if (character == "'") out += "&#39;";
    else out += character;
  }
  return out;
}

std::string base64(std::string_view bytes) {
  static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j) out += j <= count ? digits[group >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

std::string coordinate(double v) {
  std::string out = fmt::format("{:.2f}", v);
  out.erase(out.find_last_not_of('0') + 1);
  if (out.back() == '.') out.pop_back();
  return out == "-0" ? "0" : out;
}

double Axis::fraction(double value) const {
  if (logarithmic) return (std::log(value) - std::log(low)) / (std::log(high) - std::log(low));
  return (value / 2 - low / 2) / (high / 2 - low / 2);  // halves, since the difference of two doubles may be none
}

std::string Axis::label(double tick) const {
  if (tick == 0) return "0";
  std::string text;
  if (const double magnitude = std::abs(tick); magnitude >= 1e6 || magnitude < 1e-4) {
    text = fmt::format("{:.4g}", tick);
    if (const auto e = text.find('e'); e != std::string::npos) {  // 1e-05 is 1e-5
      std::size_t digit = e + 2;
      while (text.size() > digit + 1 && text[digit] == '0') text.erase(digit, 1);
      if (text[e + 1] == '+') text.erase(e + 1, 1);
    }
  } else {
    const double step = !logarithmic && ticks.size() > 1 ? ticks[1] - ticks[0] : std::abs(tick);
    const int decimals = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 9);
    text = fmt::format("{:.{}f}", tick, decimals);
  }
  if (text[0] == '-') text.replace(0, 1, "−");
  return text;
}

namespace {

void set_apart(double& low, double& high) {
  if (low < high) return;
  const double by = low == 0 ? 1 : std::abs(low) / 10;
  low = std::max(low - by, std::numeric_limits<double>::lowest());
  high = std::min(high + by, std::numeric_limits<double>::max());
}

Axis with_step(double low, double high, double step) {
  Axis axis{low, high, false, {}};
  if (!(step > 0) || !std::isfinite(step)) return axis;
  const double first = std::ceil(low / step - 1e-9);
  for (int i = 0; i < 100; ++i) {  // by multiplication, so that no error adds up
    const double tick = (first + i) * step;
    const double fraction = axis.fraction(tick);
    if (!(fraction <= 1 + 1e-6)) break;
    if (fraction >= -1e-6) axis.ticks.push_back(tick == 0 ? 0 : tick);
  }
  return axis;
}

double round_step(double low, double high, int count) {
  const double rough = high / count - low / count;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (rough <= factor * power * 1.2) return factor * power;
  return 10 * power;
}

}  // namespace

Axis linear_axis(double low, double high, int count) {
  set_apart(low, high);
  return with_step(low, high, round_step(low, high, count));
}

Axis whole_axis(double low, double high, int count) {
  set_apart(low, high);
  return with_step(low, high, std::max(1.0, round_step(low, high, count)));
}

Axis logarithmic_axis(double low, double high, int count) {
  if (!(low < high)) {
    low /= 2;
    high *= 2;
  }
  Axis axis{low, high, true, {}};
  const double first = std::floor(std::log10(low)), last = std::floor(std::log10(high) + 1e-9), decades = last - first;
  const int step = std::max(1, static_cast<int>(std::ceil(decades / count)));
  const std::vector<double> factors = decades * 3 <= count + 1 ? std::vector<double>{1, 2, 5} : std::vector<double>{1};
  for (double power = std::floor(first / step) * step; power <= last; power += step)
    for (const double factor : factors)
      if (const double tick = factor * std::pow(10, power); tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9))
        axis.ticks.push_back(tick);
  return axis;
}

std::vector<std::size_t> thinned(const std::vector<double>& values, std::size_t columns) {
  std::vector<std::size_t> kept;
  const std::size_t n = values.size();
  if (n <= 4 * columns || columns == 0) {
    for (std::size_t i = 0; i < n; ++i) kept.push_back(i);
    return kept;
  }
  for (std::size_t c = 0; c < columns; ++c) {
    const std::size_t begin = n / columns * c + std::min(c, n % columns), end = n / columns * (c + 1) + std::min(c + 1, n % columns);
    std::size_t first = end, last = end, lowest = end, highest = end, gap = end, last_gap = end;
    for (std::size_t i = begin; i < end; ++i) {
      if (!std::isfinite(values[i])) {
        if (gap == end) gap = i;
        last_gap = i;
        continue;
      }
      if (first == end) first = lowest = highest = i;
      last = i;
      if (values[i] < values[lowest]) lowest = i;
      if (values[i] > values[highest]) highest = i;
    }
    for (const std::size_t i : {first, lowest, highest, last, gap, last_gap})
      if (i != end) kept.push_back(i);
  }
  std::sort(kept.begin(), kept.end());
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  return kept;
}

}  // namespace dz::tool
