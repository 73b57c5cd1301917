#pragma once
// Activation functions (the notes, part two, section three), and softmax.

#include <dz/graph/tensor.hpp>

namespace dz {

/// What follows a layer: a function of one tensor.
using Activation = Tensor (*)(In);

/// 1/(1 + e^−z); σ′ = a(1 − a).
Tensor sigmoid(In z);
/// tanh′ = 1 − a².
Tensor tanh(In z);
/// max(0, z); its derivative at 0 is 0.
Tensor relu(In z);
/// max(slope·z, z); its derivative at 0 is the slope. The notes' slope is 0.01.
Tensor leaky_relu(In z, double slope = 0.01);
/// max(0, z) + slope·min(0, z), the slope a tensor that broadcasts: it can be learned (He et al., ICCV 2015).
Tensor prelu(In z, In slope);
/// z above 0, alpha·(e^z − 1) below (Clevert, Unterthiner and Hochreiter, ICLR 2016).
Tensor elu(In z, double alpha = 1);
/// 1.0507·elu(z, 1.6733) (Klambauer et al., NeurIPS 2017).
Tensor selu(In z);
/// z·Φ(z), Φ of the standard normal distribution (Hendrycks and Gimpel, 2016).
Tensor gelu(In z);
/// Its approximation 0.5·z·(1 + tanh(√(2/π)·(z + 0.044715·z³))).
Tensor gelu_tanh(In z);
/// z·sigmoid(z).
Tensor silu(In z);
/// ln sigmoid(z), without loss of accuracy.
Tensor log_sigmoid(In z);
/// ln(1 + e^z), without overflow.
Tensor softplus(In z);
/// z/(1 + |z|).
Tensor softsign(In z);
/// z·tanh(softplus(z)) (Misra, BMVC 2020).
Tensor mish(In z);
/// z held between low and high.
Tensor hardtanh(In z, double low = -1, double high = 1);
/// e^z over its sum along the axis, computed without overflow. A row of −∞ has no mass anywhere: it is all 0, and so is its gradient.
Tensor softmax(In z, int axis = -1);
/// The logarithm of softmax, exact where softmax underflows; −∞ in a row of −∞.
Tensor log_softmax(In z, int axis = -1);

}  // namespace dz
