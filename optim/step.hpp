#pragma once
// What every optimiser's step does beside its formula: it takes the gradients that backward() left, runs one kernel over all
// tensors, and notes what was written.

#include <fmt/format.h>

#include <cmath>

#include <dz/optim/gathered.hpp>
#include <dz/tensor/kernels/update.hpp>

namespace dz::detail {

/// A parameter that has a gradient, and its place in the list.
struct Stepping {
  const Parameter* parameter;
  std::size_t index;
  Array gradient;
};

/// The parameters that have a gradient. Throws GraphError where none has.
memory::Vector<Stepping> stepping(const ParameterList& parameters, const char* optimiser, At at);

/// Buffers of zeros for parameters that step for the first time. Throws ValueError where the buffers are of another model; nothing is
/// changed then.
void fit_gathered(Gathered& gathered, const ParameterList& parameters, const memory::Vector<Stepping>& steps,
                  const char* optimiser, At at);

/// Throws ValueError unless the value is finite and at least 0.
void require_setting(double value, const char* what, const char* optimiser, At at);

/// What update() is to run over these; set(u, s) gives each its state and numbers, in their place: a copy would wait for what was just written in parts.
template <std::size_t states, std::size_t numbers, class F> memory::Vector<kernels::Update<states, numbers>> updates_of(const memory::Vector<Stepping>& steps, const F& set) {
  memory::Vector<kernels::Update<states, numbers>> updates(steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    updates[i].parameter = steps[i].parameter->value();
    updates[i].gradient = steps[i].gradient;
    set(updates[i], steps[i]);
  }
  return updates;
}

/// Runs f over the updates, one for each of `steps` and in their order; the gradients are forgotten.
template <class F, std::size_t states, std::size_t numbers>
void run_step(const F& f, memory::Vector<kernels::Update<states, numbers>> updates, const memory::Vector<Stepping>& steps, At at) {
  for (auto& u : updates) u.parameter = u.parameter.contiguous();
  kernels::update(f, updates);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Parameter& p = *steps[i].parameter;
    if (updates[i].parameter.same_handle(p.value())) p.value().mark_written(at);
    else Array(p.value()).assign(updates[i].parameter, at);  // it does not lie in row order: a copy was stepped
    p.clear_grad();
  }
}

}  // namespace dz::detail
