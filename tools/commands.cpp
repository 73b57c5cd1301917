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
#include "tools/run_folder.hpp"
#include "tools/text.hpp"

namespace dz::tool {

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw FileError("standard output: cannot be written");
}

namespace {

std::string describe(const Judgement& j) {
  const auto more = [](const char* part, const std::optional<ConfusionMatrix>& m) {
    return m ? fmt::format(", {} accuracy {:.4f}", part, m->accuracy()) : "";
  };
  return fmt::format("training accuracy {:.4f}{}{}", j.train.accuracy(), more("dev", j.dev), more("test", j.test));
}

/// What a class or a sample is called, as a cell of CSV.
std::string cell(const std::vector<std::string>& names, std::int64_t c) {
  if (c >= std::ssize(names)) return std::to_string(c);
  const std::string name = printable(names[static_cast<std::size_t>(c)]);
  if (name.find_first_of(",\"") == name.npos) return name;
  std::string quoted = "\"";
  for (const char letter : name) quoted += letter == '"' ? "\"\"" : std::string(1, letter);
  return quoted + "\"";
}

/// Options that only the data can tell the sense of.
void require_sense(const Options& o, const Problem& problem) {
  if (o.augments() && !problem.train.images) throw ValueError(fmt::format("--augment: '{}' are no pictures", o.data));
  if (o.patience == 0) return;
  if (!problem.dev) throw ValueError("--patience: early stopping watches the dev part, which --split makes");
  const std::int64_t epoch = steps_in_epoch(problem, o);
  if (o.iterations < epoch)
    throw ValueError(fmt::format("--patience: it counts epochs, and {} iterations are less than one, of {}", o.iterations, epoch));
}

/// What a checkpoint keeps of the data to know them again.
std::string checksum_text(const Problem& problem) { return fmt::format("{:08x}", checksum(problem.train)); }

/// A training that begins, or goes on from --resume; `known_by` is what the data are.
Training training_of(const Options& o, const Problem& problem, const std::string& known_by) {
  Training t = begin_training(o, make_network(o, problem.task, problem.train.x));
  if (o.resume.empty()) return t;
  const std::string from = o.resume.string();
  if (!o.data_checksum.empty() && o.data_checksum != known_by)
    throw ValueError(fmt::format("--resume: {} is of a training on other data than those of '{}' now", from, o.data));
  load_training(o.resume, t);
  if (t.iteration >= o.iterations)
    throw ValueError(fmt::format("--iterations: the checkpoint is at iteration {} of {} already", t.iteration, o.iterations));
  if (o.patience > 0 && t.stopping.is_over())
    throw ValueError(fmt::format("--patience: {} has stopped early, after {} epochs without a lower dev cost; more than {} are to be waited for to go on", from,
                                 t.stopping.reports - 1 - t.stopping.best_report, o.patience));
  return t;
}

/// Trains to the end, while it shows how far it is and saves what is due.
Run observed(Training& training, const Problem& problem, const Options& o, const std::function<void()>& save) {
  ProgressOptions resumed;
  resumed.start = training.iteration;
  Progress progress(o.iterations, stderr, resumed);
  return train(training, problem, o,
               {.show = [&](std::int64_t done, double cost, double dev_cost) { progress.show(done, cost, dev_cost); },
                .warn = [&](const std::string& warning) { progress.say("note: " + warning); },
                .save = save});
}

/// The page that a training ends with.
std::string page_of(const Options& o, const Problem& problem, const Training& training, const Run& run, const Judgement& judgement, const RunFolder& folder) {
  std::string text = fmt::format("cost {:.6f} after {} iterations of {:.3g} ms\n", run.cost, training.costs.size(), 1e3 * run.seconds_per_iteration);
  if (run.restored) text = fmt::format("cost {:.6f} after iteration {}, the best of {} of {:.3g} ms\n", run.cost, *run.restored, training.costs.size(), 1e3 * run.seconds_per_iteration);
  text += describe(judgement) + "\n" + to_string(judgement, problem);
  if (run.diverged) text += "the cost is no longer a finite number: a smaller --learning-rate may help\n";
  if (!folder) return text + (run.interrupted ? "interrupted; nothing is saved without --out\n" : "");
  text += fmt::format("{}model, costs, summary and report.html are in {}\n", run.interrupted ? "interrupted: what there is has been saved; " : "", o.out.string());
  if (run.interrupted) text += fmt::format("to go on: dz train --resume {} --out {}\n", folder.checkpoint().string(), o.out.string());
  return text;
}

}  // namespace

int run_train(const Options& o) {
  const Problem problem = make_problem(o);
  require_sense(o, problem);
  const std::string known_by = checksum_text(problem);
  Training training = training_of(o, problem, known_by);
  RunFolder folder(o.out);
  for (const std::string& warning : problem.warnings) fmt::print(stderr, "note: {}\n", warning);

  catch_interrupts();
  Metadata kept = describe_all(o, problem.task);
  kept[checksum_key] = known_by;
  const auto save = [&] { folder.save(training, kept); };
  Run run = observed(training, problem, o, save);
  if (!run.diverged) save();  // before the best parameters come back: what goes on, goes on from the last ones
  restore_best(training, problem, o, run);
  const Judgement judgement = judge(training, problem, run, o);
  folder.write(o, problem, training, run, judgement);  // before anything is printed: standard output may fail
  print(page_of(o, problem, training, run, judgement, folder));
  return run.interrupted ? 128 + interrupted_by() : run.diverged ? 1 : 0;
}

int run_predict(const Options& o) {
  seed(o.seed);
  const auto [set, called] = o.unlabelled ? read_unlabelled(o) : Unlabelled{read_set(o, o.task, o.data, o.labels), {}};
  const Network network = make_network(o, task_of(o, set), set.x);
  const auto guard = no_grad();
  const Tensor z = logits(network, set.x), p = probabilities(z);
  const std::vector<std::int64_t> said = predicted_classes(z);
  const std::vector<double> probability = p.to_vector();
  const std::vector<std::string> names = o.task.classes.value_or(std::vector<std::string>());
  std::string text = "sample,class,probability\n";
  for (std::size_t i = 0; i < said.size(); ++i) {
    const double one =
        z.size(1) == 1 ? probability[i] : probability[i * static_cast<std::size_t>(z.size(1)) + static_cast<std::size_t>(said[i])];
    text += fmt::format("{},{},{:.6f}\n", cell(called, static_cast<std::int64_t>(i)), cell(names, said[i]), z.size(1) == 1 && said[i] == 0 ? 1 - one : one);
  }
  print(text);
  if (!set.y) return 0;
  if (!o.task.classes && !set.classes.empty())
    fmt::print(stderr, "note: {} does not say what its classes are called: those of {} are counted in the order of their names\n", o.model.string(), o.data);
  const ConfusionMatrix matrix(class_numbers(set), said, std::max<std::int64_t>(2, z.size(1)));
  fmt::print(stderr, "accuracy {:.4f}\n{}", matrix.accuracy(), to_string(matrix, printable(names)));
  return 0;
}

namespace {
/// So many that the thousands of costs that a check computes take a minute and not a day.
std::int64_t checked_pictures(const Network& network) { return std::max<std::int64_t>(2, (1 << 16) / network.widest()); }
}  // namespace

int run_check(const Options& o) {
  const Problem problem = make_problem(o);
  const Network network = make_network(o, problem.task, problem.train.x);
  const auto as_in_training = training();
  const Dataset set = first_samples(problem.train, network_kind(o.network).least_side > 0 ? checked_pictures(network) : problem.train.size());
  const std::string of = set.size() < problem.train.size() ? fmt::format(" of the first {} samples", set.size()) : "";

  auto check = gradcheck([&](Network& net) { return cost(net, set.x, set.y, o.l2); }, network);
  check.seed(o.seed);
  print("the gradients of the cost" + of + ", in float64, against its differences:\n" + to_string(check) + "\n");

  const auto keeping = checked();
  const GraphCheck operations = check_graph(cost(network, set.x, set.y, o.l2), o.seed);
  print("each operation by itself:\n" + to_string(operations));
  const bool passed = check.passed() && operations.passed();
  print(passed ? "passed\n" : "FAILED\n");
  return passed ? 0 : 1;
}

int run_draw(const Options& o) {
  const Problem problem = make_problem(o);
  const Network network = make_network(o, problem.task, problem.train.x);
  const std::string dot = recorded_graph(network, first_samples(problem.train, samples_at_once(network)), o.l2);
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
