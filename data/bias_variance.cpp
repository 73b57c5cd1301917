#include <dz/data/bias_variance.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <dz/tensor/error.hpp>

namespace dz {

std::string_view name(Fit fit) {
  switch (fit) {
    case Fit::right: return "just right";
    case Fit::high_bias: return "high bias (underfitting)";
    case Fit::high_variance: return "high variance (overfitting)";
    case Fit::high_bias_and_variance: break;
  }
  return "high bias and high variance";
}

BiasVariance bias_variance(double training_error, double dev_error, double optimal_error, double tolerated) {
  for (const auto& [value, what] :
       {std::pair(training_error, "training error"), {dev_error, "dev error"}, {optimal_error, "optimal error"}})
    if (!(value >= 0 && value <= 1)) throw ValueError(fmt::format("the {} is {}, outside 0 to 1", what, value), "bias_variance");
  if (!(tolerated > 0 && tolerated < 1)) throw ValueError(fmt::format("{} is tolerated, outside (0, 1)", tolerated), "bias_variance");

  BiasVariance v;
  v.bias = training_error - optimal_error;
  v.variance = dev_error - training_error;
  const bool biased = v.bias > tolerated, varied = v.variance > tolerated;
  v.fit = biased && varied ? Fit::high_bias_and_variance : biased ? Fit::high_bias : varied ? Fit::high_variance : Fit::right;
  v.sentence = fmt::format(
      "{}: the training error of {:.1f} % is {:.1f} points from the optimal {:.1f} %, the dev error of {:.1f} % is {:.1f} points from the "
      "training error",
      name(v.fit), 100 * training_error, 100 * v.bias, 100 * optimal_error, 100 * dev_error, 100 * v.variance);
  if (biased)
    v.advice = {"a deeper or wider network", "longer training", "a better optimiser (momentum, Adam), or another learning rate",
                "a convolutional network, for pictures"};
  if (varied)
    for (const char* cure : {"more data, or augmented pictures (1,000 pictures a class are a good start)",
                             "regularisation: L2 (the notes try lambda from 1e-5 to 1e-3 for large networks or few data, 1e-7 to 1e-5 "
                             "otherwise), dropout (a lower keep_prob for wider layers), early stopping",
                             "a convolutional network, for pictures"})
      if (std::ranges::find(v.advice, cure) == v.advice.end()) v.advice.emplace_back(cure);
  return v;
}

std::optional<std::string> stuck(std::span<const double> costs, std::span<const double> class_shares) {
  if (costs.size() < 20 || class_shares.size() < 2) return std::nullopt;
  double blind = 0;
  for (const double p : class_shares) blind -= p > 0 ? p * std::log(p) : 0;
  const auto mean = [](std::span<const double> part) {
    return std::accumulate(part.begin(), part.end(), 0.0) / static_cast<double>(part.size());
  };
  const std::size_t quarter = costs.size() / 4;
  // Both quarters, so that a curve on its way down is none that stays.
  for (const auto& part : {costs.last(quarter), costs.last(2 * quarter).first(quarter)})
    if (!(std::abs(mean(part) - blind) < 1e-3)) return std::nullopt;
  const double equal = std::log(static_cast<double>(class_shares.size()));
  const std::string value = std::abs(blind - equal) < 5e-4 ? fmt::format("{:.6f} = ln {}", equal, class_shares.size())
                                                           : fmt::format("{:.6f}, what the classes' shares alone cost", blind);
  return fmt::format(
      "the cost stays at {}: the network says the same for every sample, nothing is learnt. The first weights may be too small for "
      "its depth (He's for ReLU, Xavier's for tanh; never 0 or 0.01 in a deep network), the learning rate too small, or the labels "
      "without pattern",
      value);
}

}  // namespace dz
