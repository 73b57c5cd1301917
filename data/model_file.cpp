#include <dz/data/model_file.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
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

/// Throws for the first flattened weight that is none of the model's.
void check_flattened(const std::vector<NamedParameter>& model, const std::vector<Flattened>& flattened, const char* operation, At at) {
  for (const Flattened& f : flattened) {
    const auto found = std::ranges::find(model, f.weight, &NamedParameter::name);
    const Shape shape = found != model.end() && *found->parameter ? found->parameter->shape() : Shape{};
    if (f.channels < 1 || f.rows < 1 || f.columns < 1 || shape.rank() != 2 || shape[1] != checked_product(checked_product(f.channels, f.rows), f.columns))
      throw ValueError(fmt::format("no weight '{}' of {} channels, {} rows and {} columns, flattened", f.weight, f.channels, f.rows, f.columns), operation, at);
  }
}

enum class Columns { ours, pytorchs };
/// The array with its columns in the order wanted, where it is one of the flattened; otherwise itself.
Array ordered(const Array& a, const std::string& name, const std::vector<Flattened>& flattened, Columns wanted) {
  const auto f = std::ranges::find(flattened, name, &Flattened::weight);
  if (f == flattened.end()) return a;
  constexpr int to_ours[] = {0, 2, 3, 1}, to_pytorchs[] = {0, 3, 1, 2};
  const Shape theirs{a.size(0), f->channels, f->rows, f->columns}, ours{a.size(0), f->rows, f->columns, f->channels};
  const Array turned = wanted == Columns::ours ? a.reshape(theirs).permute(to_ours) : a.reshape(ours).permute(to_pytorchs);
  return turned.reshape(a.shape());
}

}  // namespace

std::string classes_text(const std::vector<std::string>& names) {
  boost::json::array array;
  for (const std::string& name : names) {
    boost::json::error_code wrong;
    const std::string text = boost::json::serialize(boost::json::string(name));
    boost::json::parse(text, wrong);  // which looks at the encoding, as serialize does not
    if (wrong) throw ValueError(fmt::format("the class '{}' has a name that is not UTF-8", name), "classes_text");
    array.emplace_back(name);
  }
  return boost::json::serialize(array);
}

std::vector<std::string> classes_in(std::string_view text) {
  constexpr const char* operation = "classes_in";
  boost::json::error_code wrong;
  const boost::json::value value = boost::json::parse(boost::json::string_view(text.data(), text.size()), wrong);
  if (wrong || !value.is_array()) throw FileError("its classes are no JSON array", operation);
  std::vector<std::string> names;
  for (const boost::json::value& name : value.get_array()) {
    if (!name.is_string()) throw FileError("its classes are not all text", operation);
    names.emplace_back(name.get_string().c_str(), name.get_string().size());
  }
  std::vector<std::string_view> sorted(names.begin(), names.end());
  std::ranges::sort(sorted);
  if (const auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end())
    throw FileError(fmt::format("it has two classes '{}'", *twice), operation);
  return names;
}

void save_model(const std::filesystem::path& path, const std::vector<NamedParameter>& parameters, const Metadata& metadata, const std::vector<Flattened>& flattened) {
  check_flattened(parameters, flattened, saving, At{});
  NamedArrays all{{}, metadata};
  for (const auto& [name, parameter] : parameters) {
    if (!*parameter) throw ValueError(fmt::format("{}: parameter '{}' never had a value", path.string(), name), saving);
    all.arrays.push_back({name, ordered(parameter->value(), name, flattened, Columns::pytorchs)});
  }
  write_safetensors(path, all);
}

Metadata load_model(const std::filesystem::path& path, const std::vector<NamedParameter>& parameters, const std::vector<Flattened>& flattened, At at) {
  check_flattened(parameters, flattened, loading, at);
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
    parameter->assign(Tensor(ordered(*file.find(name), name, flattened, Columns::ours)), at);
    if (parameter->is_leaf()) parameter->clear_grad();
  }
  return std::move(file.metadata);
}

}  // namespace dz
