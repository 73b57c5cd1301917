#include <dz/data/dataset.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>

#include <dz/data/hdf5.hpp>
#include <dz/data/npy.hpp>
#include <dz/ops/arithmetic.hpp>

namespace dz {

Tensor pixels(const Array& images, Dtype dtype) {
  if (images.rank() != 4)
    throw ShapeError(fmt::format("images are (m, height, width, channels), got {}", to_string(images.shape())), "pixels");
  if (images.dtype() != uint8) throw DtypeError(fmt::format("images are uint8, got {}", name(images.dtype())), "pixels");
  if (!is_floating(dtype)) throw DtypeError(fmt::format("pixels are float32 or float64, not {}", name(dtype)), "pixels");
  const std::int64_t features = images.size(1) * images.size(2) * images.size(3);
  return Tensor(images.reshape({images.size(0), features}).cast(dtype)) / 255;
}

namespace {

/// (m, …) to (samples, …). Every number is below m.
Array rows_of(const Array& all, std::span<const std::int64_t> samples) {
  const Array from = all.contiguous();
  std::vector<std::int64_t> sizes(from.sizes().begin(), from.sizes().end());
  sizes[0] = std::ssize(samples);
  const Array rows = Array::make(Shape(sizes), from.dtype());
  if (rows.size() == 0) return rows;
  const std::size_t bytes = static_cast<std::size_t>(rows.size()) / samples.size() * size_of(from.dtype());
  for (std::size_t i = 0; i < samples.size(); ++i)
    std::memcpy(rows.writable_bytes() + i * bytes, from.bytes() + static_cast<std::size_t>(samples[i]) * bytes, bytes);
  return rows;
}

}  // namespace

Dataset samples_of(const Dataset& set, std::span<const std::int64_t> samples) {
  for (const std::int64_t i : samples)
    if (i < 0 || i >= set.size()) throw ValueError(fmt::format("no sample {} among {}", i, set.size()), "samples_of");
  return {Tensor(rows_of(set.x.value(), samples)), set.y ? Tensor(rows_of(set.y.value(), samples)) : Tensor(),
          set.images ? rows_of(set.images, samples) : Array(), set.classes};
}

std::vector<std::int64_t> class_numbers(const Dataset& set) { return set.y ? set.y.to_vector<std::int64_t>() : std::vector<std::int64_t>(); }

std::int64_t class_count(const Dataset& set) {
  if (!set.classes.empty()) return std::ssize(set.classes);
  if (!set.y || set.y.rank() == 2) return 2;
  const std::vector<std::int64_t> labels = class_numbers(set);
  return labels.empty() ? 0 : *std::ranges::max_element(labels) + 1;
}

Dataset labelled_for(Dataset set, std::int64_t outputs) {
  const std::vector<std::int64_t> labels = class_numbers(set);
  const std::int64_t classes = std::max<std::int64_t>(outputs, 2);
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] < 0 || labels[i] >= classes)
      throw ValueError(fmt::format("label {} is {}, and {} output{} tell {} classes apart", i, labels[i], outputs, outputs == 1 ? "" : "s", classes),
                       "labelled_for");
  const Array numbers = Array::of(labels, {std::ssize(labels)});
  set.y = Tensor(outputs == 1 ? numbers.cast(set.x.dtype()).reshape({std::ssize(labels), 1}) : numbers);
  return set;
}

namespace {

/// A whole number as dz writes it.
std::optional<std::int64_t> number_in(std::string_view text) {
  std::int64_t n = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (code != std::errc() || end != text.data() + text.size() || n < 0 || std::to_string(n) != text) return std::nullopt;
  return n;
}

/// Which number a class has that is called so, or is the k-th of a set without names.
std::optional<std::int64_t> number_among(const std::vector<std::string>& names, const std::string* called, std::int64_t k) {
  if (names.empty()) return called ? number_in(*called) : k;
  if (!called && std::ranges::none_of(names, [](const std::string& name) { return number_in(name).has_value(); }))
    return k < std::ssize(names) ? std::optional(k) : std::nullopt;
  const auto found = std::ranges::find(names, called ? *called : std::to_string(k));
  return found == names.end() ? std::nullopt : std::optional<std::int64_t>(found - names.begin());
}

}  // namespace

Dataset renumbered(Dataset set, const std::vector<std::string>& names) {
  std::vector<std::int64_t> labels = class_numbers(set);
  std::map<std::int64_t, std::int64_t> known;
  for (std::int64_t& label : labels) {
    const auto [at, fresh] = known.try_emplace(label, 0);
    if (fresh) {
      const std::string* called = set.classes.empty() ? nullptr : &set.classes.at(static_cast<std::size_t>(label));
      const std::optional<std::int64_t> number = number_among(names, called, label);
      constexpr std::size_t most_names = 12;
      if (!number)
        throw ValueError(fmt::format("its class '{}' is none of {}", called ? *called : std::to_string(label),
                                     names.empty() ? "the numbers that the classes are"
                                                   : fmt::format("'{}'{}", fmt::join(std::span(names).first(std::min(names.size(), most_names)), "', '"),
                                                                 names.size() > most_names ? fmt::format(" and {} more", names.size() - most_names) : "")),
                         "renumbered");
      at->second = *number;
    }
    label = at->second;
  }
  if (set.y) {
    const Array numbers = Array::of(labels, {std::ssize(labels)});
    set.y = Tensor(set.y.rank() == 2 ? numbers.cast(set.y.dtype()).reshape(set.y.shape()) : numbers);
  }
  set.classes = names;
  return set;
}

std::uint32_t checksum(const Dataset& set) {
  uLong sum = crc32_z(0, nullptr, 0);
  for (const Tensor& t : {set.x, set.y}) {
    if (!t) continue;
    const Array a = t.value().contiguous();
    sum = crc32_z(sum, reinterpret_cast<const Bytef*>(a.bytes()), static_cast<std::size_t>(a.size()) * size_of(a.dtype()));
  }
  return static_cast<std::uint32_t>(sum);
}

void require_sound(const Dataset& set) {
  const std::vector<double> x = set.x.to_vector();
  const auto wrong = std::ranges::find_if_not(x, [](double v) { return std::isfinite(v); });
  if (wrong != x.end()) {
    const std::int64_t at = wrong - x.begin(), features = set.x.size() / set.size();
    throw ValueError(fmt::format("sample {} has {} as its feature {}", at / features, *wrong, at % features), "require_sound");
  }
  if (!set.y) return;
  const std::vector<double> y = set.y.to_vector();
  for (std::size_t i = 0; i < y.size(); ++i)
    if (!(y[i] >= 0 && (set.y.rank() != 2 || y[i] == 0 || y[i] == 1)) || (!set.classes.empty() && y[i] >= static_cast<double>(set.classes.size())))
      throw ValueError(fmt::format("the label of sample {} is {}, which is no class", i, y[i]), "require_sound");
}

namespace {

constexpr const char* operation = "read_labelled_hdf5";

/// The one data set whose name ends so.
std::string find_one(const std::filesystem::path& path, const std::vector<std::string>& names, std::string_view ending) {
  std::vector<std::string> found;
  for (const std::string& name : names)
    if (name.ends_with(ending)) found.push_back(name);
  if (found.size() == 1) return found[0];
  throw FileError(
      fmt::format("{}: one data set NAME{} is needed; there are {}", path.string(), ending, fmt::join(found.empty() ? names : found, ", ")),
      operation);
}

/// (m, 1) labels from (m), (m, 1) or (1, m) integers.
Array checked_labels(const std::filesystem::path& path, const std::string& name, const Array& stored, std::int64_t m, Dtype dtype) {
  if (is_floating(stored.dtype()) || stored.size() != m || stored.rank() < 1 || stored.rank() > 2 ||
      (stored.rank() == 2 && stored.size(0) != 1 && stored.size(1) != 1))
    throw FileError(fmt::format("{}: data set '{}' is {} {}, not {} whole numbers", path.string(), name, dz::name(stored.dtype()),
                                to_string(stored.shape()), m),
                    operation);
  const std::vector<std::int64_t> values = stored.to_vector<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] != 0 && values[i] != 1)
      throw ValueError(fmt::format("{}: label {} of data set '{}' is {}, not 0 or 1", path.string(), i, name, values[i]), operation);
  return stored.reshape({m, 1}).cast(dtype);
}

/// The pictures of that name.
Dataset read_hdf5_images(const std::filesystem::path& path, const std::string& x_name, Dtype dtype) {
  if (!is_floating(dtype)) throw DtypeError(fmt::format("pixels are float32 or float64, not {}", name(dtype)), operation);
  const Array images = read_hdf5(path, x_name);
  if (images.rank() != 4 || images.dtype() != uint8 || images.size() == 0)
    throw FileError(fmt::format("{}: data set '{}' is {} {}, not images (m, height, width, channels) of uint8", path.string(), x_name,
                                name(images.dtype()), to_string(images.shape())),
                    operation);
  return {pixels(images, dtype), {}, images};
}

/// The array of that name, small or in capitals.
const Array& find_array(const std::filesystem::path& path, const std::map<std::string, Array>& arrays, char name, const char* reader) {
  for (const char letter : {name, static_cast<char>(name - 'a' + 'A')})
    if (const auto found = arrays.find(std::string(1, letter)); found != arrays.end()) return found->second;
  throw FileError(fmt::format("{}: it holds no array {}", path.string(), name), reader);
}

/// Pictures, or rows of numbers.
Dataset samples_in(const std::filesystem::path& path, const Array& x, Dtype dtype, const char* reader) {
  if (x.rank() < 2 || x.size() == 0)
    throw FileError(fmt::format("{}: x is {}, not samples (m, features)", path.string(), to_string(x.shape())), reader);
  Dataset set;
  if (x.dtype() == uint8 && (x.rank() == 3 || x.rank() == 4)) {
    set.images = x.reshape({x.size(0), x.size(1), x.size(2), x.rank() == 4 ? x.size(3) : 1});
    set.x = pixels(set.images, dtype);
  } else {
    set.x = Tensor(x.reshape({x.size(0), x.size() / x.size(0)}).cast(dtype));
  }
  return set;
}

}  // namespace

Dataset read_labelled_hdf5(const std::filesystem::path& path, Dtype dtype) {
  const std::vector<std::string> names = hdf5_datasets(path);
  const std::string x_name = find_one(path, names, "_set_x"), y_name = find_one(path, names, "_set_y");
  Dataset set = read_hdf5_images(path, x_name, dtype);
  set.y = Tensor(checked_labels(path, y_name, read_hdf5(path, y_name), set.size(), dtype));
  return set;
}

Dataset read_unlabelled_hdf5(const std::filesystem::path& path, Dtype dtype) {
  const std::vector<std::string> names = hdf5_datasets(path);
  return read_hdf5_images(path, names.size() == 1 ? names[0] : find_one(path, names, "_set_x"), dtype);
}

Dataset read_unlabelled_npz(const std::filesystem::path& path, Dtype dtype) {
  constexpr const char* reader = "read_unlabelled_npz";
  const std::map<std::string, Array> arrays = read_npz(path);
  Dataset set = samples_in(path, arrays.size() == 1 ? arrays.begin()->second : find_array(path, arrays, 'x', reader), dtype, reader);
  try {
    require_sound(set);
  } catch (const ValueError& e) {
    throw ValueError(fmt::format("{}: {}", path.string(), e.reason()), reader);
  }
  return set;
}

Dataset read_labelled_npz(const std::filesystem::path& path, Dtype dtype) {
  constexpr const char* reader = "read_labelled_npz";
  const std::map<std::string, Array> arrays = read_npz(path);
  const Array &x = find_array(path, arrays, 'x', reader), &y = find_array(path, arrays, 'y', reader);
  Dataset set = samples_in(path, x, dtype, reader);
  const std::int64_t m = set.size();
  if (y.size() != m || y.rank() < 1 || y.rank() > 2 || y.size(0) != m)
    throw FileError(fmt::format("{}: y is {}, not {} labels", path.string(), to_string(y.shape()), m), reader);
  const std::vector<double> labels = y.to_vector<double>();
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (!(labels[i] >= 0 && labels[i] < 1e6 && labels[i] == std::floor(labels[i])))
      throw ValueError(fmt::format("{}: label {} is {}, not a whole number from 0 on", path.string(), i, labels[i]), reader);
  set.y = Tensor(Array::of(labels, {m}).cast(int64));
  try {
    require_sound(set);
  } catch (const ValueError& e) {
    throw ValueError(fmt::format("{}: {}", path.string(), e.reason()), reader);
  }
  return set;
}

}  // namespace dz
