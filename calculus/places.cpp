#include <dz/calculus/places.hpp>

#include <fmt/format.h>

namespace dz::detail {

Index unravelled(std::int64_t element, const Shape& shape) {
  Index index(static_cast<std::size_t>(shape.rank()));
  for (int a = shape.rank(); a-- > 0; element /= shape[a]) index[static_cast<std::size_t>(a)] = element % shape[a];
  return index;
}

std::optional<std::size_t> element_at(const Shape& shape, const Shape& whole, const Index& index) {
  if (shape.rank() == 0) return 0;
  if (shape.rank() != whole.rank()) return std::nullopt;
  std::int64_t at = 0;
  for (int a = 0; a < shape.rank(); ++a) {
    if (shape[a] != whole[a] && shape[a] != 1) return std::nullopt;
    at = at * shape[a] + (shape[a] == 1 ? 0 : index[static_cast<std::size_t>(a)]);
  }
  return static_cast<std::size_t>(at);
}

Place place_of(std::int64_t element, const Shape& shape, const std::optional<Shape>& output, std::optional<std::int64_t> output_element) {
  if (output && output_element) {
    Index index = unravelled(*output_element, *output);
    if (element_at(shape, *output, index) == static_cast<std::size_t>(element)) return {*output, std::move(index)};
  }
  return {shape, unravelled(element, shape)};
}

std::string values_at(const Place& place, const std::vector<NamedValues>& inputs, std::size_t own) {
  std::string text;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs.size() > 4 && i != own) continue;
    if (const auto k = element_at(inputs[i].shape, place.whole, place.index))
      text += fmt::format("{}{} = {:.6g}", text.empty() ? "" : ", ", inputs[i].name, (*inputs[i].values)[*k]);
  }
  return text;
}

}  // namespace dz::detail
