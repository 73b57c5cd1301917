#pragma once
// What the notes' table of bias and variance says of a training (part four, section two), and what they advise.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include <cstdint>

namespace dz {

enum class Fit { right, high_bias, high_variance, high_bias_and_variance };
std::string_view name(Fit fit);

struct BiasVariance {
  Fit fit = Fit::right;
  double bias = 0;                  ///< training error − optimal error
  double variance = 0;              ///< dev error − training error
  std::string sentence;             ///< the figures and what they mean
  std::vector<std::string> advice;  ///< the notes', in their order: first the bias, and then the variance
};

/// Judges by errors in parts of 1 (0.15 is 15 %): the bias is high where the training error is more than `tolerated` above the optimal one
/// (Bayes' error, of which people's is an estimate), the variance where the dev error is more than that above the training error. Throws
/// ValueError for an error outside [0, 1] or a `tolerated` outside (0, 1).
BiasVariance bias_variance(double training_error, double dev_error, double optimal_error = 0, double tolerated = 0.05);

/// Why the cost does not fall, where over its last half it stays, on the mean, within a thousandth of what it costs to say nothing but the
/// classes' shares for every sample, −Σ p·ln p: 0.693147 = ln 2 for two equal ones (the notes, part three, section three: the sign that
/// nothing was learnt). Nothing for fewer than 20 costs or two classes.
std::optional<std::string> stuck(std::span<const double> costs, std::span<const double> class_shares);

}  // namespace dz
