#pragma once
// What the notes' table of bias and variance says of a training (part four, section two).

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <dz/data/metrics.hpp>

namespace dz {

enum class Fit { right, high_bias, high_variance, high_bias_and_variance, low_bias };
std::string_view name(Fit fit);

struct BiasVarianceOptions {
  double optimal_error = 0;            ///< Bayes' error, of which people's is an estimate
  double tolerated = 0.05;             ///< how far an error may be from the one that it is compared with
  std::string_view judged_by = "dev";  ///< what the part is called that was not trained with
};

struct BiasVariance {
  Fit fit = Fit::right;
  double bias = 0;                 ///< training error − optimal error
  std::optional<double> variance;  ///< dev error − training error; none without a dev error
  std::string sentence;            ///< the figures and what they mean
};

/// Judges by errors in parts of 1 (0.15 is 15 %). The bias is high where it is above `tolerated`. The variance is high where it is above
/// `tolerated`, or above half of that while the dev error is twice the training error or more (0 % and 4 %: all that is left to gain is
/// variance). Without a dev error it judges the bias alone: Fit::high_bias or Fit::low_bias. Throws ValueError for an error outside [0, 1]
/// or a `tolerated` outside (0, 1).
BiasVariance bias_variance(double training_error, std::optional<double> dev_error, const BiasVarianceOptions& options = {});

/// The same of what was predicted, `dev` may be null; and where one class is never recognised, however few its samples (from five on), the
/// bias is high, or the variance where it is only so outside the training part: the sentence names the class. `names` may be empty.
BiasVariance bias_variance(const ConfusionMatrix& training, const ConfusionMatrix* dev, const BiasVarianceOptions& options = {},
                           const std::vector<std::string>& names = {});

}  // namespace dz
