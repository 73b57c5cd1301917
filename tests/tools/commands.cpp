// train, check and draw as a user runs them.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>

#include <dz/dz.hpp>

#include "tests/tools/command.hpp"
#include "tools/train.hpp"

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
  for (const char* command : {"train", "check", "draw", "predict"}) CHECK(contains(all.out, command));
  CHECK(train.status == 0);
  for (const char* part : {"Data:", "Network:", "Training:", "Optimiser:", "Files:", "--layers", "--schedule", "--resume",
                           "--learning-rate", "--keep-prob", "--start"})
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

TEST_CASE("train writes seven files, and a trained model can be checked and drawn", "[tools]") {
  const TempDir folder;
  for (const auto& more : {std::vector<std::string>{},
                           {"--data", "images", "--samples", "40", "--layers", "3,1", "--activation", "relu"},
                           {"--data", "moons", "--l2", "0.7", "--keep-prob", "0.8", "--dtype", "f64"}}) {
    train_into(folder / "out", more);
    const std::string model = (folder / "out/model.safetensors").string(), summary = contents(folder / "out/summary.json");
    for (const char* key :
         {"\"cost\"", "\"train_accuracy\"", "\"test_accuracy\"", "\"seconds_per_iteration\"", "\"options\"", "\"keep-prob\""})
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
    CHECK(contains(draw.out, "mul\\n(400, 4)") == (std::ranges::count(more, "--keep-prob") > 0));  // an iteration drops units
    CHECK(std::distance(std::filesystem::directory_iterator(folder / "out"), {}) == 7);  // and no temporary one
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
    const Outcome outcome =
        run_dz({"train", "--iterations", "1000000000", "--out", (folder / "out").string()}, [&](pid_t child, const auto& error) {
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

TEST_CASE("a training that was interrupted and resumed ends as the uninterrupted one, bit for bit", "[tools]") {
  const TempDir folder;
  const std::vector<std::string> options = {
      "--data",      "flower", "--layers",        "12,6,1",     "--keep-prob", "0.9,0.8",      "--batch",  "50",
      "--optimiser", "adam",   "--learning-rate", "0.01",       "--schedule",  "cosine",       "--warmup", "10",
      "--split",     "6:2:2",  "--normalise",     "--patience", "50",          "--iterations", "60"};
  const auto train = [&](std::vector<std::string> more, const char* out) {
    more.insert(more.begin(), "train");
    more.insert(more.end(), {"--out", (folder / out).string()});
    const Outcome outcome = run_dz(more);
    INFO(outcome.out << outcome.error);
    REQUIRE(outcome.status == 0);
    return outcome;
  };
  train(options, "whole");
  // With a checkpoint in the middle of an epoch, from which another run goes on: the first one's end is forgotten.
  std::vector<std::string> first = options;
  first.insert(first.end(), {"--checkpoint-every", "27"});
  train(first, "first");
  for (const char* file : {"model.safetensors", "costs.csv", "metrics.csv"})
    CHECK(contents(folder / "first" / file) == contents(folder / "whole" / file));
  std::vector<std::string> shorter = options;
  shorter.back() = "27";
  shorter.insert(shorter.end(), {"--schedule", "constant"});
  shorter.erase(std::find(shorter.begin(), shorter.end(), "cosine") - 1, std::find(shorter.begin(), shorter.end(), "10") + 1);
  train(shorter, "half");
  std::vector<std::string> longer = shorter;
  *(std::find(longer.begin(), longer.end(), "27")) = "60";
  train(longer, "unbroken");
  const Outcome resumed = train({"--resume", (folder / "half/checkpoint.safetensors").string(), "--iterations", "60"}, "resumed");
  for (const char* file : {"model.safetensors", "costs.csv", "metrics.csv"})
    CHECK(contents(folder / "resumed" / file) == contents(folder / "unbroken" / file));
  CHECK(contains(contents(folder / "resumed/summary.json"), "\"iterations\": 60"));
  CHECK(run_dz({"train", "--resume", (folder / "half/checkpoint.safetensors").string()}).status == 2);  // nothing is left to do
  const Outcome other =
      run_dz({"train", "--resume", (folder / "half/checkpoint.safetensors").string(), "--layers", "3,6,1", "--iterations", "60"});
  CHECK(other.status == 2);
  CHECK(contains(other.error, "--layers 3,6,1, there 12,6,1"));
}

TEST_CASE("every optimiser and schedule trains, and the page of judgement says how it went", "[tools]") {
  for (const char* optimiser : {"gd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lbfgs"}) {
    const Outcome outcome =
        run_dz({"train", "--data", "blobs", "--layers", "3,1", "--optimiser", optimiser, "--learning-rate", "0.1", "--iterations", "150"});
    INFO(optimiser << outcome.out << outcome.error);
    CHECK(outcome.status == 0);
    CHECK(contains(outcome.out, "precision"));
    CHECK(std::stod(outcome.out.substr(outcome.out.find("training accuracy ") + 18)) > 0.9);
  }
  for (const char* schedule : {"constant", "step", "exponential", "cosine", "plateau", "one_cycle", "inverse_sqrt"}) {
    const Outcome outcome = run_dz({"train", "--data", "blobs", "--layers", "1", "--schedule", schedule, "--warmup", "5", "--batch", "100",
                                    "--clip-norm", "1", "--clip-value", "0.5", "--iterations", "60"});
    INFO(schedule << outcome.out << outcome.error);
    CHECK(outcome.status == 0);
  }
  const Outcome deep = run_dz({"train", "--layers", "5,5,5,5,5,1", "--activation", "relu", "--iterations", "100"});
  CHECK(contains(deep.out, "ln 2"));
  CHECK(contains(deep.out, "high bias"));
  CHECK(contains(deep.error, "note: at iteration "));  // told while it trains, too
  const TempDir folder;
  const Outcome split = run_dz({"train", "--data", "flower", "--split", "6:2:2", "--stratified", "--normalise", "--iterations", "50",
                                "--out", (folder / "out").string()});
  INFO(split.out << split.error);
  CHECK(split.status == 0);
  CHECK(contains(split.out, "dev accuracy"));
  CHECK(contains(split.error, "  dev cost 0."));
  const std::string metrics = contents(folder / "out/metrics.csv"), report = contents(folder / "out/report.html");
  CHECK(metrics.starts_with("iteration,cost,train_error,dev_cost,dev_error,learning_rate,gradient_norm,gradient_norm layers.0.weight,"));
  CHECK(std::count(metrics.begin(), metrics.end(), '\n') == 51);
  CHECK(contains(report, "curve dev"));
  CHECK(contains(report, "Judgement"));
}

TEST_CASE("an optimiser has the settings that were given, or its own", "[tools]") {
  const auto made = [](std::vector<const char*> words) {
    words.insert(words.begin(), {"dz", "train", "--samples", "4"});
    const tool::Options options = tool::read_options(words);
    const tool::Problem problem = tool::make_problem(options);
    return tool::begin_training(options, tool::make_network(options, problem.task, problem.train.x)).optimiser;
  };
  const auto adam = std::get<Adam>(made({"--optimiser", "adam", "--betas", "0.8,0.95", "--epsilon", "1e-6"}));
  CHECK((adam.beta1 == 0.8 && adam.beta2 == 0.95 && adam.epsilon == 1e-6));
  const auto adamw = std::get<AdamW>(made({"--optimiser", "adamw", "--betas", "0.7,0.9", "--weight-decay", "0.1"}));
  CHECK((adamw.beta1 == 0.7 && adamw.beta2 == 0.9 && adamw.epsilon == AdamW{}.epsilon && adamw.weight_decay == 0.1));
  const auto rmsprop = std::get<RmsProp>(made({"--optimiser", "rmsprop", "--momentum", "0.6", "--epsilon", "1e-3"}));
  CHECK((rmsprop.decay == 0.6 && rmsprop.epsilon == 1e-3));
  CHECK(std::get<Adagrad>(made({"--optimiser", "adagrad"})).epsilon == Adagrad{}.epsilon);
  CHECK(std::get<Adagrad>(made({"--optimiser", "adagrad", "--epsilon", "1e-5"})).epsilon == 1e-5);
  CHECK(std::get<Adam>(made({"--optimiser", "adam"})).beta2 == Adam{}.beta2);
}

TEST_CASE("options are read from a file, behind what is typed", "[tools]") {
  const TempDir folder;
  std::ofstream(folder / "options") << "# a comment\nlayers = 3,1\niterations = 7\ndata = moons\n";
  const Outcome outcome =
      run_dz({"train", "--config", (folder / "options").string(), "--iterations", "5", "--out", (folder / "out").string()});
  INFO(outcome.out << outcome.error);
  CHECK(outcome.status == 0);
  const std::string summary = contents(folder / "out/summary.json");
  CHECK(contains(summary, "\"iterations\": 5"));
  CHECK(contains(summary, "\"data\": \"moons\""));
  std::ofstream(folder / "options") << "colour = red\n";
  const Outcome wrong = run_dz({"train", "--config", (folder / "options").string()});
  CHECK(wrong.status == 2);
  CHECK(contains(wrong.error, "colour"));
}

TEST_CASE("a table of several classes is learnt, and the model predicts others", "[tools]") {
  const TempDir folder;
  std::ofstream table(folder / "train.csv"), fresh(folder / "fresh.csv");
  table << "x,y,kind\n";
  const char* kinds[] = {"ant", "bee", "cat"};
  for (int i = 0; i < 90; ++i) table << 10 * (i % 3) + 0.01 * i << ',' << -5 * (i % 3) << ',' << kinds[i % 3] << '\n';
  for (int i = 0; i < 3; ++i) fresh << 10 * i << ',' << -5 * i << '\n';
  table.close(), fresh.close();
  const std::string out = (folder / "out").string();
  const Outcome outcome =
      run_dz({"train", "--data", (folder / "train.csv").string(), "--layers", "8,3", "--normalise", "--split", "8:2", "--stratified",
              "--optimiser", "adam", "--learning-rate", "0.05", "--batch", "16", "--iterations", "200", "--out", out});
  INFO(outcome.out << outcome.error);
  REQUIRE(outcome.status == 0);
  CHECK(contains(outcome.out, "dev accuracy 1.0000"));
  CHECK(contains(outcome.out, "bee"));
  const Outcome said =
      run_dz({"predict", "--model", out + "/model.safetensors", "--data", (folder / "fresh.csv").string(), "--unlabelled"});
  INFO(said.out << said.error);
  CHECK(said.status == 0);
  CHECK(said.out.starts_with("sample,class,probability\n0,ant,"));
  CHECK(contains(said.out, "\n2,cat,"));
  const Outcome judged = run_dz({"predict", "--model", out + "/model.safetensors", "--data", (folder / "train.csv").string()});
  CHECK(contains(judged.out, "\n1,bee,"));
  CHECK(contains(judged.error, "accuracy 1.0000"));
  CHECK(run_dz({"predict"}).status == 2);
  CHECK(run_dz({"train", "--data", (folder / "train.csv").string(), "--layers", "8,1"}).status == 2);
}

TEST_CASE("of a table of two features the report shows the boundary, and of differing scales what normalising does", "[tools]") {
  const TempDir folder;
  std::ofstream table(folder / "table.csv");
  for (int i = 0; i < 40; ++i) table << (i % 2) + 0.1 * (i % 7) << ',' << 100 * (i % 2) + 30 * (i % 5) << ',' << i % 2 << '\n';
  table.close();
  const auto train = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"train", "--data", (folder / "table.csv").string(), "--layers", "3,1", "--iterations", "20", "--out", (folder / "out").string()});
    const Outcome outcome = run_dz(more);
    INFO(outcome.out << outcome.error);
    CHECK(outcome.status == 0);
    const std::string report = contents(folder / "out/report.html");
    CHECK(contains(report, "<h2>Decision boundary</h2>"));
    CHECK(contains(report, "<h2>Cost over two weights</h2>"));
    return outcome;
  };
  CHECK(contains(train({}).out, "note: the scales of features 1 and 2 differ by a factor of "));
  CHECK_FALSE(contains(train({"--normalise"}).out, "differ by a factor"));
  train_into(folder / "flower");
  CHECK_FALSE(contains(contents(folder / "flower/report.html"), "Cost over two weights"));
  // A feature that never changes spans nothing.
  std::ofstream flat(folder / "table.csv");
  for (int i = 0; i < 40; ++i) flat << "1," << i << ',' << i % 2 << '\n';
  flat.close();
  train({"--learning-rate", "0.001"});
}
