#pragma once
// A model in one safetensors file: each parameter under its path in the model ("layers.0.weight").

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <dz/models/parameters.hpp>

namespace dz {

using Metadata = std::map<std::string, std::string>;

/// The key under which a model's metadata keep what its classes are called.
inline constexpr const char* classes_key = "classes";
/// Names as one text of the metadata, a JSON array. Throws ValueError for a name that is not UTF-8.
std::string classes_text(const std::vector<std::string>& names);
/// The names in such a text. Throws FileError for any other, and where a name comes twice.
std::vector<std::string> classes_in(std::string_view text);

/// A dense layer's weight (n, channels·rows·columns) behind flattened images. Its columns go by row, column, channel here, and by channel, row, column in
/// PyTorch's files.
struct Flattened {
  std::string weight;  ///< its name: "layers.0.weight"
  std::int64_t channels, rows, columns;
};

/// Writes the parameters' values, and text by key beside them. Throws ValueError for a parameter that never had a value; FileError. A file
/// that was there before is unchanged then. The weights that are named as flattened are written in PyTorch's order of columns; ValueError
/// where there is none of that name and size.
void save_model(const std::filesystem::path& path, const std::vector<NamedParameter>& parameters, const Metadata& metadata = {},
                const std::vector<Flattened>& flattened = {});
template <Described M>
void save_model(const std::filesystem::path& path, const M& model, const Metadata& metadata = {}, const std::vector<Flattened>& flattened = {}) {
  save_model(path, parameters(const_cast<M&>(model)), metadata, flattened);
}

/// Copies the values of a file into the parameters in place, by name, forgets their gradients, and gives the file's metadata. Throws
/// FileError for a broken file and where names are missing or additional, ShapeError or DtypeError where an array is not the
/// parameter's; no parameter is changed then. The weights that are named as flattened are read from PyTorch's order of columns.
Metadata load_model(const std::filesystem::path& path, const std::vector<NamedParameter>& parameters, const std::vector<Flattened>& flattened = {},
                    At at = At::here());
template <Described M>
Metadata load_model(const std::filesystem::path& path, M& model, const std::vector<Flattened>& flattened = {}, At at = At::here()) {
  return load_model(path, parameters(model), flattened, at);
}

}  // namespace dz
