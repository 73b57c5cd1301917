#include <dz/optim/gradient_descent.hpp>

#include <fmt/format.h>

#include <cmath>

#include <dz/tensor/kernels/kernels.hpp>

namespace dz {

void GradientDescent::step(const std::vector<NamedParameter>& parameters, std::int64_t samples, At at) const {
  const auto refuse_unless = [at](bool right, const char* what, double value) {
    if (!right) throw ValueError(fmt::format("{} is {}: it is finite and at least 0", what, value), "GradientDescent", at);
  };
  refuse_unless(learning_rate >= 0 && std::isfinite(learning_rate), "learning_rate", learning_rate);
  refuse_unless(l2 >= 0 && std::isfinite(l2), "l2", l2);
  if (l2 > 0 && samples < 1) throw ValueError("l2 is divided by the number of samples, which step() was not given", "GradientDescent", at);

  std::vector<std::pair<const Parameter*, Tensor>> steps;
  for (const auto& [name, p] : parameters)
    if (*p && p->requires_grad())
      if (Tensor g = p->grad()) steps.emplace_back(p, std::move(g));
  if (steps.empty()) throw GraphError("no parameter has a gradient: call backward() first", "GradientDescent", at);

  for (const auto& [p, g] : steps) {
    const Array& w = p->value();
    if (l2 > 0 && p->role() == Role::weight) kernels::axpy(w, -learning_rate * l2 / static_cast<double>(samples), w);
    kernels::axpy(w, -learning_rate, g.value());
    w.mark_written(at);
    p->clear_grad();
  }
}

}  // namespace dz
