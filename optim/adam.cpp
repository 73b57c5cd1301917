#include <dz/optim/adam.hpp>

#include <fmt/format.h>

#include <cmath>

#include <dz/optim/step.hpp>

namespace dz {
namespace {

/// Makes room for parameters seen for the first time. Throws where the moments are another model's.
void fit_moments(std::vector<AdamMoments>& moments, const ParameterList& parameters, const memory::Vector<detail::Stepping>& steps,
                 const char* name, At at) {
  if (!moments.empty() && moments.size() != parameters.size())
    throw ValueError(fmt::format("moments of {} parameters for a model of {}", moments.size(), parameters.size()), name, at);
  for (const auto& s : steps) {
    if (moments.empty() || !moments[s.index].mean) continue;
    const Array &m = moments[s.index].mean, &w = s.parameter->value();
    if (!m.same_shape(w) || m.dtype() != w.dtype())
      throw ValueError(fmt::format("moments of {} {} for '{}', which is {} {}", dz::name(m.dtype()), to_string(m.shape()),
                                   parameters.name(s.index), dz::name(w.dtype()), to_string(w.shape())),
                       name, at);
  }
  moments.resize(parameters.size());
  for (const auto& s : steps)
    if (AdamMoments& m = moments[s.index]; !m.mean) {
      const Array& w = s.parameter->value();
      m.mean = Array::full(w.shape(), 0, w.dtype());
      m.square = Array::full(w.shape(), 0, w.dtype());
    }
}

template <class A>
void adam_step(A& adam, double weight_decay, const char* name, const ParameterList& parameters, At at) {
  for (const auto& [value, what] : {std::pair{adam.learning_rate, "learning_rate"}, {adam.beta1, "beta1"}, {adam.beta2, "beta2"},
                                    {adam.epsilon, "epsilon"}, {weight_decay, "weight_decay"}})
    detail::require_setting(value, what, name, at);
  for (const auto& [value, what] : {std::pair{adam.beta1, "beta1"}, {adam.beta2, "beta2"}})
    if (value >= 1) throw ValueError(fmt::format("{} is {}: it is below 1", what, value), name, at);
  const auto steps = detail::stepping(parameters, name, at);
  fit_moments(adam.moments, parameters, steps, name, at);

  auto updates = detail::updates_of<2, 8>(steps, [&](auto& u, const auto& s) {
    AdamMoments& m = adam.moments[s.index];
    const double t = static_cast<double>(++m.steps), decay = s.parameter->role() == Role::weight ? weight_decay : 0;
    u.state = {m.mean, m.square};
    u.number = {adam.beta1, 1 - adam.beta1, adam.beta2, 1 - adam.beta2, -adam.learning_rate / (1 - std::pow(adam.beta1, t)),
                1 / std::sqrt(1 - std::pow(adam.beta2, t)), adam.epsilon, 1 - adam.learning_rate * decay};
  });
  detail::run_step(
      [](auto& w, const auto& g, auto& m, auto& v, const auto& beta1, const auto& rest1, const auto& beta2, const auto& rest2,
         const auto& rate, const auto& correction, const auto& epsilon, const auto& keep) {
        m = beta1 * m + rest1 * g;
        v = beta2 * v + rest2 * g * g;
        w = keep * w + rate * m / (sqrt(v) * correction + epsilon);
      },
      std::move(updates), steps, at);
}

}  // namespace

void Adam::step(const ParameterList& parameters, At at) { adam_step(*this, 0, "Adam", parameters, at); }
void AdamW::step(const ParameterList& parameters, At at) { adam_step(*this, weight_decay, "AdamW", parameters, at); }

}  // namespace dz
