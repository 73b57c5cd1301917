#include "tools/train.hpp"

#include <chrono>
#include <cmath>
#include <csignal>

#include <dz/dz.hpp>

namespace dz::tool {
namespace {

volatile std::sig_atomic_t caught = 0;

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = [](int signal) { caught = signal; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second one ends the program
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int interrupted_by() { return caught; }

Run train(Mlp& network, const Dataset& set, const Options& o, const std::function<void(std::int64_t, double)>& show) {
  const auto cost_now = [&] { return cost(network, set.x, set.y, o.l2); };
  GradientDescent descent{.learning_rate = o.learning_rate, .compensated = true};
  const auto begin = std::chrono::steady_clock::now();
  Run run;
  while (std::ssize(run.costs) < o.iterations && !run.diverged && !run.interrupted) {
    if (network.drops()) {
      const auto guard = no_grad();
      run.costs.push_back(cost_now().item());
    }
    const auto guard = training();
    const Tensor J = cost_now();
    if (!network.drops()) run.costs.push_back(J.item());
    run.diverged = !std::isfinite(run.costs.back());
    if (!run.diverged) {
      backward(J);
      descent.step(network);
    }
    show(std::ssize(run.costs), run.costs.back());
    run.interrupted = interrupted_by() != 0;
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  run.seconds_per_iteration = seconds.count() / static_cast<double>(run.costs.size());
  return run;
}

}  // namespace dz::tool
