#include <dz/data/dataset.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <dz/data/hdf5.hpp>
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

}  // namespace

Dataset read_labelled_hdf5(const std::filesystem::path& path, Dtype dtype) {
  if (!is_floating(dtype)) throw DtypeError(fmt::format("pixels are float32 or float64, not {}", name(dtype)), operation);
  const std::vector<std::string> names = hdf5_datasets(path);
  const std::string x_name = find_one(path, names, "_set_x"), y_name = find_one(path, names, "_set_y");
  const Array images = read_hdf5(path, x_name);
  if (images.rank() != 4 || images.dtype() != uint8 || images.size() == 0)
    throw FileError(fmt::format("{}: data set '{}' is {} {}, not images (m, height, width, channels) of uint8", path.string(), x_name,
                                name(images.dtype()), to_string(images.shape())),
                    operation);
  const Array labels = checked_labels(path, y_name, read_hdf5(path, y_name), images.size(0), dtype);
  return {pixels(images, dtype), Tensor(labels), images};
}

}  // namespace dz
