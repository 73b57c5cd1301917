#pragma once
// A model in one safetensors file: each parameter under its path in the model ("layers.0.weight").

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <dz/models/parameters.hpp>

namespace dz {

using Metadata = std::map<std::string, std::string>;

/// Writes the parameters' values, and text by key beside them. Throws ValueError for a parameter that never had a value; FileError. A file
/// that was there before is unchanged then.
void save_model(const std::filesystem::path& path, const std::vector<NamedParameter>& parameters, const Metadata& metadata = {});
template <Described M> void save_model(const std::filesystem::path& path, const M& model, const Metadata& metadata = {}) {
  save_model(path, parameters(const_cast<M&>(model)), metadata);
}

/// Copies the values of a file into the parameters in place, by name, forgets their gradients, and gives the file's metadata. Throws
/// FileError for a broken file and where names are missing or additional, ShapeError or DtypeError where an array is not the
/// parameter's; no parameter is changed then.
Metadata load_model(const std::filesystem::path& path, const std::vector<NamedParameter>& parameters, At at = At::here());
template <Described M> Metadata load_model(const std::filesystem::path& path, M& model, At at = At::here()) {
  return load_model(path, parameters(model), at);
}

}  // namespace dz
