#pragma once

#include <array>

#include "tools/judgement.hpp"

namespace dz::tool {

/// Makes the folder where there is none, and sees that files can be written into it. Throws FileError.
void prepare_folder(const std::filesystem::path& folder);

/// What write_results writes.
inline constexpr std::array result_names = {"model.safetensors", "costs.csv", "metrics.csv", "events.out.tfevents.0.dz", "summary.json", "report.html"};
/// Writes model.safetensors, costs.csv, metrics.csv, an event file for TensorBoard, summary.json and report.html, each whole or not at all. Throws FileError.
void write_results(const Options& options, const Problem& problem, const Training& training, const Run& run, const Judgement& judgement);

/// What an iteration on these samples records, in Graphviz's language. Neither the network nor the generator is another afterwards.
std::string recorded_graph(Network network, const Dataset& samples, double l2);
/// So many at most.
Dataset first_samples(const Dataset& set, std::int64_t most);

}  // namespace dz::tool
