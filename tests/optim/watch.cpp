#include <dz/optim/watch.hpp>

#include <dz/dz.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

/// A deep network's gradients after one reverse pass, its weights normal with this deviation.
std::vector<LayerGradient> gradients(Activation activation, double deviation, int depth) {
  seed(3);
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(depth), 20);
  sizes.push_back(1);
  Mlp net = mlp(sizes, activation, initialise::he, float64);
  for (Linear& layer : net.layers) layer.weight.assign(normal(layer.weight.shape(), 0, deviation, float64));
  const Tensor X = normal({30, 20}, 0, 1, float64);
  backward(binary_cross_entropy_with_logits(net(X), bernoulli({30, 1}, 0.5, float64)));
  return layer_gradients(net);
}

}  // namespace

TEST_CASE("a layer's gradient is measured by its norm, and beside its weights", "[optim][watch]") {
  Linear layer(2, 1);
  CHECK(layer_gradients(layer).empty());  // no gradient yet
  layer.weight.assign(tensor({3, 4}, {1, 2}));
  layer.weight.set_grad(tensor({6, 8}, {1, 2}));
  layer.bias.set_grad(tensor({100}, {1}));
  const std::vector<LayerGradient> one = layer_gradients(layer);
  REQUIRE(one.size() == 1);
  CHECK(one[0].name == "weight");
  CHECK(one[0].norm == 10);
  CHECK(one[0].relative == 2);
  layer.weight.assign(zeros({1, 2}));
  CHECK(std::isinf(layer_gradients(layer)[0].relative));
  CHECK(gradient_warnings(layer_gradients(layer)).empty());  // logistic regression may begin at 0
}

TEST_CASE("notes 4.6: gradients that vanish or explode through the layers are told of", "[optim][watch][notes]") {
  CHECK(gradient_warnings(gradients(relu, std::sqrt(2.0 / 20), 8)).empty());
  CHECK(gradient_warnings(gradients(tanh, std::sqrt(1.0 / 20), 8)).empty());
  const auto faded = gradient_warnings(gradients(sigmoid, 0.05, 10));
  REQUIRE(faded.size() == 1);
  CHECK(faded[0].find("layers.0.weight") != std::string::npos);
  CHECK(faded[0].find("vanishes") != std::string::npos);
  const auto grown = gradient_warnings(gradients(relu, 5, 8));
  REQUIRE_FALSE(grown.empty());
  CHECK(grown[0].find("explodes") != std::string::npos);
  CHECK(gradient_warnings({{"w", HUGE_VAL, HUGE_VAL}}).at(0).find("not finite") != std::string::npos);
}

TEST_CASE("dead ReLUs are those that are 0 for every sample", "[optim][watch]") {
  CHECK(dead_units(tensor({0, 1, 0, 0, 3, 0, 0, 0}, {2, 4})) == 0.5);
  CHECK(dead_units(zeros({3, 2})) == 1);
  CHECK(dead_units(zeros({0, 2})) == 0);
  CHECK_THROWS_AS(dead_units(zeros({3})), ShapeError);
  Linear layer(2, 4);
  layer.bias.assign(tensor({-1e6, 0, 0, -1e6}, {4}));
  seed(1);
  CHECK(dead_units(relu(layer(normal({100, 2})))) == 0.5);
}

TEST_CASE("units are alive when some sample of some part says so; a channel is a unit", "[optim][watch]") {
  LiveUnits live;
  CHECK(live.dead() == 0);
  live.see(tensor({0, 1, 0, 0}, {1, 4}));
  CHECK(live.dead() == 0.75);
  live.see(tensor({0, 0, 0, NAN, 2, 0, 0, 0}, {2, 4}));
  CHECK(live.dead() == 0.25);
  live.see(zeros({0, 4}));
  CHECK(live.dead() == 0.25);
  CHECK_THROWS_AS(live.see(zeros({2, 3})), ShapeError);
  LiveUnits channels;
  channels.see(tensor({0, 1, 0, 0, 0, 0, 0, 0}, {1, 2, 2, 2}));
  CHECK(channels.dead() == 0.5);
  CHECK_THROWS_AS(channels.see(zeros({3})), ShapeError);
}

TEST_CASE("what hidden layers give is shown to the newest watch of its thread", "[models][watch]") {
  seed(2);
  const Mlp network = mlp({3, 5, 4, 2});
  const Tensor x = normal({6, 3});
  std::vector<Tensor> outer, inner;
  const HiddenWatch all([&](const Tensor& a) { outer.push_back(a); });
  network(x);
  REQUIRE(outer.size() == 2);
  CHECK(outer[0].to_vector() == relu(network.layers[0](x)).to_vector());
  CHECK(outer[1].shape() == Shape{6, 4});
  {
    const HiddenWatch newest([&](const Tensor& a) { inner.push_back(a); });
    LeNet({12, 12, 1, 2})(zeros({1, 12, 12, 1}));
  }
  CHECK(outer.size() == 2);
  REQUIRE(inner.size() == 4);
  CHECK(inner[0].shape() == Shape{1, 12, 12, 6});
  CHECK(inner[3].shape() == Shape{1, 84});
  ResNet({8, 8, 1, 2}, 1, 2)(zeros({1, 8, 8, 1}));
  CHECK(outer.size() == 9);
}
