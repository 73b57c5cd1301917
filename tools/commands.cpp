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

namespace dz::tool {
namespace {

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) throw FileError("standard output: cannot be written");
}

std::string describe(const Accuracies& a) {
  const std::string test = a.test ? fmt::format(", test accuracy {:.4f}", *a.test) : "";
  return fmt::format("training accuracy {:.4f}{}", a.train, test);
}

}  // namespace

int run_train(const Options& o) {
  const Problem problem = make_problem(o);
  Mlp network = make_network(o, problem.train.x.size(1));
  if (!o.out.empty()) prepare_folder(o.out);

  catch_interrupts();
  Progress progress(o.iterations, stderr);
  const Run run = train(network, problem.train, o, [&](std::int64_t done, double cost) { progress.show(done, cost); });
  progress.finish();

  Accuracies accuracies{accuracy(network, problem.train), {}};
  if (problem.test) accuracies.test = accuracy(network, *problem.test);
  print(fmt::format("cost {:.6f} after {} iterations of {:.3g} ms\n{}\n", run.costs.back(), run.costs.size(), 1e3 * run.seconds_per_iteration, describe(accuracies)));
  if (run.diverged) print("the cost is no longer a finite number: a smaller --learning-rate may help\n");
  if (!o.out.empty()) {
    write_results(o, problem, network, run, accuracies);
    print(fmt::format("{}model, costs, summary and report.html are in {}\n", run.interrupted ? "interrupted: what there is has been saved; " : "", o.out.string()));
  } else if (run.interrupted) {
    print("interrupted; nothing is saved without --out\n");
  }
  return run.interrupted ? 128 + interrupted_by() : run.diverged ? 1 : 0;
}

int run_check(const Options& o) {
  const Problem problem = make_problem(o);
  const Mlp network = make_network(o, problem.train.x.size(1));
  const auto dropping = training(o.keep_prob < 1);

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
  const Mlp network = make_network(o, problem.train.x.size(1));
  const std::string dot = to_dot(Graph(cost(network, problem.train.x, problem.train.y, o.l2)), names_of(network));
  if (o.out.empty()) return print(dot), 0;
  prepare_folder(o.out);
  write_file(o.out / "graph.dot", dot);
  const std::string svg = render_dot(dot);
  if (!svg.empty()) write_file(o.out / "graph.svg", svg);
  print(fmt::format("{} in {}\n", svg.empty() ? "graph.dot is (for graph.svg, install Graphviz)" : "graph.dot and graph.svg are", o.out.string()));
  return 0;
}

}  // namespace dz::tool
