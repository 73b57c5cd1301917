// What a training that goes on may differ in, and what early stopping leaves.
#include <fstream>

#include <dz/data/safetensors.hpp>
#include <dz/dz.hpp>

#include "tests/tools/command.hpp"

using namespace dz;
using namespace dz::test;

namespace {

Outcome train(std::vector<std::string> more) {
  more.insert(more.begin(), "train");
  return run_dz(more);
}

/// The number behind the words.
double number_after(const std::string& text, const std::string& words) {
  const std::size_t at = text.find(words);
  REQUIRE(at != std::string::npos);
  return std::stod(text.substr(at + words.size()));
}

}  // namespace

TEST_CASE("a checkpoint goes on as it began, or the differences are listed as options", "[tools]") {
  const TempDir folder;
  const std::string out = (folder / "out").string(), checkpoint = out + "/checkpoint.safetensors", model = out + "/model.safetensors";
  REQUIRE(train({"--iterations", "20", "--layers", "3,1", "--out", out}).status == 0);
  const auto refused = [&](std::vector<std::string> more, const std::string& words) {
    more.insert(more.begin(), {"--resume", checkpoint, "--iterations", "30"});
    const Outcome outcome = train(more);
    INFO(outcome.out << outcome.error);
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.error, Contains(words));
  };
  refused({"--activation", "relu"}, "--activation relu, there tanh");
  refused({"--seed", "2", "--batch", "10"}, "--seed 2, there 1; --batch 10, there 0");
  refused({"--optimiser", "adam"}, "--optimiser adam, there gd");
  refused({"--split", "6:2:2"}, "--split 6:2:2, there not given");
  refused({"--data", "moons"}, "is of a training on other data than those of 'moons' now");
  for (const std::vector<std::string>& fine : {std::vector<std::string>{"--learning-rate", "0.1"}, {"--activation", "tanh", "--seed", "1"}, {"--l2", "0.0"}}) {
    std::vector<std::string> words = fine;
    words.insert(words.begin(), {"--resume", checkpoint, "--iterations", "30"});
    CHECK(train(words).status == 0);
  }
  for (const char* command : {"check", "predict", "draw"}) {
    const Outcome outcome = run_dz({command, "--model", model, "--activation", "relu", "--layers", "4,1"});
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.error, Contains("--layers 4,1, there 3,1; --activation relu, there tanh"));
  }

  NamedArrays broken = read_safetensors(checkpoint);
  for (NamedArray& a : broken.arrays)
    if (a.name == "costs") a.array = Array::full({3}, 0, float64);
  write_safetensors(checkpoint, broken);
  refused({}, "3 costs and ");
}

TEST_CASE("data are known again by their values, wherever they lie", "[tools]") {
  const TempDir folder;
  const auto table = [&](const char* name, int shift) {
    std::ofstream file(folder / name);
    for (int i = 0; i < 20; ++i) file << i << ',' << (i + shift) % 2 << '\n';
    return (folder / name).string();
  };
  const std::string out = (folder / "out").string(), checkpoint = out + "/checkpoint.safetensors", first = table("first.csv", 0);
  REQUIRE(train({"--data", first, "--layers", "1", "--iterations", "5", "--out", out}).status == 0);
  CHECK(train({"--resume", checkpoint, "--iterations", "6", "--data", table("moved.csv", 0)}).status == 0);
  table("first.csv", 1);
  const Outcome changed = train({"--resume", checkpoint, "--iterations", "6"});
  CHECK(changed.status == 2);
  CHECK_THAT(changed.error, Contains("other data than those of '" + first + "' now"));
}

TEST_CASE("the parameters that come back are told, with their cost, and are those of that iteration", "[tools]") {
  const TempDir folder;
  const std::vector<std::string> options = {"--layers", "30,1", "--learning-rate", "30", "--split", "6:2:2"};
  const auto into = [&](const char* out, std::vector<std::string> more) {
    more.insert(more.begin(), options.begin(), options.end());
    more.insert(more.end(), {"--out", (folder / out).string()});
    const Outcome outcome = train(more);
    INFO(outcome.out << outcome.error);
    REQUIRE(outcome.status == 0);
    return outcome;
  };
  const Outcome patient = into("patient", {"--patience", "1000", "--iterations", "200"});
  const auto best = static_cast<int>(number_after(patient.out, "after iteration "));
  CHECK(best < 200);
  CHECK_THAT(patient.out, Contains("note: the parameters are those after iteration " + std::to_string(best) + ", of the lowest dev cost, "));
  const Outcome stopped = into("stopped", {"--iterations", std::to_string(best)});
  CHECK(contents(folder / "patient/model.safetensors") == contents(folder / "stopped/model.safetensors"));
  CHECK(number_after(patient.out, "cost ") == number_after(stopped.out, "cost "));
  CHECK(number_after(contents(folder / "patient/summary.json"), "\"cost\": ") == number_after(contents(folder / "stopped/summary.json"), "\"cost\": "));
}

TEST_CASE("patience counts epochs, with and without mini-batches", "[tools]") {
  const TempDir folder;
  const std::string out = (folder / "out").string();
  for (const auto& [batch, steps] : {std::pair("0", 1), {"40", 6}}) {  // 240 samples
    const Outcome outcome = train({"--layers", "30,1", "--learning-rate", "30", "--split", "6:2:2", "--patience", "7", "--iterations", "100000", "--batch", batch, "--out", out});
    INFO(outcome.out << outcome.error);
    REQUIRE(outcome.status == 0);
    CHECK_THAT(outcome.out, Contains("note: stopped early: the parameters are those after iteration "));
    CHECK(number_after(contents(folder / "out/summary.json"), "\"iterations\": ") - number_after(outcome.out, "after iteration ") == 8 * steps);
    const Outcome again = train({"--resume", out + "/checkpoint.safetensors", "--iterations", "200000"});
    CHECK(again.status == 2);
    CHECK_THAT(again.error, Contains("has stopped early") && Contains("--patience"));
    CHECK(train({"--resume", out + "/checkpoint.safetensors", "--iterations", "200000", "--patience", "9"}).status == 0);
  }
  const Outcome early = train({"--split", "6:2:2", "--batch", "10", "--iterations", "5", "--patience", "3"});
  CHECK(early.status == 2);
  CHECK_THAT(early.error, Contains("--patience") && Contains("5 iterations are less than one, of 24"));
}

TEST_CASE("options that would be of no use are refused", "[tools]") {
  const TempDir folder;
  for (const char* option : {"--out", "--start", "--resume", "--test", "--labels", "--test-labels"}) {
    const Outcome outcome = train({option, ""});
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.error, Contains(std::string(option) + ": a path, not nothing"));
  }
  CHECK_THAT(train({"--labels", "x"}).error, Contains("--labels: the generated set 'flower' has its own"));
  CHECK_THAT(train({"--test-labels", "x"}).error, Contains("--test-labels"));
  for (const char* line : {"help = 1", "config = other"}) {
    std::ofstream(folder / "options") << line << '\n';
    const Outcome outcome = train({"--config", (folder / "options").string()});
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.error, Contains("can only be typed"));
  }
  std::ofstream(folder / "options") << "\xef\xbb\xbfiterations = 3\n";
  CHECK(train({"--config", (folder / "options").string()}).status == 0);
}
