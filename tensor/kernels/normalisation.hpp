#pragma once
// Normalisation: of each group of elements, mean and variance, x̂ = (x − mean)/√(variance + ε) and y = scale·x̂ + shift, with the gradients
// of all three operands in one go.

#include <dz/tensor/array.hpp>

namespace dz::kernels {

/// x seen as (samples, rows, groups, width), in row order; a group is everything of one sample and one group number. scale and shift are
/// (groups·width): one for each channel.
struct Grouping {
  std::int64_t samples, rows, groups, width;
  double epsilon;       ///< added to the variance
  bool centred = true;  ///< without it the mean counts as 0, and the mean square is the variance

  std::int64_t channels() const { return groups * width; }
};

/// y, for groups that are each one run of `width` elements (rows = groups = 1); shift may be an empty handle. Each of these throws
/// ShapeError where scale or shift do not fit, and DtypeError.
Array normalise_runs(const Array& x, const Array& scale, const Array& shift, const Grouping& g);
/// By x, scale and shift, along dy.
std::array<Array, 3> normalise_runs_gradient(const Array& dy, const Array& x, const Array& scale, const Grouping& g);

/// y, mean and variance (both (samples, groups)), for any grouping; the statistics are gathered in float64.
std::vector<Array> normalise_groups(const Array& x, const Array& scale, const Array& shift, const Grouping& g);
/// By x, scale and shift, along dy, with the mean and variance that normalise_groups gave.
std::array<Array, 3> normalise_groups_gradient(const Array& dy, const Array& x, const Array& scale, const Array& mean, const Array& variance,
                                             const Grouping& g);

}  // namespace dz::kernels
