#include <dz/data/model_file.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include <dz/data/safetensors.hpp>

namespace dz {
namespace {

constexpr const char *saving = "save_model", *loading = "load_model";

/// Names one of the two has and the other lacks.
void check_names(const std::filesystem::path& path, const NamedArrays& file, const std::vector<NamedParameter>& model, At at) {
  std::vector<std::string_view> missing, additional;
  for (const auto& [name, parameter] : model)
    if (!file.find(name)) missing.push_back(name);
  for (const auto& [name, array] : file.arrays)
    if (std::ranges::find(model, name, &NamedParameter::name) == model.end()) additional.push_back(name);
  if (missing.empty() && additional.empty()) return;
  std::string reason = fmt::format("{}: not a file of this model", path.string());
  if (!missing.empty()) reason += fmt::format("; it lacks '{}'", fmt::join(missing, "', '"));
  if (!additional.empty()) reason += fmt::format("; the model has no '{}'", fmt::join(additional, "', '"));
  throw FileError(std::move(reason), loading, at);
}

}  // namespace

void save_model(const std::filesystem::path& path, const std::vector<NamedParameter>& parameters, const Metadata& metadata) {
  NamedArrays all{{}, metadata};
  for (const auto& [name, parameter] : parameters) {
    if (!*parameter) throw ValueError(fmt::format("{}: parameter '{}' never had a value", path.string(), name), saving);
    all.arrays.push_back({name, parameter->value()});
  }
  write_safetensors(path, all);
}

Metadata load_model(const std::filesystem::path& path, const std::vector<NamedParameter>& parameters, At at) {
  NamedArrays file = read_safetensors(path);
  check_names(path, file, parameters, at);
  for (const auto& [name, parameter] : parameters) {
    const Array& array = *file.find(name);
    if (!*parameter) throw ValueError(fmt::format("{}: the model's '{}' never had a value", path.string(), name), loading, at);
    if (array.shape() != parameter->shape())
      throw ShapeError(
          fmt::format("{}: '{}' is {}, in the model {}", path.string(), name, to_string(array.shape()), to_string(parameter->shape())),
          loading, at);
    if (array.dtype() != parameter->dtype())
      throw DtypeError(
          fmt::format("{}: '{}' is {}, in the model {}", path.string(), name, dz::name(array.dtype()), dz::name(parameter->dtype())),
          loading, at);
  }
  for (const auto& [name, parameter] : parameters) {
    parameter->assign(Tensor(*file.find(name)), at);
    if (parameter->is_leaf()) parameter->clear_grad();
  }
  return std::move(file.metadata);
}

}  // namespace dz
