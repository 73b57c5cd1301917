#pragma once
// What the options describe: data, a network for it, and the cost to be made small.

#include <optional>

#include <dz/data/dataset.hpp>
#include <dz/data/metrics.hpp>
#include <dz/models/mlp.hpp>

#include "tools/options.hpp"

namespace dz::tool {

struct Problem {
  Dataset train;
  std::optional<Dataset> dev, test;
  std::vector<std::string> warnings;  ///< of the parts

  /// What the network is judged by: the dev part, or for want of it the test part.
  const Dataset* judged() const { return dev ? &*dev : test ? &*test : nullptr; }
  /// The samples are points in the plane.
  bool planar() const { return train.x.size(1) == 2 && !train.images; }
};

/// Reads or generates the data, and splits them. Draws from the default generator, which it seeds first. Throws FileError, ShapeError,
/// ValueError.
Problem make_problem(const Options& options);
/// All of one file, folder or generated set, labelled for the network's outputs; labels may be empty. The classes are those given, found by what they are
/// called; without any, the data's own. Throws as make_problem, and ValueError for a class that is none of those given.
Dataset read_set(const Options& options, const std::string& path, const std::string& labels, const std::vector<std::string>* classes);

/// Data without labels: a CSV or .npy file of features, an IDX file of pictures, or one PNG or JPEG picture. Throws FileError.
Dataset read_unlabelled(const Options& options);

/// The network of the options for such samples: from --model, from --start, or drawn from the default generator. Throws FileError or
/// ShapeError where a file does not fit.
Mlp make_network(const Options& options, const Tensor& x);

/// The notes' cost: cross-entropy, mean over the samples, and λ/(2m)·Σ‖W‖².
Tensor cost(const Mlp& network, const Tensor& x, const Tensor& y, double l2);

/// Of the samples, with dropout off.
ConfusionMatrix confusion(const Mlp& network, const Dataset& set);

}  // namespace dz::tool
