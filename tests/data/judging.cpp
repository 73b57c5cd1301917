// Metrics, the notes' table of bias and variance with its advice, and what a cost that does not fall says.

#include <dz/data/advice.hpp>
#include <dz/data/bias_variance.hpp>
#include <dz/data/metrics.hpp>
#include <dz/data/planar.hpp>

#include <cmath>

#include <dz/dz.hpp>

#include "tests/data/fixtures.hpp"

using namespace dz;
using namespace dz::test;

namespace {

using Numbers = std::vector<std::int64_t>;

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// All of the advice as one text.
std::string text_of(const std::vector<std::string>& all) {
  std::string text;
  for (const std::string& one : all) text += one + "\n";
  return text;
}

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

TEST_CASE("a confusion matrix of many classes takes little memory, and names the most frequent mistakes", "[data][metrics]") {
  constexpr std::int64_t classes = 1'000'000;  // their square would be eight terabytes
  Numbers labels, said;
  for (std::int64_t i = 0; i < 300; ++i)
    labels.push_back(i % 3 == 0 ? 7 : 1000 * i), said.push_back(i % 3 == 0 ? 999'999 : i % 3 == 1 ? 1000 * i : 1);
  const ConfusionMatrix m(labels, said, classes);
  CHECK(m.at(7, 999'999) == 100);
  CHECK(m.at(7, 7) == 0);
  CHECK(m.of_label(7) == 100);
  CHECK(m.of_prediction(1) == 100);
  CHECK(m.accuracy() == Approx(100.0 / 300));
  CHECK(m.mean_f1() == Approx(100.0 / classes));
  REQUIRE(m.mistakes().size() == 101);
  CHECK(m.mistakes()[0].count == 100);
  CHECK(m.mistakes()[1].label == 2000);
  const std::string text = to_string(m, {"a", "b"});
  CHECK(text.size() < 2000);
  for (const char* word : {"1000000 classes", "20 of 101", "999999", "b"}) CHECK(contains(text, word));
  CHECK(contains(to_string(ConfusionMatrix({}, {}, 21)), "no mistakes"));
  CHECK(contains(to_string(ConfusionMatrix({}, {}, 20)), "precision"));
  CHECK_THROWS_AS(ConfusionMatrix({}, {}, classes + 1), ValueError);
}

TEST_CASE("notes 4.2: the four rows of the table, and the optimal error", "[data][verdict][notes]") {
  CHECK(bias_variance(0.01, 0.15).fit == Fit::high_variance);
  CHECK(bias_variance(0.15, 0.16).fit == Fit::high_bias);
  CHECK(bias_variance(0.15, 0.30).fit == Fit::high_bias_and_variance);
  CHECK(bias_variance(0.01, 0.02).fit == Fit::right);
  CHECK(bias_variance(0.15, 0.16, {.optimal_error = 0.15}).fit ==
        Fit::right);  // "if the optimal error is 15 %, the second case is just right too"
  CHECK(bias_variance(0, 0.11).fit == Fit::high_variance);
  CHECK(bias_variance(0, 0.037).fit == Fit::high_variance);  // all that is left to gain
  CHECK(bias_variance(0.04, 0.07).fit == Fit::right);        // three points more, but not twice as many
  CHECK(bias_variance(0.03, 0.06).fit == Fit::high_variance);
  CHECK(bias_variance(0, 0.02).fit == Fit::right);
  CHECK(bias_variance(0.08, 0.12, {.optimal_error = 0.08}).fit == Fit::right);
  const BiasVariance both = bias_variance(0.15, 0.30, {.optimal_error = 0.02});
  CHECK(both.bias == Approx(0.13));
  CHECK(both.variance.value() == Approx(0.15));
  CHECK(contains(both.sentence, "15.0 %"));
  CHECK(contains(both.sentence, "the dev error"));
  CHECK(contains(bias_variance(0.15, 0.30, {.judged_by = "test"}).sentence, "the test error"));
  CHECK(bias_variance(0.01, 0.04, {.tolerated = 0.02}).fit == Fit::high_variance);
  check_refused<ValueError>([] { bias_variance(1.5, 0.0); }, {"training error is 1.5"});
  check_refused<ValueError>([] { bias_variance(0, std::nan("")); }, {"dev error"});
  check_refused<ValueError>([] { bias_variance(0, 0.0, {.optimal_error = -1}); }, {"optimal error"});
  CHECK_THROWS_AS(bias_variance(0, 0.0, {.tolerated = 0}), ValueError);
}

TEST_CASE("without a dev part the bias alone is judged", "[data][verdict]") {
  const BiasVariance low = bias_variance(0.01, {}), high = bias_variance(0.2, {});
  CHECK(low.fit == Fit::low_bias);
  CHECK(high.fit == Fit::high_bias);
  CHECK_FALSE(low.variance);
  CHECK(contains(low.sentence, "nothing is known of the variance"));
  CHECK(name(low.fit) == "low bias");
}

TEST_CASE("a class that is never recognised is named, and no network that misses one is just right", "[data][verdict]") {
  Numbers labels(200, 0), right, blind(200, 0);
  for (std::size_t i = 0; i < 5; ++i) labels[i] = 1;
  right = labels;
  const ConfusionMatrix all(labels, right, 2), none(labels, blind, 2);
  CHECK(bias_variance(all, &all).fit == Fit::right);
  const BiasVariance biased = bias_variance(none, &none, {}, {"no", "yes"});
  CHECK(biased.fit == Fit::high_bias);  // at errors of 2.5 %
  CHECK(contains(biased.sentence, "class yes (5 of the 200 samples of the training part) is never recognised"));
  CHECK_FALSE(contains(biased.sentence, "dev part"));
  const BiasVariance varied = bias_variance(all, &none, {.tolerated = 0.2, .judged_by = "test"});
  CHECK(varied.fit == Fit::high_variance);
  CHECK(contains(varied.sentence, "class 1 (5 of the 200 samples of the test part) is never recognised"));
  CHECK(bias_variance(none, nullptr).fit == Fit::high_bias);
  labels[0] = 0;  // four samples are too few to tell
  const ConfusionMatrix few(labels, blind, 2);
  CHECK(bias_variance(few, &few).fit == Fit::right);
  Numbers many, zero(50, 0);
  for (std::int64_t i = 0; i < 50; ++i) many.push_back(i / 5);
  const ConfusionMatrix ten(many, zero, 10);
  CHECK(contains(bias_variance(ten, nullptr).sentence,
                 "class 3 (5 of the 50 samples of the training part), and 6 more classes are never recognised"));
}

TEST_CASE("notes 4.2: the advice, where it helps", "[data][verdict][notes]") {
  CHECK(advice(Fit::right).empty());
  CHECK(advice(Fit::low_bias).empty());
  const auto both = advice(Fit::high_bias_and_variance);
  CHECK(contains(both.front(), "deeper"));  // bias first
  CHECK(contains(both.back(), "regularisation"));

  // Points: nothing of pictures. Who has momentum, L2, dropout and early stopping is not told to.
  Situation points{.accelerated = true, .dropout = true, .early_stopping = true, .l2 = 0.1, .parameters = 50, .samples = 400};
  const std::string to_points = text_of(advice(Fit::high_bias_and_variance, points));
  for (const char* word : {"picture", "convolution", "Adam", "L2", "dropout", "early stopping", "regularisation"})
    CHECK_FALSE(contains(to_points, word));
  for (const char* word : {"deeper", "learning rate", "more data", "smaller lambda than 0.1", "higher keep_prob"})
    CHECK(contains(to_points, word));

  Situation pictures{.pictures = true, .parameters = 12289, .samples = 209, .rarest = 72};
  std::string told = text_of(advice(Fit::high_variance, pictures));
  for (const char* word :
       {"augmented", "1,000", "72", "convolutional", "--network lenet", "1e-5 to 1e-3", "12289 parameters", "dropout", "early stopping"})
    CHECK(contains(told, word));
  CHECK_FALSE(contains(told, "1e-7"));
  pictures.augmented = pictures.convolutional = true, pictures.hidden_layers = false, pictures.rarest = 5000, pictures.samples = 60000;
  told = text_of(advice(Fit::high_variance, pictures));
  for (const char* word : {"augmented", "1,000", "convolutional", "dropout", "1e-3"}) CHECK_FALSE(contains(told, word));
  CHECK(contains(told, "1e-7 to 1e-5"));
  CHECK_FALSE(contains(text_of(advice(Fit::high_bias, {.stopped_early = true})), "longer"));
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
  CHECK(contains(*stuck(std::vector<double>(50, std::log(2.0)), std::vector<double>{0.9, 0.1}), "0.693147 = ln 2"));  // of whatever shares
  CHECK_FALSE(stuck(std::vector<double>(50, 0.5), std::vector<double>{0.9, 0.1}));
  CHECK(contains(*stuck(std::vector<double>(50, 0.325083), std::vector<double>{0.9, 0.1}), "0.325083, what"));  // −0.9·ln 0.9 − 0.1·ln 0.1
  const auto why = [&](const Situation& s) { return stuck(std::vector<double>(50, std::log(2.0)), halves, s).value(); };
  CHECK(contains(why({}), "first weights may be too small"));
  CHECK_FALSE(contains(why({}), "same"));  // what is said may well differ a little
  CHECK(contains(why({.learning_rate = 0.0}), "Why: the learning rate is 0"));
  CHECK_FALSE(contains(why({.learning_rate = 0.0}), "labels"));
  CHECK(contains(why({.l2 = 100}), "lambda, 100,"));
  CHECK_FALSE(contains(why({.initialiser = "he"}), "first weights"));
  CHECK(contains(why({.initialiser = "zeros"}), "all 0"));
  std::vector<double> falling;
  for (int t = 0; t < 100; ++t) falling.push_back(std::log(2.0) + (75 - t) * 1e-3);
  CHECK_FALSE(stuck(falling, halves));
}
