#pragma once
// Attention: softmax(q·kᵀ·scale + mask)·v, a block of queries at a time, so that no matrix of all scores is kept.

#include <dz/tensor/array.hpp>

namespace dz::kernels {

struct AttentionOptions {
  double scale;
  bool causal;  ///< query i of t attends to the keys up to i + (s − t) of s: the last query to all
};

/// q (…, t, d), k (…, s, d), v (…, s, e) and a mask that is an empty handle, boolean (true: may attend) or of their dtype (added), of the
/// shape (…, t, s) after broadcasting: (…, t, e). A query that may attend to nothing gives zeros. Throws ShapeError, DtypeError.
Array attention(const Array& q, const Array& k, const Array& v, const Array& mask, const AttentionOptions& options);
/// By q, k and v, along dy.
std::array<Array, 3> attention_gradient(const Array& dy, const Array& q, const Array& k, const Array& v, const Array& mask,
                                      const AttentionOptions& options);

/// The same of tokens among themselves: x (m, t, 3·width) has of each token query, key and value side by side, each of them head by head. Gives
/// (m, t, width), head by head.
Array self_attention(const Array& x, std::int64_t heads, const Array& mask, const AttentionOptions& options);
/// By x, along dy.
Array self_attention_gradient(const Array& dy, const Array& x, std::int64_t heads, const Array& mask, const AttentionOptions& options);

}  // namespace dz::kernels
