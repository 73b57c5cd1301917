#include <dz/models/attention.hpp>

#include <fmt/format.h>

#include <dz/graph/mode.hpp>
#include <dz/models/summary.hpp>
#include <dz/ops/activation.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/creation.hpp>
#include <dz/ops/dropout.hpp>
#include <dz/ops/joining.hpp>
#include <dz/ops/shape.hpp>

namespace dz {
namespace {

/// (m, t, heads·d) as (m, heads, t, d).
Tensor by_heads(const Tensor& x, std::int64_t heads) {
  return permute(reshape(x, {x.size(0), x.size(1), heads, x.size(2) / heads}), {0, 2, 1, 3});
}

void require_tokens(const In& x, const MultiHeadAttention& layer, const At at) {
  if (!layer.in_proj_weight) throw ValueError("a layer without parameters", "MultiHeadAttention", at);
  const std::int64_t width = layer.in_proj_weight.size(1);
  if (x.rank() != 3 || x.size(2) != width)
    throw ShapeError(fmt::format("tokens are (samples, tokens, {}), got {}", width, to_string(x.shape())), "MultiHeadAttention", at);
  if (layer.heads < 1 || width % layer.heads != 0) throw ShapeError(fmt::format("{} heads do not divide a width of {}", layer.heads, width), "MultiHeadAttention", at);
}

}  // namespace

MultiHeadAttention::MultiHeadAttention(std::int64_t width, std::int64_t heads, bool causal, Initialiser initialiser, Dtype dtype, Generator& g)
    : heads(heads), causal(causal) {
  if (width < 1 || heads < 1 || width % heads != 0)
    throw ShapeError(fmt::format("a width of {} in {} heads: both are at least 1, and the heads divide the width", width, heads), "MultiHeadAttention");
  in_proj_weight = Parameter(initialiser({checked_product(3, width), width}, dtype, g));
  in_proj_bias = Parameter(zeros({3 * width}, dtype), Role::bias);
  out_proj = Linear(width, width, initialiser, dtype, g);
}

Tensor MultiHeadAttention::operator()(In x, const Tensor& mask) const {
  const CallSite site(x.at());
  require_tokens(x, *this, x.at());
  return layer_call(*this, x, [&](In x) {
    return out_proj(self_attention(linear(x, in_proj_weight, in_proj_bias), heads, {.causal = causal, .mask = mask}));
  });
}

Tensor MultiHeadAttention::between(In x, In context, const Tensor& mask) const {
  const CallSite site(x.at());
  require_tokens(x, *this, x.at());
  require_tokens(context, *this, x.at());
  const std::int64_t width = x.size(2);
  return layer_call(*this, x, [&](In x) {
    const std::vector<Tensor> weights = split(in_proj_weight, {width, 2 * width}), biases = split(in_proj_bias, {width, 2 * width});
    const std::vector<Tensor> kv = chunk(linear(context, weights[1], biases[1]), 2, 2);
    const Tensor y = attention(by_heads(linear(x, weights[0], biases[0]), heads), by_heads(kv[0], heads), by_heads(kv[1], heads), {.causal = causal, .mask = mask});
    return out_proj(reshape(permute(y, {0, 2, 1, 3}), x.shape()));
  });
}

TransformerBlock::TransformerBlock(std::int64_t width, std::int64_t heads, std::int64_t hidden, bool causal, double keep_prob, Initialiser initialiser,
                                   Dtype dtype, Generator& g)
    : norm1(width, dtype), self_attn(width, heads, causal, initialiser, dtype, g), norm2(width, dtype), linear1(width, hidden, initialiser, dtype, g),
      linear2(hidden, width, initialiser, dtype, g), keep_prob(keep_prob) {}

Tensor TransformerBlock::operator()(In x, const Tensor& mask) const {
  const CallSite site(x.at());
  const Tensor y = x + dropout(self_attn(norm1(x), mask), keep_prob);
  return y + dropout(linear2(linear1(norm2(y), gelu)), keep_prob);
}

}  // namespace dz
