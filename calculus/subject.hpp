#pragma once
// A function under examination, with arguments that are the check's own.

#include <functional>
#include <string>
#include <vector>

#include <dz/graph/tensor.hpp>
#include <dz/tensor/random.hpp>

namespace dz::detail {

using Tensors = std::vector<Tensor>;

struct NamedLeaf {
  std::string name;
  Tensor leaf;
};

struct Subject {
  std::function<Tensors(const Tensors& arguments)> call;
  Tensors arguments;              // what call is given; those of a floating dtype are leaves
  std::vector<NamedLeaf> inputs;  // the leaves to examine: arguments, and what call holds itself (a model's parameters)

  Tensors leaves() const;
};

/// A leaf with a copy of x's values, in `dtype` where x is floating; other tensors are copied as constants.
Tensor own_copy(const Tensor& x, Dtype dtype);
/// The same function of other arguments, which become leaves where they are floating; their layout stays.
Subject with_arguments(const Subject& s, const Tensors& arguments);
/// The subject on 0.875 of each floating argument.
Subject with_other_values(const Subject& s);
/// The subject whose outputs are the gradients of s along fixed cotangents.
Subject gradient_subject(const Subject& s, const Generator& start, std::uint64_t seed);

/// The outputs, with random numbers from `start` on.
Tensors run(const Subject& s, const Generator& start);
/// Random and asymmetric: a sum alone would hide errors that cancel (the gradient of sum(softmax(x)) is 0 whatever the code says).
/// Their values are those of float32 in every dtype.
Tensors cotangents_like(const Tensors& outputs, std::uint64_t seed);
/// The terms of Σ outputs·cotangents. Throws ValueError where they are not of one kind.
std::vector<double> contraction_terms(const Tensors& outputs, const Tensors& cotangents);
/// Their sum.
double contraction(const Tensors& outputs, const Tensors& cotangents);
/// The gradients of the contraction by the leaves, zeros where nothing was recorded. Outputs with an empty cotangent are left out.
Tensors gradients(const Tensors& outputs, const Tensors& cotangents, const Tensors& leaves, bool retain = false);

/// What rounding alone does to each leaf's gradient: how far it moves where the cotangents do by a few roundings, and at least a
/// rounding of the contraction's terms. It is more than its size would make it where its terms cancel (a bias before a normalisation).
std::vector<double> gradient_noise(const Subject& s, const Generator& start, std::uint64_t seed, double rounding);

}  // namespace dz::detail
