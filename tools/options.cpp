#include "tools/options.hpp"

#include <boost/program_options.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>
#include <sstream>

#include <dz/data/file.hpp>
#include <dz/data/model_file.hpp>
#include <dz/data/planar.hpp>
#include <dz/data/safetensors.hpp>
#include <dz/models/mlp.hpp>

#include "tools/network.hpp"
#include "tools/text.hpp"

namespace dz::tool {
namespace po = boost::program_options;
namespace {

constexpr std::array commands = {std::pair("train", "Trains a network and reports how it went."),
                                 std::pair("check", "Compares the gradients of a network with differences of its cost."),
                                 std::pair("draw", "Draws what a network records, as Graphviz text."),
                                 std::pair("predict", "Says what a trained network makes of data.")};

/// The options that say what a model is and what it is for; a model file keeps them.
constexpr std::array kept = {"data",    "labels", "test",       "test-labels", "samples",   "picture-side", "split", "stratified", "normalise",
                             "network", "layers", "activation", "init",        "keep-prob", "dtype",        "l2",    "seed"};
/// A file of options has so many bytes at most.
constexpr std::uint64_t config_limit = 1 << 20;
/// What a model file says of its options and no other can be said of.
constexpr std::array of_the_model = {"network", "layers", "activation", "normalise", "dtype", "picture-side"};
/// What is of the data that stand beside it alone.
constexpr std::array of_the_data = {"labels", "test", "test-labels", "split"};
/// In which a training that goes on may differ from how it began. (The data are known by their values.)
constexpr std::array changeable = {"iterations", "patience", "checkpoint-every", "learning-rate", "warmup", "decay", "decay-every", "clip-norm", "clip-value",
                                   "optimal-error", "tolerated-error", "data", "labels", "test", "test-labels"};
/// What a checkpoint does not keep.
constexpr std::array passing = {"out", "resume", "config", "help"};

bool is_among(std::span<const char* const> names, const std::string& name) { return std::ranges::find(names, name) != names.end(); }

/// "--init he --batch 64"
std::string presets_text(std::string_view network) {
  std::vector<std::string> all;
  for (const auto& [name, value] : network_kind(network).presets) all.push_back(fmt::format("--{} {}", name, value));
  return fmt::format("{}", fmt::join(all, " "));
}

struct Groups {
  po::options_description data{"Data"}, network{"Network"}, training{"Training"}, optimiser{"Optimiser"}, files{"Files"}, all;
};

void describe_options(Groups& g, const std::string& command) {
  const auto text = [](const char* name, const char* preset = nullptr) {
    auto* value = po::value<std::string>()->value_name(name);
    return preset ? value->default_value(preset) : value;
  };
  const auto yes = [](const char* preset = "no") {
    return po::value<std::string>()->value_name("yes|no")->implicit_value("yes")->default_value(preset);
  };
  static const std::string sets = fmt::format(
      "{} or images (generated); an HDF5 file of pictures and labels 0 or 1; a CSV file, the class in its last column; a .npz file of x and y; an IDX file of "
      "pictures; or a folder with "
      "a folder of PNG and JPEG pictures for each class",
      fmt::join(planar_names(), ", "));
  static const std::string starts = fmt::format("first weights: {}", fmt::join(initialise::names(), ", "));
  static const std::string networks = fmt::format(
      "dense; or for pictures lenet (two convolutions, then dense layers of 120 and 84) or resnet (three residual blocks with batch normalisation), "
      "which where nothing else is given begin with {}",
      presets_text("lenet"));
  g.data.add_options()                                                                           //
      ("data", text("SET", "flower"), sets.c_str())                                              //
      ("labels", text("FILE"), "IDX file of the labels, where the data are an IDX file")         //
      ("test", text("FILE"), "data to test with (generated sets are tested on a second draw)")   //
      ("test-labels", text("FILE"), "their labels, where they are an IDX file")                  //
      ("split", text("R:R:R"), "deal the data out to a training, a dev and a test part: 6:2:2")  //
      ("stratified", yes(), "with all classes in every part alike")                              //
      ("normalise", yes(), "inputs (of lenet and resnet the channels) to mean 0 and deviation 1, as the training part has them")    //
      ("samples", text("M", "400"), "size of a generated set")                                   //
      ("picture-side", text("N", "64"), "pictures of a folder are resized to N by N");
  g.network.add_options()  //
      ("network", text("NAME", "dense"), networks.c_str())  //
      ("layers", text("N,…,1", "4,1"),
       "units of each layer of a dense network, the last one 1 for two classes, else one for each; 1 alone is logistic regression. "
       "For a first try, the mean of inputs and outputs, or 2/3 of the inputs and the outputs")      //
      ("activation", text("NAME", "tanh"), "of a dense network's hidden layers: sigmoid, tanh, relu, leaky_relu")  //
      ("init", text("NAME", "small_normal"), starts.c_str())                                         //
      ("keep-prob", text("P,…", "1"),
       "probability to keep a unit of a hidden dense layer while training, of all or of each; lower for wider ones, 1 is no dropout")  //
      ("dtype", text("TYPE", "f32"), "f32 or f64");
  g.training.add_options()                                                                      //
      ("l2", text("LAMBDA", "0"), "lambda of the L2 term, lambda/(2m)·sum of squared weights")  //
      ("seed", text("N", "1"), "of all random numbers");
  if (command == "train") {
    g.training.add_options()                                                                                                    //
        ("iterations", text("N", "10000"), "steps")                                                                             //
        ("batch", text("N", "0"), "samples in a step, shuffled in every epoch; 0: the whole training part")                     //
        ("augment", text("WHAT=N,…"), "change pictures at random: flip=0.5,shift=2,crop=0.9,rotate=10,brightness=0.2")          //
        ("patience", text("N", "0"), "stop early when the dev cost has not fallen for more than N epochs, and keep the best; 0: do not. Without --batch an iteration is an epoch")  //
        ("optimal-error", text("E", "0"), "that is possible at all (people's, say), for the verdict")                           //
        ("tolerated-error", text("E", "0.05"),
         "gap that the verdict lets pass: of the training error to the optimal one (more is bias), of the dev error to the training error "
         "(more is variance, and half of it where the dev error is twice the training error)");
    g.optimiser.add_options()                                                                                //
        ("optimiser", text("NAME", "gd"), "gd, momentum, nesterov, adagrad, rmsprop, adam, adamw or lbfgs")  //
        ("learning-rate", text("ALPHA", "1.2"), "size of a step")                                            //
        ("momentum", text("MU", "0.9"), "of momentum and nesterov, and the decay of rmsprop")                //
        ("betas", text("B,B", "0.9,0.999"), "decays of the means that adam and adamw keep, of the gradient and of its square")  //
        ("epsilon", text("E"), "added to the root of the mean square, of adagrad (otherwise 1e-10), rmsprop, adam and adamw (1e-8)")  //
        ("weight-decay", text("D", "0.01"), "of adamw")                                                      //
        ("schedule", text("NAME", "constant"),
         "of the learning rate: constant, step, exponential, cosine, plateau, one_cycle, inverse_sqrt")        //
        ("warmup", text("N", "0"), "iterations in which cosine and inverse_sqrt rise")                         //
        ("decay", text("F", "0.1"), "factor of step, exponential and plateau")                                 //
        ("decay-every", text("N", "1000"), "iterations for one such fall of step and exponential; epochs that plateau waits")  //
        ("clip-norm", text("C", "0"), "largest norm of the gradient; 0: any")                                  //
        ("clip-value", text("C", "0"), "largest absolute value of one of its elements, before its norm; 0: any");
  }
  if (command == "predict")
    g.data.add_options()("unlabelled", yes(), "the data are without labels: a CSV, .npy or .npz file, an IDX or HDF5 file of pictures, a picture, or a folder of them; labels that a .npz or HDF5 file has are not looked at");
  if (command == "train") g.files.add_options()("start", text("FILE.npz"), "start from its init_W1, init_b1, … instead of --init");
  else g.files.add_options()("model", text("FILE"), "a model.safetensors that train has written; it brings its options with it");
  if (command == "train")
    g.files.add_options()  //
        ("out", text("DIR"),
         "write model.safetensors, checkpoint.safetensors, costs.csv, metrics.csv, events for TensorBoard, summary.json and report.html here, in place of another run's")  //
        ("checkpoint-every", text("N", "0"), "iterations between checkpoints; 0: one at the end")                       //
        ("resume", text("FILE"), "go on from a checkpoint.safetensors; it brings its options with it. Others may be the iterations, the learning rate, what it is clipped at, patience and what it is judged by");
  if (command == "draw") g.files.add_options()("out", text("DIR"), "write graph.dot here, and graph.svg where Graphviz is installed");
  g.files.add_options()("config", text("FILE"), "read options from it, a line `name = value` each; what is typed goes before, and options of other commands are passed over")(
      "help,h", "show this help");
  g.all.add(g.data).add(g.network).add(g.training);
  if (command == "train") g.all.add(g.optimiser);
  g.all.add(g.files);
}

/// The text of a model file or a checkpoint: --model takes the one, --resume the other.
Metadata kept_metadata(const std::string& option, const std::string& path) {
  if (path.empty()) throw ValueError(fmt::format("--{}: a path, not nothing", option));
  NamedArrays file = read_safetensors(path);
  const bool is_checkpoint = file.find("iteration") && file.find("generator.key");
  if (is_checkpoint && option == "model")
    throw ValueError(fmt::format("--model: {} is a checkpoint, for dz train --resume; the model is model.safetensors beside it", path));
  if (!is_checkpoint && option == "resume")
    throw ValueError(fmt::format("--resume: {} is no checkpoint of dz train; that is checkpoint.safetensors", path));
  return std::move(file.metadata);
}

/// The keys under which a file keeps a task, beside its classes.
constexpr const char *sample_key = "sample", *outputs_key = "outputs";

/// What it says of its task.
Task kept_task(const std::string& path, const Metadata& metadata) {
  Task task;
  const auto numbers = [&](const char* key) {
    const auto found = metadata.find(key);
    if (found == metadata.end()) return std::vector<std::int64_t>();
    try {
      std::vector<std::int64_t> all = whole_numbers(key, found->second, 1, 1'000'000);  // so that the product of three is a number
      if (all.size() == 1 || (all.size() == 3 && key == sample_key)) return all;
    } catch (const ValueError&) {
    }
    throw FileError(fmt::format("{}: its '{}' makes no sense: '{}'", path, key, found->second));
  };
  task.sample = numbers(sample_key);
  for (const std::int64_t n : numbers(outputs_key)) task.outputs = n;
  if (const auto found = metadata.find(classes_key); found != metadata.end()) try {
      task.classes = classes_in(found->second);
    } catch (const FileError& e) {
      throw FileError(fmt::format("{}: {}", path, e.reason()));
    }
  return task;
}

/// Throws FileError where a file's task is not what its network needs: of a dense network --layers say it.
void require_task(const std::string& path, const Options& o) {
  if (!o.layers.empty() && o.task.outputs == o.layers.back()) return;
  if (!o.layers.empty()) throw FileError(fmt::format("{}: its 'outputs' is {}, and the last of its --layers {}", path, o.task.outputs, o.layers.back()));
  for (const auto& [key, known] : {std::pair(sample_key, o.task.sample.size() == 3), {outputs_key, o.task.outputs > 0}})
    if (!known) throw FileError(fmt::format("{}: it is of --network {}, and its '{}' does not say of which pictures and classes", path, o.network, key));
}

/// The same text, or the same number.
bool same_value(const std::string& a, const std::string& b) {
  const auto number = [](const std::string& text) {
    char* end = nullptr;
    const double v = std::strtod(text.c_str(), &end);
    return text.empty() || *end ? std::nullopt : std::optional(v);
  };
  return a == b || (number(a) && number(a) == number(b));
}

/// Throws ValueError that lists in what the options typed contradict those of the model or the checkpoint.
void require_no_contradiction(const std::string& option, const Metadata& metadata, const po::options_description& all, const po::variables_map& values) {
  const bool plateau = metadata.contains("schedule") && metadata.at("schedule") == "plateau";
  const auto is_fixed = [&](const std::string& name) {
    if (option == "model") return is_among(of_the_model, name);
    if (plateau && (name == "learning-rate" || name == "decay" || name == "decay-every")) return true;
    return !is_among(changeable, name) && !is_among(passing, name) && name != "start";
  };
  std::vector<std::string> differences;
  for (const auto& each : all.options()) {
    const std::string& name = each->long_name();
    if (!values.count(name) || values[name].defaulted() || !is_fixed(name)) continue;
    const auto kept = metadata.find(name);
    const std::string& typed = values[name].as<std::string>();
    if (kept == metadata.end()) differences.push_back(fmt::format("--{} {}, there not given", name, typed));
    else if (!same_value(typed, kept->second)) differences.push_back(fmt::format("--{} {}, there {}", name, typed, kept->second));
  }
  if (!differences.empty())
    throw ValueError(fmt::format("--{}: {} is of other options: {}", option, values[option].as<std::string>(), fmt::join(differences, "; ")));
}

/// A model file or a checkpoint, and the options that are as it says.
struct KeptFile {
  std::string path{};
  std::vector<std::string> options{};

  /// What is wrong with an option, "--layers: …", with the file's name where that is where it comes from.
  std::string named(const std::string& reason) const {
    const auto is_of = [&](const std::string& option) { return reason.starts_with("--" + option + ":"); };
    return std::ranges::any_of(options, is_of) ? path + ": " + reason : reason;
  }
};

/// What a model file or a checkpoint says of its options stands behind what was typed; gives the names of those that count.
/// For new data, those of the old data do not.
std::vector<std::string> store_kept_options(const Metadata& metadata, bool new_data, const po::options_description& all, po::variables_map& values) {
  po::parsed_options parsed(&all);
  const auto counts = [&](const std::string& name) {
    if (new_data && is_among(of_the_data, name)) return false;
    return all.find_nothrow(name, false) && !is_among(passing, name);
  };
  for (const auto& [name, value] : metadata)
    if (counts(name)) parsed.options.emplace_back(name, std::vector<std::string>{value});
  std::vector<std::string> names;
  for (const auto& option : parsed.options)
    if (!values.count(option.string_key) || values[option.string_key].defaulted()) names.push_back(option.string_key);
  po::store(parsed, values);
  return names;
}

/// Options that the network does not have are refused where they are given, and gone otherwise; its presets take the place of the usual ones.
void settle_network(const po::options_description& all, po::variables_map& values) {
  const NetworkKind& kind = network_kind(values["network"].as<std::string>());
  std::map<std::string, po::variable_value>& settled = values;
  for (const auto& each : all.options()) {
    const std::string& name = each->long_name();
    const std::string having = networks_with(name);
    if (having.empty() || std::ranges::count(kind.options, name)) continue;
    if (values.count(name) && !values[name].defaulted()) throw ValueError(fmt::format("--{}: not for --network {}, for {} alone", name, kind.name, having));
    settled.erase(name);
  }
  for (const auto& [name, value] : kind.presets)
    if (const auto found = settled.find(std::string(name)); found != settled.end() && found->second.defaulted())
      found->second = po::variable_value(boost::any(std::string(value)), true);
}

/// In its messages Boost replaces what stands between per cent signs, and does not end where an option's name is such a place itself.
void require_name(std::string_view word) {
  const std::string_view name = word.substr(0, word.find('='));
  if (name.find('%') != name.npos) throw ValueError(fmt::format("'{}' is no option", name));
}

/// Some command has such an option.
bool is_option(const std::string& name) {
  return std::ranges::any_of(commands, [&](const auto& command) {
    Groups groups;
    describe_options(groups, command.first);
    return groups.all.find_nothrow(name, false) != nullptr;
  });
}

/// So does what a file of options says; those of other commands count for nothing, so that a training's file is one for all commands. Where other data are
/// typed, neither do its labels, test set and split.
void store_config(const std::string& path, bool new_data, const po::options_description& all, po::variables_map& values) {
  std::string bytes = read_file(path, config_limit);
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.erase(0, 3);  // a byte order mark
  std::istringstream text(std::move(bytes));
  try {
    for (std::string line; std::getline(text, line);) require_name(std::string_view(line).substr(0, line.find('#')));
    text.clear(), text.seekg(0);
    po::parsed_options parsed = po::parse_config_file(text, all, true);
    for (const auto& option : parsed.options) {
      if (option.string_key == "help" || option.string_key == "config") throw ValueError(fmt::format("'{}' can only be typed", option.string_key));
      if (option.unregistered && !is_option(option.string_key)) throw ValueError(fmt::format("unrecognised option '{}'", option.string_key));
    }
    std::erase_if(parsed.options, [&](const auto& option) { return option.unregistered || (new_data && is_among(of_the_data, option.string_key)); });
    po::store(parsed, values);
  } catch (const po::error& e) {
    throw ValueError(fmt::format("{}: {}", path, e.what()));
  } catch (const ValueError& e) {
    throw ValueError(fmt::format("{}: {}", path, e.reason()));
  }
}

/// As the shell would take it.
std::string quoted(std::string_view word) {
  const bool plain =
      !word.empty() && word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./,+:@%") == word.npos;
  if (plain) return std::string(word);
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? "'\\''" : std::string(1, c);
  return text + "'";
}

constexpr std::array optimisers = {"gd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lbfgs"};
constexpr std::array schedules = {"constant", "step", "exponential", "cosine", "plateau", "one_cycle", "inverse_sqrt"};

/// The name, if it is one of these.
template <std::size_t n> std::string one_of(const char* option, const std::string& name, const std::array<const char*, n>& known) {
  if (std::ranges::find(known, name) != known.end()) return name;
  throw ValueError(fmt::format("--{}: '{}' is none of {}", option, name, fmt::join(known, ", ")));
}

bool yes_or_no(const char* option, const std::string& text) {
  if (text == "yes" || text == "no") return text == "yes";
  throw ValueError(fmt::format("--{}: '{}' is neither yes nor no", option, text));
}

/// "flip=0.5,shift=2"
Augmentation augmentation_in(const std::string& text) {
  Augmentation a;
  for (const std::string& part : parts(text, ',')) {
    const std::size_t equals = part.find('=');
    const std::string what = part.substr(0, equals), value = equals == part.npos ? "" : part.substr(equals + 1);
    if (what == "flip") a.flip = real_number("augment", value, 0, 1);
    else if (what == "shift") a.shift = real_number("augment", value, 0, 1e6);
    else if (what == "crop") a.crop = real_number("augment", value, 0, 1, true);
    else if (what == "rotate") a.rotate = real_number("augment", value, 0, 180);
    else if (what == "brightness") a.brightness = real_number("augment", value, 0, 1);
    else throw ValueError(fmt::format("--augment: '{}' is none of flip, shift, crop, rotate, brightness", what));
  }
  return a;
}

std::array<double, 3> split_in(const std::string& text) {
  const std::vector<double> ratio = real_numbers("split", text, ':', 0, 1e9);
  if (ratio.size() < 2 || ratio.size() > 3 || ratio[0] == 0)
    throw ValueError(fmt::format("--split: '{}' is no ratio of a training, a dev and a test part, such as 6:2:2", text));
  return {ratio[0], ratio[1], ratio.size() == 3 ? ratio[2] : 0};
}

Dtype dtype_by_name(const std::string& name) {
  if (name == "f32" || name == "float32") return float32;
  if (name == "f64" || name == "float64") return float64;
  throw ValueError(fmt::format("--dtype: '{}' is neither f32 nor f64", name));
}

/// Every value checked, by what alone it can be checked.
void check_values(const po::variables_map& values, Options& o) {
  constexpr std::int64_t most = 1'000'000'000;
  const auto text = [&](const char* name) { return values.count(name) ? values[name].as<std::string>() : std::string(); };
  const auto named = [](const char* option, auto&& by_name, const std::string& name) {
    try {
      by_name(name);
    } catch (const ValueError& e) {
      throw ValueError(fmt::format("--{}: {}", option, e.reason()));
    }
    return name;
  };
  constexpr double any = std::numeric_limits<double>::max();
  o.data = text("data"), o.labels = text("labels"), o.test = text("test"), o.test_labels = text("test-labels");
  o.start = text("start"), o.model = text("model"), o.resume = text("resume"), o.out = text("out");
  if (o.data.empty()) throw ValueError("--data: the name of a generated set or of a file, not nothing");
  for (const char* path : {"labels", "test", "test-labels", "start", "model", "resume", "out"})
    if (values.count(path) && text(path).empty()) throw ValueError(fmt::format("--{}: a path, not nothing", path));
  if (!o.test_labels.empty() && o.test.empty()) throw ValueError("--test-labels: of which data? --test names them");
  o.samples = whole_number("samples", text("samples"), 2, 10'000'000);
  o.picture_side = whole_number("picture-side", text("picture-side"), 1, 4096);
  if (values.count("split")) o.split = split_in(text("split"));
  o.stratified = yes_or_no("stratified", text("stratified"));
  o.normalise = yes_or_no("normalise", text("normalise"));
  o.network = text("network");
  if (values.count("layers")) {
    o.layers = whole_numbers("layers", text("layers"), 1, most);
    if (o.task.outputs == 0) o.task.outputs = o.layers.back();
  }
  if (values.count("activation")) o.activation = named("activation", activation_by_name, text("activation"));
  o.init = named("init", initialise::by_name, text("init"));
  if (values.count("keep-prob")) {
    const std::size_t hidden = network_kind(o.network).hidden.value_or(o.layers.size() - 1);
    o.keep_prob = real_numbers("keep-prob", text("keep-prob"), ',', 0, 1, true);
    if (o.keep_prob.size() == 1) o.keep_prob.resize(hidden, o.keep_prob[0]);
    if (o.keep_prob.size() != hidden) throw ValueError(fmt::format("--keep-prob: '{}' for {} hidden layers", text("keep-prob"), hidden));
  }
  o.dtype = dtype_by_name(text("dtype"));
  o.l2 = real_number("l2", text("l2"), 0, any);
  o.seed = static_cast<std::uint64_t>(whole_number("seed", text("seed"), 0, std::numeric_limits<std::int64_t>::max()));
  if (o.command == "predict") {
    if (o.model.empty()) throw ValueError("--model: predict needs one");
    o.unlabelled = yes_or_no("unlabelled", text("unlabelled"));
  }
  if (o.command != "train") return;
  o.iterations = whole_number("iterations", text("iterations"), 1, most);
  o.batch = whole_number("batch", text("batch"), 0, most);
  if (values.count("augment")) o.augmentation = augmentation_in(text("augment"));
  o.patience = whole_number("patience", text("patience"), 0, most);
  o.optimal_error = real_number("optimal-error", text("optimal-error"), 0, 1);
  o.tolerated_error = real_number("tolerated-error", text("tolerated-error"), 0.001, 0.999);
  o.optimiser = one_of("optimiser", text("optimiser"), optimisers);
  o.learning_rate = real_number("learning-rate", text("learning-rate"), 0, any);
  o.momentum = real_number("momentum", text("momentum"), 0, 0.999999);
  const std::vector<double> betas = real_numbers("betas", text("betas"), ',', 0, 0.999999999);
  if (betas.size() != 2) throw ValueError(fmt::format("--betas: '{}' is not two numbers, such as 0.9,0.999", text("betas")));
  o.betas = {betas[0], betas[1]};
  if (values.count("epsilon")) o.epsilon = real_number("epsilon", text("epsilon"), 0, any, true);
  o.weight_decay = real_number("weight-decay", text("weight-decay"), 0, any);
  o.schedule = one_of("schedule", text("schedule"), schedules);
  o.warmup = whole_number("warmup", text("warmup"), 0, most);
  o.decay = real_number("decay", text("decay"), 0, 1);
  o.decay_every = whole_number("decay-every", text("decay-every"), 1, most);
  o.clip_norm = real_number("clip-norm", text("clip-norm"), 0, any);
  o.clip_value = real_number("clip-value", text("clip-value"), 0, any);
  o.checkpoint_every = whole_number("checkpoint-every", text("checkpoint-every"), 0, most);
  if (o.schedule == "cosine" && o.warmup >= o.iterations)
    throw ValueError(fmt::format("--warmup: {} iterations of {}", o.warmup, o.iterations));
  if (o.schedule == "one_cycle" && o.iterations < 2) throw ValueError("--iterations: one_cycle needs at least 2");
  if (o.optimiser == "lbfgs" && (o.batch > 0 || o.augments() || std::ranges::any_of(o.keep_prob, [](double p) { return p < 1; })))
    throw ValueError("--optimiser: lbfgs needs the same cost at every call: --batch 0, no --augment and no dropout");
  if (o.optimiser == "lbfgs" && (o.clip_norm > 0 || o.clip_value > 0))
    throw ValueError(fmt::format("--clip-{}: lbfgs follows the whole gradient", o.clip_norm > 0 ? "norm" : "value"));
  if (!o.start.empty() && !o.resume.empty()) throw ValueError("--start: a checkpoint has its own weights");
}

}  // namespace

Options read_options(std::span<const char* const> arguments) {
  Options o;
  for (const char* word : arguments) o.line += (o.line.empty() ? "" : " ") + quoted(word);
  o.command = arguments.size() > 1 ? arguments[1] : "--help";
  if (o.command == "--version") return o.version = true, o;
  if (o.command == "--help" || o.command == "-h" || o.command == "help") {
    o.help = true;
    o.command = o.command == "help" && arguments.size() > 2 ? arguments[2] : "";
    if (o.command.empty()) return o;
  }
  if (std::ranges::none_of(commands, [&](const auto& c) { return o.command == c.first; }))
    throw ValueError(fmt::format("'{}' is no command: train, predict, check or draw (see dz --help)", o.command));
  if (o.help) return o;

  Groups groups;
  describe_options(groups, o.command);
  po::variables_map values;
  KeptFile kept_file;
  try {
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    const std::vector<std::string> words(arguments.begin() + 2, arguments.end());
    for (const std::string& word : words)
      if (word.starts_with('-')) require_name(word);
    const po::parsed_options parsed = po::command_line_parser(words).options(groups.all).positional({}).style(style).run();
    po::store(parsed, values);
    if (values.count("help")) return o.help = true, o;
    const auto has_new_data = [&] { return o.command != "train" && !values["data"].defaulted(); };
    if (values.count("config")) store_config(values["config"].as<std::string>(), has_new_data(), groups.all, values);
    const bool new_data = has_new_data();
    for (const char* file : {"model", "resume"})
      if (values.count(file)) {
        const std::string path = values[file].as<std::string>();
        const Metadata metadata = kept_metadata(file, path);
        require_no_contradiction(file, metadata, groups.all, values);
        kept_file = {path, store_kept_options(metadata, new_data, groups.all, values)};
        if (metadata.contains(checksum_key)) o.data_checksum = metadata.at(checksum_key);
        o.task = kept_task(path, metadata);
      }
    settle_network(groups.all, values);
    check_values(values, o);
    if (!kept_file.path.empty()) require_task(kept_file.path, o);
  } catch (const po::error& e) {
    throw ValueError(e.what());
  } catch (const ValueError& e) {
    throw ValueError(kept_file.named(e.reason()));
  }
  for (const auto& option : groups.all.options())
    if (values.count(option->long_name()) && option->long_name() != "help")
      o.given.emplace_back(option->long_name(), values[option->long_name()].as<std::string>());
  return o;
}

namespace {
/// The options that are to be kept, and the task.
template <class F> Metadata described(const Options& options, const Task& task, F is_kept) {
  Metadata all = {{classes_key, classes_text(task.classes.value_or(std::vector<std::string>()))},
                  {sample_key, fmt::format("{}", fmt::join(task.sample, ","))},
                  {outputs_key, std::to_string(task.outputs)}};
  for (const auto& [name, value] : options.given)
    if (is_kept(name)) all[name] = value;
  return all;
}
}  // namespace

Metadata describe(const Options& options, const Task& task) {
  return described(options, task, [](const std::string& name) { return is_among(kept, name); });
}

Metadata describe_all(const Options& options, const Task& task) {
  return described(options, task, [](const std::string& name) { return !is_among(passing, name); });
}

std::string help(const std::string& command) {
  std::string text = "dz: automatic differentiation on dynamic computation graphs\n\n";
  if (command.empty()) {
    for (const auto& [name, what] : commands) text += fmt::format("  dz {:<8} {}\n", name, what);
    return text + "\ndz COMMAND --help (or dz help COMMAND) lists the options of a command; dz --version says which dz this is.\n";
  }
  Groups groups;
  describe_options(groups, command);
  const auto known = std::ranges::find(commands, command, [](const auto& c) { return std::string_view(c.first); });
  text = fmt::format("usage: dz {} [options]\n{}\n", command, known->second);
  std::ostringstream listed;
  listed << groups.data << "\n" << groups.network << "\n" << groups.training << "\n";
  if (command == "train") listed << groups.optimiser << "\n";
  listed << groups.files;
  return text + "\n" + listed.str();
}

}  // namespace dz::tool
