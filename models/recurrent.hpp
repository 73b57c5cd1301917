#pragma once
// Recurrent layers: along the tokens of a sequence, each with the state that the ones before it have left; several on top of each other. Parameters
// have PyTorch's names, shapes and order of gates, so that weights go both ways: of layer k, weight_ih_l<k> (gates·width, inputs) is applied to
// what comes from below, weight_hh_l<k> (gates·width, width) to the hidden state.

#include <dz/models/initialise.hpp>
#include <dz/models/parameters.hpp>

namespace dz {

struct RecurrentParameters {
  Parameter weight_ih, weight_hh, bias_ih, bias_hh;
};
BOOST_DESCRIBE_STRUCT(RecurrentParameters, (), (weight_ih, weight_hh, bias_ih, bias_hh))

/// What an Lstm hands on from token to token, each (layers, m, width); empty: zeros.
struct LstmState {
  Tensor hidden, cell;
};

/// Long short-term memory (Hochreiter and Schmidhuber, 1997; with the forget gate of Gers, Schmidhuber and Cummins, 2000). Of the four parts of
/// W_ih·x + b_ih + W_hh·h + b_hh, in this order, i = σ(·), f = σ(·), g = tanh(·), o = σ(·):
///   c′ = f·c + i·g,  h′ = o·tanh(c′).
struct Lstm {
  Stacked<RecurrentParameters> layers;
  double keep_prob = 1;  ///< of what one layer hands up to the next, while training()

  Lstm() = default;
  /// The biases are 0 at first. Throws ShapeError for a size below 1.
  Lstm(std::int64_t inputs, std::int64_t width, std::int64_t layers = 1, Initialiser initialiser = initialise::xavier, Dtype dtype = float32,
       Generator& g = default_generator());

  /// (m, tokens, inputs) to the last layer's hidden state after each token, (m, tokens, width). It begins with the state given, or zeros, and leaves
  /// the last one there. Throws ShapeError where shapes do not fit.
  Tensor operator()(In x) const;
  Tensor operator()(In x, LstmState& state) const;
};
BOOST_DESCRIBE_STRUCT(Lstm, (), (layers, keep_prob))

/// The gated recurrent unit (Cho et al., EMNLP 2014; the reset gate behind the product, as in cuDNN and PyTorch). Of the three parts of
/// a = W_ih·x + b_ih and b = W_hh·h + b_hh, r = σ(a₀ + b₀), z = σ(a₁ + b₁), n = tanh(a₂ + r·b₂):
///   h′ = (1 − z)·n + z·h.
struct Gru {
  Stacked<RecurrentParameters> layers;
  double keep_prob = 1;  ///< as Lstm's

  Gru() = default;
  /// The biases are 0 at first. Throws ShapeError for a size below 1.
  Gru(std::int64_t inputs, std::int64_t width, std::int64_t layers = 1, Initialiser initialiser = initialise::xavier, Dtype dtype = float32,
      Generator& g = default_generator());

  /// As Lstm; the state is the hidden one, (layers, m, width).
  Tensor operator()(In x) const;
  Tensor operator()(In x, Tensor& hidden) const;
};
BOOST_DESCRIBE_STRUCT(Gru, (), (layers, keep_prob))

}  // namespace dz
