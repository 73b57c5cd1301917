#include "tools/commands.hpp"

#include <fmt/format.h>

#include <cstdio>

#include <dz/calculus/check_graph.hpp>
#include <dz/calculus/gradcheck.hpp>
#include <dz/data/file.hpp>
#include <dz/dz.hpp>

#include "tools/graphviz.hpp"
#include "tools/progress.hpp"
#include "tools/results.hpp"
#include "tools/text.hpp"

namespace dz::tool {
namespace {

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw FileError("standard output: cannot be written");
}

std::string describe(const Judgement& j) {
  const auto more = [](const char* part, const std::optional<ConfusionMatrix>& m) {
    return m ? fmt::format(", {} accuracy {:.4f}", part, m->accuracy()) : "";
  };
  return fmt::format("training accuracy {:.4f}{}{}", j.train.accuracy(), more("dev", j.dev), more("test", j.test));
}

/// What a class is called, as a cell of CSV.
std::string cell(const std::vector<std::string>& names, std::int64_t c) {
  if (c >= std::ssize(names)) return std::to_string(c);
  const std::string name = printable(names[static_cast<std::size_t>(c)]);
  if (name.find_first_of(",\"") == name.npos) return name;
  std::string quoted = "\"";
  for (const char letter : name) quoted += letter == '"' ? "\"\"" : std::string(1, letter);
  return quoted + "\"";
}

/// A checkpoint's name in --out.
constexpr const char* checkpoint = "checkpoint.safetensors";

}  // namespace

int run_train(const Options& o) {
  const Problem problem = make_problem(o);
  if (o.patience > 0 && !problem.dev) throw ValueError("--patience: early stopping watches the dev part, which --split makes");
  if (o.augments() && !problem.train.images) throw ValueError(fmt::format("--augment: '{}' are no pictures", o.data));
  Training training = begin_training(o, make_network(o, problem.train.x));
  if (!o.resume.empty()) load_training(o.resume, training);
  if (training.iteration >= o.iterations)
    throw ValueError(fmt::format("--iterations: the checkpoint is at iteration {} of {} already", training.iteration, o.iterations));
  if (!o.out.empty()) prepare_folder(o.out);
  for (const std::string& warning : problem.warnings) fmt::print(stderr, "note: {}\n", warning);

  catch_interrupts();
  const auto save = [&] {
    if (!o.out.empty()) save_training(o.out / checkpoint, training, describe_all(o, problem.train.classes));
  };
  ProgressOptions resumed;
  resumed.start = training.iteration;
  Progress progress(o.iterations, stderr, resumed);
  const Run run = train(training, problem, o,
                        {.show = [&](std::int64_t done, double cost, double dev_cost) { progress.show(done, cost, dev_cost); },
                         .warn = [&](const std::string& warning) { progress.say("note: " + warning); },
                         .save = save});
  progress.finish();

  const Judgement judgement = judge(training, problem, run, o);
  print(fmt::format("cost {:.6f} after {} iterations of {:.3g} ms\n{}\n{}", training.costs.back(), training.costs.size(),
                    1e3 * run.seconds_per_iteration, describe(judgement), to_string(judgement, problem)));
  if (run.diverged) print("the cost is no longer a finite number: a smaller --learning-rate may help\n");
  if (!o.out.empty()) {
    write_results(o, problem, training, run, judgement);
    print(fmt::format("{}model, costs, summary and report.html are in {}\n",
                      run.interrupted ? "interrupted: what there is has been saved; " : "", o.out.string()));
    if (run.interrupted) print(fmt::format("to go on: dz train --resume {} --out {}\n", (o.out / checkpoint).string(), o.out.string()));
  } else if (run.interrupted) {
    print("interrupted; nothing is saved without --out\n");
  }
  return run.interrupted ? 128 + interrupted_by() : run.diverged ? 1 : 0;
}

int run_predict(const Options& o) {
  seed(o.seed);
  const Dataset set = o.unlabelled ? read_unlabelled(o) : read_set(o, o.data, o.labels, o.classes ? &*o.classes : nullptr);
  const Mlp network = make_network(o, set.x);
  const auto guard = no_grad();
  const Tensor z = network(set.x), p = z.size(1) == 1 ? sigmoid(z) : softmax(z);
  const std::vector<std::int64_t> said = predicted_classes(z);
  const std::vector<double> probability = p.to_vector();
  const std::vector<std::string> names = o.classes.value_or(std::vector<std::string>());
  std::string text = "sample,class,probability\n";
  for (std::size_t i = 0; i < said.size(); ++i) {
    const double one =
        z.size(1) == 1 ? probability[i] : probability[i * static_cast<std::size_t>(z.size(1)) + static_cast<std::size_t>(said[i])];
    text += fmt::format("{},{},{:.6f}\n", i, cell(names, said[i]), z.size(1) == 1 && said[i] == 0 ? 1 - one : one);
  }
  print(text);
  if (!set.y) return 0;
  if (!o.classes && !set.classes.empty())
    fmt::print(stderr, "note: {} does not say what its classes are called: those of {} are counted in the order of their names\n", o.model.string(), o.data);
  const ConfusionMatrix matrix = confusion(network, set);
  fmt::print(stderr, "accuracy {:.4f}\n{}", matrix.accuracy(), to_string(matrix, printable(names)));
  return 0;
}

int run_check(const Options& o) {
  const Problem problem = make_problem(o);
  const Mlp network = make_network(o, problem.train.x);
  const auto dropping = training(network.drops());

  auto check = gradcheck([&](Mlp& net) { return cost(net, problem.train.x, problem.train.y, o.l2); }, network);
  check.seed(o.seed);
  print("the gradients of the cost, in float64, against its differences:\n" + to_string(check) + "\n");

  const auto keeping = checked();
  const GraphCheck operations = check_graph(cost(network, problem.train.x, problem.train.y, o.l2), o.seed);
  print("each operation by itself:\n" + to_string(operations));
  const bool passed = check.passed() && operations.passed();
  print(passed ? "passed\n" : "FAILED\n");
  return passed ? 0 : 1;
}

int run_draw(const Options& o) {
  const Problem problem = make_problem(o);
  const Mlp network = make_network(o, problem.train.x);
  const std::string dot = to_dot(Graph(cost(network, problem.train.x, problem.train.y, o.l2)), names_of(network));
  if (o.out.empty()) return print(dot), 0;
  prepare_folder(o.out);
  write_file(o.out / "graph.dot", dot);
  const std::string svg = render_dot(dot);
  if (!svg.empty()) write_file(o.out / "graph.svg", svg);
  print(fmt::format("{} in {}\n", svg.empty() ? "graph.dot is (for graph.svg, install Graphviz)" : "graph.dot and graph.svg are",
                    o.out.string()));
  return 0;
}

}  // namespace dz::tool
