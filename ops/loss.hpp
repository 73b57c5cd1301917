#pragma once
// Losses. Prediction and target have one shape: losses never broadcast. Integer labels are int64 of shape (m).

#include <optional>

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

struct CrossEntropyOptions {
  Reduction reduction = Reduction::mean;
  double label_smoothing = 0;                   ///< this part of a label's mass is spread evenly over all classes (Szegedy et al., CVPR 2016)
  std::optional<std::int64_t> ignored_label{};  ///< rows of this label have the loss 0 and no gradient, and are not counted in the mean
};
/// Throws ValueError also for a label_smoothing outside [0, 1]. The mean over no counted row is 0.
Tensor cross_entropy(In logits, In labels, const CrossEntropyOptions& options);

/// −log p at each row's label: (m, n) logarithms of probabilities and int64 labels (m). Throws as cross_entropy.
Tensor nll(In log_probabilities, In labels, Reduction reduction = Reduction::mean);

/// (a − y)².
Tensor mean_squared(In a, In y, Reduction reduction = Reduction::mean);
/// |a − y|.
Tensor l1(In a, In y, Reduction reduction = Reduction::mean);
/// (a − y)²/2 up to delta, and delta·(|a − y| − delta/2) beyond (Huber, 1964). Throws ValueError for delta ≤ 0.
Tensor huber(In a, In y, double delta = 1, Reduction reduction = Reduction::mean);
/// max(0, 1 − y·a), y being −1 or 1. Throws ValueError for another y.
Tensor hinge(In a, In y, Reduction reduction = Reduction::mean);
/// Σ p·(ln p − log_q) over the last axis, the divergence of q from p; 0·ln 0 counts as 0. One loss for each sample. Throws ValueError for
/// p outside [0, 1].
Tensor kl_divergence(In log_q, In p, Reduction reduction = Reduction::mean);
/// 1 − cos of the angle between a and y along the last axis; one loss for each sample. A vector of length 0 has the cosine 0.
Tensor cosine(In a, In y, Reduction reduction = Reduction::mean);

/// ‖W‖²_F, the sum of the squares (the notes, part four, section three).
Tensor squared_frobenius_norm(In w);

}  // namespace dz
