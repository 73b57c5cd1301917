#pragma once
// What the notes advise after a training (part four, section two), and what a cost that does not fall says (part three, section three).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <dz/data/bias_variance.hpp>

namespace dz {

/// What is known of a training, so that nothing is advised that it does already or that does not help with its data. The defaults say of
/// each that it is not so, or not known.
struct Situation {
  bool pictures = false;       ///< the samples are pictures
  bool convolutional = false;  ///< the network looks at them with convolutions
  bool hidden_layers = true;   ///< it has any
  bool takes_dropout = true;   ///< and of those some that dropout is for
  bool accelerated = false;    ///< momentum or better
  bool augmented = false, dropout = false, early_stopping = false, stopped_early = false;
  double l2 = 0;                             ///< λ
  std::int64_t parameters = 0, samples = 0;  ///< 0: not known
  std::int64_t rarest = 0;                   ///< samples of the rarest class; 0: not known
  std::string_view initialiser{};            ///< by its name; may be empty
  std::optional<double> learning_rate{};
};

/// What to try, the notes' advice in their order: first against the bias, then against the variance. λ is from the notes' range for this
/// size: 1e-5 to 1e-3 where there are more parameters than samples, 1e-7 to 1e-5 otherwise.
std::vector<std::string> advice(Fit fit, const Situation& situation = {});

/// Why the cost does not fall, where over its last half it stays, on the mean, within a thousandth of what it costs to call all n classes
/// equally likely, ln n (the notes, part three, section three: 0.693147 = ln 2 is the sign that nothing was learnt), or to say the classes'
/// shares for every sample, −Σ p·ln p; with the causes that the situation leaves. Nothing for fewer than 20 costs or two classes.
std::optional<std::string> stuck(std::span<const double> costs, std::span<const double> class_shares, const Situation& situation = {});

}  // namespace dz
