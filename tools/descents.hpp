#pragma once
// Why inputs are normalised (the notes, part four, section five): the cost over two weights, and the way that descent takes on it.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <dz/data/dataset.hpp>

namespace dz::tool {

/// The cost of logistic regression over its two weights.
struct CostSurface {
  double left = 0, right = 0, bottom = 0, top = 0;  ///< of w₁ and of w₂
  std::vector<double> costs;                        ///< in rows of side, the first at w₂ = top
  std::vector<std::pair<double, double>> path;      ///< w₁ and w₂ after every step of descent, the first weights first
  double learning_rate = 0;
  double first_cost = 0, last_cost = 0;  ///< of the path
};

/// The two features that differ most in scale.
struct Scales {
  std::size_t features[2] = {0, 1};  ///< in the order of their numbers
  double ratio = 1;                  ///< the larger one's root mean square over the smaller one's
};
/// Nothing where all of 2 to 100 features are alike (the ratio below 3), where there are fewer or more, and of pictures: there normalising changes little.
std::optional<Scales> differing_scales(const Dataset& train);

/// The same descent with raw and with normalised inputs.
struct Descents {
  static constexpr std::size_t side = 90;
  Scales of;
  CostSurface raw, normalised;
};
/// Of the first 400 samples. With several classes, class 0 is told from the others.
Descents descents_of(const Dataset& train, const Scales& scales);

}  // namespace dz::tool
