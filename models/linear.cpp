#include <dz/models/linear.hpp>

#include <fmt/format.h>

#include <dz/ops/creation.hpp>

namespace dz {

Linear::Linear(std::int64_t inputs, std::int64_t outputs, Initialiser initialiser, Dtype dtype, Generator& g) {
  if (inputs < 1 || outputs < 1) throw ShapeError(fmt::format("{} inputs and {} outputs: both are at least 1", inputs, outputs), "Linear");
  weight = Parameter(initialiser({outputs, inputs}, dtype, g));
  bias = Parameter(zeros({outputs}, dtype), Role::bias);
}

}  // namespace dz
