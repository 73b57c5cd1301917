#include "tools/train.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <limits>

#include <dz/data/checkpoint.hpp>
#include <dz/data/loader.hpp>

namespace dz::tool {
namespace {

volatile std::sig_atomic_t caught = 0;

/// What a checkpoint holds; the long rows of numbers as one array each.
struct Stored {
  Network network;
  AnyOptimiser optimiser;
  AnySchedule schedule;
  EarlyStopping stopping;
  Generator generator;
  std::int64_t iteration = 0;
  Array costs{}, measurements{}, gradients{};
};
BOOST_DESCRIBE_STRUCT(Stored, (), (network, optimiser, schedule, stopping, generator, iteration, costs, measurements, gradients))

Array row(const std::vector<double>& v) { return v.empty() ? Array() : Array::of(v, {v.size()}); }
std::vector<double> numbers(const Array& a) { return a ? a.to_vector<double>() : std::vector<double>(); }

constexpr std::size_t measured = sizeof(Measurement) / sizeof(double);

AnyOptimiser make_optimiser(const Options& o) {
  const double rate = o.learning_rate;
  const auto with_epsilon = [&](auto optimiser) {
    if (o.epsilon) optimiser.epsilon = *o.epsilon;
    return optimiser;
  };
  if (o.optimiser == "momentum") return Momentum{.learning_rate = rate, .momentum = o.momentum};
  if (o.optimiser == "nesterov") return Momentum{.learning_rate = rate, .momentum = o.momentum, .nesterov = true};
  if (o.optimiser == "adagrad") return with_epsilon(Adagrad{.learning_rate = rate});
  if (o.optimiser == "rmsprop") return with_epsilon(RmsProp{.learning_rate = rate, .decay = o.momentum});
  if (o.optimiser == "adam") return with_epsilon(Adam{.learning_rate = rate, .beta1 = o.betas[0], .beta2 = o.betas[1]});
  if (o.optimiser == "adamw") return with_epsilon(AdamW{.learning_rate = rate, .beta1 = o.betas[0], .beta2 = o.betas[1], .weight_decay = o.weight_decay});
  if (o.optimiser == "lbfgs") return Lbfgs{.learning_rate = rate};
  return GradientDescent{.learning_rate = rate, .compensated = true};
}

AnySchedule make_schedule(const Options& o) {
  const double rate = o.learning_rate;
  if (o.schedule == "step") return StepDecay{.rate = rate, .factor = o.decay, .every = o.decay_every};
  if (o.schedule == "exponential")
    return ExponentialDecay{.rate = rate, .factor = std::pow(o.decay, 1 / static_cast<double>(o.decay_every))};
  if (o.schedule == "cosine") return CosineDecay{.rate = rate, .steps = o.iterations, .warmup = o.warmup};
  if (o.schedule == "plateau") return ReduceOnPlateau{.rate = rate, .factor = o.decay, .patience = o.decay_every};
  if (o.schedule == "one_cycle") return OneCycle{.highest = rate, .steps = o.iterations};
  if (o.schedule == "inverse_sqrt") return InverseSquareRoot{.rate = rate, .warmup = std::max<std::int64_t>(1, o.warmup)};
  return ConstantRate{.rate = rate};
}

double rate_at(const AnySchedule& schedule, std::int64_t iteration) {
  return std::visit(
      [&]<class S>(const S& s) {
        if constexpr (std::is_same_v<S, ReduceOnPlateau>) return s.rate;
        else return s(iteration);
      },
      schedule);
}

/// One training under way.
class Trainer {
 public:
  Trainer(Training& training, const Problem& problem, const Options& o, const Listener& listener)
      : t_(training), problem_(problem), o_(o), listener_(listener), network_(training.network), loader_(problem.train, loader_options(o)),
        whole_(o.batch == 0 && !o.augments()) {
    per_epoch_ = steps_in_epoch(problem, o);
    // Of a training whose epochs are single steps, a hundred places are measured; the cost that early stopping and plateau watch is, at all of them.
    measure_every_ = per_epoch_ > 1 ? per_epoch_ : std::max<std::int64_t>(1, o.iterations / 100);
  }

  Run run() {
    const auto begin = std::chrono::steady_clock::now();
    const std::int64_t first = t_.iteration;
    std::swap(default_generator(), t_.generator);
    while (!is_over()) {
      if (whole_) {
        step(problem_.train);
        after_step();
        continue;
      }
      Epoch epoch = loader_.epoch(t_.iteration / per_epoch_, t_.iteration % per_epoch_);
      for (auto batch = epoch.next(); batch && !is_over(); batch = epoch.next()) {
        step(*batch);
        after_step();
      }
    }
    std::swap(default_generator(), t_.generator);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    run_.seconds_per_iteration = seconds.count() / static_cast<double>(std::max<std::int64_t>(1, t_.iteration - first));
    run_.stopped_early = o_.patience > 0 && t_.stopping.is_over();
    return std::move(run_);
  }

 private:
  static LoaderOptions loader_options(const Options& o) {
    return {.batch = o.batch,
            .shuffled = o.batch > 0,
            .seed = o.seed,
            .transform = o.augments() ? augmenting(o.augmentation) : BatchTransform()};
  }

  bool is_over() const {
    return t_.iteration >= o_.iterations || run_.diverged || run_.interrupted || (o_.patience > 0 && t_.stopping.is_over());
  }

  /// One step; the cost that is shown is without dropout, with which it is another at every draw.
  void step(const Dataset& batch) {
    const auto cost_now = [&] { return cost(network_, batch.x, batch.y, o_.l2); };
    if (network_.drops()) {
      const auto guard = no_grad();
      t_.costs.push_back(cost_now().item());
    }
    const auto guard = training();
    const double rate = rate_at(t_.schedule, t_.iteration);
    std::visit(
        [&]<class O>(O& optimiser) {
          optimiser.learning_rate = rate;
          if constexpr (std::is_same_v<O, Lbfgs>) {
            t_.costs.push_back(optimiser.step(network_, cost_now));
          } else {
            const Tensor J = cost_now();
            if (!network_.drops()) t_.costs.push_back(J.item());
            run_.diverged = !std::isfinite(t_.costs.back());
            if (run_.diverged) return;
            backward(J);
            if (is_measured(t_.iteration + 1)) look_at_gradients();
            if (o_.clip_value > 0) clip_value(network_, o_.clip_value);
            if (o_.clip_norm > 0) clip_norm(network_, o_.clip_norm);
            optimiser.step(network_);
          }
        },
        t_.optimiser);
    ++t_.iteration;
  }

  void after_step() {
    listener_.show(t_.iteration, t_.costs.back(), dev_cost_);
    run_.interrupted = interrupted_by() != 0;
    if (t_.iteration % per_epoch_ == 0 && !run_.diverged) end_epoch();
    if (o_.checkpoint_every > 0 && t_.iteration % o_.checkpoint_every == 0 && !run_.diverged) {
      std::swap(default_generator(), t_.generator);
      listener_.save();
      std::swap(default_generator(), t_.generator);
    }
  }

  /// Whether so many steps are followed by a measurement. Where a training was interrupted plays no part.
  bool is_measured(std::int64_t steps) const { return steps % measure_every_ == 0; }

  void look_at_gradients() {
    layers_ = layer_gradients(network_);
    for (std::string& w : gradient_warnings(layers_)) warn(w.substr(0, w.find(", relative")).substr(0, w.find(" is ")), t_.iteration + 1, std::move(w));
  }

  /// Measures where that is due, and lets early stopping and plateau know the cost that they watch: the dev part's, or for want of it the training part's.
  void end_epoch() {
    const auto guard = no_grad();
    if (is_measured(t_.iteration)) measure();
    auto* plateau = std::get_if<ReduceOnPlateau>(&t_.schedule);
    if (!plateau && o_.patience == 0) return;
    if (problem_.dev && !is_measured(t_.iteration)) dev_cost_ = evaluate(network_, *problem_.dev, 0).cost;
    const double watched = problem_.dev ? dev_cost_ : per_epoch_ == 1 ? t_.costs.back() : measurements_of(t_).back().cost;
    if (plateau) (*plateau)(watched);
    if (o_.patience > 0) t_.stopping.report(network_, watched);
  }

  void measure() {
    const double none = std::numeric_limits<double>::quiet_NaN();
    const Evaluation train = evaluate_training_part();
    const auto dev = problem_.dev ? std::optional(evaluate(network_, *problem_.dev, 0)) : std::nullopt;
    Measurement m{static_cast<double>(t_.iteration),
                  train.cost,
                  1 - train.confusion.accuracy(),
                  dev ? dev->cost : none,
                  dev ? 1 - dev->confusion.accuracy() : none,
                  rate_at(t_.schedule, t_.iteration - 1),
                  layers_.empty() ? none : 0};
    dev_cost_ = m.dev_cost;
    for (const LayerGradient& l : layers_) m.gradient_norm = std::hypot(m.gradient_norm, l.norm), t_.gradients.push_back(l.norm);
    for (const double v : {m.iteration, m.cost, m.train_error, m.dev_cost, m.dev_error, m.learning_rate, m.gradient_norm})
      t_.measurements.push_back(v);
  }

  /// Of the training part; and of ReLUs which are dead.
  Evaluation evaluate_training_part() {
    std::vector<LiveUnits> layers;
    const Evaluation of_all = evaluate(network_, problem_.train, o_.l2, network_.rectifies() ? &layers : nullptr);
    for (std::size_t l = 0; l < layers.size(); ++l)
      if (const double dead = layers[l].dead(); dead > 0.5)
        warn(fmt::format("dead {}", l), t_.iteration, fmt::format("{:.0f} % of the units of hidden layer {} are 0 for every sample (dead ReLUs): a "
                                                    "smaller learning rate, He's first weights, or leaky_relu",
                                                    100 * dead, l + 1));
    return of_all;
  }

  /// Each kind once.
  void warn(const std::string& kind, std::int64_t steps, std::string text) {
    if (std::ranges::find(kinds_, kind) != kinds_.end()) return;
    kinds_.push_back(kind);
    run_.warnings.push_back(fmt::format("at iteration {}: {}", steps, text));
    listener_.warn(run_.warnings.back());
  }

  Training& t_;
  const Problem& problem_;
  const Options& o_;
  const Listener& listener_;
  Network& network_;
  Loader loader_;
  bool whole_;  // every step on all samples, as they are
  std::int64_t per_epoch_, measure_every_;
  std::vector<LayerGradient> layers_;  // of the last step that was looked at
  std::vector<std::string> kinds_;
  double dev_cost_ = std::numeric_limits<double>::quiet_NaN();  // the newest
  Run run_;
};

}  // namespace

std::vector<Measurement> measurements_of(const Training& training) {
  std::vector<Measurement> all;
  const std::vector<double>& v = training.measurements;
  for (std::size_t i = 0; i + measured <= v.size(); i += measured)
    all.push_back({v[i], v[i + 1], v[i + 2], v[i + 3], v[i + 4], v[i + 5], v[i + 6]});
  return all;
}

Training begin_training(const Options& o, Network network) {
  return {std::move(network), make_optimiser(o), make_schedule(o), EarlyStopping{.patience = o.patience}, default_generator()};
}

void save_training(const std::filesystem::path& path, const Training& t, const Metadata& metadata) {
  save_checkpoint(
      path,
      Stored{t.network, t.optimiser, t.schedule, t.stopping, t.generator, t.iteration, row(t.costs), row(t.measurements), row(t.gradients)},
      metadata);
}

void load_training(const std::filesystem::path& path, Training& t) {
  Stored stored{t.network, t.optimiser, t.schedule, t.stopping, t.generator};
  // What may be changed in going on: how long, and how patiently.
  const AnySchedule schedule = t.schedule;
  load_checkpoint(path, stored);
  const auto length = [](const Array& a) { return a ? a.size() : 0; };
  constexpr auto row_length = static_cast<std::int64_t>(measured);
  if (stored.iteration < 0 || length(stored.costs) != stored.iteration || length(stored.measurements) % row_length != 0)
    throw FileError(fmt::format("{}: {} costs and {} numbers of measurements for {} iterations", path.string(), length(stored.costs), length(stored.measurements),
                                stored.iteration));
  if (!std::holds_alternative<ReduceOnPlateau>(schedule)) stored.schedule = schedule;
  stored.stopping.patience = t.stopping.patience;
  t = {std::move(stored.network), std::move(stored.optimiser),
       stored.schedule,           std::move(stored.stopping),
       stored.generator,          stored.iteration,
       numbers(stored.costs),     numbers(stored.measurements),
       numbers(stored.gradients)};
}

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = [](int signal) { caught = signal; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second one ends the program
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  struct sigaction before {};
  if (sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);
}

int interrupted_by() { return caught; }

std::int64_t steps_in_epoch(const Problem& problem, const Options& o) { return o.batch == 0 ? 1 : (problem.train.size() + o.batch - 1) / o.batch; }

void restore_best(Training& t, const Problem& problem, const Options& o, Run& run) {
  // An interrupted training is to go on from its last parameters.
  if (o.patience > 0 && !run.interrupted && t.stopping.best_report >= 0) {
    const std::int64_t steps = (t.stopping.best_report + 1) * steps_in_epoch(problem, o);
    t.stopping.restore(t.network);
    if (steps != t.iteration) run.restored = steps;
  }
  const auto guard = no_grad();
  run.cost = run.diverged && !run.restored ? std::numeric_limits<double>::quiet_NaN() : evaluate(t.network, problem.train, o.l2).cost;
}

Run train(Training& training, const Problem& problem, const Options& options, const Listener& listener) {
  return Trainer(training, problem, options, listener).run();
}

}  // namespace dz::tool
