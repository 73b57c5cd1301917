#pragma once
// Gradients held within bounds, between backward() and a step.

#include <dz/models/parameters.hpp>

namespace dz {

/// ‖dW‖₂ over the gradients of all parameters together, gathered in float64; 0 where there are none.
double gradient_norm(const std::vector<NamedParameter>& parameters);
template <Described M> double gradient_norm(const M& model) { return gradient_norm(parameters(const_cast<M&>(model))); }

/// Multiplies all gradients by limit/‖dW‖ where that norm is above the limit (Pascanu, Mikolov and Bengio, ICML 2013, algorithm 1). Gives
/// the norm before; one that is not finite changes nothing. Throws ValueError for a limit that is negative or NaN.
double clip_norm(const std::vector<NamedParameter>& parameters, double limit, At at = At::here());
template <Described M> double clip_norm(M& model, double limit, At at = At::here()) { return clip_norm(parameters(model), limit, at); }

/// Holds every element of every gradient within [−limit, limit]. Throws ValueError likewise.
void clip_value(const std::vector<NamedParameter>& parameters, double limit, At at = At::here());
template <Described M> void clip_value(M& model, double limit, At at = At::here()) { clip_value(parameters(model), limit, at); }

}  // namespace dz
