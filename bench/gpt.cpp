// A small language model of characters.

#include "workload.hpp"

using namespace dz;

namespace bench {
namespace {

constexpr std::int64_t vocabulary = 65, tokens = 64, batch = 12, width = 128, heads = 4;

struct Block {
  LayerNorm before_attention{width};
  Linear query_key_value{width, 3 * width}, joined{width, width};
  LayerNorm before_hidden{width};
  Linear hidden{width, 4 * width}, output{4 * width, width};

  /// x (samples·tokens, width).
  Tensor operator()(In x) const {
    const Tensor all = reshape(query_key_value(before_attention(x)), {batch, tokens, 3 * heads, width / heads});
    const std::vector<Tensor> part = chunk(permute(all, {0, 2, 1, 3}), 3, 1);
    const Tensor seen = attention(part[0], part[1], part[2], {.causal = true});
    const Tensor h = x + joined(reshape(permute(seen, {0, 2, 1, 3}), {batch * tokens, width}));
    return h + output(hidden(before_hidden(h), gelu));
  }
};
BOOST_DESCRIBE_STRUCT(Block, (), (before_attention, query_key_value, joined, before_hidden, hidden, output))

struct Network {
  Parameter token{zeros({vocabulary, width})}, place{zeros({tokens, width})};
  std::vector<Block> blocks{4};
  LayerNorm last{width};
  Parameter head{zeros({vocabulary, width})};

  /// x (samples, tokens): logits (samples·tokens, vocabulary).
  Tensor operator()(In x) const {
    Tensor h = reshape(embedding(x, token) + reshape(place, {1, tokens, width}), {batch * tokens, width});
    for (const Block& block : blocks) h = block(h);
    return matmul(last(h), head.t());
  }
};
BOOST_DESCRIBE_STRUCT(Network, (), (token, place, blocks, last, head))

Step language() {
  Network model;
  start(model);
  const Tensor x = reshape(labels(1, batch * tokens, vocabulary), {batch, tokens});
  return [model = std::move(model), adam = AdamW{}, x, y = labels(2, batch * tokens, vocabulary)]() mutable {
    Tensor J = cross_entropy(model(x), y);
    backward(J);
    adam.step(model);
    return J;
  };
}

}  // namespace

std::vector<Workload> gpt() { return {{"gpt", language}}; }

}  // namespace bench
