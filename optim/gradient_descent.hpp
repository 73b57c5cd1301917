#pragma once

#include <dz/models/parameters.hpp>

namespace dz {

/// W := W − α·(dW + (λ/m)·W) (the notes, part one, section three, and part four, section three); biases without the second term.
///
///   GradientDescent descent{.learning_rate = 0.0075};
///   backward(J);
///   descent.step(model);   // takes the gradients: they are cleared
struct GradientDescent {
  double learning_rate = 0.01;
  double l2 = 0;  ///< the notes' λ, for costs that do not hold the term themselves (l2_cost is the other way, never both)
  /// Carries what rounding takes from a step into the next one (Kahan, CACM 8(1), 1965): steps far smaller than a float32 parameter then
  /// add up as they do in float64. Costs one more array for each parameter.
  bool compensated = false;
  std::vector<Tensor> remainders{};  ///< of `compensated`: what is still owed to each parameter; begins empty

  /// One step along the gradients that backward() left, which are then forgotten; parameters without one stay as they are. `samples`
  /// is the m of λ/m. Throws ValueError for a learning rate or λ that is negative or not finite, or a λ without samples; GraphError
  /// where no parameter has a gradient; ShapeError or DtypeError where remainders are of other parameters. Nothing is changed then.
  void step(const ParameterList& parameters, std::int64_t samples = 0, At at = At::here());
  void step(const std::vector<NamedParameter>& parameters, std::int64_t samples = 0, At at = At::here()) {
    step(ParameterList(parameters), samples, at);
  }
  template <Described M> void step(M& model, std::int64_t samples = 0, At at = At::here()) { step(ParameterList(model), samples, at); }
};
BOOST_DESCRIBE_STRUCT(GradientDescent, (), (learning_rate, l2, compensated, remainders))

}  // namespace dz
