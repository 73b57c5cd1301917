#include <dz/models/input_normalisation.hpp>

#include <fmt/format.h>

#include <dz/graph/mode.hpp>
#include <dz/models/summary.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/creation.hpp>
#include <dz/ops/reduce.hpp>

namespace dz {
namespace {

/// (1, features…)
Shape one_sample(std::vector<std::int64_t> sizes) {
  sizes.insert(sizes.begin(), 1);
  return Shape(sizes);
}

}  // namespace

InputNormalisation::InputNormalisation(const Shape& features, Dtype dtype)
    : mean(zeros(one_sample({features.begin(), features.end()}), dtype), Role::buffer),
      deviation(ones(one_sample({features.begin(), features.end()}), dtype), Role::buffer) {}

InputNormalisation::InputNormalisation(const Tensor& training_part) {
  if (training_part.rank() < 2 || training_part.size(0) < 1)
    throw ShapeError(fmt::format("samples are (m, features…), and at least one, got {}", to_string(training_part.shape())), "InputNormalisation");
  const auto guard = no_grad();
  const Tensor wide = cast(training_part, float64), sigma = stddev(wide, 0, true);
  mean = Parameter(cast(dz::mean(wide, 0, true), training_part.dtype()), Role::buffer);
  deviation = Parameter(cast(where(greater(sigma, 0), sigma, 1), training_part.dtype()), Role::buffer);
}

Tensor InputNormalisation::operator()(In x) const {
  const CallSite site(x.at());
  if (x.rank() != mean.rank() || !std::equal(x.value().sizes().begin() + 1, x.value().sizes().end(), mean.value().sizes().begin() + 1))
    throw ShapeError(fmt::format("{} where the training part had features {}", to_string(x.shape()), to_string(mean.shape())), "InputNormalisation", x.at());
  return layer_call(*this, x, [this](In x) { return (x - mean) / deviation; });
}

}  // namespace dz
