#pragma once

#include <dz/models/parameters.hpp>

namespace dz {

/// What Adam has gathered of one parameter: the running means of its gradient and of the gradient's square, and over how many
/// steps. A copy has values of its own.
struct AdamMoments {
  Array mean, square;
  std::int64_t steps = 0;

  AdamMoments() = default;
  AdamMoments(const AdamMoments& o)
      : mean(o.mean ? o.mean.clone() : Array()), square(o.square ? o.square.clone() : Array()), steps(o.steps) {}
  AdamMoments(AdamMoments&&) noexcept = default;
  AdamMoments& operator=(const AdamMoments& o) { return *this = AdamMoments(o); }
  AdamMoments& operator=(AdamMoments&&) noexcept = default;
};
BOOST_DESCRIBE_STRUCT(AdamMoments, (), (mean, square, steps))

/// Steps along the running mean of the gradient over the root of that of its square, both corrected for their start at 0
/// (Kingma and Ba, 2015, algorithm 1):
///
///   m := β₁·m + (1 − β₁)·dW,   v := β₂·v + (1 − β₂)·dW²,   W := W − α·(m/(1 − β₁ᵗ)) / (√(v/(1 − β₂ᵗ)) + ε)
///
///   Adam adam{.learning_rate = 0.001};
///   backward(J);
///   adam.step(model);   // takes the gradients: they are cleared
struct Adam {
  double learning_rate = 0.001;
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  std::vector<AdamMoments> moments{};  ///< of each of the model's parameters, in their order; grows in the first step

  /// One step along the gradients that backward() left, which are then forgotten; parameters without one stay as they are, and so do
  /// their moments. Throws ValueError for a setting that is negative or not finite, a beta of 1 or more, or moments of another
  /// model; GraphError where no parameter has a gradient. Nothing is changed then.
  void step(const ParameterList& parameters, At at = At::here());
  void step(const std::vector<NamedParameter>& parameters, At at = At::here()) { step(ParameterList(parameters), at); }
  template <Described M> void step(M& model, At at = At::here()) { step(ParameterList(model), at); }
};
BOOST_DESCRIBE_STRUCT(Adam, (), (learning_rate, beta1, beta2, epsilon, moments))

/// Adam with decoupled weight decay (Loshchilov and Hutter, 2019, algorithm 2): before Adam's step, W := W − α·weight_decay·W, for
/// parameters whose role is weight.
struct AdamW {
  double learning_rate = 0.001;
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;
  std::vector<AdamMoments> moments{};  ///< as Adam's

  /// As Adam's step.
  void step(const ParameterList& parameters, At at = At::here());
  void step(const std::vector<NamedParameter>& parameters, At at = At::here()) { step(ParameterList(parameters), at); }
  template <Described M> void step(M& model, At at = At::here()) { step(ParameterList(model), at); }
};
BOOST_DESCRIBE_STRUCT(AdamW, (), (learning_rate, beta1, beta2, epsilon, weight_decay, moments))

}  // namespace dz
