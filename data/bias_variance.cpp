#include <dz/data/bias_variance.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include <dz/tensor/error.hpp>

namespace dz {
namespace {

/// Classes of so many samples at least are to be recognised, and so many of those that are not are named.
constexpr std::int64_t fewest_samples = 5;
constexpr std::size_t most_named = 3;

void check(double value, std::string_view what) {
  if (!(value >= 0 && value <= 1)) throw ValueError(fmt::format("the {} error is {}, outside 0 to 1", what, value), "bias_variance");
}

/// The classes of which not one sample is recognised, though it has been (where there is a matrix to tell that) in `before`.
std::vector<std::int64_t> missed(const ConfusionMatrix& matrix, const ConfusionMatrix* before = nullptr) {
  std::vector<std::int64_t> classes;
  for (std::int64_t c = 0; c < matrix.classes(); ++c)
    if (matrix.of_label(c) >= fewest_samples && matrix.at(c, c) == 0 &&
        !(before && c < before->classes() && before->of_label(c) >= fewest_samples && before->at(c, c) == 0))
      classes.push_back(c);
  return classes;
}

std::string named(const std::vector<std::int64_t>& classes, const ConfusionMatrix& matrix, std::string_view part,
                  const std::vector<std::string>& names) {
  std::string text;
  for (const std::int64_t c : std::span(classes).first(std::min(classes.size(), most_named))) {
    const auto i = static_cast<std::size_t>(c);
    text += fmt::format("{}class {} ({} of the {} samples of the {} part)", text.empty() ? "" : ", ",
                        i < names.size() ? names[i] : fmt::format("{}", c), matrix.of_label(c), matrix.total(), part);
  }
  if (classes.size() > most_named) text += fmt::format(", and {} more classes", classes.size() - most_named);
  return text.empty() ? text : fmt::format("; {} {} never recognised", text, classes.size() == 1 ? "is" : "are");
}

Fit fit_of(bool biased, bool varied, bool judged) {
  if (!judged) return biased ? Fit::high_bias : Fit::low_bias;
  return biased && varied ? Fit::high_bias_and_variance : biased ? Fit::high_bias : varied ? Fit::high_variance : Fit::right;
}

}  // namespace

std::string_view name(Fit fit) {
  switch (fit) {
    case Fit::right: return "just right";
    case Fit::high_bias: return "high bias (underfitting)";
    case Fit::high_variance: return "high variance (overfitting)";
    case Fit::low_bias: return "low bias";
    case Fit::high_bias_and_variance: break;
  }
  return "high bias and high variance";
}

namespace {

/// With what is known of classes that are never recognised.
BiasVariance judged(double training_error, std::optional<double> dev_error, const BiasVarianceOptions& options,
                    const std::string& missed_in_training = {}, const std::string& missed_in_dev = {}) {
  check(training_error, "training");
  if (dev_error) check(*dev_error, options.judged_by);
  check(options.optimal_error, "optimal");
  if (!(options.tolerated > 0 && options.tolerated < 1))
    throw ValueError(fmt::format("{} is tolerated, outside (0, 1)", options.tolerated), "bias_variance");

  BiasVariance v;
  v.bias = training_error - options.optimal_error;
  std::string gap = "; without a dev or a test part nothing is known of the variance";
  bool varied = !missed_in_dev.empty();
  if (dev_error) {
    const double variance = *dev_error - training_error;
    v.variance = variance;
    varied = varied || variance > options.tolerated || (variance > options.tolerated / 2 && variance >= training_error);
    gap = fmt::format(", the {} error of {:.1f} % is {:.1f} points from the training error", options.judged_by, 100 * *dev_error,
                      100 * variance);
  }
  v.fit = fit_of(v.bias > options.tolerated || !missed_in_training.empty(), varied, dev_error.has_value());
  v.sentence = fmt::format("{}: the training error of {:.1f} % is {:.1f} points from the optimal {:.1f} %{}{}{}", name(v.fit),
                           100 * training_error, 100 * v.bias, 100 * options.optimal_error, gap, missed_in_training, missed_in_dev);
  return v;
}

}  // namespace

BiasVariance bias_variance(double training_error, std::optional<double> dev_error, const BiasVarianceOptions& options) {
  return judged(training_error, dev_error, options);
}

BiasVariance bias_variance(const ConfusionMatrix& training, const ConfusionMatrix* dev, const BiasVarianceOptions& options,
                           const std::vector<std::string>& names) {
  const auto error = [](const ConfusionMatrix& m) { return m.total() == 0 ? 0 : 1 - m.accuracy(); };
  return judged(error(training), dev ? std::optional(error(*dev)) : std::nullopt, options,
                named(missed(training), training, "training", names),
                dev ? named(missed(*dev, &training), *dev, options.judged_by, names) : std::string());
}

}  // namespace dz
