#include <dz/dz.hpp>

#include "tests/support/support.hpp"

using namespace dz;

TEST_CASE("gradient descent is the notes' update, with (λ/m)·W for weights alone", "[optim]") {
  const std::int64_t m = 6;
  const double rate = 0.3, lambda = 0.9;
  seed(2);
  const Tensor X = normal({m, 3}, 0, 1, float64), Y = bernoulli({m, 1}, 0.5, float64);
  Linear layer(3, 1, initialise::xavier, float64);
  layer.bias.assign(full({1}, 0.4, float64));
  std::vector<double> W = layer.weight.to_vector(), b = layer.bias.to_vector();
  GradientDescent descent{.learning_rate = rate, .l2 = lambda};
  for (int step = 0; step < 100; ++step) {
    backward(binary_cross_entropy_with_logits(layer(X), Y));
    const std::vector<double> dW = layer.weight.grad().to_vector(), db = layer.bias.grad().to_vector();
    for (std::size_t k = 0; k < 3; ++k) W[k] -= rate * (dW[k] + lambda / static_cast<double>(m) * W[k]);
    b[0] -= rate * db[0];
    descent.step(layer, m);
  }
  for (std::size_t k = 0; k < 3; ++k) CHECK(layer.weight.to_vector()[k] == Approx(W[k]).epsilon(1e-12));
  CHECK(layer.bias.item() == Approx(b[0]).epsilon(1e-12));
  CHECK_FALSE(layer.weight.grad());  // taken
}

TEST_CASE("the step's L2 and the cost's L2 are one", "[optim]") {
  const Tensor X = normal({4, 2}, 0, 1, float64), Y = bernoulli({4, 1}, 0.5, float64);
  Mlp a = mlp({2, 3, 1}, tanh, initialise::he, float64), b = a;
  for (int step = 0; step < 10; ++step) {
    backward(binary_cross_entropy_with_logits(a(X), Y));
    GradientDescent{.learning_rate = 0.1, .l2 = 0.5}.step(a, 4);
    backward(binary_cross_entropy_with_logits(b(X), Y) + l2_cost(b, 0.5, 4));
    GradientDescent{.learning_rate = 0.1}.step(b);
  }
  for (std::size_t k = 0; k < 6; ++k) CHECK(a.layers[0].weight.to_vector()[k] == Approx(b.layers[0].weight.to_vector()[k]).epsilon(1e-12));
}

TEST_CASE("a wrong step is refused and changes nothing", "[optim]") {
  Linear layer(2, 1);
  const std::vector<double> before = layer.weight.to_vector();
  CHECK_THROWS_AS(GradientDescent{}.step(layer), GraphError);  // no gradient yet
  backward(sum(layer(ones({1, 2}))));
  CHECK_THROWS_AS((GradientDescent{.learning_rate = -1}.step(layer)), ValueError);
  CHECK_THROWS_AS((GradientDescent{.learning_rate = std::nan("")}.step(layer)), ValueError);
  CHECK_THROWS_AS((GradientDescent{.learning_rate = 1, .l2 = 1}.step(layer)), ValueError);
  CHECK(layer.weight.to_vector() == before);
  CHECK(layer.weight.grad());
}

TEST_CASE("a step between forward and reverse is noticed", "[optim]") {
  Mlp net = mlp({2, 2, 1});
  const Tensor J = sum(net(ones({1, 2})));
  backward(sum(net(ones({1, 2}))));
  GradientDescent{.learning_rate = 0.1}.step(net);
  CHECK_THROWS_AS(backward(J), GraphError);
}

TEST_CASE("compensated steps add up what float32 rounds away", "[optim]") {
  for (const bool compensated : {false, true}) {
    Linear layer(1, 1);
    layer.weight.assign(full({1, 1}, 1));
    layer.bias.assign(full({1}, -3));
    GradientDescent descent{.learning_rate = 1e-8, .compensated = compensated};
    for (int step = 0; step < 100000; ++step) {
      backward(sum(layer(ones({1, 1}))));
      descent.step(layer);
    }
    CHECK(layer.weight.item() == Approx(compensated ? 0.999 : 1).epsilon(1e-7));  // each step is a sixth of 1's last place
    CHECK(layer.bias.item() == Approx(compensated ? -3.001 : -3).epsilon(1e-7));
  }
}

TEST_CASE("compensated steps are the plain ones where nothing is rounded away, and refuse another model", "[optim]") {
  Mlp a = mlp({2, 3, 1}, tanh, initialise::he, float64), b = a;
  GradientDescent plain{.learning_rate = 0.1, .l2 = 0.3}, careful{.learning_rate = 0.1, .l2 = 0.3, .compensated = true};
  const Tensor X = normal({4, 2}, 0, 1, float64);
  for (int step = 0; step < 20; ++step) {
    backward(mean(square(a(X))));
    plain.step(a, 4);
    backward(mean(square(b(X))));
    careful.step(b, 4);
  }
  for (std::size_t k = 0; k < 6; ++k) CHECK(a.layers[0].weight.to_vector()[k] == Approx(b.layers[0].weight.to_vector()[k]).epsilon(1e-14));
  Linear other(2, 1);
  backward(sum(other(ones({1, 2}))));
  const std::vector<double> before = other.weight.to_vector();
  CHECK_THROWS_AS(careful.step(other, 4), ShapeError);
  CHECK(other.weight.to_vector() == before);
  CHECK(other.weight.grad());
}
