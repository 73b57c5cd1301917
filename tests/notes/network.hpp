#pragma once
// The notes' network of L layers (part three, section two) by hand: forward and back in loops. Vectors over the layers are indexed as in
// the notes: W[1] … W[L]; A[0] is X, and W[0] stays empty.

#include <array>

#include "tests/notes/matrix.hpp"

namespace dz::notes {

/// An activation of part two, section three: dz's, and by hand g(z) and g′(z).
struct NotesActivation {
  const char* name;
  double (*g)(double);
  double (*slope)(double);
  Tensor operator()(const Tensor& z) const { return activation_by_name(name)(z); }
};

inline const std::array<NotesActivation, 4> activations{{
    {"sigmoid", sigmoid_of, [](double z) { return sigmoid_of(z) * (1 - sigmoid_of(z)); }},
    {"tanh", [](double z) { return (std::exp(z) - std::exp(-z)) / (std::exp(z) + std::exp(-z)); },
     [](double z) { return 1 - std::tanh(z) * std::tanh(z); }},
    {"relu", [](double z) { return std::max(0.0, z); }, [](double z) { return z > 0 ? 1.0 : 0.0; }},
    {"leaky_relu", [](double z) { return std::max(0.01 * z, z); }, [](double z) { return z > 0 ? 1.0 : 0.01; }},
}};

/// dz's side: the leaves W[l] (n[l], n[l−1]) and b[l] (n[l], 1), and the activation g[l] of each layer.
struct Network {
  std::vector<std::int64_t> n;
  std::vector<Tensor> W{Tensor()}, b{Tensor()};
  std::vector<NotesActivation> g{activations[0]};

  std::size_t layers() const { return n.size() - 1; }
};

/// Of the given sizes {n_x, …, 1}: random weights and biases, random activations, sigmoid in the last layer.
inline Network random_network(Draw& draw, const std::vector<std::int64_t>& sizes) {
  Network net{sizes};
  for (std::size_t l = 1; l <= net.layers(); ++l) {
    net.W.push_back(variable(gaussian({sizes[l], sizes[l - 1]}, std::sqrt(2 / static_cast<double>(sizes[l - 1])))));
    net.b.push_back(variable(gaussian({sizes[l], 1}, 0.5)));
    net.g.push_back(activations[l == net.layers() ? 0 : static_cast<std::size_t>(draw.size(0, 3))]);
  }
  return net;
}

/// L of 1 to 5 layers, n_x and hidden sizes up to 7.
inline Network random_network(Draw& draw) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t L = draw.size(1, 5); L > 0; --L) sizes.push_back(draw.size(1, 7));
  sizes.push_back(1);
  return random_network(draw, sizes);
}

/// What the loops compute; dA, dZ, dW, db are the notes', so dZ and dA are of the sum of L, dW and db of the mean J.
struct Pass {
  double J = 0;
  std::vector<Matrix> Z, A, dA, dZ, dW, db;
};

/// W and b as plain matrices, from any tensors.
inline std::vector<Matrix> to_matrices(const std::vector<Tensor>& tensors) {
  std::vector<Matrix> out(1);
  for (std::size_t l = 1; l < tensors.size(); ++l) out.push_back(to_matrix(tensors[l]));
  return out;
}

/// Z[l] = W[l]·A[l−1] + b[l]; A[l] = g[l](Z[l]), times its dropout factors D[l]/keep_prob where there are some.
inline Pass hand_forward(const Network& net, const std::vector<Matrix>& W, const std::vector<Matrix>& b, const Matrix& X, const Matrix& Y,
                         const std::vector<Matrix>& factors = {}) {
  Pass pass;
  pass.Z.resize(1);
  pass.A.push_back(X);
  for (std::size_t l = 1; l <= net.layers(); ++l) {
    pass.Z.push_back(plus_column(product(W[l], pass.A[l - 1]), b[l]));
    pass.A.push_back(map(net.g[l].g, pass.Z[l]));
    if (l < factors.size()) pass.A[l] = times(pass.A[l], factors[l]);
  }
  pass.J = cost_of(pass.A.back(), Y);
  return pass;
}

/// Forward, and back by dZ = dA * g′(Z), dW = (1/m)·dZ·A[l−1]ᵀ, db = (1/m)·Σ dZ, dA[l−1] = Wᵀ·dZ.
inline Pass hand_pass(const Network& net, const Tensor& x, const Tensor& y, const std::vector<Matrix>& factors = {}) {
  const std::vector<Matrix> W = to_matrices(net.W), b = to_matrices(net.b);
  const Matrix Y = to_matrix(y);
  Pass pass = hand_forward(net, W, b, to_matrix(x), Y, factors);
  const std::size_t L = net.layers();
  const double one_over_m = 1 / static_cast<double>(Y.columns);
  for (auto* each : {&pass.dA, &pass.dZ, &pass.dW, &pass.db}) each->resize(L + 1);
  pass.dA[L] = map([](double y, double a) { return -(y / a - (1 - y) / (1 - a)); }, Y, pass.A[L]);
  for (std::size_t l = L; l >= 1; --l) {
    Matrix da = pass.dA[l];
    if (l < factors.size()) da = times(da, factors[l]);
    pass.dZ[l] = times(da, map(net.g[l].slope, pass.Z[l]));
    pass.dW[l] = scaled(one_over_m, product(pass.dZ[l], transpose(pass.A[l - 1])));
    pass.db[l] = scaled(one_over_m, row_sums(pass.dZ[l]));
    pass.dA[l - 1] = product(transpose(W[l]), pass.dZ[l]);
  }
  return pass;
}

}  // namespace dz::notes
