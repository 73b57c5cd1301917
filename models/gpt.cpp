#include <dz/models/gpt.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include <dz/graph/mode.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/creation.hpp>
#include <dz/ops/dropout.hpp>
#include <dz/ops/matrix.hpp>
#include <dz/ops/reduce.hpp>
#include <dz/ops/shape.hpp>

namespace dz {
namespace {

constexpr double deviation = 0.02;

Tensor small(const Shape& shape, Dtype dtype, Generator& g) { return normal(shape, 0, deviation, dtype, g); }

}  // namespace

Gpt::Gpt(const GptSizes& sizes, double keep_prob, Dtype dtype, Generator& g)
    : tokens(sizes.vocabulary, sizes.width, small, dtype, g), positions(sizes.tokens, sizes.width, small, dtype, g), norm(sizes.width, dtype), keep_prob(keep_prob) {
  if (sizes.blocks < 1) throw ShapeError(fmt::format("{} blocks", sizes.blocks), "Gpt");
  const auto depth = static_cast<double>(2 * sizes.blocks);
  for (std::int64_t i = 0; i < sizes.blocks; ++i) {
    TransformerBlock& block = blocks.emplace_back(sizes.width, sizes.heads, checked_product(4, sizes.width), true, keep_prob, small, dtype, g);
    for (Parameter* last : {&block.self_attn.out_proj.weight, &block.linear2.weight}) last->assign(last->detach() * (1 / std::sqrt(depth)));
  }
  head = Parameter(small({sizes.vocabulary, sizes.width}, dtype, g));
}

Tensor Gpt::operator()(In given) const {
  const CallSite site(given.at());
  if (!head) throw ValueError("a model without parameters", "Gpt", given.at());
  const std::int64_t most = positions.weight.size(0);
  if (given.rank() != 2 || given.size(1) > most)
    throw ShapeError(fmt::format("tokens are (samples, at most {}), got {}", most, to_string(given.shape())), "Gpt", given.at());
  Tensor x = tokens(given);
  x = dropout(x + unsqueeze(slice(positions.weight, 0, 0, given.size(1)), 0), keep_prob);
  for (const TransformerBlock& block : blocks) x = block(x);
  x = norm(x);
  const std::int64_t m = given.size(0), t = given.size(1), width = x.size(2);
  return reshape(matmul(reshape(x, {m * t, width}), head.t()), {m, t, head.size(0)});
}

namespace {

/// A token by its logits. A draw is the place where a uniform number falls among the running sums of the probabilities.
std::int64_t drawn(const std::vector<double>& logits, const WritingOptions& o, Generator& g) {
  const auto best = std::max_element(logits.begin(), logits.end());
  if (o.temperature == 0) return best - logits.begin();
  double least = -std::numeric_limits<double>::infinity();
  if (o.candidates > 0 && o.candidates < std::ssize(logits)) {
    std::vector<double> order = logits;
    std::nth_element(order.begin(), order.begin() + (o.candidates - 1), order.end(), std::greater<>());
    least = order[static_cast<std::size_t>(o.candidates - 1)];
  }
  std::vector<double> sums;
  double sum = 0;
  for (const double z : logits) sums.push_back(sum += z < least ? 0 : std::exp((z - *best) / o.temperature));
  const double place = uniform({}, 0, 1, float64, g).item() * sum;
  const auto found = std::upper_bound(sums.begin(), sums.end(), place) - sums.begin();
  return std::min<std::int64_t>(found, std::ssize(logits) - 1);
}

}  // namespace

std::vector<std::int64_t> write_on(const Gpt& model, std::vector<std::int64_t> tokens, std::int64_t count, const WritingOptions& o, Generator& g) {
  if (tokens.empty()) throw ValueError("there is no token to begin with", "write_on");
  if (count < 0) throw ValueError(fmt::format("{} tokens more", count), "write_on");
  if (!(o.temperature >= 0) || std::isinf(o.temperature)) throw ValueError(fmt::format("a temperature of {}", o.temperature), "write_on");
  if (o.candidates < 0) throw ValueError(fmt::format("{} candidates", o.candidates), "write_on");
  const auto guard = no_grad();
  const auto evaluation = training(false);
  const std::int64_t most = model.positions.weight.size(0);
  for (; count > 0; --count) {
    const std::int64_t known = std::min<std::int64_t>(most, std::ssize(tokens));
    const Tensor logits = model(reshape(labels({tokens.end() - known, tokens.end()}), {1, known}));
    tokens.push_back(drawn(slice(logits, 1, known - 1).to_vector(), o, g));
  }
  return tokens;
}

}  // namespace dz
