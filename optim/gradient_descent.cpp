#include <dz/optim/gradient_descent.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <dz/ops/creation.hpp>
#include <dz/tensor/kernels/descent.hpp>

namespace dz {

namespace {

/// The remainders of these parameters: zeros the first time.
std::vector<Tensor> remainders_of(const std::vector<NamedParameter>& parameters, std::vector<Tensor> so_far, At at) {
  if (so_far.empty())
    for (const auto& [name, p] : parameters) so_far.push_back(*p ? zeros_like(*p) : Tensor());
  const auto fits = [](const NamedParameter& p, const Tensor& r) {
    return *p.parameter ? r && r.shape() == p.parameter->shape() && r.dtype() == p.parameter->dtype() : !r;
  };
  if (!std::ranges::equal(parameters, so_far, fits)) throw ShapeError("the remainders are those of other parameters", "GradientDescent", at);
  return so_far;
}

}  // namespace

void GradientDescent::step(const std::vector<NamedParameter>& parameters, std::int64_t samples, At at) {
  const auto refuse_unless = [at](bool right, const char* what, double value) {
    if (!right) throw ValueError(fmt::format("{} is {}: it is finite and at least 0", what, value), "GradientDescent", at);
  };
  refuse_unless(learning_rate >= 0 && std::isfinite(learning_rate), "learning_rate", learning_rate);
  refuse_unless(l2 >= 0 && std::isfinite(l2), "l2", l2);
  if (l2 > 0 && samples < 1) throw ValueError("l2 is divided by the number of samples, which step() was not given", "GradientDescent", at);

  std::vector<std::pair<std::size_t, Tensor>> steps;
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (const Parameter& p = *parameters[i].parameter; p && p.requires_grad())
      if (Tensor g = p.grad()) steps.emplace_back(i, std::move(g));
  if (steps.empty()) throw GraphError("no parameter has a gradient: call backward() first", "GradientDescent", at);
  if (compensated) remainders = remainders_of(parameters, std::move(remainders), at);

  for (const auto& [i, g] : steps) {
    const Parameter& p = *parameters[i].parameter;
    const double decay = p.role() == Role::weight && l2 > 0 ? l2 / static_cast<double>(samples) : 0;
    kernels::descend(p.value(), compensated ? remainders[i].value() : Array(), g.value(), learning_rate, decay);
    p.value().mark_written(at);
    p.clear_grad();
  }
}

}  // namespace dz
