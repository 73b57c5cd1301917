#pragma once
// What the command line says, checked: nothing is computed or written before all of it makes sense.

#include <dz/tensor/dtype.hpp>

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace dz::tool {

struct Options {
  std::string command;  ///< train, check or draw
  bool help = false;

  std::string data, test;  ///< the name of a generated set or an HDF5 file; test may be empty
  std::int64_t samples = 0;

  std::vector<std::int64_t> layers;  ///< units of each layer, without the input's
  std::string activation, init;
  double keep_prob = 1;
  Dtype dtype = float32;

  double learning_rate = 0, l2 = 0;
  std::int64_t iterations = 0;
  std::uint64_t seed = 0;

  std::filesystem::path start, model, out;  ///< may be empty

  std::string line;                                        ///< the command line as it was typed
  std::vector<std::pair<std::string, std::string>> given;  ///< every option that has a value, as text, in the order of the help
};

/// Reads the command line. Throws ValueError that names the option, its value and what it may be.
Options read_options(std::span<const char* const> arguments);

/// Of the options, those that describe a model and its data, by their names: what a model file keeps.
std::map<std::string, std::string> describe(const Options& options);

std::string help(const std::string& command);

}  // namespace dz::tool
