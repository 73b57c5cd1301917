#include <dz/optim/step.hpp>

namespace dz::detail {

std::vector<Stepping> stepping(const std::vector<NamedParameter>& parameters, const char* optimiser, At at) {
  std::vector<Stepping> found;
  found.reserve(parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (const Parameter& p = *parameters[i].parameter; p && p.requires_grad())
      if (const Tensor g = p.grad()) found.push_back({&p, i, g.value().contiguous()});
  if (found.empty()) throw GraphError("no parameter has a gradient: call backward() first", optimiser, at);
  return found;
}

void require_setting(double value, const char* what, const char* optimiser, At at) {
  if (!(value >= 0 && std::isfinite(value))) throw ValueError(fmt::format("{} is {}: it is finite and at least 0", what, value), optimiser, at);
}

}  // namespace dz::detail
