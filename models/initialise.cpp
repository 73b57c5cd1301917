#include <dz/models/initialise.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <utility>

#include <dz/ops/creation.hpp>

namespace dz::initialise {
namespace {

struct Fans {
  double in, out;
};

Fans fans_of(const Shape& shape) {
  if (shape.rank() < 2 || shape.volume() == 0)
    throw ShapeError(fmt::format("weights are (n_out, n_in, …) and not empty, got {}", to_string(shape)), "initialise");
  const auto out = static_cast<double>(shape[0]), seen = static_cast<double>(shape.volume()) / out,
             positions = seen / static_cast<double>(shape[1]);
  return {seen, out * positions};
}

constexpr std::pair<std::string_view, Initialiser> table[] = {
    {"zeros", zeros}, {"small_normal", small_normal}, {"xavier", xavier}, {"he", he}, {"glorot", glorot}};

}  // namespace

Tensor zeros(const Shape& shape, Dtype dtype, Generator&) { return dz::zeros(shape, dtype); }
Tensor small_normal(const Shape& shape, Dtype dtype, Generator& g) { return normal(shape, 0, 0.01, dtype, g); }
Tensor xavier(const Shape& shape, Dtype dtype, Generator& g) { return normal(shape, 0, std::sqrt(1 / fans_of(shape).in), dtype, g); }
Tensor he(const Shape& shape, Dtype dtype, Generator& g) { return normal(shape, 0, std::sqrt(2 / fans_of(shape).in), dtype, g); }
Tensor glorot(const Shape& shape, Dtype dtype, Generator& g) {
  const Fans fans = fans_of(shape);
  return normal(shape, 0, std::sqrt(2 / (fans.in + fans.out)), dtype, g);
}

Initialiser by_name(std::string_view name) {
  for (const auto& [known, initialiser] : table)
    if (known == name) return initialiser;
  throw ValueError(fmt::format("'{}' is none of {}", name, fmt::join(names(), ", ")), "initialise");
}

std::vector<std::string_view> names() {
  std::vector<std::string_view> all;
  for (const auto& entry : table) all.push_back(entry.first);
  return all;
}

}  // namespace dz::initialise
