#include "tools/problem.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include <dz/data/csv.hpp>
#include <dz/data/idx.hpp>
#include <dz/data/model_file.hpp>
#include <dz/data/npy.hpp>
#include <dz/data/picture.hpp>
#include <dz/data/planar.hpp>
#include <dz/data/safetensors.hpp>
#include <dz/data/split.hpp>
#include <dz/dz.hpp>

namespace dz::tool {
namespace {

constexpr std::int64_t picture_side = 16;  // of generated pictures

Dataset generate(const Options& o) {
  Generator& g = default_generator();
  return o.data == "images" ? synthetic_images(o.samples, picture_side, picture_side, g, o.dtype) : planar(o.data, o.samples, g, o.dtype);
}

bool is_generated(const std::string& name) { return name == "images" || std::ranges::count(planar_names(), name); }

/// init_W1 is (n_out, n_in), init_b1 (n_out, 1): the notes' layout. A copy of the parameter's values in its dtype.
void start_from(const std::map<std::string, Array>& arrays, const std::string& name, Parameter& p, const std::string& file) {
  const auto found = arrays.find(name);
  if (found == arrays.end()) throw FileError(fmt::format("{}: holds no {}", file, name));
  const Array& a = found->second;
  const bool is_column = p.rank() == 1 && a.rank() == 2 && a.size(1) == 1;
  if (!is_floating(a.dtype())) throw DtypeError(fmt::format("{}: {} is {}, not float32 or float64", file, name, dz::name(a.dtype())));
  const Array values = is_column ? a.reshape({a.size()}) : a;
  if (values.shape() != p.shape())
    throw ShapeError(
        fmt::format("{}: {} is {} where the network of --layers has {}", file, name, to_string(a.shape()), to_string(p.shape())));
  p.assign(Tensor(values.cast(p.dtype())));
}

void start_from(const std::filesystem::path& path, Mlp& network) {
  const std::string file = path.string();
  const auto arrays = read_npz(path);
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    start_from(arrays, fmt::format("init_W{}", l + 1), network.layers[l].weight, file);
    start_from(arrays, fmt::format("init_b{}", l + 1), network.layers[l].bias, file);
  }
  const std::string next = fmt::format("init_W{}", network.layers.size() + 1);
  if (arrays.contains(next))
    throw ShapeError(fmt::format("{}: holds {} too, but --layers gives {} layers", file, next, network.layers.size()));
}

/// Parameters, their gradients and a step's temporaries have to fit into the machine: the system may promise memory that it has not.
void require_memory(const std::vector<std::int64_t>& sizes, Dtype dtype) {
  double elements = 0;
  for (std::size_t l = 1; l < sizes.size(); ++l) elements += static_cast<double>(sizes[l]) * (static_cast<double>(sizes[l - 1]) + 1);
  const double needed = 3 * elements * static_cast<double>(size_of(dtype));
  const double there = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  if (needed > there)
    throw MemoryError(fmt::format("--layers: {:.3g} parameters take {:.3g} GB to train, and this machine has {:.3g}", elements,
                                  needed / 1e9, there / 1e9));
}

/// ".csv", in small letters.
std::string ending_of(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return ending;
}

/// Which reader a path is for.
Dataset read_file_set(const Options& o, const std::string& path, const std::string& labels) {
  std::error_code ignored;
  if (!labels.empty()) return read_labelled_idx(path, labels, o.dtype);
  if (std::filesystem::is_directory(path, ignored))
    return read_picture_folder(path, {.rows = o.picture_side, .columns = o.picture_side, .dtype = o.dtype});
  const std::string ending = ending_of(path);
  if (ending == ".csv") return read_labelled_csv(path, {}, o.dtype);
  if (ending == ".npz") return read_labelled_npz(path, o.dtype);
  if (ending == ".h5" || ending == ".hdf5") return read_labelled_hdf5(path, o.dtype);
  throw ValueError(fmt::format("{}: dz reads .csv, .npz, .h5 and .hdf5 files, folders with a folder of pictures for each class, and IDX files of any name together with "
                               "those of their labels (--labels, --test-labels)",
                               path));
}

/// Refusals of what a file's data are, with its name.
template <class F> Dataset of_file(const std::string& path, F make) {
  try {
    return make();
  } catch (const ValueError& e) {
    throw ValueError(fmt::format("{}: {}", path, e.reason()));
  }
}

/// Throws ValueError where the outputs are not as many as the classes of the training data want.
void require_outputs(const Dataset& set, std::int64_t outputs, const std::string& path) {
  const std::int64_t classes = class_count(set);
  const std::string there = fmt::format("{} has {} classes{}", path, classes, set.classes.empty() ? fmt::format(" (its largest label is {})", classes - 1) : "");
  if (outputs == 1 && classes > 2) throw ValueError(fmt::format("--layers: the last one is 1, which tells two classes apart, and {}", there));
  if (outputs > 1 && classes <= 2) throw ValueError(fmt::format("--layers: the last one is {}, and not 1 as for two classes; {}", outputs, there));
  if (outputs > 1 && classes != outputs) throw ValueError(fmt::format("--layers: the last one is {}, and {}", outputs, there));
}

/// Labels of a network's own data, whose classes it takes for its own.
Dataset fitted(const Options& o, Dataset set, const std::string& path) {
  set = of_file(path, [&] {
    require_sound(set);
    classes_text(set.classes);  // such names can be kept
    return std::move(set);
  });
  require_outputs(set, o.layers.back(), path);
  return labelled_for(std::move(set), o.layers.back());
}

/// Labels of further data, by the names of the network's classes.
Dataset fitted(const Options& o, Dataset set, const std::string& path, const std::vector<std::string>& classes) {
  return of_file(path, [&] {
    require_sound(set);
    return labelled_for(renumbered(std::move(set), classes), o.layers.back());
  });
}

void require_features(const Dataset& set, const Dataset& train, const std::string& path, const std::string& train_path) {
  if (set.x.size(1) != train.x.size(1))
    throw ShapeError(fmt::format("{}: samples of {} numbers, where those of {} have {}", path, set.x.size(1), train_path, train.x.size(1)));
}

/// All of it, with its own labels.
Dataset read_as_it_is(const Options& o, const std::string& path, const std::string& labels) {
  if (is_generated(path)) return generate(o);
  std::error_code ignored;
  if (path.find_first_of("./\\") == std::string::npos && !std::filesystem::exists(path, ignored))
    throw ValueError(fmt::format("--data: '{}' is none of {}, images, and no file or folder", path, fmt::join(planar_names(), ", ")));
  return read_file_set(o, path, labels);
}

}  // namespace

Dataset read_set(const Options& o, const std::string& path, const std::string& labels, const std::vector<std::string>* classes) {
  Dataset set = read_as_it_is(o, path, labels);
  if (classes) return fitted(o, std::move(set), path, *classes);
  if (o.model.empty()) return fitted(o, std::move(set), path);
  const std::vector<std::string> own = set.classes;  // of a model that does not say what its classes are called
  return fitted(o, std::move(set), path, own);
}

Dataset read_unlabelled(const Options& o) {
  Dataset set;
  const std::string ending = ending_of(o.data);
  if (ending == ".csv") {
    set.x = Tensor(read_csv(o.data).values.cast(o.dtype));
  } else if (ending == ".png" || ending == ".jpg" || ending == ".jpeg") {
    const Array one = read_picture(o.data);
    set.images = resize(one.reshape({1, one.size(0), one.size(1), one.size(2)}), o.picture_side, o.picture_side);
  } else if (ending == ".npy") {
    const Array x = read_npy(o.data);
    if (x.rank() != 2) throw FileError(fmt::format("{}: it holds {}, not samples (m, features)", o.data, to_string(x.shape())));
    set.x = Tensor(x.cast(o.dtype));
  } else {
    const Array images = read_idx(o.data);
    if (images.rank() != 3 || images.dtype() != uint8)
      throw FileError(fmt::format("{}: it holds {} {}, not pictures", o.data, name(images.dtype()), to_string(images.shape())));
    set.images = images.reshape({images.size(0), images.size(1), images.size(2), 1});
  }
  if (set.images) set.x = pixels(set.images, o.dtype);
  return of_file(o.data, [&] {
    require_sound(set);
    return set;
  });
}

Problem make_problem(const Options& o) {
  seed(o.seed);
  const bool generated = is_generated(o.data);
  if (generated && !o.labels.empty()) throw ValueError(fmt::format("--labels: the generated set '{}' has its own, not those of '{}'", o.data, o.labels));
  if (generated && !o.test.empty())
    throw ValueError(fmt::format("--test: a generated set is tested on a second draw of its own, not on '{}'", o.test));
  Problem problem{read_set(o, o.data, o.labels, o.classes ? &*o.classes : nullptr), {}, {}, {}};
  const std::vector<std::string> classes = problem.train.classes;
  if (generated) problem.test = read_set(o, o.data, {}, &classes);
  if (!o.test.empty()) {
    problem.test = read_set(o, o.test, o.test_labels, &classes);
    require_features(*problem.test, problem.train, o.test, o.data);
  }
  if (o.split) {
    Split parts = split(problem.train, {.ratio = *o.split, .stratified = o.stratified});
    if (parts.test.size() > 0 && !o.test.empty())
      throw ValueError(fmt::format("--split: a test part too, where '{}' is to test with", o.test));
    problem.train = std::move(parts.train);
    if (parts.dev.size() > 0) problem.dev = std::move(parts.dev);
    if (parts.test.size() > 0) problem.test = std::move(parts.test);
  }
  problem.warnings = split_warnings({problem.train, problem.dev.value_or(Dataset{}), problem.test.value_or(Dataset{})});
  return problem;
}

namespace {

/// Throws ShapeError where the model of --model is for other inputs.
void require_same_features(const Options& o, const Mlp& network) {
  const NamedArrays file = read_safetensors(o.model);
  const Array* first = file.find("layers.0.weight");
  const std::int64_t features = network.layers[0].weight.size(1);
  if (first && first->rank() == 2 && first->size(1) != features)
    throw ShapeError(fmt::format("{}: the model takes {} features, and {} has {}", o.model.string(), first->size(1), o.data, features));
}

/// Throws ValueError for a parameter that holds something else than numbers.
void require_finite(const std::filesystem::path& path, Mlp& network) {
  for (const auto& [name, p] : parameters(network))
    if (is_floating(p->dtype()) && !std::ranges::all_of(p->value().to_vector<double>(), [](double v) { return std::isfinite(v); }))
      throw ValueError(fmt::format("{}: '{}' is not finite: the training that wrote it diverged, or the file is damaged", path.string(), name));
}

}  // namespace

Mlp make_network(const Options& o, const Tensor& x) {
  std::vector<std::int64_t> sizes = {x.size(1)};
  sizes.insert(sizes.end(), o.layers.begin(), o.layers.end());
  require_memory(sizes, o.dtype);
  Mlp network = mlp(sizes, activation_by_name(o.activation), initialise::by_name(o.init), o.dtype);
  network.keep_prob = o.keep_prob;
  if (o.normalise) network.normalisation = o.model.empty() ? InputNormalisation(x) : InputNormalisation({x.size(1)}, o.dtype);
  if (!o.start.empty()) start_from(o.start, network);
  if (!o.model.empty()) {
    require_same_features(o, network);
    load_model(o.model, network);
    require_finite(o.model, network);
  }
  return network;
}

Tensor cost(const Mlp& network, const Tensor& x, const Tensor& y, double l2) {
  const Tensor z = network(x), J = y.rank() == 2 ? binary_cross_entropy_with_logits(z, y) : cross_entropy(z, y);
  return l2 > 0 ? J + l2_cost(network, l2, x.size(0)) : J;
}

ConfusionMatrix confusion(const Mlp& network, const Dataset& set) {
  const auto guard = no_grad();
  const Tensor z = network(set.x);
  return {class_numbers(set), predicted_classes(z), std::max<std::int64_t>(2, z.size(1))};
}

}  // namespace dz::tool
