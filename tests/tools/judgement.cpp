// The page of judgement that a training ends with, as a user reads it.

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "tests/tools/command.hpp"

using namespace dz;
using namespace dz::test;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// A table of two features and a class; a sample's class is rule(its number), which the first feature tells, too.
template <class Rule> std::string table(const std::filesystem::path& path, int samples, Rule rule) {
  std::ofstream out(path);
  out << "x,y,kind\n";
  for (int i = 0; i < samples; ++i) {
    const std::string kind = rule(i);
    out << (kind[0] - 'a') + 0.01 * (i % 7) << "," << 0.1 * (i % 11) << "," << kind << "\n";
  }
  return path.string();
}

/// What train prints and notes, after it ended well.
std::string trained(std::vector<std::string> options) {
  std::vector<std::string> words = {"train"};
  if (std::ranges::find(options, "--iterations") == options.end()) words.insert(words.end(), {"--iterations", "50"});
  words.insert(words.end(), options.begin(), options.end());
  const Outcome outcome = run_dz(words);
  INFO(outcome.out << outcome.error);
  REQUIRE(outcome.status == 0);
  return outcome.error + outcome.out;
}

std::string alternating(int i) { return i % 2 == 0 ? "a" : "b"; }

}  // namespace

TEST_CASE("a test part of its own is warned of, too", "[tools][verdict]") {
  const TempDir folder;
  const std::string train = table(folder / "train.csv", 60, alternating);
  const std::string rare = table(folder / "rare.csv", 60, [](int i) { return i % 10 == 0 ? "a" : "b"; });
  const std::string said = trained({"--data", train, "--split", "8:2", "--stratified", "--test", rare});
  CHECK(contains(said, "note: the classes have other shares in the dev part than in the test part"));
  CHECK(contains(trained({"--data", train, "--test", rare}), "other shares in the training part than in the test part"));
  CHECK_FALSE(contains(trained({"--data", train, "--split", "6:2:2", "--stratified"}), "note: the classes"));
}

TEST_CASE("the verdict says by which part it judges, and does without", "[tools][verdict]") {
  const TempDir folder;
  const std::string train = table(folder / "train.csv", 60, alternating);
  CHECK(contains(trained({}), "the test error of"));  // a generated set is tested on a second draw
  CHECK(contains(trained({"--split", "6:2:2"}), "the dev error of"));
  const std::string alone = trained({"--data", train, "--layers", "4,1", "--iterations", "500", "--out", (folder / "out").string()});
  CHECK(contains(alone, "low bias: the training error of 0.0 %"));
  CHECK(contains(alone, "without a dev or a test part nothing is known of the variance"));
  CHECK(contains(contents(folder / "out/summary.json"), "\"verdict\": \"low bias\""));
  CHECK(contains(contents(folder / "out/report.html"), "low bias"));
}

TEST_CASE("advice is for this kind of data, this size and what is not in use", "[tools][verdict]") {
  const std::string points = trained({"--iterations", "5"});  // high bias
  CHECK(contains(points, "  try a deeper or wider network"));
  CHECK(contains(points, "momentum, Adam"));
  CHECK_FALSE(contains(points, "picture"));
  const std::string adam = trained({"--iterations", "5", "--optimiser", "adam", "--learning-rate", "0.001", "--l2", "0.1"});
  CHECK_FALSE(contains(adam, "momentum, Adam"));
  CHECK(contains(adam, "a smaller lambda than 0.1"));
  CHECK(contains(trained({"--data", "images", "--samples", "20", "--iterations", "1", "--learning-rate", "0"}), "(dz train --network lenet or resnet)"));
}

TEST_CASE("a class that is never said is named, and the accuracy that hides it is no praise", "[tools][verdict]") {
  const TempDir folder;
  const std::string rare = table(folder / "rare.csv", 200, [](int i) { return i % 34 == 0 ? "b" : "a"; });
  const std::string said = trained({"--data", rare, "--iterations", "5", "--learning-rate", "0.01"});
  CHECK(contains(said, "high bias (underfitting): the training error of 3.0 %"));
  CHECK(contains(said, "class b (6 of the 200 samples of the training part) is never recognised"));
  CHECK(contains(said, "note: 97.0 % of the training part are of class a"));
  const std::string learnt = trained({"--data", rare, "--iterations", "2000", "--layers", "4,1"});
  CHECK_FALSE(contains(learnt, "never recognised"));
}

TEST_CASE("the gap that the verdict lets pass is an option", "[tools][verdict]") {
  const std::vector<std::string> run = {"--data", "circles", "--iterations", "1"};
  const auto with = [&](const char* gap) {
    std::vector<std::string> words = run;
    words.insert(words.end(), {"--tolerated-error", gap});
    return trained(words);
  };
  CHECK(contains(with("0.05"), "high bias"));
  CHECK_FALSE(contains(with("0.9"), "high bias"));
  CHECK(run_dz({"train", "--tolerated-error", "0"}).status != 0);
}

TEST_CASE("many classes neither flood the terminal nor take memory by their square", "[tools][verdict]") {
  const TempDir folder;
  std::ofstream(folder / "many.csv") << [] {
    std::string text;
    for (int i = 0; i < 900; ++i) text += fmt::format("{},{},k{:03}\n", i % 300, i, i % 300);
    return text;
  }();
  const std::string many = (folder / "many.csv").string();
  const std::string said =
      trained({"--data", many, "--layers", "300", "--iterations", "2", "--learning-rate", "0.001", "--out", (folder / "out").string()});
  CHECK(said.size() < 5000);
  CHECK(contains(said, "300 classes, mean F1"));
  CHECK(contains(said, "the most frequent mistakes, 20 of"));
  CHECK(contains(contents(folder / "out/report.html"), "the most frequent mistakes, 20 of"));
  const Outcome outputs = run_dz({"train", "--data", many, "--layers", "1000000", "--iterations", "1"});
  CHECK(outputs.status != 0);
  CHECK(contains(outputs.error, "--layers: the last one is 1000000, and " + many + " has 300 classes"));
}

TEST_CASE("of points of three classes the report shows the regions", "[tools]") {
  const TempDir folder;
  const std::string three = table(folder / "three.csv", 90, [](int i) { return std::string(1, static_cast<char>('a' + i % 3)); });
  trained({"--data", three, "--layers", "3", "--out", (folder / "out").string()});
  const std::string report = contents(folder / "out/report.html");
  CHECK(contains(report, "<h2>Decision boundary</h2>"));
  CHECK(contains(report, "class=\"c2\""));
}

TEST_CASE("a cost that stays at ln 2 is explained by what was asked for", "[tools][verdict]") {
  const std::string still = trained({"--data", "moons", "--learning-rate", "0"});
  CHECK(contains(still, "0.693147 = ln 2"));
  CHECK(contains(still, "the learning rate is 0"));
  CHECK(contains(trained({"--data", "moons", "--l2", "400", "--learning-rate", "0.5"}), "lambda, 400,"));
}
