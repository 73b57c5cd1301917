// The notes, part three: the network of L layers. X is (n[0], m), W[l] (n[l], n[l−1]), b[l] (n[l], 1); and the gradient check that
// the course follows it with.

#include "tests/notes/network.hpp"

using namespace dz;
using namespace dz::notes;

namespace {

/// Z[1] … Z[L] and A[0] … A[L], as the notes write them.
struct Recorded {
  std::vector<Tensor> Z, A;
};

Recorded forward(const Network& net, const Tensor& X) {
  Recorded r{{Tensor()}, {X}};
  for (std::size_t l = 1; l <= net.layers(); ++l) {
    r.Z.push_back(matmul(net.W[l], r.A[l - 1]) + net.b[l]);
    r.A.push_back(net.g[l](r.Z[l]));
  }
  return r;
}

/// ‖a − b‖ / (‖a‖ + ‖b‖), of what all layers hold.
double relative_difference(const std::vector<Matrix>& a, const std::vector<Matrix>& b) {
  double difference = 0, of_a = 0, of_b = 0;
  for (std::size_t l = 0; l < a.size(); ++l)
    for (std::size_t k = 0; k < a[l].values.size(); ++k) {
      const double u = a[l].values[k], v = b.at(l).values.at(k);
      difference += (u - v) * (u - v);
      of_a += u * u;
      of_b += v * v;
    }
  return std::sqrt(difference) / (std::sqrt(of_a) + std::sqrt(of_b));
}

struct Slopes {
  std::vector<Matrix> dW, db;
};

/// (J(θ + ε) − J(θ − ε)) / 2ε for every element of every W and b, J by hand.
Slopes difference_quotients(const Network& net, const Tensor& X, const Tensor& Y) {
  constexpr double epsilon = 1e-6;
  std::vector<Matrix> W = to_matrices(net.W), b = to_matrices(net.b);
  const Matrix x = to_matrix(X), y = to_matrix(Y);
  const auto J = [&] { return hand_forward(net, W, b, x, y).J; };
  const auto slopes_of = [&](std::vector<Matrix>& theta) {
    std::vector<Matrix> slopes = theta;
    for (std::size_t l = 0; l < theta.size(); ++l)
      for (std::size_t k = 0; k < theta[l].values.size(); ++k) {
        const double before = theta[l].values[k];
        theta[l].values[k] = before + epsilon;
        const double above = J();
        theta[l].values[k] = before - epsilon;
        const double below = J();
        theta[l].values[k] = before;
        slopes[l].values[k] = (above - below) / (2 * epsilon);
      }
    return slopes;
  };
  return {slopes_of(W), slopes_of(b)};
}

/// The gradients that backward() left.
Slopes recorded_slopes(const Network& net) {
  Slopes slopes{std::vector<Matrix>(1), std::vector<Matrix>(1)};
  for (std::size_t l = 1; l <= net.layers(); ++l) {
    slopes.dW.push_back(to_matrix(net.W[l].grad()));
    slopes.db.push_back(to_matrix(net.b[l].grad()));
  }
  return slopes;
}

}  // namespace

TEST_CASE("notes 3.2: forward, every Z[l] and A[l] has the notes' shape and the loops' values", "[notes]") {
  for (std::uint64_t number = 1; number <= 60; ++number) {
    Draw draw(number);
    const Network net = random_network(draw);
    const std::int64_t m = draw.size(1, 20);
    CAPTURE(number, net.n, m);
    const Tensor X = gaussian({net.n[0], m}), Y = coin_flips({1, m});
    const Recorded r = forward(net, X);
    const Tensor J = binary_cross_entropy(r.A.back(), Y);

    const Pass hand = hand_forward(net, to_matrices(net.W), to_matrices(net.b), to_matrix(X), to_matrix(Y));
    for (std::size_t l = 1; l <= net.layers(); ++l) {
      CHECK(r.Z[l].shape() == Shape{net.n[l], m});
      CHECK(largest_difference(r.Z[l], hand.Z[l]) <= rounding);
      CHECK(largest_difference(r.A[l], hand.A[l]) <= rounding);
    }
    CHECK(J.item() == Approx(hand.J).epsilon(rounding));
  }
}

TEST_CASE("notes 3.2: back, dZ[l], dA[l], dW[l] and db[l] of every layer", "[notes]") {
  for (std::uint64_t number = 1; number <= 80; ++number) {
    Draw draw(number);
    const Network net = random_network(draw);
    const std::int64_t m = draw.size(1, 20);
    CAPTURE(number, net.n, m);
    const Tensor X = variable(gaussian({net.n[0], m})), Y = coin_flips({1, m});
    const Recorded r = forward(net, X);
    const Tensor J = binary_cross_entropy(r.A.back(), Y);
    std::vector<Tensor> asked = r.A;
    asked.insert(asked.end(), r.Z.begin() + 1, r.Z.end());
    const std::vector<Tensor> d = grad({J}, asked, {.retain = true});
    backward(J);

    const Pass hand = hand_pass(net, X, Y);
    const std::size_t L = net.layers();
    const double one_over_m = 1 / static_cast<double>(m);  // the notes' dA and dZ are of Σ L, dz's of the mean J
    CHECK(largest_difference(d[0], scaled(one_over_m, hand.dA[0])) <= rounding);
    CHECK(largest_difference(X.grad(), scaled(one_over_m, hand.dA[0])) <= rounding);
    for (std::size_t l = 1; l <= L; ++l) {
      CAPTURE(l, net.g[l].name);
      CHECK(largest_difference(d[l], scaled(one_over_m, hand.dA[l])) <= rounding);
      CHECK(largest_difference(d[L + l], scaled(one_over_m, hand.dZ[l])) <= rounding);
      CHECK(net.W[l].grad().shape() == net.W[l].shape());
      CHECK(net.b[l].grad().shape() == net.b[l].shape());
      CHECK(largest_difference(net.W[l].grad(), hand.dW[l]) <= rounding);
      CHECK(largest_difference(net.b[l].grad(), hand.db[l]) <= rounding);
    }
  }
}

TEST_CASE("notes 3.2: the reverse pass begins with dA[L] = −(Y/A − (1 − Y)/(1 − A))", "[notes]") {
  for (std::uint64_t number = 1; number <= 40; ++number) {
    Draw draw(number);
    const std::int64_t m = draw.size(1, 30);
    CAPTURE(number, m);
    const Tensor AL = variable(uniform({1, m}, 0.001, 0.999, float64)), Y = coin_flips({1, m});
    const Tensor of_sum = grad(binary_cross_entropy(AL, Y, Reduction::sum), AL), of_mean = grad(binary_cross_entropy(AL, Y), AL);
    const Tensor dAL = -(Y / AL - (1 - Y) / (1 - AL));

    const Matrix hand = map([](double y, double a) { return -(y / a - (1 - y) / (1 - a)); }, to_matrix(Y), to_matrix(AL));
    CHECK(largest_difference(dAL, hand) <= rounding);
    CHECK(largest_difference(of_sum, hand) <= rounding);
    CHECK(largest_difference(of_mean, scaled(1 / static_cast<double>(m), hand)) <= rounding);
  }
}

TEST_CASE("notes 3.2: an Mlp, samples first, is the notes' network, samples in columns", "[notes]") {
  for (std::uint64_t number = 1; number <= 40; ++number) {
    Draw draw(number);
    Network net = random_network(draw);
    for (std::size_t l = 1; l < net.layers(); ++l) net.g[l] = activations[number % 4];
    const std::int64_t m = draw.size(1, 20);
    CAPTURE(number, net.n, m);
    const Tensor X = gaussian({net.n[0], m}), Y = coin_flips({1, m});
    Mlp model = mlp(net.n, activation_by_name(activations[number % 4].name), initialise::zeros, float64);
    for (std::size_t l = 1; l <= net.layers(); ++l) {
      model.layers[l - 1].weight.assign(net.W[l]);
      model.layers[l - 1].bias.assign(reshape(net.b[l].detach(), {net.n[l]}));
    }
    const Tensor J = binary_cross_entropy_with_logits(model(X.t()), Y.t());
    backward(J);

    const Pass hand = hand_pass(net, X, Y);
    CHECK(J.item() == Approx(hand.J).epsilon(rounding));
    for (std::size_t l = 1; l <= net.layers(); ++l) {
      CHECK(largest_difference(model.layers[l - 1].weight.grad(), hand.dW[l]) <= rounding);
      CHECK(largest_difference(reshape(model.layers[l - 1].bias.grad(), {net.n[l], 1}), hand.db[l]) <= rounding);
    }
  }
}

TEST_CASE("notes 3.3: a network that has learnt nothing costs −log 0.5, and 0.01·randn leaves a deep one there", "[notes]") {
  seed(8);
  const std::int64_t m = 40;
  const Tensor X = normal({m, 30}), Y = bernoulli({m, 1}, 0.5);
  const auto cost_and_slope = [&](Initialiser initialiser) {
    Mlp net = mlp({30, 20, 20, 20, 20, 1}, relu, initialiser);
    const Tensor J = binary_cross_entropy_with_logits(net(X), Y);
    backward(J);
    return std::pair{J.item(), max(abs(net.layers[0].weight.grad())).item()};
  };
  const auto [at_zero, none] = cost_and_slope(initialise::zeros);
  CHECK(at_zero == Approx(0.6931471).epsilon(1e-6));
  CHECK(none == 0);
  const auto [at_small, faded] = cost_and_slope(initialise::small_normal);
  CHECK(at_small == Approx(0.6931471).epsilon(1e-6));
  CHECK(faded < 1e-5);
  CHECK(cost_and_slope(initialise::he).second > 1e-3);
}

// The text of the notes breaks off before the course's gradient checking; its formulas are (J(θ + ε) − J(θ − ε)) / 2ε and
// ‖dθ − dθ_approx‖ / (‖dθ‖ + ‖dθ_approx‖) < 1e-7.
TEST_CASE("gradient checking: dz's gradients are the slopes of J, to 1e-7", "[notes]") {
  for (std::uint64_t number = 1; number <= 40; ++number) {
    Draw draw(number);
    const Network net = random_network(draw);
    const std::int64_t m = draw.size(1, 12);
    CAPTURE(number, net.n, m);
    const Tensor X = gaussian({net.n[0], m}), Y = coin_flips({1, m});
    backward(binary_cross_entropy(forward(net, X).A.back(), Y));

    const Slopes exact = recorded_slopes(net), approximate = difference_quotients(net, X, Y);
    CHECK(relative_difference(exact.dW, approximate.dW) < 1e-7);
    CHECK(relative_difference(exact.db, approximate.db) < 1e-7);
  }
}

TEST_CASE("gradient checking finds what is no gradient: db without its sum over samples, dW without 1/m, dZ without g′", "[notes]") {
  Draw draw(11);
  const Network net = random_network(draw, {4, 5, 3, 1});
  const std::int64_t m = 6;
  const Tensor X = gaussian({4, m}), Y = coin_flips({1, m});
  const Pass right = hand_pass(net, X, Y);
  const Slopes slopes = difference_quotients(net, X, Y);
  CHECK(relative_difference(right.dW, slopes.dW) < 1e-7);
  CHECK(relative_difference(right.db, slopes.db) < 1e-7);

  std::vector<Matrix> wrong = right.dW;
  for (Matrix& dW : wrong) dW = scaled(static_cast<double>(m), dW);
  CHECK(relative_difference(wrong, slopes.dW) > 0.1);

  wrong = right.dW;
  wrong[1] = scaled(1 / static_cast<double>(m), product(right.dA[1], transpose(to_matrix(X))));
  CHECK(relative_difference(wrong, slopes.dW) > 0.1);

  wrong = right.db;
  for (std::size_t l = 1; l <= 3; ++l)
    for (std::int64_t i = 0; i < wrong[l].rows; ++i) wrong[l].at(i, 0) = right.dZ[l].at(i, 0);  // the first sample's dz alone
  CHECK(relative_difference(wrong, slopes.db) > 0.1);
}

TEST_CASE("notes 3.2, slip: dw[l] = dz[l]·a[l−1] lacks the transposition", "[notes]") {
  seed(9);
  SECTION("of one sample there is no such product") {
    const Tensor W = variable(gaussian({4, 3})), a = gaussian({3, 1});
    const Tensor z = matmul(W, a);
    const Tensor dz = 2 * z.detach();
    backward(sum(square(z)));
    CHECK_THROWS_AS(matmul(dz, a), ShapeError);
    CHECK(largest_difference(matmul(dz, a.t()), to_matrix(W.grad())) <= rounding);
  }
  SECTION("where n[l] = n[l−1] = m it has a value, which is no gradient") {
    const Tensor W = variable(gaussian({4, 4})), A = gaussian({4, 4});
    const Tensor Z = matmul(W, A);
    const Tensor dZ = 2 * Z.detach();
    backward(sum(square(Z)));
    CHECK(largest_difference(matmul(dZ, A), to_matrix(W.grad())) > 0.1);
    CHECK(largest_difference(dZ * A, to_matrix(W.grad())) > 0.1);
    CHECK(largest_difference(matmul(dZ, A.t()), to_matrix(W.grad())) <= rounding);
  }
}
