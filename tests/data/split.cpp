#include <dz/data/split.hpp>

#include <dz/dz.hpp>

#include <numeric>
#include <set>

#include "tests/data/fixtures.hpp"

using namespace dz;
using namespace dz::test;

namespace {

/// m samples whose one feature is their number, of the given classes.
Dataset numbered(const std::vector<std::int64_t>& classes) {
  const std::int64_t m = std::ssize(classes);
  return {reshape(arange(0, static_cast<double>(m), 1, float64), {m, 1}), labels(classes), {}};
}

std::vector<std::int64_t> classes_of(std::int64_t m, std::int64_t classes) {
  std::vector<std::int64_t> c(static_cast<std::size_t>(m));
  for (std::int64_t i = 0; i < m; ++i) c[static_cast<std::size_t>(i)] = i % classes;
  return c;
}

std::vector<double> members(const Dataset& part) { return part.x.to_vector(); }

}  // namespace

TEST_CASE("a split deals every sample out once, at 6:2:2, in random order", "[data][split]") {
  const Dataset set = numbered(classes_of(100, 3));
  Generator g(1), again(1);
  const Split parts = split(set, {}, g), same = split(set, {}, again);
  CHECK(parts.train.size() == 60);
  CHECK(parts.dev.size() == 20);
  CHECK(parts.test.size() == 20);
  std::set<double> seen;
  for (const Dataset* part : {&parts.train, &parts.dev, &parts.test}) {
    const std::vector<double> x = members(*part);
    const std::vector<std::int64_t> y = class_numbers(*part);
    for (std::size_t i = 0; i < x.size(); ++i) {
      CHECK(seen.insert(x[i]).second);
      CHECK(y[i] == static_cast<std::int64_t>(x[i]) % 3);  // the label went with its sample
    }
    CHECK_FALSE(std::ranges::is_sorted(x));
  }
  CHECK(seen.size() == 100);
  CHECK(members(parts.train) == members(same.train));
  CHECK(members(split(set, {}, g).train) != members(parts.train));
}

TEST_CASE("unshuffled parts are stretches, and other ratios round", "[data][split]") {
  const Split parts = split(numbered(classes_of(11, 2)), {.ratio = {1, 1, 1}, .shuffled = false});
  CHECK(members(parts.train) == std::vector<double>{0, 1, 2, 3});
  CHECK(members(parts.dev) == std::vector<double>{4, 5, 6});
  CHECK(members(parts.test) == std::vector<double>{7, 8, 9, 10});
  const Split two = split(numbered(classes_of(11, 2)), {.ratio = {0.8, 0.2, 0}});
  CHECK(two.train.size() == 9);
  CHECK(two.dev.size() == 2);
  CHECK(two.test.size() == 0);
}

TEST_CASE("a stratified split has every class in every part, as the ratio says", "[data][split]") {
  std::vector<std::int64_t> classes(90, 0);  // 90 of one class, 7 and 103 of the others, in order
  classes.insert(classes.end(), 7, 1);
  classes.insert(classes.end(), 103, 2);
  const Dataset set = numbered(classes);
  for (const bool shuffled : {true, false}) {
    Generator g(3);
    const Split parts = split(set, {.shuffled = shuffled, .stratified = true}, g);
    CHECK(parts.train.size() + parts.dev.size() + parts.test.size() == 200);
    CHECK(std::abs(parts.train.size() - 120) <= 1);
    const std::array counts = {90.0, 7.0, 103.0};
    for (const auto& [part, share] : {std::pair(&parts.train, 0.6), {&parts.dev, 0.2}, {&parts.test, 0.2}}) {
      const std::vector<std::int64_t> y = class_numbers(*part);
      for (std::int64_t c = 0; c < 3; ++c)
        CHECK(std::abs(static_cast<double>(std::ranges::count(y, c)) - share * counts[static_cast<std::size_t>(c)]) < 2);
      CHECK(std::ranges::is_sorted(members(*part)) != shuffled);
    }
    CHECK(split_warnings(parts).empty());
  }
}

TEST_CASE("parts of one class, and dev and test parts that differ, are told of", "[data][split]") {
  std::vector<std::int64_t> sorted(100, 0);
  std::fill(sorted.begin() + 80, sorted.end(), 1);
  const std::vector<std::string> found = split_warnings(split(numbered(sorted), {.shuffled = false}));
  REQUIRE(found.size() == 4);  // train of 0, dev of 0, test of 1; and the latter two differ
  CHECK(found[0].find("training part has samples of class 0 alone") != std::string::npos);
  CHECK(found[2].find("test part has samples of class 1 alone") != std::string::npos);
  CHECK(found[3].find("100 %") != std::string::npos);
  CHECK(split_warnings({numbered({0, 1}), numbered(classes_of(20, 2)), numbered({0, 0, 0, 0, 0, 1, 1, 1, 1, 1})}).empty());
  CHECK(split_warnings({numbered({0, 1}), numbered({0, 1}), numbered({0, 1, 1})}).size() == 1);
  CHECK(split_warnings({numbered({0, 1}), numbered({0, 1}), numbered({})}).empty());  // no test part is no matter
  // With one of the two, it is compared with the training part.
  for (const Split& parts :
       {Split{numbered({0, 1}), numbered({}), numbered({0, 1, 1})}, {numbered({0, 1}), numbered({0, 1, 1}), numbered({})}}) {
    const std::vector<std::string> one = split_warnings(parts);
    REQUIRE(one.size() == 1);
    CHECK(one[0].find("training part than in the " + std::string(parts.dev.size() > 0 ? "dev" : "test") + " part (17 %") !=
          std::string::npos);
  }
}

TEST_CASE("a class that nearly all samples are of is told of, by its name", "[data][split]") {
  std::vector<std::int64_t> labels(100, 0);
  std::fill(labels.begin(), labels.begin() + 3, 1);
  Dataset train = numbered(labels);
  train.classes = {"no", "yes"};
  const std::vector<std::string> found = split_warnings({train, {}, {}});
  REQUIRE(found.size() == 1);
  CHECK(found[0].find("97.0 % of the training part are of class no") != std::string::npos);
  std::fill(labels.begin(), labels.begin() + 11, 1);
  CHECK(split_warnings({numbered(labels), {}, {}}).empty());
}

TEST_CASE("ratios that make no parts are refused", "[data][split]") {
  const Dataset set = numbered(classes_of(10, 2));
  for (const std::array<double, 3>& ratio :
       {std::array{0.0, 1.0, 1.0}, {-1.0, 1.0, 1.0}, {1.0, -1.0, 1.0}, {1.0, 1.0, std::nan("")}, {1.0, HUGE_VAL, 1.0}})
    check_refused<ValueError>([&] { split(set, {.ratio = ratio}); }, {"[split]", "ratio"});
  check_refused<ValueError>([&] { split(numbered({0, 1}), {}); }, {"[split]", "2 samples", "empty"});
  check_refused<ValueError>([&] { split({set.x, {}, {}}, {.stratified = true}); }, {"labels"});
}

TEST_CASE("samples are taken with label and image, and may come twice", "[data][dataset]") {
  Dataset set = numbered({0, 1, 2});
  set.images = Array::of(std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6}, {3, 1, 2, 1});
  const std::vector<std::int64_t> which = {2, 0, 2};
  const Dataset taken = samples_of(set, which);
  CHECK(members(taken) == std::vector<double>{2, 0, 2});
  CHECK(class_numbers(taken) == which);
  CHECK(taken.images.to_vector<std::int64_t>() == std::vector<std::int64_t>{5, 6, 1, 2, 5, 6});
  CHECK(samples_of(set, {}).size() == 0);
  const std::vector<std::int64_t> outside = {3};
  check_refused<ValueError>([&] { samples_of(set, outside); }, {"no sample 3 among 3"});
}

TEST_CASE("labels fit the network's outputs or are refused", "[data][dataset]") {
  const Dataset two = labelled_for(numbered({0, 1, 1}), 1), back = labelled_for(two, 2);
  CHECK(two.y.shape() == Shape{3, 1});
  CHECK(two.y.dtype() == float64);
  CHECK(back.y.shape() == Shape{3});
  CHECK(back.y.dtype() == int64);
  CHECK(class_count(two) == 2);
  CHECK(class_count(numbered({0, 4})) == 5);
  check_refused<ValueError>([] { labelled_for(numbered({0, 1, 2}), 1); }, {"label 2 is 2"});
  check_refused<ValueError>([] { labelled_for(numbered({0, 10}), 10); }, {"label 1 is 10"});
  check_refused<ValueError>([] { labelled_for(numbered({0, -1}), 10); }, {"label 1 is -1"});
}

TEST_CASE("data that are not finite and labels that are none are named", "[data][dataset]") {
  const auto set = [](std::initializer_list<double> x, std::initializer_list<double> y) {
    return Dataset{tensor(x, {2, 2}), tensor(y, {2, 1}), {}};
  };
  CHECK_NOTHROW(require_sound(set({1, 2, 3, 4}, {0, 1})));
  check_refused<ValueError>([&] { require_sound(set({1, 2, 3, std::nan("")}, {0, 1})); }, {"sample 1", "nan", "feature 1"});
  check_refused<ValueError>([&] { require_sound(set({1, HUGE_VAL, 3, 4}, {0, 1})); }, {"sample 0", "inf"});
  for (const double y : {0.5, -1.0, 2.0, std::nan("")}) check_refused<ValueError>([&] { require_sound(set({1, 2, 3, 4}, {0, y})); }, {"label of sample 1"});
  Dataset named = numbered({0, 2});
  named.classes = {"cat", "dog"};
  check_refused<ValueError>([&] { require_sound(named); }, {"label of sample 1 is 2"});
}
