#include "tools/results.hpp"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <system_error>

#include <dz/data/file.hpp>
#include <dz/data/model_file.hpp>
#include <dz/data/split.hpp>
#include <dz/data/tensorboard.hpp>
#include <dz/dz.hpp>
#include <dz/graph/view.hpp>

#include "tools/report.hpp"

namespace dz::tool {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t most_pictures = 60, grid = 240;

std::string costs_csv(const std::vector<double>& costs) {
  std::string text = "iteration,cost\n";
  for (std::size_t i = 0; i < costs.size(); ++i) text += fmt::format("{},{:.17g}\n", i, costs[i]);
  return text;
}

/// The norm of every weight's gradient at every measurement; none where they were not looked at.
std::vector<Curve> gradient_norms(const Training& t) {
  std::vector<Curve> layers;
  for (const auto& [name, p] : parameters(const_cast<Network&>(t.network)))
    if (p->role() == Role::weight) layers.push_back({name, {}});
  const std::vector<Measurement> all = measurements_of(t);
  if (t.gradients.empty() || t.gradients.size() != all.size() * layers.size()) return {};
  for (std::size_t i = 0; i < t.gradients.size(); ++i)
    layers[i % layers.size()].points.emplace_back(all[i / layers.size()].iteration, t.gradients[i]);
  return layers;
}

/// Everything measured, a line for each place; empty cells where there is no dev part.
std::string metrics_csv(const Training& t) {
  const std::vector<Measurement> all = measurements_of(t);
  const std::vector<Curve> norms = gradient_norms(t);
  std::string text = "iteration,cost,train_error,dev_cost,dev_error,learning_rate,gradient_norm";
  for (const Curve& layer : norms) text += ",gradient_norm " + layer.name;
  text += "\n";
  const auto cell = [](double v) { return std::isnan(v) ? std::string() : fmt::format("{:.17g}", v); };
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Measurement& m = all[i];
    text += fmt::format("{},{},{},{},{},{},{}", m.iteration, cell(m.cost), cell(m.train_error), cell(m.dev_cost), cell(m.dev_error),
                        cell(m.learning_rate), cell(m.gradient_norm));
    for (const Curve& layer : norms) text += "," + cell(layer.points[i].second);
    text += "\n";
  }
  return text;
}

/// A number as JSON knows it: what is not finite is null.
std::string json(double x) { return std::isfinite(x) ? fmt::format("{:.17g}", x) : "null"; }
std::string json(const std::string& text) { return boost::json::serialize(boost::json::string(text)); }

std::string json(const std::optional<ConfusionMatrix>& m, double (ConfusionMatrix::*figure)() const) {
  return m ? json(((*m).*figure)()) : "null";
}

std::string summary_json(const Options& o, const Training& t, const Run& run, const Judgement& j) {
  std::string options;
  for (const auto& [name, value] : o.given) options += fmt::format("{}\n    {}: {}", options.empty() ? "" : ",", json(name), json(value));
  return fmt::format(
      "{{\n  \"cost\": {},\n  \"train_accuracy\": {},\n  \"dev_accuracy\": {},\n  \"test_accuracy\": {},\n  \"test_mean_f1\": {},\n  "
      "\"verdict\": {},\n"
      "  \"seconds_per_iteration\": {},\n  \"iterations\": {},\n  \"interrupted\": {},\n  \"diverged\": {},\n  \"stopped_early\": {},\n  "
      "\"options\": {{{}\n  }}\n}}\n",
      json(run.cost), json(j.train.accuracy()), json(j.dev, &ConfusionMatrix::accuracy), json(j.test, &ConfusionMatrix::accuracy),
      json(j.test, &ConfusionMatrix::mean_f1), json(std::string(name(j.verdict.fit))), json(run.seconds_per_iteration), t.costs.size(),
      run.interrupted, run.diverged, run.stopped_early, options);
}

/// The probabilities that the network gives to every point of a grid over the samples and a margin around them. None where the samples span
/// more than numbers can say.
std::optional<Boundary> boundary(const Network& network, const Dataset& set) {
  const auto guard = no_grad();
  const std::vector<double> points = set.x.to_vector();
  Boundary b{set.x.value(), set.y.value().reshape({set.size()}), {}, points[0], points[0], points[1], points[1]};
  for (std::size_t i = 0; i < points.size(); i += 2) {
    b.left = std::min(b.left, points[i]), b.right = std::max(b.right, points[i]);
    b.bottom = std::min(b.bottom, points[i + 1]), b.top = std::max(b.top, points[i + 1]);
  }
  const auto margin = [](double span) { return span > 0 ? 0.08 * span : 1; };
  const double margin_x = margin(b.right - b.left), margin_y = margin(b.top - b.bottom);
  if (!std::isfinite(b.right - b.left + 2 * margin_x) || !std::isfinite(b.top - b.bottom + 2 * margin_y)) return std::nullopt;
  b.left -= margin_x, b.right += margin_x, b.bottom -= margin_y, b.top += margin_y;
  std::vector<double> centres;
  for (std::int64_t row = 0; row < grid; ++row)
    for (std::int64_t column = 0; column < grid; ++column) {
      centres.push_back(b.left + (b.right - b.left) * static_cast<double>(column) / (grid - 1));
      centres.push_back(b.top - (b.top - b.bottom) * static_cast<double>(row) / (grid - 1));
    }
  const Tensor x(Array::of(centres, {grid * grid, 2}).cast(set.x.dtype()));
  const Array p = probabilities(logits(network, x)).value();
  b.probability = p.size(1) == 1 ? p.reshape({grid, grid}) : p.reshape({grid, grid, p.size(1)});
  return b;
}

/// The misclassified pictures, the surest mistakes first.
void add_mistakes(Report& report, const Network& network, const Dataset& set) {
  const auto guard = no_grad();
  const Tensor z = logits(network, set.x), p = probabilities(z);
  const std::vector<std::int64_t> said = predicted_classes(z), is = class_numbers(set);
  const std::vector<double> probability = p.to_vector();
  const auto classes = static_cast<std::size_t>(z.size(1));
  const auto certainty = [&](std::size_t i) {
    if (classes == 1) return said[i] == 1 ? probability[i] : 1 - probability[i];
    return probability[i * classes + static_cast<std::size_t>(said[i])];
  };
  std::vector<std::size_t> wrong;
  for (std::size_t i = 0; i < said.size(); ++i)
    if (said[i] != is[i]) wrong.push_back(i);
  std::ranges::stable_sort(wrong, std::greater{}, certainty);
  report.misclassified_in_all = std::ssize(wrong);
  wrong.resize(std::min<std::size_t>(wrong.size(), most_pictures));
  for (const std::size_t i : wrong) {
    const auto number = static_cast<std::int64_t>(i);
    const Shape& all = set.images.shape();
    const Array pixels = set.images.slice(0, number, number + 1).reshape({all[1], all[2], all[3]});
    report.misclassified.push_back(
        {pixels, certainty(i), static_cast<int>(is[i]), static_cast<int>(said[i]), fmt::format("number {}", i)});
  }
}

void add_curves(Report& report, const Training& t) {
  report.gradient_norms = gradient_norms(t);
  Curve rate{"learning rate", {}};
  for (const Measurement& m : measurements_of(t)) rate.points.emplace_back(m.iteration, m.learning_rate);
  const bool changes = std::ranges::any_of(rate.points, [&](const auto& p) { return p.second != rate.points[0].second; });
  if (changes) report.learning_rate.push_back(std::move(rate));
}

/// What TensorBoard shows of a run.
std::vector<Scalar> scalars_of(const Training& t) {
  std::vector<Scalar> all;
  for (std::size_t i = 0; i < t.costs.size(); ++i) all.push_back({"cost/step", static_cast<std::int64_t>(i), t.costs[i]});
  for (const Measurement& m : measurements_of(t)) {
    const auto step = static_cast<std::int64_t>(m.iteration);
    for (const auto& [tag, value] : {std::pair("cost/training", m.cost), {"cost/dev", m.dev_cost}, {"error/training", m.train_error},
                                     {"error/dev", m.dev_error}, {"learning_rate", m.learning_rate}})
      if (!std::isnan(value)) all.push_back({tag, step, value});
  }
  for (const Curve& layer : gradient_norms(t))
    for (const auto& [iteration, norm] : layer.points) all.push_back({"gradient_norm/" + layer.name, static_cast<std::int64_t>(iteration), norm});
  return all;
}

Report report_of(const Options& o, const Problem& problem, const Training& t, const Run& run, const Judgement& j) {
  const Network& network = t.network;
  Report report;
  report.title = fmt::format("dz train · {} · {}", fs::path(o.data).filename().string(), o.layers.empty() ? o.network : fmt::format("{}", fmt::join(o.layers, "-")));
  report.command = o.line;
  report.facts = {{"training accuracy", fmt::format("{:.2f} %", 100 * j.train.accuracy())}};
  if (j.dev) report.facts.push_back({"dev accuracy", fmt::format("{:.2f} %", 100 * j.dev->accuracy())});
  if (j.test) report.facts.push_back({"test accuracy", fmt::format("{:.2f} %", 100 * j.test->accuracy())});
  report.facts.push_back({"cost", fmt::format("{:.6f}", run.cost)});
  const char* how = run.interrupted ? ", interrupted" : run.diverged ? ", diverged" : run.stopped_early ? ", stopped early" : "";
  report.facts.push_back({"iterations", fmt::format("{}{}", t.costs.size(), how)});
  report.facts.push_back({"per iteration", fmt::format("{:.3g} ms", 1e3 * run.seconds_per_iteration)});
  for (const auto& [name, value] : o.given) report.options.push_back({name, value});
  report.costs = t.costs;
  for (const Measurement& m : measurements_of(t))
    if (!std::isnan(m.dev_cost)) report.dev_costs.emplace_back(m.iteration - 1, m.dev_cost);
  report.confusion = class_table(j, problem);
  report.judgement = verdict_text(j);
  add_curves(report, t);
  const Dataset& shown = problem.test ? *problem.test : problem.dev ? *problem.dev : problem.train;
  report.classes = problem.train.classes;
  if (problem.planar() && problem.task.outputs <= most_drawn_classes) report.boundary = boundary(network, problem.train);
  if (const auto scales = differing_scales(problem.train)) report.descents = descents_of(problem.train, *scales);
  if (shown.images) {
    report.misclassified_of = problem.test ? "test" : problem.dev ? "dev" : "training";
    add_mistakes(report, network, shown);
  }
  report.model_summary = summary(network, Tensor(problem.train.x.value().slice(0, 0, 1)));
  const Dataset drawn = first_samples(problem.train, o.batch > 0 ? o.batch : samples_at_once(network));
  report.dot = recorded_graph(network, drawn, o.l2);
  return report;
}

}  // namespace

void prepare_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw FileError(fmt::format("{}: cannot be made: {}", folder.string(), error.message()));
  const fs::path probe = folder / ".dz-probe";
  write_file(probe, "");
  fs::remove(probe, error);
}

void write_results(const Options& o, const Problem& problem, const Training& t, const Run& run, const Judgement& judgement) {
  save_model(o.out / "model.safetensors", t.network, describe(o, problem.task));
  write_file(o.out / "costs.csv", costs_csv(t.costs));
  write_file(o.out / "metrics.csv", metrics_csv(t));
  write_tensorboard(o.out / "events.out.tfevents.0.dz", scalars_of(t));
  write_file(o.out / "summary.json", summary_json(o, t, run, judgement));
  write_file(o.out / "report.html", to_html(report_of(o, problem, t, run, judgement)));
}

Dataset first_samples(const Dataset& set, std::int64_t most) {
  if (set.size() <= most) return set;
  std::vector<std::int64_t> first(static_cast<std::size_t>(most));
  std::iota(first.begin(), first.end(), 0);
  return samples_of(set, first);
}

std::string recorded_graph(Network network, const Dataset& samples, double l2) {
  NodeNames names;
  for (const auto& [name, p] : parameters(network))
    if (p->requires_grad()) names[p->from().node()] = name;
  const Generator before = default_generator();
  const Tensor J = [&] {
    const auto dropping = training();
    return cost(network, samples.x, samples.y, l2);
  }();
  default_generator() = before;
  return to_dot(Graph(J), names);
}

}  // namespace dz::tool
