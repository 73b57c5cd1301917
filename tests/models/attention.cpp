// Attention in heads and the blocks of a transformer, against loops over numbers and the parts that they consist of.

#include <cmath>
#include <vector>

#include <dz/calculus/gradcheck.hpp>
#include <dz/data/model_file.hpp>
#include <dz/dz.hpp>
#include <dz/models/attention.hpp>
#include <dz/models/embedding.hpp>
#include <dz/models/gpt.hpp>

#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::test;

namespace {

using Values = std::vector<double>;

MultiHeadAttention with_biases(std::int64_t width, std::int64_t heads, bool causal) {
  MultiHeadAttention layer(width, heads, causal, initialise::xavier, float64);
  layer.in_proj_bias.assign(normal(layer.in_proj_bias.shape(), 0, 1, float64));
  layer.out_proj.bias.assign(normal(layer.out_proj.bias.shape(), 0, 1, float64));
  return layer;
}

/// Of one sample: x (t, width) and context (s, width), by the formulas of Vaswani et al. 2017, section 3.2.
Values by_loops(const MultiHeadAttention& layer, const Values& x, const Values& context, std::size_t width) {
  const std::size_t heads = static_cast<std::size_t>(layer.heads), d = width / heads, t = x.size() / width, s = context.size() / width;
  const Values w = layer.in_proj_weight.to_vector(), b = layer.in_proj_bias.to_vector(), wo = layer.out_proj.weight.to_vector(), bo = layer.out_proj.bias.to_vector();
  const auto project = [&](const Values& from, std::size_t token, std::size_t row) {
    double sum = b[row];
    for (std::size_t k = 0; k < width; ++k) sum += w[row * width + k] * from[token * width + k];
    return sum;
  };
  Values joined(t * width), out(t * width);
  for (std::size_t head = 0; head < heads; ++head)
    for (std::size_t i = 0; i < t; ++i) {
      Values weight(s, 0.0);
      double total = 0;
      for (std::size_t j = 0; j < s; ++j) {
        if (layer.causal && j > i + (s - t)) continue;
        double score = 0;
        for (std::size_t k = 0; k < d; ++k) score += project(x, i, head * d + k) * project(context, j, width + head * d + k);
        total += weight[j] = std::exp(score / std::sqrt(static_cast<double>(d)));
      }
      for (std::size_t k = 0; k < d; ++k)
        for (std::size_t j = 0; j < s; ++j) joined[i * width + head * d + k] += weight[j] / total * project(context, j, 2 * width + head * d + k);
    }
  for (std::size_t i = 0; i < t; ++i)
    for (std::size_t row = 0; row < width; ++row) {
      out[i * width + row] = bo[row];
      for (std::size_t k = 0; k < width; ++k) out[i * width + row] += wo[row * width + k] * joined[i * width + k];
    }
  return out;
}

void check_close(const Values& got, const Values& expected) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == Approx(expected[i]).epsilon(1e-11));
}

}  // namespace

TEST_CASE("attention in heads, among the tokens and to a context, as the formulas say", "[models]") {
  seed(21);
  for (const bool causal : {false, true}) {
    const MultiHeadAttention layer = with_biases(6, 3, causal);
    const Tensor x = normal({2, 4, 6}, 0, 1, float64), context = normal({2, 5, 6}, 0, 1, float64);
    const Values y = layer(x).to_vector(), z = layer.between(x, context).to_vector();
    for (std::int64_t s = 0; s < 2; ++s) {
      const Values xs = slice(x, 0, s, s + 1).to_vector(), cs = slice(context, 0, s, s + 1).to_vector();
      check_close({y.begin() + s * 24, y.begin() + (s + 1) * 24}, by_loops(layer, xs, xs, 6));
      check_close({z.begin() + s * 24, z.begin() + (s + 1) * 24}, by_loops(layer, xs, cs, 6));
    }
    check_close(layer.between(x, x).to_vector(), y);
  }
  const MultiHeadAttention layer = with_biases(6, 2, false);
  const Tensor x = normal({2, 4, 6}, 0, 1, float64), past = less_equal(reshape(arange(0, 4), {1, 1, 1, 4}), reshape(arange(0, 4), {1, 1, 4, 1}));
  MultiHeadAttention causal = layer;
  causal.causal = true;
  check_close(layer(x, past).to_vector(), causal(x).to_vector());
}

TEST_CASE("attention and a transformer's block have right gradients, by parameters and by tokens", "[models][gradcheck]") {
  seed(22);
  const Tensor x = normal({2, 3, 4}, 0, 1, float64), w = normal({2, 3, 4}, 0, 1, float64), context = normal({2, 5, 4}, 0, 1, float64);
  const MultiHeadAttention layer = with_biases(4, 2, true);
  const TransformerBlock block(4, 2, 6, true, 1, initialise::xavier, float64);
  for (const auto& check :
       {gradcheck([&](MultiHeadAttention& m) { return sum(m(x) * w); }, layer), gradcheck([&](In x) { return layer(x) * w; }, x),
        gradcheck([&](In x, In c) { return layer.between(x, c) * w; }, x, context), gradcheck([&](TransformerBlock& b) { return sum(b(x) * w); }, block),
        gradcheck([&](In x) { return block(x) * w; }, x)}) {
    INFO(to_string(check));
    CHECK(check.passed());
  }
}

TEST_CASE("a transformer's block is its parts, and drops while training", "[models]") {
  seed(23);
  TransformerBlock block(8, 2, 16, false, 0.5, initialise::xavier, float64);
  const Tensor x = normal({2, 3, 8}, 0, 1, float64);
  const Tensor middle = x + block.self_attn(block.norm1(x));
  const Tensor expected = middle + block.linear2(gelu(block.linear1(block.norm2(middle))));
  check_close(block(x).to_vector(), expected.to_vector());
  const auto on = training();
  CHECK(block(x).to_vector() != expected.to_vector());
}

TEST_CASE("attention has PyTorch's names, is saved, and refuses what does not fit", "[models]") {
  seed(24);
  MultiHeadAttention layer(6, 3), other(6, 3);
  const std::vector<NamedParameter> all = parameters(layer);
  REQUIRE(all.size() == 4);
  CHECK(all[0].name == "in_proj_weight");
  CHECK(all[0].parameter->shape() == Shape{18, 6});
  CHECK(all[1].name == "in_proj_bias");
  CHECK(all[2].name == "out_proj.weight");
  CHECK(all[3].name == "out_proj.bias");
  const TempDir folder;
  save_model(folder / "m", layer);
  load_model(folder / "m", other);
  const Tensor x = normal({2, 4, 6});
  CHECK(other(x).to_vector() == layer(x).to_vector());
  CHECK_THROWS_AS(layer(ones({4, 6})), ShapeError);
  CHECK_THROWS_AS(layer(ones({2, 4, 5})), ShapeError);
  CHECK_THROWS_AS(layer.between(x, ones({3, 4, 6})), ShapeError);
  CHECK_THROWS_AS(layer.between(x, ones({2, 4, 5})), ShapeError);
  CHECK_THROWS_AS(MultiHeadAttention(6, 4), ShapeError);
  CHECK_THROWS_AS(MultiHeadAttention(0, 1), ShapeError);
  CHECK_THROWS_AS(MultiHeadAttention()(x), ValueError);
}

TEST_CASE("an embedding gives the rows of its table, and they their gradient", "[models]") {
  seed(25);
  const Embedding layer(5, 3, initialise::xavier, float64);
  const Tensor indices = tensor(std::vector<std::int64_t>{4, 0, 4, 1}, {2, 2});
  const Tensor y = layer(indices);
  CHECK(y.shape() == Shape{2, 2, 3});
  CHECK(slice(reshape(y, {4, 3}), 0, 2, 3).to_vector() == slice(layer.weight, 0, 4, 5).to_vector());
  backward(sum(y));
  CHECK(layer.weight.grad().to_vector() == Values{1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 2, 2, 2});
  CHECK_THROWS_AS(layer(labels({5})), ValueError);
  CHECK_THROWS_AS(layer(ones({2})), DtypeError);
  CHECK_THROWS_AS(Embedding(0, 3), ShapeError);
}

TEST_CASE("Gpt: no token sees a later one, gradients are right, and a text is learnt by heart and written on", "[models]") {
  seed(26);
  const GptSizes sizes{.vocabulary = 7, .tokens = 6, .width = 16, .heads = 2, .blocks = 2};
  const Gpt double_precision(sizes, 1, float64);
  const Tensor tokens = tensor(std::vector<std::int64_t>{3, 1, 4, 1, 5, 6}, {1, 6}), changed = tensor(std::vector<std::int64_t>{3, 1, 4, 2, 0, 0}, {1, 6});
  const Tensor a = double_precision(tokens), b = double_precision(changed);
  CHECK(a.shape() == Shape{1, 6, 7});
  CHECK(slice(a, 1, 0, 3).to_vector() == slice(b, 1, 0, 3).to_vector());
  CHECK(slice(a, 1, 3, 4).to_vector() != slice(b, 1, 3, 4).to_vector());
  CHECK(mean(cross_entropy(reshape(a, {6, 7}), reshape(changed, {6}), Reduction::none)).item() == Approx(std::log(7.0)).epsilon(0.05));
  const Gpt small({.vocabulary = 5, .tokens = 3, .width = 4, .heads = 2, .blocks = 1}, 1, float64);
  const auto check = gradcheck([&](Gpt& m) { return sum(square(m(tensor(std::vector<std::int64_t>{3, 1, 4}, {1, 3})))); }, small);
  INFO(to_string(check));
  CHECK(check.passed());
  CHECK_THROWS_AS(small(labels({1, 2})), ShapeError);
  CHECK_THROWS_AS(small(tensor(std::vector<std::int64_t>{0, 1, 2, 3}, {1, 4})), ShapeError);
  CHECK_THROWS_AS(small(tensor(std::vector<std::int64_t>{0, 5}, {1, 2})), ValueError);

  Gpt model(sizes);
  AdamW optimiser{.learning_rate = 0.01};
  const Tensor x = tensor(std::vector<std::int64_t>{0, 1, 2, 3, 4, 5}, {1, 6}), y = labels({1, 2, 3, 4, 5, 6});
  for (int step = 0; step < 60; ++step) {
    backward(cross_entropy(reshape(model(x), {6, 7}), y));
    optimiser.step(model);
  }
  CHECK(write_on(model, {0}, 6, {.temperature = 0}) == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6});
  Generator g(3);
  CHECK(write_on(model, {0, 1}, 4, {.temperature = 0.1, .candidates = 3}, g) == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5});
  CHECK(write_on(model, {0}, 20).size() == 21);
  CHECK(write_on(model, {0}, 0) == std::vector<std::int64_t>{0});
  CHECK_THROWS_AS(write_on(model, {}, 3), ValueError);
  CHECK_THROWS_AS(write_on(model, {0}, -1), ValueError);
  CHECK_THROWS_AS(write_on(model, {0}, 1, {.temperature = std::nan("")}), ValueError);
  CHECK_THROWS_AS(write_on(model, {7}, 1), ValueError);

  const TempDir folder;
  Gpt other(sizes);
  save_model(folder / "m", model);
  load_model(folder / "m", other);
  CHECK(other(x).to_vector() == model(x).to_vector());
  CHECK(summary(model).find("blocks.1.self_attn.in_proj_weight") != std::string::npos);
}
