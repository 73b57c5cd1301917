// The notes' three networks on the photographs, against the figures that NumPy gives from the same start.
#include <fstream>

#include <dz/data/hdf5.hpp>
#include <dz/data/npy.hpp>
#include <dz/dz.hpp>

#include "tests/tools/command.hpp"
#include "tools/network.hpp"
#include "tools/problem.hpp"

using namespace dz;
using namespace dz::test;

namespace {

struct Network {
  const char *name, *layers, *learning_rate, *iterations;
  std::size_t steady;  // iterations before the first burst of instability
};
constexpr Network networks[] = {
    {"logistic", "1", "0.005", "2000", 2000}, {"shallow", "7,1", "0.0075", "2500", 800}, {"deep", "20,7,5,1", "0.0075", "2500", 250}};

std::vector<std::string> options_of(const Network& n, const std::string& dtype, const std::filesystem::path& shared) {
  return {"train",
          "--data",
          (shared / "data/train_catvnoncat.h5").string(),
          "--test",
          (shared / "data/test_catvnoncat.h5").string(),
          "--layers",
          n.layers,
          "--activation",
          "relu",
          "--learning-rate",
          n.learning_rate,
          "--iterations",
          n.iterations,
          "--start",
          (shared / "reference" / (std::string(n.name) + ".npz")).string(),
          "--dtype",
          dtype};
}

/// The same in float64, as the command reads them.
tool::Options read_options(const Network& n, const std::filesystem::path& shared) {
  const std::vector<std::string> typed = options_of(n, "f64", shared);
  std::vector<const char*> words = {"dz"};
  for (const std::string& word : typed) words.push_back(word.c_str());
  return tool::read_options(words);
}

struct Result {
  std::vector<double> costs;
  double train_accuracy, test_accuracy;
};

double number_after(const std::string& text, const std::string& key) {
  const std::size_t at = text.find('"' + key + '"');
  REQUIRE(at != std::string::npos);
  return std::stod(text.substr(text.find(':', at) + 1));
}

/// Trains by the command and reads what it wrote.
Result run(const Network& n, const std::string& dtype, const std::filesystem::path& shared) {
  const TempDir folder;
  std::vector<std::string> options = options_of(n, dtype, shared);
  options.insert(options.end(), {"--out", (folder / "out").string()});
  const Outcome outcome = run_dz(options);
  INFO(outcome.out << outcome.error);
  REQUIRE(outcome.status == 0);
  std::ifstream file(folder / "out/costs.csv");
  std::string line;
  std::getline(file, line);
  CHECK(line == "iteration,cost");
  Result result;
  while (std::getline(file, line)) {
    const std::size_t comma = line.find(',');
    CHECK(std::stoul(line) == result.costs.size());
    result.costs.push_back(std::stod(line.substr(comma + 1)));
  }
  const std::string summary = contents(folder / "out/summary.json");
  CHECK(number_after(summary, "cost") == Approx(result.costs.back()).epsilon(0.01));  // one step later
  result.train_accuracy = number_after(summary, "train_accuracy");
  result.test_accuracy = number_after(summary, "test_accuracy");
  return result;
}

}  // namespace

TEST_CASE("in float64 dz reproduces NumPy's three cost curves and accuracies", "[tools][reference]") {
  if (!test_data()) DZ_SKIP("no shared test data");
  for (const Network& n : networks) {
    INFO(n.name);
    const auto reference = read_npz(*test_data() / "reference" / (std::string(n.name) + ".npz"));
    const std::vector<double> costs = reference.at("costs").to_vector<double>();
    const Result result = run(n, "f64", *test_data());
    REQUIRE(result.costs.size() == costs.size());
    CHECK(std::abs(result.costs[0] - costs[0]) < 1e-9);
    double worst = 0;
    for (std::size_t i = 0; i < costs.size(); ++i) worst = std::max(worst, std::abs(result.costs[i] - costs[i]));
    CHECK(worst < 1e-6);
    CHECK(result.train_accuracy == Approx(reference.at("train_accuracy").item()).margin(1e-12));
    CHECK(result.test_accuracy == Approx(reference.at("test_accuracy").item()).margin(1e-12));
  }
}

TEST_CASE("the first gradients are NumPy's", "[tools][reference]") {
  if (!test_data()) DZ_SKIP("no shared test data");
  for (const Network& n : networks) {
    const auto reference = read_npz(*test_data() / "reference" / (std::string(n.name) + ".npz"));
    const tool::Options options = read_options(n, *test_data());
    const tool::Problem problem = tool::make_problem(options);
    tool::Network network = tool::make_network(options, problem.task, problem.train.x);
    backward(tool::cost(network, problem.train.x, problem.train.y, 0));
    const std::vector<Linear>& layers = std::get<Mlp>(network).layers;
    for (std::size_t l = 0; l < layers.size(); ++l)
      for (const auto& [letter, p] : {std::pair("W", &layers[l].weight), std::pair("b", &layers[l].bias)}) {
        const std::string name = std::string("grad0_") + letter + std::to_string(l + 1);
        INFO(n.name << " " << name);
        const std::vector<double> ours = p->grad().to_vector(), theirs = reference.at(name).to_vector<double>();
        REQUIRE(ours.size() == theirs.size());
        double worst = 0;
        for (std::size_t i = 0; i < ours.size(); ++i) worst = std::max(worst, std::abs(ours[i] - theirs[i]));
        CHECK(worst < 1e-10);
      }
  }
}

// Descent passes bursts of instability (the deep network's about iteration 270, the shallow one's about 850) that multiply any difference
// by up to ten million. What float32 rounds of a parameter at each step adds up to more than they forgive (the case after this one shows
// it), so the command trains with compensated steps. What is left is a matter of single ReLUs: the deep network's run passes within 1e-8 of
// a kink (iteration 965), where a float32 product may come out on the other side, according to the order in which an instruction set adds up.
// It is held to the curve up to there; after it, to the cost at the end, as the others are.
TEST_CASE("in float32 dz follows NumPy's curves and accuracies", "[tools][reference]") {
  if (!test_data()) DZ_SKIP("no shared test data");
  for (const Network& n : networks) {
    INFO(n.name);
    const bool deep = std::string_view(n.name) == "deep";
    const auto reference = read_npz(*test_data() / "reference" / (std::string(n.name) + ".npz"));
    const std::vector<double> costs = reference.at("costs").to_vector<double>();
    const Result result = run(n, "f32", *test_data());
    REQUIRE(result.costs.size() == costs.size());
    double worst = 0;
    for (std::size_t i = 0; i < (deep ? 965 : costs.size()); ++i) worst = std::max(worst, std::abs(result.costs[i] / costs[i] - 1));
    CHECK(worst < 1e-4);
    CHECK(result.costs.back() == Approx(costs.back()).epsilon(0.01));
    CHECK(std::abs(result.train_accuracy - reference.at("train_accuracy").item()) <= 1.0 / 209 + 1e-12);
    CHECK(std::abs(result.test_accuracy - reference.at("test_accuracy").item()) <= 1.0 / 50 + 1e-12);
  }
}

TEST_CASE("rounding the parameters alone leads away from the float64 curve", "[tools][reference][long][.]") {
  if (!test_data()) DZ_SKIP("no shared test data");
  for (const Network& n : {networks[1], networks[2]}) {
    INFO(n.name);
    const std::vector<double> costs = read_npz(*test_data() / "reference" / (std::string(n.name) + ".npz")).at("costs").to_vector<double>();
    const tool::Options options = read_options(n, *test_data());
    const tool::Problem problem = tool::make_problem(options);
    tool::Network network = tool::make_network(options, problem.task, problem.train.x);
    GradientDescent descent{.learning_rate = options.learning_rate};
    double apart = 0;
    for (std::size_t i = 0; i < n.steady + 350; ++i) {
      const Tensor J = tool::cost(network, problem.train.x, problem.train.y, 0);
      const double difference = std::abs(J.item() / costs[i] - 1);
      if (i < n.steady) CHECK(difference < 1e-5);
      apart = std::max(apart, difference);
      backward(J);
      descent.step(network);
      for (const auto& [name, p] : parameters(network)) p->assign(Tensor(p->value().cast(float32)));
    }
    CHECK(apart > 0.01);
  }
}
