#include <dz/models/normalisation.hpp>
#include <dz/models/sequential.hpp>

#include <dz/calculus/gradcheck.hpp>
#include <dz/data/checkpoint.hpp>
#include <dz/dz.hpp>

#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::test;

TEST_CASE("a sequence is its layers one after the other, with their parameters", "[models]") {
  seed(3);
  auto model = sequential(Linear(3, 4), relu, residual(sequential(Linear(4, 4), [](In z) { return leaky_relu(z); })), Linear(4, 2));
  const std::vector<NamedParameter> all = parameters(model);
  REQUIRE(all.size() == 6);
  CHECK(all[0].name == "layers.0.weight");
  CHECK(all[2].name == "layers.2.inner.layers.0.weight");
  const Tensor x = normal({5, 3});
  const Linear &a = std::get<0>(model.layers), &b = std::get<0>(std::get<2>(model.layers).inner.layers), &c = std::get<3>(model.layers);
  const Tensor hidden = relu(a(x));
  CHECK(model(x).to_vector() == c(hidden + leaky_relu(b(hidden))).to_vector());

  auto copy = model;
  backward(sum(square(copy(x))));
  GradientDescent{.learning_rate = 0.1}.step(copy);
  CHECK(copy(x).to_vector() != model(x).to_vector());
  const TempDir folder;
  save_model(folder / "m", copy);
  load_model(folder / "m", model);
  CHECK(copy(x).to_vector() == model(x).to_vector());
  save_checkpoint(folder / "c", copy);
  load_checkpoint(folder / "c", model);
  CHECK_THROWS_AS(sequential(Linear(3, 4), Linear(5, 2))(x), ShapeError);
}

TEST_CASE("a residual adds what it has inside, and has its parameters", "[models]") {
  seed(3);
  auto model = residual(Linear(3, 3));
  const std::vector<NamedParameter> all = parameters(model);
  REQUIRE(all.size() == 2);
  CHECK(all[0].name == "inner.weight");
  const Tensor x = normal({5, 3});
  CHECK(model(x).to_vector() == (x + model.inner(x)).to_vector());
  auto copy = model;
  backward(sum(square(copy(x))));
  GradientDescent{.learning_rate = 0.1}.step(copy);
  CHECK(copy(x).to_vector() != model(x).to_vector());
  const TempDir folder;
  save_checkpoint(folder / "c", copy);
  load_checkpoint(folder / "c", model);
  CHECK(copy(x).to_vector() == model(x).to_vector());
  CHECK_THROWS_AS(residual(Linear(3, 2))(x), ShapeError);
}

TEST_CASE("dropout is a layer too", "[models]") {
  const Dropout model{0.5};
  const Tensor x = ones({1, 1000});
  CHECK(model(x).to_vector() == x.to_vector());
  const auto on = training();
  CHECK(std::abs(mean(model(x)).item() - 1) < 0.2);
  CHECK(max(model(x)).item() == 2);
}

TEST_CASE("batch normalisation trains by the batch and evaluates by running statistics", "[models]") {
  seed(5);
  BatchNorm norm(3, float64);
  norm.weight.assign(tensor({1, 2, 3}, {3}, float64));
  norm.bias.assign(tensor({0, -1, 1}, {3}, float64));
  const Tensor x = 4 + 2 * normal({50, 3}, 0, 1, float64);
  const Tensor scale = reshape(norm.weight.detach(), {1, 3}), shift = reshape(norm.bias.detach(), {1, 3});
  CHECK(max(abs(norm(x) - (x / std::sqrt(1 + 1e-5) * scale + shift))).item() < 1e-12);  // running 0 and 1 at first
  CHECK(norm.running_mean.to_vector() == std::vector<double>{0, 0, 0});  // evaluation leaves them
  {
    const auto on = training();
    const Tensor y = norm(x);
    CHECK(max(abs(mean(y, 0) - norm.bias.detach())).item() < 1e-12);
    CHECK(max(abs(stddev(y, 0) - norm.weight.detach())).item() < 1e-4);
  }
  const std::vector<double> mu = mean(x, 0).to_vector(), sigma2 = var(x, 0, false, 1).to_vector();
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(norm.running_mean.to_vector()[c] == Approx(0.1 * mu[c]));
    CHECK(norm.running_var.to_vector()[c] == Approx(0.9 + 0.1 * sigma2[c]));
  }
  {
    const auto on = training();
    CHECK(norm.num_batches_tracked.item<std::int64_t>() == 1);
    for (int i = 0; i < 200; ++i) norm(x);
    CHECK(norm.num_batches_tracked.item<std::int64_t>() == 201);
    CHECK_THROWS_AS(norm(ones({1, 3}, float64)), ShapeError);
  }
  CHECK(max(abs(mean(norm(x), 0) - norm.bias.detach())).item() < 1e-6);
  CHECK_THROWS_AS(norm(ones({2, 4}, float64)), ShapeError);
  std::string names;  // PyTorch's
  for (const auto& [name, p] : parameters(norm)) names += name + " " + to_string(p->shape()) + " " + std::string(dz::name(p->dtype())) + ", ";
  CHECK(names == "weight (3) float64, bias (3) float64, running_mean (3) float64, running_var (3) float64, num_batches_tracked () int64, ");
}

namespace {

// Batch normalisation behind the activation: straight behind a layer it would take that layer's bias away.
struct Net {
  Linear first{3, 4, initialise::he, float64};
  BatchNorm norm{4, float64};
  Residual<Linear> second{Linear(4, 4, initialise::he, float64)};
  RmsNorm last{4, float64};
  Tensor operator()(In x) const { return last(second(norm(tanh(first(x))))); }
};
BOOST_DESCRIBE_STRUCT(Net, (), (first, norm, second, last))

}  // namespace

TEST_CASE("batch and RMS normalisation in a network have right gradients, and no decay", "[models]") {
  seed(6);
  const Tensor x = normal({6, 3}, 0, 1, float64), target = normal({6, 4}, 0, 1, float64);
  const Net net;
  const auto on = training();
  const auto check = gradcheck([&](Net& m) { return sum(square(m(x) - target)); }, net);
  INFO(to_string(check));
  CHECK(check.passed());
  for (const auto& [name, p] : parameters(const_cast<Net&>(net)))
    CHECK((p->role() == Role::weight) == (name == "first.weight" || name == "second.inner.weight"));
  const RmsNorm norm(2);
  CHECK(norm(tensor({3, 4}, {1, 2})).to_vector()[0] == Approx(3 / std::sqrt(12.5 + 1e-5)));
}

TEST_CASE("layer normalisation is a layer with its parameters", "[models]") {
  seed(8);
  LayerNorm norm(4, float64);
  const Tensor x = 3 + 2 * normal({5, 4}, 0, 1, float64);
  const Tensor y = norm(x);
  CHECK(max(abs(mean(y, 1))).item() < 1e-12);
  CHECK(max(abs(mean(square(y), 1) - 1)).item() < 1e-3);  // ε
  norm.weight.assign(tensor({1, 2, 3, 4}, {4}, float64));
  norm.bias.assign(tensor({0, -1, 1, 2}, {4}, float64));
  CHECK(norm(x).to_vector() == layer_norm(x, norm.weight, norm.bias).to_vector());
  CHECK(max(abs(norm(x) - (y * reshape(norm.weight.detach(), {1, 4}) + reshape(norm.bias.detach(), {1, 4})))).item() < 1e-12);
  for (const auto& [name, p] : parameters(norm)) CHECK(p->role() == Role::bias);
  CHECK_THROWS_AS(norm(ones({2, 3}, float64)), ShapeError);
}

TEST_CASE("a convolution is a layer with its parameters", "[models]") {
  seed(9);
  Conv2d layer(4, 6, {3, 2}, {.stride = 2, .padding = {1, 0}, .groups = 2}, initialise::he, float64);
  CHECK(layer.weight.shape() == Shape{6, 2, 3, 2});
  CHECK(layer.bias.to_vector() == std::vector<double>(6, 0.0));
  const std::vector<NamedParameter> all = parameters(layer);
  REQUIRE(all.size() == 2);
  CHECK(all[0].name == "weight");
  CHECK(all[1].parameter->role() == Role::bias);
  layer.bias.assign(tensor({1, 2, 3, 4, 5, 6}, {6}, float64));
  const Tensor x = normal({2, 5, 6, 4}, 0, 1, float64);
  CHECK(layer(x).shape() == Shape{2, 3, 3, 6});
  const Tensor plain = conv2d(x, layer.weight, {.stride = 2, .padding = {1, 0}, .groups = 2});
  CHECK(max(abs(layer(x) - (plain + reshape(layer.bias, {1, 1, 1, 6})))).item() < 1e-12);
  const Conv2d wide(64, 64, 3);  // he: 2/n_in, n_in = 64·9
  CHECK(stddev(wide.weight).item() == Approx(std::sqrt(2.0 / 576)).epsilon(0.05));
  const auto check = gradcheck([&](Conv2d& m) { return sum(square(m(x))); }, layer);
  INFO(to_string(check));
  CHECK(check.passed());
  CHECK_THROWS_AS(Conv2d(3, 4, 3, {.groups = 2}), ShapeError);
  CHECK_THROWS_AS(Conv2d(0, 4, 3), ShapeError);
  CHECK_THROWS_AS(Conv2d(3, 4, {0, 3}), ShapeError);
}

TEST_CASE("a convolution of sequences is a layer with its parameters", "[models]") {
  seed(10);
  Conv1d layer(4, 6, 3, {.stride = 2, .padding = 1, .groups = 2}, initialise::he, float64);
  CHECK(layer.weight.shape() == Shape{6, 2, 3});
  layer.bias.assign(tensor({1, 2, 3, 4, 5, 6}, {6}, float64));
  const Tensor x = normal({2, 7, 4}, 0, 1, float64);
  CHECK(layer(x).shape() == Shape{2, 4, 6});
  const Tensor plain = conv1d(x, layer.weight, {.stride = 2, .padding = 1, .groups = 2});
  CHECK(max(abs(layer(x) - (plain + reshape(layer.bias, {1, 1, 6})))).item() < 1e-12);
  const auto check = gradcheck([&](Conv1d& m) { return sum(square(m(x))); }, layer);
  INFO(to_string(check));
  CHECK(check.passed());
  CHECK_THROWS_AS(Conv1d(3, 4, 3, {.groups = 2}), ShapeError);
  CHECK_THROWS_AS(Conv1d(3, 4, 0), ShapeError);
}

TEST_CASE("a dense layer takes tokens of any number of axes", "[models]") {
  seed(11);
  const Linear layer(3, 2, initialise::he, float64);
  const Tensor x = normal({2, 4, 5, 3}, 0, 1, float64);
  CHECK(layer(x).shape() == Shape{2, 4, 5, 2});
  CHECK(layer(x).to_vector() == layer(reshape(x, {40, 3})).to_vector());
  CHECK(layer(x, relu).to_vector() == relu(layer(x)).to_vector());
  CHECK_THROWS_AS(layer(normal({2, 4}, 0, 1, float64)), ShapeError);
  CHECK_THROWS_AS(layer(normal({2, 4, 4}, 0, 1, float64)), ShapeError);
}
