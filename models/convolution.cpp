#include <dz/models/convolution.hpp>

#include <fmt/format.h>

#include <dz/ops/creation.hpp>

namespace dz {
namespace {

void require_sizes(std::int64_t inputs, std::int64_t outputs, Pair window, std::int64_t groups, const char* name) {
  if (inputs < 1 || outputs < 1 || window.rows < 1 || window.columns < 1)
    throw ShapeError(fmt::format("{} inputs, {} outputs and a window of {}x{}: all are at least 1", inputs, outputs, window.rows, window.columns), name);
  if (groups < 1 || inputs % groups != 0 || outputs % groups != 0)
    throw ShapeError(fmt::format("{} groups do not divide {} inputs and {} outputs", groups, inputs, outputs), name);
}

}  // namespace

Conv2d::Conv2d(std::int64_t inputs, std::int64_t outputs, Pair window, const Conv2dOptions& o, Initialiser initialiser, Dtype dtype, Generator& g)
    : options(o) {
  require_sizes(inputs, outputs, window, o.groups, "Conv2d");
  weight = Parameter(initialiser({outputs, inputs / o.groups, window.rows, window.columns}, dtype, g));
  bias = Parameter(zeros({outputs}, dtype), Role::bias);
}

Conv1d::Conv1d(std::int64_t inputs, std::int64_t outputs, std::int64_t window, const Conv1dOptions& o, Initialiser initialiser, Dtype dtype,
               Generator& g)
    : options(o) {
  require_sizes(inputs, outputs, {1, window}, o.groups, "Conv1d");
  weight = Parameter(initialiser({outputs, inputs / o.groups, window}, dtype, g));
  bias = Parameter(zeros({outputs}, dtype), Role::bias);
}

}  // namespace dz
