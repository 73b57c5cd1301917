#pragma once
// What the options describe: data, a network for it, and the cost to be made small.

#include <optional>

#include <dz/data/dataset.hpp>
#include <dz/models/mlp.hpp>

#include "tools/options.hpp"

namespace dz::tool {

struct Problem {
  Dataset train;
  std::optional<Dataset> test;
  bool planar = false;  ///< the samples are points in the plane
};

/// Reads or generates the data. Draws from the default generator, which it seeds first. Throws FileError, ShapeError, ValueError.
Problem make_problem(const Options& options);

/// The network of the options for samples of that many features: from --model, from --start, or drawn from the default generator.
/// Throws FileError or ShapeError where a file does not fit.
Mlp make_network(const Options& options, std::int64_t features);

/// The notes' cost: binary cross-entropy, mean over the samples, and λ/(2m)·Σ‖W‖².
Tensor cost(const Mlp& network, const Tensor& x, const Tensor& y, double l2);

/// The part of the samples on whose side of 0 the logit lies as the label says.
double accuracy(const Mlp& network, const Dataset& set);

}  // namespace dz::tool
