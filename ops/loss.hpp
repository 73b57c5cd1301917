#pragma once
// Losses. Prediction and target have one shape: losses never broadcast. Integer labels are int64 of shape (m).

#include <dz/graph/tensor.hpp>

namespace dz {

/// What a loss gives: the mean over its elements (samples), their sum, or each.
enum class Reduction { mean, sum, none };

/// −(y·log a + (1 − y)·log(1 − a)) of probabilities a (the notes' L(ŷ, y), part one, section two). Finite at a = 0 and 1: a and 1 − a
/// count as at least 1e−12, in the value and in the derivative −y/a + (1 − y)/(1 − a). Throws ValueError for a or y outside [0, 1].
Tensor binary_cross_entropy(In a, In y, Reduction reduction = Reduction::mean);

/// The same of logits z, a = sigmoid(z), without its loss of accuracy: max(z, 0) − z·y + log(1 + e^−|z|); the derivative is a − y.
/// Throws ValueError for y outside [0, 1].
Tensor binary_cross_entropy_with_logits(In z, In y, Reduction reduction = Reduction::mean);

/// −log softmax(z) at each row's label: logits (m, n) and int64 labels (m); the derivative is softmax(z) − one-hot(label).
/// Throws ValueError for a label outside [0, n), naming its index.
Tensor cross_entropy(In logits, In labels, Reduction reduction = Reduction::mean);

/// (a − y)².
Tensor mean_squared(In a, In y, Reduction reduction = Reduction::mean);

/// ‖W‖²_F, the sum of the squares (the notes, part four, section three).
Tensor squared_frobenius_norm(In w);

}  // namespace dz
