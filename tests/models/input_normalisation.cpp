#include <dz/calculus/gradcheck.hpp>
#include <dz/data/model_file.hpp>
#include <dz/dz.hpp>

#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::test;

TEST_CASE("inputs are normalised by mean and deviation of the training part, every part alike", "[models]") {
  seed(3);
  const Tensor train = 5 + 3 * normal({200, 4}, 0, 1, float64), test = 5 + 3 * normal({50, 4}, 0, 1, float64);
  const InputNormalisation by_train(train);
  const Tensor x = by_train(train);
  for (const double mu : mean(x, 0).to_vector()) CHECK(std::abs(mu) < 1e-12);
  for (const double sigma : stddev(x, 0).to_vector()) CHECK(sigma == Approx(1).epsilon(1e-12));
  // By hand, of one element of the test part, whose own mean and deviation play no part.
  const std::vector<double> all = train.to_vector(), other = test.to_vector();
  double mu = 0, square = 0;
  for (std::size_t i = 1; i < all.size(); i += 4) mu += all[i] / 200;
  for (std::size_t i = 1; i < all.size(); i += 4) square += (all[i] - mu) * (all[i] - mu) / 200;
  CHECK(by_train(test).to_vector()[5] == Approx((other[5] - mu) / std::sqrt(square)).epsilon(1e-12));
}

TEST_CASE("a feature that never changes becomes 0, and float32 data keep their accuracy", "[models]") {
  const InputNormalisation constant(tensor({1, 7, 2, 7, 3, 7}, {3, 2}));
  CHECK(constant(tensor({2, 7}, {1, 2})).to_vector() == std::vector<double>{0, 0});
  seed(1);
  const Tensor far = 1e6 + normal({1000, 1});  // sums of squares would lose it all in float32
  CHECK(stddev(cast(InputNormalisation(far)(far), float64)).item() == Approx(1).epsilon(1e-6));
}

TEST_CASE("a network keeps its normalisation: in its value, its file, its copy, out of the reach of descent", "[models]") {
  seed(5);
  const Tensor x = 100 + 20 * normal({30, 3}, 0, 1, float64), y = bernoulli({30, 1}, 0.5, float64);
  Mlp net = mlp({3, 4, 1}, tanh, initialise::he, float64);
  const Tensor plain = net((x - mean(x, 0, true)) / stddev(x, 0, true));
  net.normalisation = InputNormalisation(x);
  CHECK(max(abs(net(x) - plain)).item() < 1e-12);

  const std::vector<double> before = net.normalisation->mean.to_vector();
  backward(binary_cross_entropy_with_logits(net(x), y) + l2_cost(net, 0.1, 30));
  GradientDescent{.learning_rate = 0.5, .l2 = 0.1}.step(net, 30);
  CHECK(net.normalisation->mean.to_vector() == before);

  const TempDir folder;
  save_model(folder / "net", net);
  Mlp again = mlp({3, 4, 1}, tanh, initialise::he, float64);
  CHECK_THROWS_AS(load_model(folder / "net", again), FileError);  // it has no normalisation to load into
  again.normalisation = InputNormalisation({3}, float64);
  load_model(folder / "net", again);
  CHECK(again(x).to_vector() == net(x).to_vector());
  CHECK(gradcheck([&](Mlp& m) { return binary_cross_entropy_with_logits(m(x), y); }, net).passed());
}

TEST_CASE("normalisation of other features is refused", "[models]") {
  const InputNormalisation n(normal({4, 3}));
  CHECK_THROWS_AS(n(normal({4, 2})), ShapeError);
  CHECK_THROWS_AS(n(normal({3})), ShapeError);
  CHECK_THROWS_AS(InputNormalisation(normal({3})), ShapeError);
  CHECK_THROWS_AS(InputNormalisation(zeros({0, 3})), ShapeError);
}

TEST_CASE("keep_prob is each hidden layer's own", "[models]") {
  seed(2);
  Mlp net = mlp({2, 300, 200, 1}, relu);
  CHECK_FALSE(net.drops());
  net.keep_prob = {1, 1};
  CHECK_FALSE(net.drops());
  net.keep_prob = {0.5, 1};
  CHECK(net.drops());
  const Tensor x = normal({1, 2});
  const auto spread = [&](std::vector<double> keep_prob) {
    net.keep_prob = std::move(keep_prob);
    const auto on = training();
    std::vector<double> z;
    for (int i = 0; i < 50; ++i) z.push_back(net(x).item());
    return stddev(tensor(z, {50})).item();
  };
  CHECK(spread({1, 1}) == 0);
  CHECK(spread({0.5, 1}) > 0);
  CHECK(spread({1, 0.5}) > 0);
  const double evaluated = net(x).item();
  net.keep_prob.clear();
  CHECK(net(x).item() == evaluated);  // none dropped in evaluation
  for (const std::vector<double>& wrong : {std::vector<double>{0.5}, {0.5, 0.5, 0.5}}) {
    net.keep_prob = wrong;
    CHECK_THROWS_AS(net(x), ValueError);
  }
  net.keep_prob = {0.5, 0};
  CHECK_THROWS_AS(net(x), ValueError);
}
