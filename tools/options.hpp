#pragma once
// What the command line says, checked: nothing is computed or written before all of it makes sense.

#include <dz/data/augment.hpp>
#include <dz/tensor/dtype.hpp>
#include <dz/tensor/shape.hpp>

#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace dz::tool {

/// What a network is for; a model file and a checkpoint keep it.
struct Task {
  std::vector<std::int64_t> sample;                  ///< the sizes of one: height, width and channels of a picture, or features; empty where that is not known
  std::int64_t outputs = 0;                          ///< of the network; 0 where that is not known
  std::optional<std::vector<std::string>> classes{};  ///< what the classes are called, none where they are numbers; empty where that is not known

  /// Numbers of one sample.
  std::int64_t features() const { return Shape(std::span(sample)).volume(); }
};

struct Options {
  std::string command;  ///< train, check, draw or predict
  bool help = false, version = false;

  std::string data, test;           ///< the name of a generated set, a file or a folder; test may be empty
  std::string labels, test_labels;  ///< of IDX files; may be empty
  std::int64_t samples = 0, picture_side = 0;
  std::optional<std::array<double, 3>> split;  ///< training, dev and test parts of the data
  bool stratified = false, normalise = false, unlabelled = false;
  Augmentation augmentation;

  std::string network;               ///< dense, lenet or resnet
  std::vector<std::int64_t> layers;  ///< units of each layer of a dense network, without the input's; otherwise empty
  std::string activation, init;
  std::vector<double> keep_prob;  ///< of each hidden dense layer
  Dtype dtype = float32;

  std::string optimiser, schedule;
  std::array<double, 2> betas{};     ///< of adam and adamw
  std::optional<double> epsilon;     ///< nothing: the optimiser's own
  double learning_rate = 0, l2 = 0, momentum = 0, weight_decay = 0, decay = 0, clip_norm = 0, clip_value = 0;  ///< clip_… 0: not clipped
  std::int64_t iterations = 0, batch = 0, warmup = 0, decay_every = 0,
               patience = 0;  ///< batch 0: all samples; patience 0: no early stopping
  double optimal_error = 0, tolerated_error = 0;
  std::uint64_t seed = 0;

  Task task;  ///< of --model or --resume, as far as it says; of a dense network the outputs
  std::string data_checksum;                         ///< of the data that --resume was trained with; may be empty

  std::int64_t checkpoint_every = 0;                ///< iterations; 0: at the end only
  std::filesystem::path start, model, resume, out;  ///< may be empty

  bool augments() const {
    return augmentation.flip > 0 || augmentation.shift > 0 || augmentation.crop < 1 || augmentation.rotate > 0 ||
           augmentation.brightness > 0;
  }

  std::string line;                                        ///< the command line as it was typed
  std::vector<std::pair<std::string, std::string>> given;  ///< every option that has a value, as text, in the order of the help
};

/// The key under which a checkpoint keeps what it knows its data by.
inline constexpr const char* checksum_key = "data checksum";

/// Reads the command line. Throws ValueError that names the option, its value and what it may be.
Options read_options(std::span<const char* const> arguments);

/// Of the options, those that describe a model and its data, by their names, and its task: what a model file keeps. A checkpoint
/// keeps all but where it was written to.
std::map<std::string, std::string> describe(const Options& options, const Task& task);
std::map<std::string, std::string> describe_all(const Options& options, const Task& task);

std::string help(const std::string& command);

}  // namespace dz::tool
