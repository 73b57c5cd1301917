#pragma once
// Numbers from text, whole and in range or not at all.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dz::tool {

/// The number of bytes of the UTF-8 character at the beginning of text, 0 where there is none (RFC 3629).
std::size_t character_length(std::string_view text);
/// C0 and C1 controls, the ends of planes: characters that neither XML nor HTML nor a terminal want.
bool is_unwanted(std::string_view character);
/// The text as a terminal may show it: control characters and bytes that are no UTF-8 as \xNN.
std::string printable(std::string_view text);
std::vector<std::string> printable(const std::vector<std::string>& texts);

/// What stands between the separators; at least one part.
std::vector<std::string> parts(std::string_view text, char separator);
/// A whole number in [low, high]. Throws ValueError that names `what` and the range.
std::int64_t whole_number(std::string_view what, std::string_view text, std::int64_t low, std::int64_t high);
/// A finite number in [low, high], or (low, high] with `open`. Throws ValueError likewise.
double real_number(std::string_view what, std::string_view text, double low, double high, bool open = false);
/// Numbers between separators, each as real_number takes it. Throws ValueError likewise.
std::vector<double> real_numbers(std::string_view what, std::string_view text, char separator, double low, double high, bool open = false);
/// Whole numbers between commas, each in [low, high]. Throws ValueError likewise.
std::vector<std::int64_t> whole_numbers(std::string_view what, std::string_view text, std::int64_t low, std::int64_t high);

}  // namespace dz::tool
