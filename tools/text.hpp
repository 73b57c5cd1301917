#pragma once
// Numbers from text, whole and in range or not at all.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dz::tool {

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
