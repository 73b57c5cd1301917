#pragma once

#include <functional>

#include <dz/optim/gathered.hpp>

namespace dz {

/// Limited-memory BFGS (Nocedal and Wright, Numerical Optimization, 2nd edition, algorithms 7.4 and 7.5): steps along −H·dW, H an estimate
/// of the inverse Hessian from the last few steps and changes of gradient. For whole batches: the cost must be the same function at every
/// call.
///
///   Lbfgs lbfgs;
///   for (…) lbfgs.step(model, [&] { return cost(model); });
///
/// A step begins with `learning_rate` times the direction and is halved until the cost falls by `decrease` of what the slope
/// promises (Armijo's condition). A pair whose gradient does not grow along the step is not kept, so that H stays positive.
/// All parameters together are one vector, in float64.
struct Lbfgs {
  double learning_rate = 1;
  std::int64_t history = 10;
  double decrease = 1e-4;
  std::vector<Parameter> moved{}, changed{};  ///< the pairs, oldest first: steps s and changes of the gradient y, each (n) float64

  /// One step, in place; gives the cost before it. Where no step along the direction lowers the cost, the parameters stay as they are and
  /// the pairs are forgotten: the next step follows the gradient. Gradients are forgotten. Throws ValueError for settings out of their
  /// ranges, a cost that is not finite, or pairs of another model, and whatever `cost` throws; the parameters are then as they were.
  double step(const std::vector<NamedParameter>& parameters, const std::function<Tensor()>& cost, At at = At::here());
  template <Described M> double step(M& model, const std::function<Tensor()>& cost, At at = At::here()) {
    return step(parameters(model), cost, at);
  }
};
BOOST_DESCRIBE_STRUCT(Lbfgs, (), (learning_rate, history, decrease, moved, changed))

}  // namespace dz
