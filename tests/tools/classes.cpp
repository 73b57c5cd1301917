// Classes keep their names from the training to the last prediction.
#include <cmath>
#include <fstream>
#include <limits>

#include <dz/data/model_file.hpp>
#include <dz/data/npy.hpp>
#include <dz/data/safetensors.hpp>
#include <dz/dz.hpp>

#include "tests/tools/command.hpp"

using namespace dz;
using namespace dz::test;

namespace {

/// A sample of each of these classes in turn, each class somewhere of its own.
std::string table(const std::vector<std::string>& classes, const std::vector<std::string>& of_all, int samples = 60) {
  std::string text;
  for (int i = 0; i < samples; ++i) {
    const std::string& called = classes[static_cast<std::size_t>(i) % classes.size()];
    const auto place = std::find(of_all.begin(), of_all.end(), called) - of_all.begin();
    text += std::to_string(4.0 * static_cast<double>(place / 2) + 0.01 * i) + "," + std::to_string(4.0 * static_cast<double>(place % 2) - 0.01 * i) + "," + called + "\n";
  }
  return text;
}

struct Trained {
  TempDir folder;
  std::string out = (folder / "out").string(), model = out + "/model.safetensors";

  std::string file(const char* name, const std::string& text) const {
    std::ofstream(folder / name, std::ios::binary) << text;
    return (folder / name).string();
  }
  Outcome train(const std::string& data, const char* layers, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"train", "--data", data, "--layers", layers, "--optimiser", "adam", "--learning-rate", "0.05", "--iterations", "300", "--out", out});
    return run_dz(more);
  }
  Outcome predict(const std::string& data, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"predict", "--model", model, "--data", data});
    return run_dz(more);
  }
};

}  // namespace

TEST_CASE("further data are taken by the names of their classes", "[tools]") {
  const Trained t;
  const std::vector<std::string> all = {"a", "b", "c", "d"};
  const std::string train = t.file("train.csv", table(all, all)), fewer = t.file("fewer.csv", table({"d", "b"}, all)), strange = t.file("strange.csv", table({"a", "e"}, {"a", "e"}));
  const Outcome trained = t.train(train, "8,4", {"--test", fewer});
  INFO(trained.out << trained.error);
  REQUIRE(trained.status == 0);
  CHECK_THAT(trained.out, Contains("training accuracy 1.0000, test accuracy 1.0000"));

  const Outcome said = t.predict(fewer);
  INFO(said.out << said.error);
  CHECK(said.status == 0);
  CHECK_THAT(said.out, Contains("\n0,d,") && Contains("\n1,b,"));
  CHECK_THAT(said.error, Contains("accuracy 1.0000"));
  for (const Outcome& refused : {t.predict(strange), run_dz({"check", "--model", t.model, "--data", strange}), run_dz({"train", "--data", train, "--layers", "8,4", "--test", strange}),
                                 run_dz({"train", "--resume", t.out + "/checkpoint.safetensors", "--iterations", "400", "--test", strange})}) {
    CHECK(refused.status == 2);
    CHECK_THAT(refused.error, Contains("strange.csv: its class 'e' is none of 'a', 'b', 'c', 'd'"));
    CHECK_THAT(refused.error, !Contains("--layers") && !Contains(".cpp"));
  }
  CHECK(run_dz({"check", "--model", t.model, "--data", fewer}).status == 0);
  const Outcome bare = t.predict(t.file("bare.csv", "0,0\n4,4\n"), {"--unlabelled"});
  CHECK_THAT(bare.out, Contains("\n0,a,") && Contains("\n1,d,"));
  const Outcome numbers = t.predict(t.file("numbers.csv", "0,0,0\n4,4,3\n"));  // places among the names
  CHECK_THAT(numbers.error, Contains("accuracy 1.0000"));
  const Outcome beyond = t.predict(t.file("beyond.csv", "0,0,0\n4,4,4\n"));
  CHECK(beyond.status == 2);
  CHECK_THAT(beyond.error, Contains("beyond.csv: its class '4' is none of"));
}

TEST_CASE("a network of two classes says them by name, in data of one class too", "[tools]") {
  const Trained t;
  REQUIRE(t.train(t.file("train.csv", table({"no", "yes"}, {"no", "yes"})), "1").status == 0);
  const Outcome one = t.predict(t.file("yes.csv", table({"yes"}, {"no", "yes"}, 3)));
  INFO(one.out << one.error);
  CHECK(one.status == 0);
  CHECK_THAT(one.out, Contains("\n0,yes,"));
  CHECK_THAT(one.error, Contains("accuracy 1.0000"));
  const Outcome wrong = t.predict(t.file("no.csv", "0,4,no\n"));
  CHECK_THAT(wrong.out, Contains("\n0,yes,"));
  CHECK_THAT(wrong.error, Contains("accuracy 0.0000"));
  const Outcome three = run_dz({"train", "--data", t.file("three.csv", table({"a", "b", "c"}, {"a", "b", "c"})), "--layers", "3", "--test", t.file("cats.csv", table({"cat"}, {"cat"}))});
  CHECK(three.status == 2);
  CHECK_THAT(three.error, Contains("cats.csv: its class 'cat' is none of 'a', 'b', 'c'"));
}

TEST_CASE("numbers stay numbers, and fewer of them are no other classes", "[tools]") {
  const Trained t;
  const std::vector<std::string> all = {"0", "1", "2"};
  const Outcome trained = t.train(t.file("train.csv", table(all, all)), "8,3", {"--test", t.file("fewer.csv", table({"1", "0"}, all))});
  INFO(trained.out << trained.error);
  REQUIRE(trained.status == 0);
  CHECK_THAT(trained.out, Contains("test accuracy 1.0000"));
  CHECK_THAT(t.predict(t.file("last.csv", table({"2"}, all))).out, Contains("\n0,2,"));
  const Outcome words = t.predict(t.file("words.csv", table({"a", "b"}, all)));
  CHECK(words.status == 2);
  CHECK_THAT(words.error, Contains("words.csv: its class 'a' is none of the numbers"));
  const Outcome beyond = t.predict(t.file("beyond.csv", "1,2,3\n"));
  CHECK(beyond.status == 2);
  CHECK_THAT(beyond.error, Contains("beyond.csv") && !Contains("--layers"));
}

TEST_CASE("a model that does not say what its classes are called still predicts numbers", "[tools]") {
  const Trained t;
  const std::string train = t.file("train.csv", table({"no", "yes"}, {"no", "yes"}));
  REQUIRE(t.train(train, "1").status == 0);
  NamedArrays old = read_safetensors(t.model);
  CHECK(old.metadata.at(classes_key) == R"(["no","yes"])");
  old.metadata.erase(classes_key);
  write_safetensors(t.model, old);
  const Outcome said = t.predict(train);
  INFO(said.out << said.error);
  CHECK(said.status == 0);
  CHECK_THAT(said.out, Contains("\n0,0,") && Contains("\n1,1,"));
  CHECK_THAT(said.error, Contains("does not say what its classes are called") && Contains("accuracy 1.0000"));
  CHECK(t.predict(t.file("yes.csv", table({"yes"}, {"no", "yes"}, 3))).status == 0);
  old.metadata[classes_key] = "[1]";
  write_safetensors(t.model, old);
  CHECK(t.predict(train).status == 2);
}

TEST_CASE("what a model takes and what a file has are told apart in the file's words", "[tools]") {
  const Trained t;
  const std::string train = t.file("train.csv", table({"no", "yes"}, {"no", "yes"}));
  REQUIRE(t.train(train, "3,1").status == 0);
  const Outcome features = t.predict(t.file("three.csv", "1,2,3,no\n"));
  CHECK(features.status == 2);
  CHECK_THAT(features.error, Contains("model.safetensors: the model takes 2 features, and ") && Contains("three.csv has 3 features\n"));
  const Outcome checkpoint = run_dz({"predict", "--model", t.out + "/checkpoint.safetensors", "--data", train});
  CHECK(checkpoint.status == 2);
  CHECK_THAT(checkpoint.error, Contains("--model") && Contains("is a checkpoint"));
  const Outcome model = run_dz({"train", "--resume", t.model});
  CHECK(model.status == 2);
  CHECK_THAT(model.error, Contains("--resume") && Contains("is no checkpoint"));
  const Outcome infinite = t.predict(t.file("infinite.npz", ""));
  CHECK_THAT(infinite.error, Contains("infinite.npz"));

  NamedArrays file = read_safetensors(t.model);
  file.arrays[1].array.assign(Array::full(file.arrays[1].array.shape(), std::numeric_limits<double>::quiet_NaN()));
  write_safetensors(t.model, file);
  for (const char* command : {"predict", "check"}) {
    const Outcome refused = run_dz({command, "--model", t.model, "--data", train});
    CHECK(refused.status == 2);
    CHECK_THAT(refused.error, Contains("model.safetensors: '" + file.arrays[1].name + "' is not finite"));
  }
}

TEST_CASE("a class's name cannot speak to the terminal", "[tools]") {
  const Trained t;
  const std::string train = t.file("train.csv", "0,0,\x1b[31mred\n4,4,\"a, \"\"b\"\"\"\n0,1,\x1b[31mred\n4,3,\"a, \"\"b\"\"\"\n");
  const Outcome trained = t.train(train, "1");
  INFO(trained.out << trained.error);
  REQUIRE(trained.status == 0);
  CHECK(trained.out.find('\x1b') == std::string::npos);
  const Outcome said = t.predict(train);
  CHECK_THAT(said.out, Contains("\n0,\\x1b[31mred,") && Contains("\n1,\"a, \"\"b\"\"\","));
  CHECK(said.error.find('\x1b') == std::string::npos);
  const Outcome strange = t.predict(t.file("strange.csv", "0,0,\x1b[2J\n"));
  CHECK(strange.status == 2);
  CHECK_THAT(strange.error, Contains("\\x1b[2J"));
  const Outcome latin = run_dz({"train", "--data", t.file("latin.csv", "0,0,K\xe4se\n1,1,b\n"), "--layers", "1"});
  CHECK(latin.status == 2);
  CHECK_THAT(latin.error, Contains("latin.csv: the class 'K\\xe4se' has a name that is not UTF-8"));
}
