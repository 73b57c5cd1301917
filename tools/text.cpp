#include "tools/text.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include <dz/tensor/error.hpp>

namespace dz::tool {
namespace {

/// All of the text is one number.
template <class N> bool read(std::string_view text, N& n) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, n);
  return error == std::errc() && stop == end;
}

}  // namespace

std::int64_t whole_number(std::string_view what, std::string_view text, std::int64_t low, std::int64_t high) {
  std::int64_t n = 0;
  if (read(text, n) && n >= low && n <= high) return n;
  throw ValueError(fmt::format("--{}: '{}' is not a whole number from {} to {}", what, text, low, high));
}

double real_number(std::string_view what, std::string_view text, double low, double high, bool open) {
  double x = 0;
  if (read(text, x) && std::isfinite(x) && (open ? x > low : x >= low) && x <= high) return x;
  const std::string below = high == std::numeric_limits<double>::max() ? "" : fmt::format(" and at most {}", high);
  throw ValueError(fmt::format("--{}: '{}' is not a number {} {}{}", what, text, open ? "above" : "from", low, below));
}

std::vector<std::string> parts(std::string_view text, char separator) {
  std::vector<std::string> found;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t end = std::min(text.find(separator, from), text.size());
    found.emplace_back(text.substr(from, end - from));
    from = end + 1;
  }
  return found;
}

std::vector<double> real_numbers(std::string_view what, std::string_view text, char separator, double low, double high, bool open) {
  std::vector<double> numbers;
  for (const std::string& part : parts(text, separator)) numbers.push_back(real_number(what, part, low, high, open));
  return numbers;
}

std::vector<std::int64_t> whole_numbers(std::string_view what, std::string_view text, std::int64_t low, std::int64_t high) {
  std::vector<std::int64_t> numbers;
  for (const std::string& part : parts(text, ',')) numbers.push_back(whole_number(what, part, low, high));
  return numbers;
}

}  // namespace dz::tool
