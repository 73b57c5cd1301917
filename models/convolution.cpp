#include <dz/models/convolution.hpp>

#include <fmt/format.h>

#include <dz/ops/creation.hpp>

namespace dz {

Conv2d::Conv2d(std::int64_t inputs, std::int64_t outputs, Pair window, const Conv2dOptions& o, Initialiser initialiser, Dtype dtype, Generator& g)
    : options(o) {
  if (inputs < 1 || outputs < 1 || window.rows < 1 || window.columns < 1)
    throw ShapeError(fmt::format("{} inputs, {} outputs and a window of {}x{}: all are at least 1", inputs, outputs, window.rows, window.columns), "Conv2d");
  if (o.groups < 1 || inputs % o.groups != 0 || outputs % o.groups != 0)
    throw ShapeError(fmt::format("{} groups do not divide {} inputs and {} outputs", o.groups, inputs, outputs), "Conv2d");
  weight = Parameter(initialiser({outputs, inputs / o.groups, window.rows, window.columns}, dtype, g));
  bias = Parameter(zeros({outputs}, dtype), Role::bias);
}

}  // namespace dz
