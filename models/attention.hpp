#pragma once
// Attention between the tokens of a sequence, and the blocks of a transformer.

#include <dz/models/linear.hpp>
#include <dz/models/normalisation.hpp>
#include <dz/ops/attention.hpp>

namespace dz {

/// Attention in several heads beside each other (Vaswani et al. 2017, section 3.2.2): (m, tokens, width) to the same shape. Its parameters have
/// PyTorch's names: in_proj_weight (3·width, width) holds the rows of query, key and value, one after the other, each of them head by head.
struct MultiHeadAttention {
  Parameter in_proj_weight, in_proj_bias;
  Linear out_proj;
  std::int64_t heads = 1;
  bool causal = false;  ///< a token attends to itself and to those before it

  MultiHeadAttention() = default;
  /// Throws ShapeError for a size below 1, or heads that do not divide the width.
  MultiHeadAttention(std::int64_t width, std::int64_t heads, bool causal = false, Initialiser initialiser = initialise::xavier, Dtype dtype = float32,
                     Generator& g = default_generator());
  /// The tokens among themselves. The mask, where there is one, is as for attention(): it broadcasts to (m, heads, tokens, tokens).
  Tensor operator()(In x, const Tensor& mask = {}) const;
  /// Queries of x (m, tokens, width), keys and values of a context (m, s, width). Throws ShapeError where they do not fit.
  Tensor between(In x, In context, const Tensor& mask = {}) const;
};
BOOST_DESCRIBE_STRUCT(MultiHeadAttention, (), (in_proj_weight, in_proj_bias, out_proj, heads, causal))

/// A transformer's block, each part behind its normalisation: x + self_attn(norm1(x)), then x + linear2(gelu(linear1(norm2(x)))) (Radford et
/// al. 2019; the order of Xiong et al., ICML 2020): (m, tokens, width) to the same shape.
struct TransformerBlock {
  LayerNorm norm1;
  MultiHeadAttention self_attn;
  LayerNorm norm2;
  Linear linear1, linear2;  ///< to `hidden` features and back
  double keep_prob = 1;     ///< of what both parts add, while training()

  TransformerBlock() = default;
  /// Throws ShapeError for a size below 1, or heads that do not divide the width.
  TransformerBlock(std::int64_t width, std::int64_t heads, std::int64_t hidden, bool causal = false, double keep_prob = 1,
                   Initialiser initialiser = initialise::xavier, Dtype dtype = float32, Generator& g = default_generator());
  Tensor operator()(In x, const Tensor& mask = {}) const;
};
BOOST_DESCRIBE_STRUCT(TransformerBlock, (), (norm1, self_attn, norm2, linear1, linear2, keep_prob))

}  // namespace dz
