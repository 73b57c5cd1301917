#pragma once
// Why a derivative is probably wrong: patterns in how it differs from the slopes.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <dz/calculus/places.hpp>

namespace dz::detail {

/// Of inputs with more elements no cause is looked for.
inline constexpr std::int64_t explained_elements = 1024;

/// All that is known of one input: for each row (row 0 contracted, the others single outputs) the derivative and the slope of each element.
struct Explanation {
  Shape shape;
  const std::vector<double>& x;
  const std::vector<std::vector<double>>& derivatives;
  std::vector<std::vector<double>> slopes;
  double small;  // differences below this do not count
  std::optional<Shape> output;  // of the single outputs, where they are all of one tensor
  const std::vector<double>& values;  // of the rows
  std::vector<NamedValues> inputs;  // all of them, this one too
  std::size_t own;                  // its number among them
  std::int64_t reported;            // the element that the report speaks of
  std::vector<std::int64_t> wrong;  // elements, in rising order
  std::vector<std::vector<double>> bars;  // of the slopes
};

/// Sentences, a line each, or nothing where no pattern fits.
std::string likely_cause(const Explanation& e);

}  // namespace dz::detail
