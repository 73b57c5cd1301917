#pragma once
// What is to be said of a network that has been trained.

#include <optional>
#include <string>
#include <vector>

#include <dz/data/bias_variance.hpp>

#include "tools/train.hpp"

namespace dz::tool {

/// What the network makes of each part.
struct Judgement {
  ConfusionMatrix train;
  std::optional<ConfusionMatrix> dev, test;
  BiasVariance verdict;                ///< of the training part and the one that it is judged by, where there is one
  std::vector<std::string> advice{};   ///< what to try
  std::vector<std::string> remarks{};  ///< warnings of the data and the run, a cost that does not fall
};
Judgement judge(const Training& training, const Problem& problem, const Run& run, const Options& options);
/// How often which class was taken for which, of the part that it is judged by.
std::string class_table(const Judgement& judgement, const Problem& problem);
/// The verdict with its advice, and the remarks, a line each.
std::string verdict_text(const Judgement& judgement);
/// The page of judgement that a training ends with: both.
std::string to_string(const Judgement& judgement, const Problem& problem);

}  // namespace dz::tool
