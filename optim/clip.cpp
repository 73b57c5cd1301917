#include <dz/optim/clip.hpp>

#include <fmt/format.h>

#include <cmath>

#include <dz/graph/mode.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/loss.hpp>

namespace dz {
namespace {

/// Calls f(parameter, gradient) where there is one.
template <class F> void for_each_gradient(const std::vector<NamedParameter>& parameters, F f) {
  const auto guard = no_grad();
  for (const auto& [name, p] : parameters)
    if (*p && p->requires_grad())
      if (const Tensor g = p->grad()) f(*p, g);
}

void require_limit(double limit, const char* operation, At at) {
  if (!(limit >= 0)) throw ValueError(fmt::format("the limit is {}: it is at least 0", limit), operation, at);
}

}  // namespace

double gradient_norm(const std::vector<NamedParameter>& parameters) {
  double squares = 0;
  for_each_gradient(parameters, [&](const Parameter&, const Tensor& g) { squares += squared_frobenius_norm(cast(g, float64)).item(); });
  return std::sqrt(squares);
}

double clip_norm(const std::vector<NamedParameter>& parameters, double limit, At at) {
  require_limit(limit, "clip_norm", at);
  const double norm = gradient_norm(parameters);
  if (std::isfinite(norm) && norm > limit)
    for_each_gradient(parameters, [&](const Parameter& p, const Tensor& g) { p.set_grad(g * (limit / norm)); });
  return norm;
}

void clip_value(const std::vector<NamedParameter>& parameters, double limit, At at) {
  require_limit(limit, "clip_value", at);
  for_each_gradient(parameters, [&](const Parameter& p, const Tensor& g) { p.set_grad(clamp(g, -limit, limit)); });
}

}  // namespace dz
