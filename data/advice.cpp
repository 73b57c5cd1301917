#include <dz/data/advice.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <numeric>

namespace dz {
namespace {

constexpr std::int64_t pictures_a_class = 1000;  // the notes, part three, section three

const char* const convolutions = "a convolutional network (dz train --network lenet or resnet)";

std::vector<std::string> against_bias(const Situation& s) {
  std::vector<std::string> all = {"a deeper or wider network"};
  if (!s.stopped_early) all.emplace_back("longer training");
  all.emplace_back(s.accelerated ? "another learning rate" : "a better optimiser (momentum, Adam), or another learning rate");
  if (s.pictures && !s.convolutional) all.emplace_back(convolutions);
  if (s.l2 > 0) all.push_back(fmt::format("a smaller lambda than {:g}", s.l2));
  if (s.dropout) all.emplace_back("a higher keep_prob");
  return all;
}

/// Of regularisation, what is not in use; empty where everything is.
std::string regularisation(const Situation& s) {
  const bool large = s.parameters == 0 || s.samples == 0 || s.parameters > s.samples;
  const double highest = large ? 1e-3 : 1e-5;
  std::vector<std::string> means;
  if (s.l2 < highest)
    means.push_back(fmt::format("L2 (lambda from {} for {} parameters and {} samples)", large ? "1e-5 to 1e-3" : "1e-7 to 1e-5",
                                s.parameters == 0 ? "many" : fmt::format("{}", s.parameters),
                                s.samples == 0 ? "few" : fmt::format("{}", s.samples)));
  if (s.hidden_layers && s.takes_dropout && !s.dropout) means.emplace_back("dropout (a lower keep_prob for wider layers)");
  if (!s.early_stopping) means.emplace_back("early stopping");
  return means.empty() ? std::string() : fmt::format("regularisation: {}", fmt::join(means, ", "));
}

std::vector<std::string> against_variance(const Situation& s) {
  std::vector<std::string> all;
  std::string more = s.pictures ? (s.augmented ? "more pictures" : "more pictures, or augmented ones") : "more data";
  if (s.pictures && s.rarest > 0 && s.rarest < pictures_a_class)
    more += fmt::format(" (1,000 of each class are a good start; the rarest has {})", s.rarest);
  all.push_back(std::move(more));
  if (std::string means = regularisation(s); !means.empty()) all.push_back(std::move(means));
  if (s.pictures && !s.convolutional) all.emplace_back(convolutions);
  return all;
}

/// What may be the reason that nothing is learnt.
std::vector<std::string> causes(const Situation& s) {
  if (s.learning_rate && *s.learning_rate == 0) return {"the learning rate is 0"};
  std::vector<std::string> all;
  if (s.l2 >= 1) all.push_back(fmt::format("lambda, {:g}, may be so large that it holds all weights at 0", s.l2));
  if (s.initialiser == "zeros")
    all.emplace_back("the first weights are all 0: the units of a layer stay alike (He's for ReLU, Xavier's for tanh)");
  else if (s.hidden_layers && (s.initialiser.empty() || s.initialiser == "small_normal"))
    all.emplace_back(
        "the first weights may be too small for its depth (He's for ReLU, Xavier's for tanh; never 0 or 0.01 in a deep network)");
  all.emplace_back("the learning rate may be too small");
  all.emplace_back("the labels may be without pattern");
  return all;
}

}  // namespace

std::vector<std::string> advice(Fit fit, const Situation& situation) {
  std::vector<std::string> all;
  if (fit == Fit::high_bias || fit == Fit::high_bias_and_variance) all = against_bias(situation);
  if (fit == Fit::high_variance || fit == Fit::high_bias_and_variance)
    for (std::string& cure : against_variance(situation))
      if (std::ranges::find(all, cure) == all.end()) all.push_back(std::move(cure));
  return all;
}

namespace {

/// Over its last half the curve stays at that level. Both quarters, so that a curve on its way down is none that stays.
bool stays_at(std::span<const double> costs, double level) {
  const auto mean = [](std::span<const double> part) {
    return std::accumulate(part.begin(), part.end(), 0.0) / static_cast<double>(part.size());
  };
  const std::size_t quarter = costs.size() / 4;
  return std::abs(mean(costs.last(quarter)) - level) < 1e-3 && std::abs(mean(costs.last(2 * quarter).first(quarter)) - level) < 1e-3;
}

}  // namespace

std::optional<std::string> stuck(std::span<const double> costs, std::span<const double> class_shares, const Situation& situation) {
  if (costs.size() < 20 || class_shares.size() < 2) return std::nullopt;
  const double equal = std::log(static_cast<double>(class_shares.size()));
  double of_shares = 0;
  for (const double p : class_shares) of_shares -= p > 0 ? p * std::log(p) : 0;
  std::string level;
  if (stays_at(costs, equal))
    level = fmt::format("{:.6f} = ln {}, what it costs to call all classes equally likely", equal, class_shares.size());
  else if (stays_at(costs, of_shares)) level = fmt::format("{:.6f}, what it costs to say the classes' shares for every sample", of_shares);
  else return std::nullopt;
  return fmt::format("the cost stays at {}: nothing is learnt. Why: {}", level, fmt::join(causes(situation), "; "));
}

}  // namespace dz
