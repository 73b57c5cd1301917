#include "tools/problem.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <dz/data/csv.hpp>
#include <dz/data/idx.hpp>
#include <dz/data/model_file.hpp>
#include <dz/data/npy.hpp>
#include <dz/data/picture.hpp>
#include <dz/data/planar.hpp>
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

/// ".csv", in small letters.
std::string ending_of(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return ending;
}

/// As the model takes pictures, whatever it was trained on; for want of a model, as --picture-side says.
PictureOptions picture_options(const Options& o) {
  const std::vector<std::int64_t>& s = o.task.sample;
  if (s.size() == 3 && (s[2] == 1 || s[2] == 3)) return {.rows = s[0], .columns = s[1], .channels = s[2], .dtype = o.dtype};
  return {.rows = o.picture_side, .columns = o.picture_side, .dtype = o.dtype};
}

/// Which reader a path is for.
Dataset read_file_set(const Options& o, const std::string& path, const std::string& labels) {
  std::error_code ignored;
  if (!labels.empty()) return read_labelled_idx(path, labels, o.dtype);
  if (std::filesystem::is_directory(path, ignored))
    return read_picture_folder(path, picture_options(o));
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

/// As many as the classes, and one for two.
std::int64_t outputs_for(std::int64_t classes) { return classes <= 2 ? 1 : classes; }

/// Throws ValueError where the outputs are not as many as the classes of the training data want.
void require_outputs(const Options& o, const Dataset& set, std::int64_t outputs, const std::string& path) {
  const std::int64_t classes = class_count(set);
  const std::string there = fmt::format("{} has {} classes{}", path, classes, set.classes.empty() ? fmt::format(" (its largest label is {})", classes - 1) : "");
  if (o.layers.empty() && outputs != outputs_for(classes)) throw ValueError(fmt::format("--network: the {} of the checkpoint has {} outputs, and {}", o.network, outputs, there));
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
  const std::int64_t outputs = o.task.outputs > 0 ? o.task.outputs : outputs_for(class_count(set));
  require_outputs(o, set, outputs, path);
  return labelled_for(std::move(set), outputs);
}

/// Labels of further data, by the names of the network's classes.
Dataset fitted(Dataset set, const std::string& path, const std::vector<std::string>& classes, std::int64_t outputs) {
  return of_file(path, [&] {
    require_sound(set);
    return labelled_for(renumbered(std::move(set), classes), outputs);
  });
}

void require_features(const Dataset& set, const Dataset& train, const std::string& path, const std::string& train_path) {
  if (set.x.size(1) != train.x.size(1))
    throw ShapeError(fmt::format("{}: samples of {} numbers, where those of {} have {}", path, set.x.size(1), train_path, train.x.size(1)));
}

/// "pictures of 28x28x1", "2 features"
std::string described(const std::vector<std::int64_t>& sample) {
  if (sample.size() == 3) return fmt::format("pictures of {}", fmt::join(sample, "x"));
  return fmt::format("{} features", fmt::join(sample, "x"));
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

Dataset read_set(const Options& o, const Task& task, const std::string& path, const std::string& labels) {
  Dataset set = read_as_it_is(o, path, labels);
  if (task.classes) return fitted(std::move(set), path, *task.classes, task.outputs);
  if (o.model.empty()) return fitted(o, std::move(set), path);
  const std::vector<std::string> own = set.classes;  // of a model that does not say what its classes are called
  return fitted(std::move(set), path, own, task.outputs);
}

Task task_of(const Options& o, const Dataset& set) {
  Task task = o.task;
  task.sample = {set.x.size(1)};
  if (set.images) task.sample = {set.images.size(1), set.images.size(2), set.images.size(3)};
  if (!o.task.sample.empty()) {
    const bool pictures = o.task.sample.size() == 3 && task.sample.size() == 3;
    if (pictures ? task.sample != o.task.sample : task.features() != o.task.features())
      throw ShapeError(fmt::format("{}: the model takes {}, and {} has {}", (o.model.empty() ? o.resume : o.model).string(), described(o.task.sample), o.data, described(task.sample)));
    task.sample = o.task.sample;
  }
  if (!task.classes) task.classes = set.classes;
  if (task.outputs == 0) task.outputs = set.y.rank() == 2 ? 1 : class_count(set);
  return task;
}

Unlabelled read_unlabelled(const Options& o) {
  Dataset set;
  std::vector<std::string> names;
  const std::string ending = ending_of(o.data);
  const PictureOptions as = picture_options(o);
  std::error_code ignored;
  if (std::filesystem::is_directory(o.data, ignored)) {
    PictureFiles all = read_pictures(o.data, as);
    set.images = std::move(all.images), names = std::move(all.names);
  } else if (ending == ".npz") {
    set = read_unlabelled_npz(o.data, o.dtype);
  } else if (ending == ".h5" || ending == ".hdf5") {
    set = read_unlabelled_hdf5(o.data, o.dtype);
  } else if (ending == ".csv") {
    set.x = Tensor(read_csv(o.data).values.cast(o.dtype));
  } else if (ending == ".png" || ending == ".jpg" || ending == ".jpeg") {
    const Array one = read_picture(o.data, as.channels);
    set.images = resize(one.reshape({1, one.size(0), one.size(1), one.size(2)}), as.rows, as.columns);
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
  set = of_file(o.data, [&] {
    require_sound(set);
    return set;
  });
  return {std::move(set), std::move(names)};
}

Problem make_problem(const Options& o) {
  seed(o.seed);
  const bool generated = is_generated(o.data);
  if (generated && !o.labels.empty()) throw ValueError(fmt::format("--labels: the generated set '{}' has its own, not those of '{}'", o.data, o.labels));
  if (generated && !o.test.empty())
    throw ValueError(fmt::format("--test: a generated set is tested on a second draw of its own, not on '{}'", o.test));
  Problem problem{read_set(o, o.task, o.data, o.labels), {}, {}, {}, {}};
  problem.task = task_of(o, problem.train);
  if (generated) problem.test = read_set(o, problem.task, o.data, {});
  if (!o.test.empty()) {
    problem.test = read_set(o, problem.task, o.test, o.test_labels);
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

}  // namespace dz::tool
