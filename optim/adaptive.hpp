#pragma once
// Descent with a rate for each element, after the size of its gradients so far.

#include <dz/optim/gathered.hpp>

namespace dz {

/// s := s + dW²,   W := W − α·dW/(√s + ε)   (Duchi, Hazan and Singer, JMLR 2011).
struct Adagrad {
  double learning_rate = 0.01;
  double epsilon = 1e-10;
  Gathered squares{};  ///< s; grow in the first step

  /// One step along the gradients that backward() left, which are then forgotten; parameters without one stay as they are. Throws
  /// ValueError for a setting that is negative or not finite, or squares of another model; GraphError where no parameter has a gradient.
  /// Nothing is changed then.
  void step(const ParameterList& parameters, At at = At::here());
  void step(const std::vector<NamedParameter>& parameters, At at = At::here()) { step(ParameterList(parameters), at); }
  template <Described M> void step(M& model, At at = At::here()) { step(ParameterList(model), at); }
};
BOOST_DESCRIBE_STRUCT(Adagrad, (), (learning_rate, epsilon, squares))

/// s := ρ·s + (1 − ρ)·dW²,   W := W − α·dW/(√s + ε)   (Hinton, Neural Networks for Machine Learning, lecture 6e, 2012).
struct RmsProp {
  double learning_rate = 0.001;
  double decay = 0.9;  ///< ρ
  double epsilon = 1e-8;
  Gathered squares{};  ///< s; grow in the first step

  /// As Adagrad's step; throws ValueError also for a decay of 1 or more.
  void step(const ParameterList& parameters, At at = At::here());
  void step(const std::vector<NamedParameter>& parameters, At at = At::here()) { step(ParameterList(parameters), at); }
  template <Described M> void step(M& model, At at = At::here()) { step(ParameterList(model), at); }
};
BOOST_DESCRIBE_STRUCT(RmsProp, (), (learning_rate, decay, epsilon, squares))

}  // namespace dz
