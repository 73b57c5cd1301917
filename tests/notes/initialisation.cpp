// The notes, part two, section five, and part four, section six: first values of W and b, and what they do to Z.

#include "tests/notes/network.hpp"

using namespace dz;
using namespace dz::notes;

namespace {

struct Moments {
  double mean, variance;
};

Moments moments(const Tensor& x) {
  const double mean = dz::mean(x).item();
  return {mean, dz::mean(square(x - mean)).item()};
}

/// Mean 0 and this variance, as near as so many normal numbers allow: five standard errors, sqrt(variance/n) and sqrt(2/n)·variance.
void check_normal(const Tensor& W, double variance) {
  const auto n = static_cast<double>(W.size());
  const Moments got = moments(W);
  CAPTURE(got.mean, got.variance, variance);
  CHECK(std::abs(got.mean) < 5 * std::sqrt(variance / n));
  CHECK(std::abs(got.variance - variance) < 5 * variance * std::sqrt(2 / n));
}

/// The variance of Z = W·x where x has variance 1.
double variance_of_z(const Tensor& W) { return moments(matmul(W, gaussian({W.size(1), 200}))).variance; }

constexpr std::int64_t n_in = 400, n_out = 250;

Tensor drawn(Initialiser initialiser) { return initialiser({n_out, n_in}, float64, default_generator()); }

}  // namespace

TEST_CASE("notes 2.5: W = randn·0.01 has the variance 0.0001, b is 0", "[notes]") {
  seed(1);
  check_normal(drawn(initialise::small_normal), 0.01 * 0.01);
  const Linear layer(3, 4, initialise::small_normal);
  CHECK(layer.bias.to_vector() == std::vector<double>(4, 0));
  CHECK(layer.weight.shape() == Shape{4, 3});
}

TEST_CASE("notes 4.6: randn·sqrt(1/n), randn·sqrt(2/n) (He), n the units of the layer before", "[notes]") {
  seed(2);
  check_normal(drawn(initialise::xavier), 1.0 / n_in);
  check_normal(drawn(initialise::he), 2.0 / n_in);
  check_normal(drawn(initialise::glorot), 2.0 / (n_in + n_out));  // what Xavier's is elsewhere
}

TEST_CASE("notes 4.6: with the variance 1/n Z keeps that of x, with 2/n ReLU's mean square does", "[notes]") {
  seed(3);
  CHECK(variance_of_z(drawn(initialise::xavier)) == Approx(1).margin(0.1));
  CHECK(mean(square(relu(matmul(drawn(initialise::he), gaussian({n_in, 200}))))).item() == Approx(1).margin(0.1));
  CHECK(variance_of_z(drawn(initialise::small_normal)) == Approx(n_in * 0.0001).margin(0.01));
}

TEST_CASE("notes 4.6: through many layers a signal explodes, vanishes or lasts, as the variance is", "[notes]") {
  const auto mean_square_after = [](double variance) {
    seed(4);
    Tensor A = gaussian({100, 50});
    for (int l = 0; l < 30; ++l) A = relu(matmul(gaussian({100, 100}, std::sqrt(variance)), A));
    return mean(square(A)).item();
  };
  CHECK(mean_square_after(4.0 / 100) > 1e6);
  CHECK(mean_square_after(1.0 / 100) < 1e-6);
  const double lasting = mean_square_after(2.0 / 100);
  CHECK(lasting > 0.02);
  CHECK(lasting < 50);
}

TEST_CASE("notes 4.6, slip: 1/n is the variance of w_i; as its value or its deviation the signal vanishes", "[notes]") {
  seed(5);
  const Tensor value = full({n_out, n_in}, 1.0 / n_in, float64);
  CHECK(variance_of_z(value) < 2.0 / n_in);  // about 1/n
  CHECK(variance_of_z(gaussian({n_out, n_in}, 1.0 / n_in)) < 2.0 / n_in);
  const Tensor Z = matmul(value, gaussian({n_in, 1}));  // and all units compute the same
  CHECK(max(Z).item() == Approx(-max(-Z).item()).epsilon(1e-9));
}

TEST_CASE("notes 2.5: from weights of 0, or equal ones, the hidden units stay the same as each other", "[notes]") {
  seed(6);
  const Tensor X = gaussian({3, 20}), Y = coin_flips({1, 20});
  const auto units_differ_after = [&](const Tensor& first, const Tensor& second) {
    Tensor W1 = variable(first), b1 = variable(zeros({4, 1}, float64)), W2 = variable(second), b2 = variable(zeros({1, 1}, float64));
    for (int step = 0; step < 20; ++step) {
      const std::vector<Tensor> leaves{W1, b1, W2, b2};
      const std::vector<Tensor> d = grad({binary_cross_entropy(sigmoid(matmul(W2, tanh(matmul(W1, X) + b1)) + b2), Y)}, leaves);
      for (std::size_t k = 0; k < leaves.size(); ++k) Tensor(leaves[k]).assign(leaves[k].detach() - 0.5 * d[k]);
    }
    return max(abs(W1.detach() - mean(W1.detach(), 0, true))).item();  // from the mean unit
  };
  CHECK(units_differ_after(zeros({4, 3}, float64), zeros({1, 4}, float64)) < 1e-15);
  CHECK(units_differ_after(full({4, 3}, 0.3, float64), full({1, 4}, 0.2, float64)) < 1e-12);
  CHECK(units_differ_after(gaussian({4, 3}, 0.01), gaussian({1, 4}, 0.01)) > 1e-3);
}

TEST_CASE("notes 2.5, slip: W2 of a network with one output unit is (1, n_1) and b2 (1, 1)", "[notes]") {
  const Tensor A1 = gaussian({2, 5}), Y = coin_flips({1, 5});
  CHECK_THROWS_AS(binary_cross_entropy(sigmoid(matmul(gaussian({2, 2}, 0.01), A1) + 0), Y), ShapeError);
  CHECK_NOTHROW(binary_cross_entropy(sigmoid(matmul(gaussian({1, 2}, 0.01), A1) + zeros({1, 1}, float64)), Y));
}
