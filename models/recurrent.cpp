#include <dz/models/recurrent.hpp>

#include <fmt/format.h>

#include <dz/graph/mode.hpp>
#include <dz/models/summary.hpp>
#include <dz/ops/activation.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/creation.hpp>
#include <dz/ops/dropout.hpp>
#include <dz/ops/joining.hpp>
#include <dz/ops/matrix.hpp>
#include <dz/ops/shape.hpp>

namespace dz {
namespace {

using Layers = Stacked<RecurrentParameters>;

/// The parameters of layers of so many gates.
Layers make(const char* name, std::int64_t gates, std::int64_t inputs, std::int64_t width, std::int64_t count, Initialiser initialiser, Dtype dtype, Generator& g) {
  if (inputs < 1 || width < 1 || count < 1)
    throw ShapeError(fmt::format("{} inputs, a width of {} and {} layers: all are at least 1", inputs, width, count), name);
  const std::int64_t rows = checked_product(gates, width);
  Layers layers;
  for (std::int64_t k = 0; k < count; ++k) {
    RecurrentParameters& layer = layers.emplace_back();
    layer.weight_ih = Parameter(initialiser({rows, k == 0 ? inputs : width}, dtype, g));
    layer.weight_hh = Parameter(initialiser({rows, width}, dtype, g));
    layer.bias_ih = Parameter(zeros({rows}, dtype), Role::bias);
    layer.bias_hh = Parameter(zeros({rows}, dtype), Role::bias);
  }
  return layers;
}

void require_sequence(const In& x, const Layers& layers, const char* name) {
  if (layers.empty()) throw ValueError("a layer without parameters", name, x.at());
  const std::int64_t inputs = layers[0].weight_ih.size(1);
  if (x.rank() != 3 || x.size(2) != inputs)
    throw ShapeError(fmt::format("a sequence is (samples, tokens, {}), got {}", inputs, to_string(x.shape())), name, x.at());
}

/// The states to begin with, (m, width) of each layer: from those given, or zeros.
std::vector<Tensor> beginnings(const Tensor& given, const In& x, const Layers& layers, const char* name) {
  const std::int64_t m = x.size(0), width = layers[0].weight_hh.size(1);
  if (!given) return std::vector<Tensor>(layers.size(), zeros({m, width}, layers[0].weight_hh.dtype()));
  const Shape shape{layers.size(), m, width};
  if (given.shape() != shape)
    throw ShapeError(fmt::format("a state {} for {}: it is {}", to_string(given.shape()), to_string(x.shape()), to_string(shape)), name, x.at());
  std::vector<Tensor> states;
  for (std::int64_t k = 0; k < std::ssize(layers); ++k) states.push_back(reshape(slice(given, 0, k, k + 1), {m, width}));
  return states;
}

/// Goes through the tokens of x: step(a) is given a token's part of W_ih·x + b_ih, computed for all at once, and gives its hidden state.
template <class Step> Tensor through_tokens(const RecurrentParameters& layer, const Tensor& x, Step step) {
  const std::int64_t m = x.size(0), tokens = x.size(1), rows = layer.weight_ih.size(0);
  if (tokens == 0) return zeros({m, 0, layer.weight_hh.size(1)}, x.dtype());
  const Tensor all = linear(x, layer.weight_ih, layer.bias_ih);
  std::vector<Tensor> hidden;
  for (std::int64_t t = 0; t < tokens; ++t) hidden.push_back(step(reshape(slice(all, 1, t, t + 1), {m, rows})));
  return stack(hidden, 1);
}

/// Layer after layer, with dropout between them: run(k, a) gives what layer k makes of a.
template <class Run> Tensor through_layers(const Layers& layers, double keep_prob, Tensor a, Run run) {
  for (std::size_t k = 0; k < layers.size(); ++k) a = run(k, k == 0 ? a : dropout(a, keep_prob));
  return a;
}

}  // namespace

Lstm::Lstm(std::int64_t inputs, std::int64_t width, std::int64_t count, Initialiser initialiser, Dtype dtype, Generator& g)
    : layers(make("Lstm", 4, inputs, width, count, initialiser, dtype, g)) {}

Tensor Lstm::operator()(In x) const {
  LstmState from_zeros;
  return (*this)(std::move(x), from_zeros);
}

Tensor Lstm::operator()(In x, LstmState& state) const {
  const CallSite site(x.at());
  require_sequence(x, layers, "Lstm");
  std::vector<Tensor> hidden = beginnings(state.hidden, x, layers, "Lstm"), cell = beginnings(state.cell, x, layers, "Lstm");
  const auto run = [&](std::size_t k, const Tensor& below) {
    const RecurrentParameters& layer = layers[k];
    Tensor &h = hidden[k], &c = cell[k];
    return through_tokens(layer, below, [&](const Tensor& a) {
      const std::vector<Tensor> gates = chunk(a + linear(h, layer.weight_hh, layer.bias_hh), 4, 1);
      const Tensor i = sigmoid(gates[0]), f = sigmoid(gates[1]), g = tanh(gates[2]), o = sigmoid(gates[3]);
      c = f * c + i * g;
      return h = o * tanh(c);
    });
  };
  const Tensor y = layer_call(*this, x, [&](In x) { return through_layers(layers, keep_prob, x, run); });
  state = {stack(hidden, 0), stack(cell, 0)};
  return y;
}

Gru::Gru(std::int64_t inputs, std::int64_t width, std::int64_t count, Initialiser initialiser, Dtype dtype, Generator& g)
    : layers(make("Gru", 3, inputs, width, count, initialiser, dtype, g)) {}

Tensor Gru::operator()(In x) const {
  Tensor from_zeros;
  return (*this)(std::move(x), from_zeros);
}

Tensor Gru::operator()(In x, Tensor& hidden) const {
  const CallSite site(x.at());
  require_sequence(x, layers, "Gru");
  std::vector<Tensor> states = beginnings(hidden, x, layers, "Gru");
  const auto run = [&](std::size_t k, const Tensor& below) {
    const RecurrentParameters& layer = layers[k];
    Tensor& h = states[k];
    return through_tokens(layer, below, [&](const Tensor& token) {
      const std::vector<Tensor> a = chunk(token, 3, 1), b = chunk(linear(h, layer.weight_hh, layer.bias_hh), 3, 1);
      const Tensor r = sigmoid(a[0] + b[0]), z = sigmoid(a[1] + b[1]), n = tanh(a[2] + r * b[2]);
      return h = lerp(n, h, z);
    });
  };
  const Tensor y = layer_call(*this, x, [&](In x) { return through_layers(layers, keep_prob, x, run); });
  hidden = stack(states, 0);
  return y;
}

}  // namespace dz
