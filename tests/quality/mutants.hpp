#pragma once
// Operations with one mistake each, by class.

#include <optional>

#include "tests/quality/rules.hpp"

namespace dz::quality {

struct Mutant {
  std::string mistake;  // the class
  Rule rule;
  int order = 1;                         // in which it is to be seen
  std::optional<Isa> isa = std::nullopt;  // the instruction set that is asked for while it is checked
};

/// Wrong derivatives, the same in every precision.
std::vector<Mutant> wrong_derivatives();
/// Right in float64 and wrong in float32, on one way through a kernel.
std::vector<Mutant> wrong_in_float32();

}  // namespace dz::quality
