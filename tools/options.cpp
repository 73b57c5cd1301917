#include "tools/options.hpp"

#include <boost/program_options.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>

#include <dz/data/planar.hpp>
#include <dz/data/safetensors.hpp>
#include <dz/models/mlp.hpp>

#include "tools/text.hpp"

namespace dz::tool {
namespace po = boost::program_options;
namespace {

constexpr std::array commands = {std::pair("train", "Trains a network and reports how it went."),
                                 std::pair("check", "Compares the gradients of a network with differences of its cost."),
                                 std::pair("draw", "Draws what a network records, as Graphviz text.")};

/// The options that say what a model is and what it is for; a model file keeps them.
constexpr std::array kept = {"data", "test", "samples", "layers", "activation", "init", "keep-prob", "dtype", "l2", "seed"};

struct Groups {
  po::options_description data{"Data"}, network{"Network"}, training{"Training"}, files{"Files"}, all;
};

void describe_options(Groups& g, const std::string& command) {
  const auto text = [](const char* name, const char* preset = nullptr) {
    auto* value = po::value<std::string>()->value_name(name);
    return preset ? value->default_value(preset) : value;
  };
  static const std::string sets =
      fmt::format("{} or images (generated), or an HDF5 file of pictures and labels 0 or 1", fmt::join(planar_names(), ", "));
  static const std::string starts = fmt::format("first weights: {}", fmt::join(initialise::names(), ", "));
  g.data.add_options()                                                                             //
      ("data", text("SET", "flower"), sets.c_str())                                                //
      ("test", text("FILE"), "HDF5 file to test with (generated sets are tested on a second draw)")  //
      ("samples", text("M", "400"), "size of a generated set");
  g.network.add_options()                                                                                           //
      ("layers", text("N,…,1", "4,1"), "units of each layer, the last one 1; 1 alone is logistic regression")        //
      ("activation", text("NAME", "tanh"), "of the hidden layers: sigmoid, tanh, relu, leaky_relu")                  //
      ("init", text("NAME", "small_normal"), starts.c_str())                                                        //
      ("keep-prob", text("P", "1"), "probability to keep a hidden unit while training; 1 is no dropout")            //
      ("dtype", text("TYPE", "f32"), "f32 or f64");
  g.training.add_options()                                                                       //
      ("l2", text("LAMBDA", "0"), "lambda of the L2 term, lambda/(2m)·sum of squared weights")    //
      ("seed", text("N", "1"), "of all random numbers");
  if (command == "train")
    g.training.add_options()                                                      //
        ("learning-rate", text("ALPHA", "1.2"), "step of gradient descent")       //
        ("iterations", text("N", "10000"), "steps, each on the whole training set");
  if (command == "train")
    g.files.add_options()  //
        ("start", text("FILE.npz"), "start from its init_W1, init_b1, … instead of --init");
  else
    g.files.add_options()  //
        ("model", text("FILE"), "a model.safetensors that train has written; it brings its options with it");
  if (command == "train")
    g.files.add_options()("out", text("DIR"), "write model.safetensors, costs.csv, summary.json and report.html here");
  if (command == "draw") g.files.add_options()("out", text("DIR"), "write graph.dot here, and graph.svg where Graphviz is installed");
  g.files.add_options()("help,h", "show this help");
  g.all.add(g.data).add(g.network).add(g.training).add(g.files);
}

/// What a model file says of its options stands behind what was typed.
void store_kept_options(const std::string& model, const po::options_description& all, po::variables_map& values) {
  po::parsed_options parsed(&all);
  for (const auto& [name, value] : read_safetensors(model).metadata)
    if (std::ranges::find(kept, name) != kept.end()) parsed.options.emplace_back(name, std::vector<std::string>{value});
  po::store(parsed, values);
}

/// As the shell would take it.
std::string quoted(std::string_view word) {
  const bool plain = !word.empty() && word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./,+:@%") == word.npos;
  if (plain) return std::string(word);
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? "'\\''" : std::string(1, c);
  return text + "'";
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
  o.data = text("data"), o.test = text("test"), o.start = text("start"), o.model = text("model"), o.out = text("out");
  if (o.data.empty()) throw ValueError("--data: the name of a generated set or of a file, not nothing");
  o.samples = whole_number("samples", text("samples"), 2, 10'000'000);
  o.layers = whole_numbers("layers", text("layers"), 1, most);
  if (o.layers.back() != 1) throw ValueError(fmt::format("--layers: '{}' ends in {}, not 1: two classes have one output", text("layers"), o.layers.back()));
  o.activation = named("activation", activation_by_name, text("activation"));
  o.init = named("init", initialise::by_name, text("init"));
  o.keep_prob = real_number("keep-prob", text("keep-prob"), 0, 1, true);
  o.dtype = dtype_by_name(text("dtype"));
  o.l2 = real_number("l2", text("l2"), 0, std::numeric_limits<double>::max());
  o.seed = static_cast<std::uint64_t>(whole_number("seed", text("seed"), 0, std::numeric_limits<std::int64_t>::max()));
  if (o.command != "train") return;
  o.learning_rate = real_number("learning-rate", text("learning-rate"), 0, std::numeric_limits<double>::max());
  o.iterations = whole_number("iterations", text("iterations"), 1, most);
}

}  // namespace

Options read_options(std::span<const char* const> arguments) {
  Options o;
  for (const char* word : arguments) o.line += (o.line.empty() ? "" : " ") + quoted(word);
  o.command = arguments.size() > 1 ? arguments[1] : "--help";
  if (o.command == "--help" || o.command == "-h" || o.command == "help") return o.command.clear(), o.help = true, o;
  if (std::ranges::none_of(commands, [&](const auto& c) { return o.command == c.first; }))
    throw ValueError(fmt::format("'{}' is no command: train, check or draw (see dz --help)", o.command));

  Groups groups;
  describe_options(groups, o.command);
  po::variables_map values;
  try {
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    const std::vector<std::string> words(arguments.begin() + 2, arguments.end());
    const po::parsed_options parsed = po::command_line_parser(words).options(groups.all).positional({}).style(style).run();
    po::store(parsed, values);
    if (values.count("help")) return o.help = true, o;
    if (values.count("model")) store_kept_options(values["model"].as<std::string>(), groups.all, values);
  } catch (const po::error& e) {
    throw ValueError(e.what());
  }
  check_values(values, o);
  for (const auto& option : groups.all.options())
    if (values.count(option->long_name()) && option->long_name() != "help") o.given.emplace_back(option->long_name(), values[option->long_name()].as<std::string>());
  return o;
}

std::map<std::string, std::string> describe(const Options& options) {
  std::map<std::string, std::string> described;
  for (const auto& [name, value] : options.given)
    if (std::ranges::find(kept, name) != kept.end()) described[name] = value;
  return described;
}

std::string help(const std::string& command) {
  std::string text = "dz: automatic differentiation on dynamic computation graphs\n\n";
  if (command.empty()) {
    for (const auto& [name, what] : commands) text += fmt::format("  dz {:<8} {}\n", name, what);
    return text + "\ndz COMMAND --help lists the options of a command.\n";
  }
  Groups groups;
  describe_options(groups, command);
  const auto known = std::ranges::find(commands, command, [](const auto& c) { return std::string_view(c.first); });
  text = fmt::format("usage: dz {} [options]\n{}\n", command, known->second);
  std::ostringstream listed;
  listed << groups.data << "\n" << groups.network << "\n" << groups.training << "\n" << groups.files;
  return text + "\n" + listed.str();
}

}  // namespace dz::tool
