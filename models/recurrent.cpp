#include <dz/models/recurrent.hpp>

#include <fmt/format.h>

#include <dz/graph/mode.hpp>
#include <dz/ops/activation.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/creation.hpp>
#include <dz/ops/joining.hpp>
#include <dz/ops/matrix.hpp>
#include <dz/ops/shape.hpp>

namespace dz {
namespace {

/// Makes the parameters of a layer of so many gates.
template <class Layer>
void make(Layer& layer, const char* name, std::int64_t gates, std::int64_t inputs, std::int64_t width, Initialiser initialiser, Dtype dtype, Generator& g) {
  if (inputs < 1 || width < 1) throw ShapeError(fmt::format("{} inputs and a width of {}: both are at least 1", inputs, width), name);
  const std::int64_t rows = checked_product(gates, width);
  layer.weight_ih_l0 = Parameter(initialiser({rows, inputs}, dtype, g));
  layer.weight_hh_l0 = Parameter(initialiser({rows, width}, dtype, g));
  layer.bias_ih_l0 = Parameter(zeros({rows}, dtype), Role::bias);
  layer.bias_hh_l0 = Parameter(zeros({rows}, dtype), Role::bias);
}

/// A state (m, width) to begin with: the one given, or zeros.
Tensor beginning(const Tensor& given, const Tensor& x, const Parameter& weight_hh, const char* name, At at) {
  const Shape shape{x.size(0), weight_hh.size(1)};
  if (!given) return zeros(shape, weight_hh.dtype());
  if (given.shape() != shape) throw ShapeError(fmt::format("a state {} for {}: it is {}", to_string(given.shape()), to_string(x.shape()), to_string(shape)), name, at);
  return given;
}

/// Goes through the tokens of x: step(a) is given a token's part of W_ih·x + b_ih, computed for all at once, and gives its hidden state.
template <class Layer, class Step> Tensor through_tokens(const Layer& layer, const In& x, Step step) {
  const std::int64_t m = x.size(0), tokens = x.size(1), rows = layer.weight_ih_l0.size(0);
  if (tokens == 0) return zeros({m, 0, layer.weight_hh_l0.size(1)}, x.dtype());
  const Tensor all = linear(x, layer.weight_ih_l0, layer.bias_ih_l0);
  std::vector<Tensor> hidden;
  for (std::int64_t t = 0; t < tokens; ++t) hidden.push_back(step(reshape(slice(all, 1, t, t + 1), {m, rows})));
  return stack(hidden, 1);
}

void require_sequence(const In& x, const Parameter& weight_ih, const char* name) {
  if (!weight_ih) throw ValueError("a layer without parameters", name, x.at());
  if (x.rank() != 3 || x.size(2) != weight_ih.size(1))
    throw ShapeError(fmt::format("a sequence is (samples, tokens, {}), got {}", weight_ih.size(1), to_string(x.shape())), name, x.at());
}

}  // namespace

Lstm::Lstm(std::int64_t inputs, std::int64_t width, Initialiser initialiser, Dtype dtype, Generator& g) {
  make(*this, "Lstm", 4, inputs, width, initialiser, dtype, g);
}

Tensor Lstm::operator()(In x) const {
  LstmState from_zeros;
  return (*this)(std::move(x), from_zeros);
}

Tensor Lstm::operator()(In x, LstmState& state) const {
  const CallSite site(x.at());
  require_sequence(x, weight_ih_l0, "Lstm");
  Tensor h = beginning(state.hidden, x, weight_hh_l0, "Lstm", x.at()), c = beginning(state.cell, x, weight_hh_l0, "Lstm", x.at());
  const Tensor y = through_tokens(*this, x, [&](const Tensor& a) {
    const std::vector<Tensor> gates = chunk(a + linear(h, weight_hh_l0, bias_hh_l0), 4, 1);
    const Tensor i = sigmoid(gates[0]), f = sigmoid(gates[1]), g = tanh(gates[2]), o = sigmoid(gates[3]);
    c = f * c + i * g;
    return h = o * tanh(c);
  });
  state = {h, c};
  return y;
}

Gru::Gru(std::int64_t inputs, std::int64_t width, Initialiser initialiser, Dtype dtype, Generator& g) {
  make(*this, "Gru", 3, inputs, width, initialiser, dtype, g);
}

Tensor Gru::operator()(In x) const {
  Tensor from_zeros;
  return (*this)(std::move(x), from_zeros);
}

Tensor Gru::operator()(In x, Tensor& hidden) const {
  const CallSite site(x.at());
  require_sequence(x, weight_ih_l0, "Gru");
  Tensor h = beginning(hidden, x, weight_hh_l0, "Gru", x.at());
  const Tensor y = through_tokens(*this, x, [&](const Tensor& token) {
    const std::vector<Tensor> a = chunk(token, 3, 1), b = chunk(linear(h, weight_hh_l0, bias_hh_l0), 3, 1);
    const Tensor r = sigmoid(a[0] + b[0]), z = sigmoid(a[1] + b[1]), n = tanh(a[2] + r * b[2]);
    return h = lerp(n, h, z);
  });
  hidden = h;
  return y;
}

}  // namespace dz
