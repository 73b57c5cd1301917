#include <dz/optim/step.hpp>

#include <dz/ops/creation.hpp>

namespace dz::detail {

memory::Vector<Stepping> stepping(const ParameterList& parameters, const char* optimiser, At at) {
  memory::Vector<Stepping> found;
  found.reserve(parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (const Parameter& p = parameters[i]; p && p.requires_grad())
      if (const Tensor g = p.grad()) found.push_back({&p, i, g.value().contiguous()});
  if (found.empty()) throw GraphError("no parameter has a gradient: call backward() first", optimiser, at);
  return found;
}

void fit_gathered(Gathered& gathered, const ParameterList& parameters, const memory::Vector<Stepping>& steps,
                  const char* optimiser, At at) {
  if (!gathered.empty() && gathered.size() != parameters.size())
    throw ValueError(fmt::format("what was gathered of {} parameters, for a model of {}", gathered.size(), parameters.size()), optimiser,
                     at);
  for (const Stepping& s : steps) {
    if (gathered.empty() || !gathered[s.index]) continue;
    const Parameter &kept = gathered[s.index], &p = *s.parameter;
    if (kept.shape() != p.shape() || kept.dtype() != p.dtype())
      throw ValueError(fmt::format("what was gathered of {} {}, for '{}', which is {} {}", name(kept.dtype()), to_string(kept.shape()),
                                   parameters.name(s.index), name(p.dtype()), to_string(p.shape())),
                       optimiser, at);
  }
  gathered.resize(parameters.size());
  for (const Stepping& s : steps)
    if (!gathered[s.index]) gathered[s.index] = Parameter(zeros_like(*s.parameter), Role::buffer);
}

void require_setting(double value, const char* what, const char* optimiser, At at) {
  if (!(value >= 0 && std::isfinite(value)))
    throw ValueError(fmt::format("{} is {}: it is finite and at least 0", what, value), optimiser, at);
}

}  // namespace dz::detail
