#pragma once
// The data that the options name.

#include <optional>

#include <dz/data/dataset.hpp>

#include "tools/options.hpp"

namespace dz::tool {

struct Problem {
  Dataset train;
  std::optional<Dataset> dev, test;
  std::vector<std::string> warnings;  ///< of the parts
  Task task;                          ///< what a network for it is to do

  /// What the network is judged by: the dev part, or for want of it the test part.
  const Dataset* judged() const { return dev ? &*dev : test ? &*test : nullptr; }
  /// The samples are points in the plane.
  bool planar() const { return train.x.size(1) == 2 && !train.images; }
};

/// Reads or generates the data, and splits them. Draws from the default generator, which it seeds first. Throws FileError, ShapeError,
/// ValueError.
Problem make_problem(const Options& options);
/// All of one file, folder or generated set, labelled for the task's outputs; labels may be empty. The classes are the task's, found by what they are
/// called; where it has none, the data's own. Throws as make_problem, and ValueError for a class that is none of the task's.
Dataset read_set(const Options& options, const Task& task, const std::string& path, const std::string& labels);

/// The task of --model or --resume, and what it does not say as the data want it. Throws ShapeError where it is for other samples.
Task task_of(const Options& options, const Dataset& set);

/// Data without labels.
struct Unlabelled {
  Dataset set;
  std::vector<std::string> names;  ///< what the samples are called; empty where they are numbers
};
/// A CSV, .npy or .npz file, an IDX or HDF5 file of pictures, a PNG or JPEG picture, or a folder of them. Throws FileError.
Unlabelled read_unlabelled(const Options& options);

}  // namespace dz::tool
