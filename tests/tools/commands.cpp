// train, check and draw as a user runs them.
#include <chrono>
#include <thread>

#include <dz/dz.hpp>

#include "tests/tools/command.hpp"

using namespace dz;
using namespace dz::test;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Trains briefly with these options too, into the folder.
void train_into(const std::filesystem::path& folder, std::vector<std::string> more = {}) {
  std::vector<std::string> words = {"train", "--iterations", "20", "--out", folder.string()};
  words.insert(words.end(), more.begin(), more.end());
  const Outcome outcome = run_dz(words);
  INFO(outcome.out << outcome.error);
  REQUIRE(outcome.status == 0);
}

}  // namespace

TEST_CASE("help is grouped, on standard output, with status 0", "[tools]") {
  const Outcome all = run_dz({"--help"}), train = run_dz({"train", "--help"});
  CHECK(all.status == 0);
  for (const char* command : {"train", "check", "draw"}) CHECK(contains(all.out, command));
  CHECK(train.status == 0);
  for (const char* part : {"Data:", "Network:", "Training:", "Files:", "--layers", "--learning-rate", "--keep-prob", "--start"})
    CHECK(contains(train.out, part));
}

TEST_CASE("train without arguments learns the flower", "[tools][long][.]") {
  const Outcome outcome = run_dz({"train"});
  INFO(outcome.out << outcome.error);
  CHECK(outcome.status == 0);
  const std::size_t at = outcome.out.find("training accuracy ");
  REQUIRE(at != std::string::npos);
  CHECK(std::stod(outcome.out.substr(at + 18)) > 0.85);
}

TEST_CASE("a run repeats itself bit for bit", "[tools]") {
  const TempDir folder;
  for (const auto& more : {std::vector<std::string>{}, {"--keep-prob", "0.5", "--layers", "8,8,1", "--l2", "0.3"}, {"--data", "images"}}) {
    train_into(folder / "a", more);
    train_into(folder / "b", more);
    CHECK(contents(folder / "a/costs.csv") == contents(folder / "b/costs.csv"));
    CHECK(contents(folder / "a/model.safetensors") == contents(folder / "b/model.safetensors"));
  }
}

TEST_CASE("train writes four files, and a trained model can be checked and drawn", "[tools]") {
  const TempDir folder;
  for (const auto& more : {std::vector<std::string>{}, {"--data", "images", "--samples", "40", "--layers", "3,1", "--activation", "relu"},
                           {"--data", "moons", "--l2", "0.7", "--keep-prob", "0.8", "--dtype", "f64"}}) {
    train_into(folder / "out", more);
    const std::string model = (folder / "out/model.safetensors").string(), summary = contents(folder / "out/summary.json");
    for (const char* key : {"\"cost\"", "\"train_accuracy\"", "\"test_accuracy\"", "\"seconds_per_iteration\"", "\"options\"", "\"keep-prob\""})
      CHECK(contains(summary, key));
    CHECK(contains(contents(folder / "out/report.html"), "</html>"));
    const Outcome check = run_dz({"check", "--model", model});
    INFO(check.out << check.error);
    CHECK(check.status == 0);
    CHECK(contains(check.out, "layers.0.weight"));
    CHECK(contains(check.out, "passed"));
    const Outcome draw = run_dz({"draw", "--model", model});
    CHECK(draw.status == 0);
    CHECK(contains(draw.out, "digraph"));
    CHECK(contains(draw.out, "layers.1.bias"));
    CHECK(std::distance(std::filesystem::directory_iterator(folder / "out"), {}) == 4);  // and no temporary one
  }
}

TEST_CASE("check and draw take the options of train", "[tools]") {
  CHECK(run_dz({"check", "--layers", "5,3,1", "--activation", "sigmoid", "--init", "xavier", "--data", "circles"}).status == 0);
  const TempDir folder;
  CHECK(run_dz({"draw", "--out", (folder / "out").string()}).status == 0);
  CHECK(contains(contents(folder / "out/graph.dot"), "digraph"));
}

TEST_CASE("an interrupted training saves what there is and says so", "[tools]") {
  for (const int signal : {SIGINT, SIGTERM}) {
    const TempDir folder;
    const Outcome outcome = run_dz({"train", "--iterations", "1000000000", "--out", (folder / "out").string()}, [&](pid_t child, const auto& error) {
      while (contents(error).empty()) std::this_thread::sleep_for(std::chrono::milliseconds(10));  // the first line of progress
      kill(child, signal);
    });
    INFO(outcome.out << outcome.error);
    CHECK(outcome.status == 128 + signal);
    CHECK(contains(outcome.out, "interrupted"));
    CHECK(contains(contents(folder / "out/summary.json"), "\"interrupted\": true"));
    CHECK(run_dz({"check", "--model", (folder / "out/model.safetensors").string()}).status == 0);
  }
}

TEST_CASE("a training that diverges stops and says so", "[tools]") {
  const TempDir folder;
  const Outcome outcome = run_dz({"train", "--data", "flower", "--learning-rate", "1e38", "--out", (folder / "out").string()});
  INFO(outcome.out << outcome.error);
  CHECK(outcome.status == 1);
  CHECK(contains(outcome.out, "finite"));
  CHECK(contains(contents(folder / "out/summary.json"), "\"cost\": null"));
}
