#pragma once
// First values of weights (the notes, part two, section five, and part four, section six). A shape is (n_out, n_in, …): what each of the
// n_out units sees is the rest.

#include <string_view>
#include <vector>

#include <dz/graph/tensor.hpp>
#include <dz/tensor/random.hpp>

namespace dz {

using Initialiser = Tensor (*)(const Shape& shape, Dtype dtype, Generator& g);

namespace initialise {

/// 0 everywhere: right for logistic regression; the units of a hidden layer would stay the same as each other.
Tensor zeros(const Shape& shape, Dtype dtype, Generator& g);
/// 0.01·normal: enough to tell units apart; a deep network's signal fades in it.
Tensor small_normal(const Shape& shape, Dtype dtype, Generator& g);
/// normal·sqrt(1/n_in), as the notes give Xavier's: for tanh and sigmoid (Glorot and Bengio, AISTATS 2010).
Tensor xavier(const Shape& shape, Dtype dtype, Generator& g);
/// normal·sqrt(2/n_in): for ReLU (He et al., ICCV 2015, equation 10).
Tensor he(const Shape& shape, Dtype dtype, Generator& g);
/// normal·sqrt(2/(n_in + n_out)) (Glorot and Bengio, AISTATS 2010, equation 12).
Tensor glorot(const Shape& shape, Dtype dtype, Generator& g);

/// The one of that name; throws ValueError that lists them.
Initialiser by_name(std::string_view name);
/// All names.
std::vector<std::string_view> names();

}  // namespace initialise
}  // namespace dz
