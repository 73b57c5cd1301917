#pragma once
// Elements by their index, and what stands at one place in several arrays.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <dz/tensor/shape.hpp>

namespace dz::detail {

using Index = std::vector<std::int64_t>;

/// The index of an element in row order.
Index unravelled(std::int64_t element, const Shape& shape);
/// The element, in row order, that an array of `shape` has at a place of one of the shape `whole`; nothing where it does not broadcast to that.
std::optional<std::size_t> element_at(const Shape& shape, const Shape& whole, const Index& index);

/// An input by its name, its values in row order.
struct NamedValues {
  std::string name;
  Shape shape;
  const std::vector<double>* values;
};

/// An index into arrays of a shape.
struct Place {
  Shape whole;
  Index index;
};
/// What an input's element and an output's have in common: the output's place where the input broadcasts to it, else the element's own.
Place place_of(std::int64_t element, const Shape& shape, const std::optional<Shape>& output, std::optional<std::int64_t> output_element);

/// What the inputs that broadcast to it have at a place: "input 0 = 1.5, input 1 = -0.2". Of more than four inputs only the one of number `own`.
std::string values_at(const Place& place, const std::vector<NamedValues>& inputs, std::size_t own);

}  // namespace dz::detail
