#pragma once

#include <functional>
#include <variant>

#include <dz/data/model_file.hpp>
#include <dz/dz.hpp>
#include <dz/optim/adaptive.hpp>
#include <dz/optim/clip.hpp>
#include <dz/optim/early_stopping.hpp>
#include <dz/optim/lbfgs.hpp>
#include <dz/optim/momentum.hpp>
#include <dz/optim/schedule.hpp>
#include <dz/optim/watch.hpp>

#include "tools/network.hpp"
#include "tools/problem.hpp"

namespace dz::tool {

using AnyOptimiser = std::variant<GradientDescent, Momentum, Adagrad, RmsProp, Adam, AdamW, Lbfgs>;
using AnySchedule = std::variant<ConstantRate, StepDecay, ExponentialDecay, CosineDecay, ReduceOnPlateau, OneCycle, InverseSquareRoot>;

/// All that a training has to remember: with it, and the options, it goes on as if it had never ended.
struct Training {
  Network network;
  AnyOptimiser optimiser;
  AnySchedule schedule;
  EarlyStopping stopping;
  Generator generator;                 ///< that dropout draws from
  std::int64_t iteration = 0;          ///< steps done
  std::vector<double> costs{};         ///< before every step, of its samples, with the L2 term and without dropout
  std::vector<double> measurements{};  ///< one Measurement after the other, its numbers in a row
  std::vector<double> gradients{};     ///< the norm of every weight's gradient, at every measurement
};

/// Of the whole, after an epoch (or a hundredth of the iterations, where an epoch is one of them).
struct Measurement {
  double iteration = 0, cost = 0, train_error = 0, dev_cost = 0, dev_error = 0, learning_rate = 0,
         gradient_norm = 0;  ///< NaN where there is no dev part
};
std::vector<Measurement> measurements_of(const Training& training);

/// A training that has not begun. Throws ValueError where the schedule's settings make no sense together.
Training begin_training(const Options& options, Network network);

/// As checkpoint files: the options, in text, go with it. Throws FileError.
void save_training(const std::filesystem::path& path, const Training& training, const Metadata& metadata);
void load_training(const std::filesystem::path& path, Training& training);

/// How a run went.
struct Run {
  double seconds_per_iteration = 0;
  bool interrupted = false;             ///< by a signal
  bool diverged = false;                ///< the last cost is not finite: the training ended there
  bool stopped_early = false;           ///< the dev cost had not fallen for so long
  std::optional<std::int64_t> restored{};  ///< the steps after which the parameters were those that are back
  double cost = 0;                      ///< of the training part with the parameters that are left
  std::vector<std::string> warnings{};  ///< of gradients and units, each once
};

/// What a training tells while it goes on.
struct Listener {
  std::function<void(std::int64_t done, double cost, double dev_cost)> show;  ///< after every step; the newest dev cost, NaN where there is none
  std::function<void(const std::string& warning)> warn;                       ///< once of every kind
  std::function<void()> save;                                                 ///< where a checkpoint is due
};

/// Steps in an epoch: one, where a step takes the whole training part.
std::int64_t steps_in_epoch(const Problem& problem, const Options& options);

/// Goes on to the end, in place: the parameters are the last ones.
Run train(Training& training, const Problem& problem, const Options& options, const Listener& listener);

/// With --patience, puts the parameters back that the dev cost was lowest with; notes that, and the cost, in the run.
void restore_best(Training& training, const Problem& problem, const Options& options, Run& run);

/// From here on, the first SIGINT, SIGTERM or SIGHUP (unless hang-ups are ignored, as by nohup) ends a training after its iteration; a second one ends the program.
void catch_interrupts();
/// The signal that came; 0 where none has.
int interrupted_by();

}  // namespace dz::tool
