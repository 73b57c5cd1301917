#pragma once

#include <functional>

#include "tools/problem.hpp"

namespace dz::tool {

/// How a training went.
struct Run {
  std::vector<double> costs;  ///< before every iteration, with the L2 term and without dropout
  double seconds_per_iteration = 0;
  bool interrupted = false;  ///< by a signal
  bool diverged = false;     ///< the last cost is not finite: the training ended there
};

/// Gradient descent as the options say, in place. `show` is called with the number of iterations done and the newest cost.
Run train(Mlp& network, const Dataset& set, const Options& options, const std::function<void(std::int64_t, double)>& show);

/// From here on, the first SIGINT or SIGTERM ends a training after its iteration; a second one ends the program.
void catch_interrupts();
/// The signal that came; 0 where none has.
int interrupted_by();

}  // namespace dz::tool
