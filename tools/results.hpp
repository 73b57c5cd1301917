#pragma once

#include <optional>

#include <dz/data/bias_variance.hpp>
#include <dz/graph/view.hpp>

#include "tools/train.hpp"

namespace dz::tool {

/// What the network makes of each part.
struct Judgement {
  ConfusionMatrix train;
  std::optional<ConfusionMatrix> dev, test;
  std::optional<BiasVariance> verdict;  ///< of the training part and the one that it is judged by
  std::vector<std::string> remarks{};   ///< warnings of the data and the run, a cost that does not fall
};
Judgement judge(const Training& training, const Problem& problem, const Run& run, const Options& options);
/// The page of judgement that a training ends with.
std::string to_string(const Judgement& judgement, const Problem& problem);

/// Makes the folder where there is none, and sees that files can be written into it. Throws FileError.
void prepare_folder(const std::filesystem::path& folder);

/// Writes model.safetensors, costs.csv, metrics.csv, an event file for TensorBoard, summary.json and report.html, each whole or not at all. Throws FileError.
void write_results(const Options& options, const Problem& problem, const Training& training, const Run& run, const Judgement& judgement);

/// What a graph's leaves are called: the parameters by their names.
NodeNames names_of(const Mlp& network);

}  // namespace dz::tool
