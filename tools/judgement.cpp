#include "tools/judgement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <dz/data/advice.hpp>
#include <dz/data/split.hpp>

#include "tools/descents.hpp"
#include "tools/text.hpp"

namespace dz::tool {

namespace {

/// What the advice depends on.
Situation situation_of(const Training& t, const Problem& problem, const Run& run, const Options& o) {
  Situation s;
  s.pictures = static_cast<bool>(problem.train.images);
  s.convolutional = o.network != "dense";
  s.hidden_layers = s.convolutional || o.layers.size() > 1;
  s.takes_dropout = network_kind(o.network).hidden.value_or(o.layers.size() - 1) > 0;
  s.accelerated = o.optimiser != "gd";
  s.augmented = o.augments();
  s.dropout = t.network.drops();
  s.early_stopping = o.patience > 0;
  s.stopped_early = run.stopped_early;
  s.l2 = o.l2;
  s.parameters = t.network.parameter_count();
  s.samples = problem.train.size();
  const std::vector<double> shares = class_shares(problem.train);
  s.rarest = std::lround(*std::ranges::min_element(shares) * static_cast<double>(s.samples));
  if (o.start.empty()) s.initialiser = o.init;
  s.learning_rate = o.learning_rate;
  return s;
}

}  // namespace

Judgement judge(const Training& t, const Problem& problem, const Run& run, const Options& o) {
  const auto of = [&](const std::optional<Dataset>& set) { return set ? std::optional(evaluate(t.network, *set, 0).confusion) : std::nullopt; };
  Judgement j{evaluate(t.network, problem.train, 0).confusion, of(problem.dev), of(problem.test), {}};
  const ConfusionMatrix* judged = j.dev ? &*j.dev : j.test ? &*j.test : nullptr;
  j.verdict = bias_variance(j.train, judged,
                            {.optimal_error = o.optimal_error, .tolerated = o.tolerated_error, .judged_by = j.dev ? "dev" : "test"},
                            printable(problem.train.classes));
  const Situation situation = situation_of(t, problem, run, o);
  j.advice = advice(j.verdict.fit, situation);
  j.remarks = problem.warnings;
  j.remarks.insert(j.remarks.end(), run.warnings.begin(), run.warnings.end());
  if (auto why = stuck(t.costs, class_shares(problem.train), situation)) j.remarks.push_back(std::move(*why));
  if (const auto scales = differing_scales(problem.train); scales && !o.normalise)
    j.remarks.push_back(
        fmt::format("the scales of features {} and {} differ by a factor of {:.3g}: with --normalise descent can take larger steps",
                    scales->features[0] + 1, scales->features[1] + 1, scales->ratio));
  if (run.restored)
    j.remarks.push_back(fmt::format("{}the parameters are those after iteration {}, of the lowest dev cost, {:.6f}; what was trained after it does not count",
                                    run.stopped_early ? "stopped early: " : "", *run.restored, t.stopping.best));
  return j;
}

std::string class_table(const Judgement& j, const Problem& problem) {
  const ConfusionMatrix& shown = j.test ? *j.test : j.dev ? *j.dev : j.train;
  const char* part = j.test ? "test" : j.dev ? "dev" : "training";
  return fmt::format("of the {} part:\n{}", part, dz::to_string(shown, printable(problem.train.classes)));
}

std::string verdict_text(const Judgement& j) {
  std::string text = j.verdict.sentence + "\n";
  for (const std::string& advice : j.advice) text += "  try " + advice + "\n";
  for (const std::string& remark : j.remarks) text += "note: " + remark + "\n";
  return text;
}

std::string to_string(const Judgement& j, const Problem& problem) { return class_table(j, problem) + verdict_text(j); }

}  // namespace dz::tool
