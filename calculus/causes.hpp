#pragma once
// Why a derivative is probably wrong: patterns in how it differs from the slopes.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <dz/tensor/shape.hpp>

namespace dz::detail {

/// Of inputs with more elements no cause is looked for.
inline constexpr std::int64_t explained_elements = 1024;

/// All that is known of one input: for each row (row 0 contracted, the others single outputs) the derivative and the slope of each element.
struct Explanation {
  Shape shape;
  const std::vector<double>& x;
  const std::vector<std::vector<double>>& derivatives;
  std::vector<std::vector<double>> slopes;
  const std::vector<std::string>& outputs;
  double small;  // differences below this do not count
  std::optional<Shape> output;  // of the single outputs, where they are all of one tensor
  const std::vector<double>& values;  // of the rows
};

/// A sentence, or nothing where no pattern fits.
std::string likely_cause(const Explanation& e);

}  // namespace dz::detail
