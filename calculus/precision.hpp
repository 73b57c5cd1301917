#pragma once
// The code that ships is float32: a function's values and gradients in float32 against those in float64.

#include <string>
#include <vector>

#include <dz/calculus/subject.hpp>

namespace dz::detail {

/// Where the float32 subject departs from the float64 one by more than rounding explains: a sentence for each output and gradient, none
/// where all is well. How far rounding may lead is measured on the float64 subject, whose inputs are shaken by it.
std::vector<std::string> check_precision(const Subject& wide, const Subject& shipped, const Generator& start, std::uint64_t seed);

/// The same for one array: `narrow` against `wide`; of `conditioned`, by how much each element moved when the inputs were shaken, and
/// `scale`, the size of what it was computed from. The index of the worst element beyond its bar, or −1.
std::int64_t beyond_rounding(const std::vector<double>& wide, const std::vector<double>& narrow, const std::vector<double>& conditioned, double scale,
                             double terms);

}  // namespace dz::detail
