// Metrics, the notes' table of bias and variance, and what a cost that does not fall says.

#include <dz/data/metrics.hpp>
#include <dz/data/planar.hpp>
#include <dz/data/bias_variance.hpp>

#include <cmath>

#include <dz/dz.hpp>

#include "tests/data/fixtures.hpp"

using namespace dz;
using namespace dz::test;

namespace {

using Numbers = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("predictions are the side of 0, or the largest logit", "[data][metrics]") {
  CHECK(predicted_classes(tensor({-1, 0, 0.1}, {3, 1})) == Numbers{0, 0, 1});
  CHECK(predicted_classes(tensor({1, 3, 2, 5, 5, 4}, {2, 3})) == Numbers{1, 0});
  CHECK(predicted_classes(zeros({0, 3})).empty());
  CHECK_THROWS_AS(predicted_classes(zeros({3})), ShapeError);
  CHECK_THROWS_AS(predicted_classes(zeros({3, 0})), ShapeError);
}

TEST_CASE("the confusion matrix and what follows from it, by hand", "[data][metrics]") {
  const Numbers labels = {0, 0, 0, 0, 1, 1, 1, 2, 2, 2}, said = {0, 0, 0, 1, 1, 1, 0, 2, 0, 1};
  const ConfusionMatrix m(labels, said, 4);
  CHECK(m.at(0, 0) == 3);
  CHECK(m.at(0, 1) == 1);
  CHECK(m.at(2, 0) == 1);
  CHECK(m.at(1, 2) == 0);
  CHECK(m.total() == 10);
  CHECK(m.accuracy() == Approx(0.6));
  CHECK(m.precision(0) == Approx(3.0 / 5));
  CHECK(m.recall(0) == Approx(3.0 / 4));
  CHECK(m.f1(0) == Approx(2 * 0.6 * 0.75 / (0.6 + 0.75)));
  CHECK(m.precision(2) == 1);
  CHECK(m.recall(2) == Approx(1.0 / 3));
  CHECK(m.f1(3) == 0);  // never there and never said
  CHECK(m.mean_f1() == Approx((m.f1(0) + m.f1(1) + m.f1(2)) / 4));
  const std::string text = to_string(m, {"cat", "dog"});
  for (const char* word : {"cat", "dog", "precision", "0.6000", "0.7500"}) CHECK(text.find(word) != std::string::npos);
  CHECK(ConfusionMatrix({}, {}, 2).accuracy() == 0);
  check_refused<ShapeError>([&] { ConfusionMatrix(labels, Numbers{0}, 3); }, {"10 labels and 1 predictions"});
  check_refused<ValueError>([&] { ConfusionMatrix(labels, said, 2); }, {"sample 7", "class 2"});
  check_refused<ValueError>([&] { ConfusionMatrix(Numbers{0}, Numbers{-1}, 2); }, {"class -1"});
}

TEST_CASE("notes 4.2: the four rows of the table, and the optimal error", "[data][verdict][notes]") {
  CHECK(bias_variance(0.01, 0.15).fit == Fit::high_variance);
  CHECK(bias_variance(0.15, 0.16).fit == Fit::high_bias);
  CHECK(bias_variance(0.15, 0.30).fit == Fit::high_bias_and_variance);
  CHECK(bias_variance(0.01, 0.02).fit == Fit::right);
  CHECK(bias_variance(0.15, 0.16, 0.15).fit == Fit::right);  // "if the optimal error is 15 %, the second case is just right too"
  const BiasVariance both = bias_variance(0.15, 0.30, 0.02);
  CHECK(both.bias == Approx(0.13));
  CHECK(both.variance == Approx(0.15));
  CHECK(both.sentence.find("15.0 %") != std::string::npos);
  CHECK(both.advice.front().find("deeper") != std::string::npos);  // bias first
  CHECK(both.advice.back().find("regularisation") != std::string::npos);
  CHECK(bias_variance(0.01, 0.02).advice.empty());
  CHECK(bias_variance(0.01, 0.04, 0, 0.02).fit == Fit::high_variance);
  check_refused<ValueError>([] { bias_variance(1.5, 0); }, {"training error is 1.5"});
  check_refused<ValueError>([] { bias_variance(0, std::nan("")); }, {"dev error"});
  check_refused<ValueError>([] { bias_variance(0, 0, -1); }, {"optimal error"});
  CHECK_THROWS_AS(bias_variance(0, 0, 0, 0), ValueError);
}

TEST_CASE("notes 3.3: a cost that stays at ln 2 is recognised, by a deep network of small weights", "[data][verdict][notes]") {
  const std::vector<double> halves = {0.5, 0.5}, tenths(10, 0.1);
  const auto costs_of = [](Initialiser initialiser) {
    seed(5);
    const Dataset set = blobs(40);
    Mlp net = mlp({2, 10, 10, 10, 10, 1}, relu, initialiser);
    std::vector<double> costs;
    GradientDescent descent{.learning_rate = 0.1};
    for (int t = 0; t < 200; ++t) {
      const Tensor J = binary_cross_entropy_with_logits(net(set.x), set.y);
      costs.push_back(J.item());
      backward(J);
      descent.step(net);
    }
    return costs;
  };
  const auto found = stuck(costs_of(initialise::small_normal), halves);
  REQUIRE(found);
  CHECK(found->find("0.693147 = ln 2") != std::string::npos);
  CHECK_FALSE(stuck(costs_of(initialise::he), halves));
  CHECK(stuck(std::vector<double>(50, std::log(10.0)), tenths)->find("ln 10") != std::string::npos);
  CHECK_FALSE(stuck(std::vector<double>(50, std::log(10.0)), halves));
  CHECK_FALSE(stuck(std::vector<double>(19, std::log(2.0)), halves));
  CHECK(stuck(std::vector<double>(50, 0.325083), std::vector<double>{0.9, 0.1})->find("shares") !=
        std::string::npos);  // −0.9·ln 0.9 − 0.1·ln 0.1
  std::vector<double> falling;
  for (int t = 0; t < 100; ++t) falling.push_back(std::log(2.0) + (75 - t) * 1e-3);
  CHECK_FALSE(stuck(falling, halves));
}
