#include <dz/optim/early_stopping.hpp>

#include <dz/data/planar.hpp>
#include <dz/dz.hpp>

#include "tests/support/support.hpp"

using namespace dz;

TEST_CASE("early stopping waits for its patience, and gives the best parameters back", "[optim]") {
  Linear layer(1, 1);
  EarlyStopping stopping{.patience = 2};
  const double costs[] = {5, 4, 4.5, 3, 3.5, 3.2, 3.1};
  for (int epoch = 0; epoch < 7; ++epoch) {
    CHECK_FALSE(stopping.is_over());
    layer.weight.assign(full({1, 1}, epoch));
    stopping.report(layer, costs[epoch]);
  }
  CHECK(stopping.is_over());  // three reports after the best
  CHECK(stopping.best == 3);
  CHECK(stopping.best_report == 3);
  layer.weight.set_grad(ones({1, 1}));
  stopping.restore(layer);
  CHECK(layer.weight.item() == 3);
  CHECK_FALSE(layer.weight.grad());
}

TEST_CASE("early stopping: gains too small, costs that are NaN, nothing to restore, another model", "[optim]") {
  Linear layer(1, 1, initialise::zeros);
  EarlyStopping strict{.patience = 1, .least_gain = 0.5};
  for (const double cost : {3.0, 2.8, 2.6}) strict.report(layer, cost);
  CHECK(strict.is_over());
  EarlyStopping nothing{.patience = 1};
  nothing.report(layer, std::nan(""));
  CHECK_FALSE(nothing.is_over());
  nothing.report(layer, std::nan(""));
  CHECK(nothing.is_over());
  nothing.restore(layer);
  CHECK(layer.weight.item() == 0);
  Linear wider(2, 1);
  const std::vector<double> before = wider.weight.to_vector();
  CHECK_THROWS_AS(strict.restore(wider), ShapeError);
  Mlp net = mlp({1, 2, 1});
  CHECK_THROWS_AS(strict.restore(net), ValueError);
  CHECK(wider.weight.to_vector() == before);
}

TEST_CASE("notes 4.4: stopped early, an overfitting network keeps its best dev cost", "[optim]") {
  seed(2);
  const Dataset train = flower(40), dev = flower(200);
  Mlp net = mlp({2, 30, 1}, tanh, initialise::xavier);
  const auto cost = [&](const Dataset& set) { return binary_cross_entropy_with_logits(net(set.x), set.y); };
  Adam adam{.learning_rate = 0.03};
  EarlyStopping stopping{.patience = 100};
  double last = 0;
  int epoch = 0;
  for (; epoch < 3000 && !stopping.is_over(); ++epoch) {
    backward(cost(train));
    adam.step(net);
    stopping.report(net, last = cost(dev).item());
  }
  CHECK(epoch < 3000);
  CHECK(last > stopping.best);
  stopping.restore(net);
  CHECK(cost(dev).item() == stopping.best);
}
