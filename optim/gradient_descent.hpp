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

  /// One step along the gradients that backward() left, which are then forgotten; parameters without one stay as they are. `samples`
  /// is the m of λ/m. Throws ValueError for a learning rate or λ that is negative or not finite, or a λ without samples; GraphError
  /// where no parameter has a gradient. Nothing is changed then.
  void step(const std::vector<NamedParameter>& parameters, std::int64_t samples = 0, At at = At::here()) const;
  template <Described M> void step(M& model, std::int64_t samples = 0, At at = At::here()) const { step(parameters(model), samples, at); }
};

}  // namespace dz
