#pragma once
// Activation functions (the notes, part two, section three), and softmax.

#include <dz/graph/tensor.hpp>

namespace dz {

/// 1/(1 + e^−z); σ′ = a(1 − a).
Tensor sigmoid(In z);
/// tanh′ = 1 − a².
Tensor tanh(In z);
/// max(0, z); its derivative at 0 is 0.
Tensor relu(In z);
/// max(slope·z, z); its derivative at 0 is the slope. The notes' slope is 0.01.
Tensor leaky_relu(In z, double slope = 0.01);
/// e^z over its sum along the axis, computed without overflow.
Tensor softmax(In z, int axis = -1);
/// The logarithm of softmax, exact where softmax underflows.
Tensor log_softmax(In z, int axis = -1);

}  // namespace dz
