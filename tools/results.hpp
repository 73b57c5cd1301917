#pragma once

#include <optional>

#include <dz/graph/view.hpp>

#include "tools/train.hpp"

namespace dz::tool {

struct Accuracies {
  double train = 0;
  std::optional<double> test;
};

/// Makes the folder where there is none, and sees that files can be written into it. Throws FileError.
void prepare_folder(const std::filesystem::path& folder);

/// Writes model.safetensors, costs.csv, summary.json and report.html, each whole or not at all. Throws FileError.
void write_results(const Options& options, const Problem& problem, const Mlp& network, const Run& run, const Accuracies& accuracies);

/// What a graph's leaves are called: the parameters by their names.
NodeNames names_of(const Mlp& network);

}  // namespace dz::tool
