// The small networks for images: shapes, names, gradients, and that they learn.

#include <dz/calculus/gradcheck.hpp>
#include <dz/data/model_file.hpp>
#include <dz/dz.hpp>
#include <dz/models/images.hpp>

#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::test;

namespace {

/// Squares of one of four corners, in noise: (m, size, size, 1) and their labels.
std::pair<Tensor, Tensor> corners(std::int64_t m, std::int64_t size) {
  std::vector<std::int64_t> which;
  std::vector<Tensor> images;
  for (std::int64_t i = 0; i < m; ++i) {
    const std::int64_t corner = i % 4, half = size / 2;
    which.push_back(corner);
    Tensor square = ones({1, half, half, 1});
    square = pad(square, {{.axis = 1, .before = corner / 2 * half, .after = size - half - corner / 2 * half},
                          {.axis = 2, .before = corner % 2 * half, .after = size - half - corner % 2 * half}});
    images.push_back(square + normal({1, size, size, 1}, 0, 0.3));
  }
  return {concat(images, 0), labels(which)};
}

/// The share of right answers after so many steps.
template <class M> double learnt(M& model, const Tensor& x, const Tensor& y, int steps) {
  Adam optimiser{.learning_rate = 0.005};
  for (int i = 0; i < steps; ++i) {
    const auto on = training();
    backward(cross_entropy(model(x), y));
    optimiser.step(model);
  }
  return mean(cast(equal(argmax(model(x), 1), y), float32)).item();
}

}  // namespace

TEST_CASE("LeNet: its sizes, and that it learns", "[models]") {
  seed(31);
  const LeNet digits({28, 28, 1, 10});
  CHECK(digits.layers[0].weight.shape() == Shape{120, 400});  // LeCun et al. 1998, layer C5
  CHECK(digits(ones({2, 28, 28, 1})).shape() == Shape{2, 10});
  CHECK(LeNet({13, 17, 3, 4})(ones({2, 13, 17, 3})).shape() == Shape{2, 4});
  const auto [x, y] = corners(32, 12);
  LeNet model({12, 12, 1, 4});
  CHECK(learnt(model, x, y, 20) == 1);
  CHECK_THROWS_AS(LeNet({11, 28, 1, 10}), ShapeError);
  CHECK_THROWS_AS(LeNet({28, 28, 0, 10}), ShapeError);
  CHECK_THROWS_AS(LeNet({28, 28, 1, 0}), ShapeError);
  CHECK_THROWS_AS(LeNet()(x), ValueError);
  CHECK_THROWS_AS(digits(x), ShapeError);
}

TEST_CASE("LeNet drops units of its hidden dense layers, in training alone", "[models]") {
  seed(34);
  LeNet model({12, 12, 1, 3});
  const Tensor x = normal({4, 12, 12, 1});
  const auto plain = model(x).to_vector();
  CHECK_FALSE(model.drops());
  model.keep_prob = {1, 0.5};
  CHECK(model.drops());
  CHECK(model(x).to_vector() == plain);
  const auto on = training();
  CHECK(model(x).to_vector() != plain);
  model.keep_prob = {1, 1};
  CHECK(model(x).to_vector() == plain);
  model.keep_prob = {0.5};
  CHECK_THROWS_AS(model(x), ValueError);
}

TEST_CASE("a residual block is its parts, with and without a shortcut of its own", "[models]") {
  seed(32);
  const ResidualBlock same(3, 3, 1, initialise::he, float64), other(3, 4, 2, initialise::he, float64);
  const Tensor x = normal({2, 6, 6, 3}, 0, 1, float64);
  const auto inner = [&](const ResidualBlock& b) { return b.norm2(b.conv2(relu(b.norm1(b.conv1(x))))); };
  CHECK(same(x).to_vector() == relu(inner(same) + x).to_vector());
  CHECK(other(x).shape() == Shape{2, 3, 3, 4});
  CHECK(other(x).to_vector() == relu(inner(other) + (*other.shortcut_norm)((*other.shortcut)(x))).to_vector());
}

TEST_CASE("ResNet: its sizes, gradients, file, and that it learns", "[models]") {
  seed(33);
  ResNet model({12, 12, 1, 4}, 1, 4), other({12, 12, 1, 4}, 1, 4);
  std::int64_t kernels = 0;
  for (const auto& [name, p] : parameters(model)) kernels += p->rank() == 4 && name.find("shortcut") == std::string::npos;
  CHECK(kernels == 7);  // and the dense layer: 6·1 + 2
  CHECK(ResNet({32, 32, 3, 10}, 3).blocks.size() == 9);
  const auto [x, y] = corners(32, 12);
  CHECK(model(x).shape() == Shape{32, 4});
  CHECK(learnt(model, x, y, 15) == 1);
  const TempDir folder;
  save_model(folder / "m", model);
  load_model(folder / "m", other);
  CHECK(other(x).to_vector() == model(x).to_vector());  // with the running statistics
  const ResNet tiny({6, 6, 1, 2}, 1, 2, initialise::he, float64);
  const auto check = gradcheck([images = normal({2, 6, 6, 1}, 0, 1, float64)](ResNet& m) { return sum(square(m(images))); }, tiny);
  INFO(to_string(check));
  CHECK(check.passed());
  CHECK_THROWS_AS(ResNet({12, 12, 1, 4}, 0), ShapeError);
  CHECK_THROWS_AS(ResNet({12, 0, 1, 4}), ShapeError);
}
