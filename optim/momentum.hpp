#pragma once

#include <dz/optim/gathered.hpp>

namespace dz {

/// Gradient descent with a velocity (Polyak, 1964):
///
///   v := μ·v + (1 − δ)·dW,   W := W − α·v
///
/// With `nesterov` the step looks ahead along the velocity (Nesterov, 1983, as Sutskever et al., ICML 2013, write it):
/// W := W − α·(μ·v + (1 − δ)·dW) with the new v. The courses' v := β·v + (1 − β)·dW has the dampening δ = β.
///
///   Momentum descent{.learning_rate = 0.01};
///   backward(J);
///   descent.step(model);   // takes the gradients: they are cleared
struct Momentum {
  double learning_rate = 0.01;
  double momentum = 0.9;
  double dampening = 0;
  bool nesterov = false;
  Gathered velocities{};  ///< grow in the first step

  /// One step along the gradients that backward() left, which are then forgotten; parameters without one stay as they are, and so do their
  /// velocities. Throws ValueError for a setting that is negative or not finite, a momentum of 1 or more, a dampening above 1, or
  /// velocities of another model; GraphError where no parameter has a gradient. Nothing is changed then.
  void step(const ParameterList& parameters, At at = At::here());
  void step(const std::vector<NamedParameter>& parameters, At at = At::here()) { step(ParameterList(parameters), at); }
  template <Described M> void step(M& model, At at = At::here()) { step(ParameterList(model), at); }
};
BOOST_DESCRIBE_STRUCT(Momentum, (), (learning_rate, momentum, dampening, nesterov, velocities))

}  // namespace dz
