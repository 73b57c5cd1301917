#include "tools/text.hpp"

#include <fmt/format.h>

#include <algorithm>
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

std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto follows = [&](std::size_t i, unsigned least = 0x80, unsigned most = 0xbf) { return byte(i) >= least && byte(i) <= most; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) return follows(1, first == 0xe0 ? 0xa0 : 0x80, first == 0xed ? 0x9f : 0xbf) && follows(2) ? 3 : 0;
  if (first >= 0xf0 && first <= 0xf4)
    return follows(1, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf) && follows(2) && follows(3) ? 4 : 0;
  return 0;
}

bool is_unwanted(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return (first < 32 && first != '\t' && first != '\n') || first == 127;
  if (character.size() == 2) return first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
  return character == "\xef\xbf\xbe" || character == "\xef\xbf\xbf";
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    text.remove_prefix(character.size());
    if (length > 0 && !is_unwanted(character) && character != "\t" && character != "\n") out += character;
    else for (const char byte : character) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
  }
  return out;
}

std::vector<std::string> printable(const std::vector<std::string>& texts) {
  std::vector<std::string> all;
  for (const std::string& text : texts) all.push_back(printable(std::string_view(text)));
  return all;
}

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
