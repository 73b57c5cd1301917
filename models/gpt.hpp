#pragma once
// A small language model on characters, or whatever else is numbered from 0.

#include <vector>

#include <dz/models/attention.hpp>
#include <dz/models/embedding.hpp>

namespace dz {

struct GptSizes {
  std::int64_t vocabulary, tokens;  ///< the number of symbols, and of those that it looks back on at most
  std::int64_t width = 128, heads = 4, blocks = 4;
};

/// A decoder (Radford et al. 2019): the embeddings of tokens and of their positions, blocks of causal attention, a last normalisation and a head
/// without bias. int64 tokens (m, t) to logits (m, t, vocabulary): at each place those of the token that follows.
struct Gpt {
  Embedding tokens, positions;
  std::vector<TransformerBlock> blocks;
  LayerNorm norm;
  Parameter head;  ///< (vocabulary, width)
  double keep_prob = 1;

  Gpt() = default;
  /// Weights are 0.02·normal, and those whose products are added up in the residual stream are divided by √(2·blocks) (Radford et al. 2019,
  /// section 2.3). Throws ShapeError for a size below 1, or heads that do not divide the width.
  explicit Gpt(const GptSizes& sizes, double keep_prob = 1, Dtype dtype = float32, Generator& g = default_generator());
  /// Throws ShapeError for more tokens than there are positions, ValueError for a token outside the vocabulary.
  Tensor operator()(In tokens) const;
};
BOOST_DESCRIBE_STRUCT(Gpt, (), (tokens, positions, blocks, norm, head, keep_prob))

struct WritingOptions {
  double temperature = 1;       ///< divides the logits: lower ones are bolder, 0 takes the likeliest token
  std::int64_t candidates = 0;  ///< only so many of the likeliest tokens are drawn from; 0: all
};

/// `count` tokens more, drawn one by one after those given. Nothing is recorded. Throws ValueError for no tokens, a negative count, and options out of their range.
std::vector<std::int64_t> write_on(const Gpt& model, std::vector<std::int64_t> tokens, std::int64_t count, const WritingOptions& options = {},
                                   Generator& g = default_generator());

}  // namespace dz
