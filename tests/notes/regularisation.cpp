// The notes, part four, section three: L2 and dropout; and part five: mini-batches.

#include "tests/notes/network.hpp"

using namespace dz;
using namespace dz::notes;

namespace {

double squares_of(const Matrix& w) {
  double total = 0;
  for (std::int64_t i = 0; i < w.rows; ++i)
    for (std::int64_t j = 0; j < w.columns; ++j) total += w.at(i, j) * w.at(i, j);
  return total;
}

/// What dropout multiplies by, D/keep_prob: the dropout of ones by a copy of the generator.
Tensor dropout_factor(const Shape& shape, double keep_prob) {
  Generator copy = default_generator();
  return dropout(ones(shape, float64), keep_prob, copy);
}

/// The notes' network with dropout behind every hidden layer, as dz records it, and the factors that were drawn.
struct Dropped {
  Tensor J;
  std::vector<Matrix> factors{Matrix()};
};

Dropped dropped_forward(const Network& net, const Tensor& X, const Tensor& Y, double keep_prob) {
  Dropped r;
  Tensor A = X;
  for (std::size_t l = 1; l <= net.layers(); ++l) {
    A = net.g[l](matmul(net.W[l], A) + net.b[l]);
    if (l == net.layers()) break;  // the output layer keeps its unit
    r.factors.push_back(to_matrix(dropout_factor(A.shape(), keep_prob)));
    A = dropout(A, keep_prob);
  }
  r.J = binary_cross_entropy(A, Y);
  return r;
}

}  // namespace

TEST_CASE("notes 4.3: L2 adds λ/(2m)·Σ‖W‖² to J and (λ/m)·W to dW, and nothing to db", "[notes]") {
  for (std::uint64_t number = 1; number <= 60; ++number) {
    Draw draw(number);
    const Network net = random_network(draw);
    const std::int64_t m = draw.size(1, 20);
    const double lambda = 0.1 * static_cast<double>(draw.size(1, 20));
    CAPTURE(number, net.n, m, lambda);
    const Tensor X = gaussian({net.n[0], m}), Y = coin_flips({1, m});
    Tensor A = X, penalty = zeros({}, float64);
    for (std::size_t l = 1; l <= net.layers(); ++l) {
      A = net.g[l](matmul(net.W[l], A) + net.b[l]);
      penalty = penalty + squared_frobenius_norm(net.W[l]);
    }
    const Tensor J = binary_cross_entropy(A, Y) + lambda / (2 * static_cast<double>(m)) * penalty;
    backward(J);

    const Pass plain = hand_pass(net, X, Y);
    double squares = 0;
    for (std::size_t l = 1; l <= net.layers(); ++l) squares += squares_of(to_matrix(net.W[l]));
    CHECK(J.item() == Approx(plain.J + lambda / (2 * static_cast<double>(m)) * squares).epsilon(rounding));
    for (std::size_t l = 1; l <= net.layers(); ++l) {
      const auto with_decay = [&](double dw, double w) { return dw + lambda / static_cast<double>(m) * w; };
      CHECK(largest_difference(net.W[l].grad(), map(with_decay, plain.dW[l], to_matrix(net.W[l]))) <= rounding);
      CHECK(largest_difference(net.b[l].grad(), plain.db[l]) <= rounding);
    }
  }
}

TEST_CASE("notes 4.3: for a vector ‖w‖² is Σ w_j² = wᵀw", "[notes]") {
  for (std::uint64_t number = 1; number <= 30; ++number) {
    Draw draw(number);
    const Tensor w = gaussian({draw.size(1, 30), 1});
    CAPTURE(number, w.shape());
    CHECK(squared_frobenius_norm(w).item() == Approx(squares_of(to_matrix(w))).epsilon(rounding));
    CHECK(matmul(w.t(), w).item() == Approx(squares_of(to_matrix(w))).epsilon(rounding));
  }
}

TEST_CASE("notes 4.3: the step with L2 is W := (1 − αλ/m)·W − α·dW, b := b − α·db", "[notes]") {
  for (std::uint64_t number = 1; number <= 30; ++number) {
    Draw draw(number);
    const std::int64_t n_in = draw.size(1, 6), n_out = draw.size(1, 6), m = draw.size(1, 12);
    const double alpha = 0.3, lambda = 0.8, decay = 1 - alpha * lambda / static_cast<double>(m);
    CAPTURE(number, n_in, n_out, m);
    Linear by_step(n_in, n_out, initialise::he, float64);
    by_step.bias.assign(gaussian({n_out}));  // not 0, so that a bias that decayed would be seen
    Linear by_cost = by_step;
    const Matrix w = to_matrix(by_step.weight);
    const std::vector<double> b = by_step.bias.to_vector();
    const Tensor X = gaussian({m, n_in}), Y = coin_flips({m, n_out});
    backward(binary_cross_entropy_with_logits(by_step(X), Y));
    const Matrix dW = to_matrix(by_step.weight.grad());
    const std::vector<double> db = by_step.bias.grad().to_vector();
    backward(binary_cross_entropy_with_logits(by_cost(X), Y) + l2_cost(by_cost, lambda, m));
    GradientDescent{.learning_rate = alpha, .l2 = lambda}.step(by_step, m);
    GradientDescent{.learning_rate = alpha}.step(by_cost);

    const Matrix stepped = map([&](double v, double dv) { return decay * v - alpha * dv; }, w, dW);
    CHECK(largest_difference(by_step.weight, stepped) <= rounding);
    CHECK(largest_difference(by_cost.weight, stepped) <= rounding);
    for (std::size_t k = 0; k < db.size(); ++k) CHECK(by_step.bias.to_vector()[k] == Approx(b[k] - alpha * db[k]).epsilon(rounding));
    CHECK(by_step.bias.to_vector() == by_cost.bias.to_vector());
  }
}

TEST_CASE("notes 4.3: dropout is a * (rand < keep_prob) / keep_prob, back as forward with one mask", "[notes]") {
  for (std::uint64_t number = 1; number <= 60; ++number) {
    Draw draw(number);
    const std::int64_t n = draw.size(1, 9), m = draw.size(1, 20);
    const double keep_prob = 0.1 * static_cast<double>(draw.size(1, 9));
    CAPTURE(number, n, m, keep_prob);
    const auto on = training();
    const Tensor a3 = variable(gaussian({n, m})), da3 = gaussian({n, m});
    Generator same = default_generator();
    const Tensor dropped = dropout(a3, keep_prob);
    const Tensor back = grad(dropped, a3, {.seeds = {da3}});

    const Matrix d3 = map([&](double random) { return random < keep_prob ? 1.0 : 0.0; }, to_matrix(uniform({n, m}, 0, 1, float64, same)));
    const auto drop = [keep_prob](double a, double d) { return a * d / keep_prob; };
    CHECK(largest_difference(dropped, map(drop, to_matrix(a3), d3)) <= rounding);
    CHECK(largest_difference(back, map(drop, to_matrix(da3), d3)) <= rounding);
  }
}

TEST_CASE("notes 4.3: the gradients of a network with dropout, by the formulas with the same masks", "[notes]") {
  for (std::uint64_t number = 1; number <= 60; ++number) {
    Draw draw(number);
    const Network net = random_network(draw);
    const std::int64_t m = draw.size(1, 20);
    const double keep_prob = 0.1 * static_cast<double>(draw.size(3, 9));
    CAPTURE(number, net.n, m, keep_prob);
    const Tensor X = gaussian({net.n[0], m}), Y = coin_flips({1, m});
    const auto on = training();
    const Dropped r = dropped_forward(net, X, Y, keep_prob);
    backward(r.J);

    const Pass hand = hand_pass(net, X, Y, r.factors);
    CHECK(r.J.item() == Approx(hand.J).epsilon(rounding));
    for (std::size_t l = 1; l <= net.layers(); ++l) {
      CHECK(largest_difference(net.W[l].grad(), hand.dW[l]) <= rounding);
      CHECK(largest_difference(net.b[l].grad(), hand.db[l]) <= rounding);
    }
  }
}

TEST_CASE("notes 4.3: keep_prob = 1 and testing switch dropout off; training draws a new mask every time", "[notes]") {
  seed(2);
  const Tensor a = gaussian({20, 30});
  CHECK(dropout(a, 0.5).to_vector() == a.to_vector());
  CHECK(default_generator().position == Generator(2).position + 300);  // only the 600 normal numbers were drawn
  const auto on = training();
  CHECK(dropout(a, 1).to_vector() == a.to_vector());
  CHECK(dropout(a, 0.5).to_vector() != dropout(a, 0.5).to_vector());
  CHECK_THROWS_AS(dropout(a, 0), ValueError);  // the notes' "0 to 1" leaves out 0: nothing would be left to divide
}

TEST_CASE("notes 4.3: dividing by keep_prob leaves the expectation of Z as it was", "[notes]") {
  seed(12);
  const std::int64_t draws = 200'000;
  const double keep_prob = 0.8;
  const auto on = training();
  const Tensor W4 = gaussian({1, 5}), a3 = gaussian({5, 1});
  const Tensor dropped = dropout(expand(a3, {5, draws}), keep_prob);
  const double z4 = matmul(W4, a3).item(), mean_z4 = mean(matmul(W4, dropped)).item();
  const double deviation = std::sqrt((1 / keep_prob - 1) * sum(square(W4.t() * a3)).item() / static_cast<double>(draws));
  CHECK(std::abs(mean_z4 - z4) < 5 * deviation);
  CHECK(std::abs(keep_prob * mean_z4 - z4) > 5 * deviation);  // not divided
  const double kept = mean(cast(greater(abs(dropped), 0), float64)).item();
  CHECK(std::abs(kept - keep_prob) < 5 * std::sqrt(keep_prob * (1 - keep_prob) / static_cast<double>(5 * draws)));
}

TEST_CASE("notes 4.3, slip: a reverse pass with the mask alone, not divided by keep_prob, is no gradient", "[notes]") {
  Draw draw(7);
  const Network net = random_network(draw, {4, 6, 1});
  const Tensor X = gaussian({4, 8}), Y = coin_flips({1, 8});
  const double keep_prob = 0.5;
  const auto on = training();
  const Dropped r = dropped_forward(net, X, Y, keep_prob);
  backward(r.J);

  const Pass hand = hand_pass(net, X, Y, r.factors);
  const auto dW1_of = [&](const Matrix& da1) {
    return scaled(1.0 / 8, product(times(da1, map(net.g[1].slope, hand.Z[1])), transpose(to_matrix(X))));
  };
  const Matrix d1 = map([](double factor) { return factor > 0 ? 1.0 : 0.0; }, r.factors[1]), mask_only = times(hand.dA[1], d1);
  CHECK(largest_difference(net.W[1].grad(), dW1_of(scaled(1 / keep_prob, mask_only))) <= rounding);
  CHECK(largest_difference(net.W[1].grad(), dW1_of(mask_only)) > 0.1);
  CHECK(largest_difference(net.W[1].grad(), dW1_of(hand.dA[1])) > 0.1);
}

TEST_CASE("notes 4.3, slip: ∂J/∂w is the mean of ∂L/∂w plus (λ/m)·w; ∂L/∂w is one sample's or their sum", "[notes]") {
  seed(13);
  const std::int64_t m = 5;
  const double lambda = 0.6;
  const Tensor w = variable(gaussian({1, 3})), X = gaussian({3, m}), Y = coin_flips({1, m});
  const auto losses = [&](Reduction reduction) { return binary_cross_entropy(sigmoid(matmul(w, X)), Y, reduction); };
  const Matrix dJ = to_matrix(grad(losses(Reduction::mean) + lambda / (2.0 * static_cast<double>(m)) * squared_frobenius_norm(w), w));
  const Tensor dL = grad(losses(Reduction::sum), w), decay = lambda / static_cast<double>(m) * w.detach();
  CHECK(largest_difference(dL / m + decay, dJ) <= rounding);
  CHECK(largest_difference(dL + decay, dJ) > 0.1);
}

// The Frobenius norm's first index runs over the rows, n[l] of them; the notes have the two bounds the other way round.
TEST_CASE("notes 4.3, slip: the sum over w_ij has i up to n[l] and j up to n[l−1]", "[notes]") {
  const Matrix w = to_matrix(gaussian({4, 3}));
  CHECK_THROWS_AS(w.at(0, 3), std::out_of_range);  // i to n[l−1] = 3 and j to n[l] = 4 leave the matrix
  CHECK_NOTHROW(w.at(3, 2));
}

TEST_CASE("notes 5.1: X{t} holds n samples in columns; the weighted mean over mini-batches is the whole gradient", "[notes]") {
  for (std::uint64_t number = 1; number <= 30; ++number) {
    Draw draw(number);
    const std::int64_t n_x = draw.size(1, 6), m = draw.size(2, 40), n = draw.size(1, m);
    CAPTURE(number, n_x, m, n);
    const Tensor X = gaussian({n_x, m}), Y = coin_flips({1, m}), W = variable(gaussian({1, n_x}));
    const auto gradient = [&](const Tensor& x, const Tensor& y) { return grad(binary_cross_entropy(sigmoid(matmul(W, x)), y), W); };
    Tensor total = zeros({1, n_x}, float64);
    std::int64_t seen = 0;
    for (std::int64_t first = 0; first < m; first += n) {  // the last one holds what is left
      const std::int64_t last = std::min(first + n, m);
      const Tensor X_t(X.value().slice(1, first, last)), Y_t(Y.value().slice(1, first, last));
      CHECK(X_t.shape() == Shape{n_x, last - first});
      total = total + gradient(X_t, Y_t) * (last - first);
      seen += last - first;
    }
    CHECK(seen == m);
    CHECK(largest_difference(total / m, to_matrix(gradient(X, Y))) <= rounding);
  }
}
