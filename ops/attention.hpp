#pragma once
// Attention (Vaswani et al. 2017, section 3.2.1).

#include <optional>

#include <dz/graph/tensor.hpp>

namespace dz {

struct AttentionOptions {
  bool causal = false;          ///< query i of t attends to the keys up to i + (s − t) of s: the last query to all of them
  Tensor mask{};                ///< boolean (true: may attend) or floating (added to the scores), broadcast to (…, t, s)
  std::optional<double> scale{};  ///< of the scores; 1/√d unless given
};

/// softmax(q·kᵀ·scale + mask)·v: q (…, t, d), k (…, s, d) and v (…, s, e) with the same axes in front, as a rule (m, heads), give (…, t, e).
/// A query that may attend to nothing gives zeros. Differentiable by q, k, v and a floating mask. Throws ShapeError where they do not
/// fit, or with a causal mask where there are fewer keys than queries.
Tensor attention(In q, In k, In v, const AttentionOptions& options = {});

/// Attention of tokens among themselves, in heads: x (m, t, 3·width) has of each token query, key and value side by side, each of them head by head,
/// as one dense layer gives them; the result (m, t, width) is head by head too. The mask is broadcast to (m, heads, t, t). Throws ShapeError
/// where x is not of this shape, or its width not one of `heads` equal parts.
Tensor self_attention(In x, std::int64_t heads, const AttentionOptions& options = {});

}  // namespace dz
