#pragma once
// What is asked of every operation: that its gradient and its gradient's gradient are right, that layout, precision, instruction set,
// threads and thresholds change nothing, that it takes or refuses what is empty, misshapen or not a number, and keeps its hands off its inputs.

#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include <dz/testing/operation.hpp>

namespace dz::testing {

/// What an examination found.
class Findings {
 public:
  /// A new case; failures from here on are of this one.
  void open(std::string description);
  /// Of the open case.
  void expect(bool right, const std::string& otherwise) {
    if (!right) fail(otherwise);
  }
  void fail(const std::string& how);

  /// Takes in what another examination found.
  Findings& operator+=(const Findings& o);

  std::int64_t cases() const { return cases_; }
  const std::vector<std::string>& failures() const { return failures_; }
  bool passed() const { return cases_ > 0 && failures_.empty(); }

 private:
  std::int64_t cases_ = 0;
  std::string open_;
  std::vector<std::string> failures_;
};
/// "12 cases, 1 failure" and the failures, one a line.
std::string to_string(const Findings& f);
std::ostream& operator<<(std::ostream& out, const Findings& f);

/// One question.
struct Check {
  const char* name;
  void (*ask)(const Operation& o, Findings& f);
  bool slow;  ///< takes seconds
};
/// All of them: gradients, precision, layouts, thresholds, emptiness, refusals and so on. Every one is to be asked of every operation.
std::span<const Check> checks();

/// Asks one question; what the operation throws is a failure.
Findings check(const Operation& o, const Check& question);
/// Asks all questions that are not slow.
Findings check(const Operation& o);

}  // namespace dz::testing
