// Adam and AdamW against their papers' algorithms, element by element.

#include <cmath>

#include <dz/dz.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

/// One number's way under the algorithm, in double.
struct Walk {
  double w, m = 0, v = 0;
  int t = 0;

  void step(double g, double rate, double beta1, double beta2, double epsilon, double weight_decay) {
    ++t;
    w -= rate * weight_decay * w;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    w -= rate * (m / (1 - std::pow(beta1, t))) / (std::sqrt(v / (1 - std::pow(beta2, t))) + epsilon);
  }
};

std::vector<Walk> walks(const Tensor& t) {
  std::vector<Walk> all;
  for (const double w : t.to_vector()) all.push_back({w});
  return all;
}

bool agree(const Tensor& t, const std::vector<Walk>& expected, double tolerance) {
  const std::vector<double> is = t.to_vector();
  bool all = true;
  for (std::size_t i = 0; i < is.size(); ++i) all &= std::abs(is[i] - expected[i].w) <= tolerance * (1 + std::abs(expected[i].w));
  return all;
}

/// A layer's gradients that change sign and size from step to step; sizes on both sides of a thread's share.
template <class Optimiser> void follow(Optimiser optimiser, double weight_decay, Dtype dtype, double tolerance) {
  for (const std::int64_t outputs : {1, 7, 300}) {
    seed(11);
    Linear layer(150, outputs, initialise::xavier, dtype);
    layer.bias.assign(full({outputs}, 0.4, dtype));
    auto w = walks(layer.weight), b = walks(layer.bias);
    for (int t = 1; t <= 20; ++t) {
      layer.weight.set_grad(normal(layer.weight.shape(), 0, t % 5 == 0 ? 10 : 0.1, dtype));
      layer.bias.set_grad(normal(layer.bias.shape(), 0, 1, dtype));
      const std::vector<double> dw = layer.weight.grad().to_vector(), db = layer.bias.grad().to_vector();
      const Optimiser& o = optimiser;
      for (std::size_t i = 0; i < w.size(); ++i) w[i].step(dw[i], o.learning_rate, o.beta1, o.beta2, o.epsilon, weight_decay);
      for (std::size_t i = 0; i < b.size(); ++i) b[i].step(db[i], o.learning_rate, o.beta1, o.beta2, o.epsilon, 0);
      optimiser.step(layer);
    }
    INFO(outputs << " outputs, " << name(dtype));
    CHECK(agree(layer.weight, w, tolerance));
    CHECK(agree(layer.bias, b, tolerance));
    CHECK_FALSE(layer.weight.grad());  // taken
    optimiser.moments.clear();
  }
}

}  // namespace

TEST_CASE("Adam is algorithm 1 of its paper", "[optim]") {
  follow(Adam{.learning_rate = 0.01}, 0, float64, 1e-13);
  follow(Adam{.learning_rate = 0.05, .beta1 = 0.5, .beta2 = 0.9, .epsilon = 1e-3}, 0, float64, 1e-13);
  follow(Adam{.learning_rate = 0.01}, 0, float32, 1e-5);
}

TEST_CASE("AdamW decays weights, and weights alone, before Adam's step", "[optim]") {
  follow(AdamW{.learning_rate = 0.01, .weight_decay = 0.3}, 0.3, float64, 1e-13);
  follow(AdamW{.learning_rate = 0.01}, 0.01, float32, 1e-5);
}

TEST_CASE("a parameter without a gradient keeps its values and its moments", "[optim]") {
  Mlp net = mlp({2, 3, 1});
  Adam adam;
  backward(sum(square(net(ones({4, 2})))));
  adam.step(net);
  const std::vector<double> before = net.layers[0].weight.to_vector();
  net.layers[1].weight.set_grad(ones({1, 3}));
  adam.step(net);
  CHECK(net.layers[0].weight.to_vector() == before);
  CHECK(adam.moments[0].steps == 1);
  CHECK(adam.moments[2].steps == 2);
}

TEST_CASE("a copied Adam goes its own way", "[optim]") {
  Linear a(2, 1), b = a;
  Adam first;
  a.weight.set_grad(ones({1, 2}));
  b.weight.set_grad(ones({1, 2}));
  first.step(a);
  Adam second = first;
  second.step(b);
  CHECK(first.moments[0].steps == 1);
  CHECK(second.moments[0].steps == 2);
  CHECK(first.moments[0].mean.to_vector<double>()[0] == Approx(0.1));
  CHECK(second.moments[0].mean.to_vector<double>()[0] == Approx(0.19));
}

TEST_CASE("Adam refuses what is wrong and changes nothing", "[optim]") {
  Linear layer(2, 1);
  const std::vector<double> before = layer.weight.to_vector();
  CHECK_THROWS_AS(Adam{}.step(layer), GraphError);  // no gradient yet
  layer.weight.set_grad(ones({1, 2}));
  CHECK_THROWS_AS((Adam{.learning_rate = std::nan("")}.step(layer)), ValueError);
  CHECK_THROWS_AS((Adam{.beta1 = 1}.step(layer)), ValueError);
  CHECK_THROWS_AS((Adam{.epsilon = -1}.step(layer)), ValueError);
  CHECK_THROWS_AS((AdamW{.weight_decay = -1}.step(layer)), ValueError);
  CHECK(layer.weight.to_vector() == before);

  Adam adam;
  adam.step(layer);
  Linear other(3, 1);
  other.weight.set_grad(ones({1, 3}));
  CHECK_THROWS_WITH(adam.step(other), test::Contains("'weight'") && test::Contains("(1, 3)"));
  CHECK(adam.moments[0].steps == 1);
  Mlp net = mlp({2, 2, 1});
  backward(sum(net(ones({1, 2}))));
  CHECK_THROWS_AS(adam.step(net), ValueError);
  CHECK(net.layers[0].weight.grad());
}

TEST_CASE("a step of mixed precisions moves each in its own", "[optim]") {
  struct Pair {
    Linear a{2, 1, initialise::he, float32}, b{2, 1, initialise::he, float64};
  } pair;
  std::vector<NamedParameter> all{{"a", &pair.a.weight}, {"b", &pair.b.weight}};
  pair.a.weight.assign(ones({1, 2}));
  pair.b.weight.assign(ones({1, 2}, float64));
  pair.a.weight.set_grad(full({1, 2}, 0.5));
  pair.b.weight.set_grad(full({1, 2}, 0.5, float64));
  Adam{.learning_rate = 0.1}.step(all);
  CHECK(pair.a.weight.to_vector()[0] == Approx(0.9));
  CHECK(pair.b.weight.to_vector()[0] == Approx(0.9).epsilon(1e-7));
}
