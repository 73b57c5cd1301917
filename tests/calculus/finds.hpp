#pragma once
// What a gradient check says.

#include <regex>

#include "tests/support/support.hpp"

#include <dz/calculus/catch.hpp>

namespace dz {

/// A report in one line: its words may stand in two of the report's.
inline std::string report_of(const Gradcheck& check) { return std::regex_replace(to_string(check), std::regex("\\s+"), " "); }

inline void check_finds(const Gradcheck& check, const std::string& words) {
  const std::string text = report_of(check);
  INFO(text);
  CHECK(check.result().verdict() == Verdict::wrong);
  CHECK(text.find(words) != std::string::npos);
}

inline void check_leaves_out(const Gradcheck& check, const std::string& words) {
  const std::string text = report_of(check);
  INFO(text);
  CHECK(check.result().verdict() == Verdict::wrong);
  CHECK(text.find(words) == std::string::npos);
}

}  // namespace dz
