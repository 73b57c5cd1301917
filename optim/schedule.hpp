#pragma once
// Learning rates over time. Each is a function of the number of steps done, from 0; what it gives is set before the step:
//
//   optimiser.learning_rate = schedule(t);
//
// They have no state but ReduceOnPlateau, so a training that begins again at step t has the rate it would have had. Each throws ValueError
// where a setting is negative, not finite, or out of the range that is given with it.

#include <boost/describe.hpp>

#include <cstdint>
#include <limits>

#include <dz/tensor/error.hpp>

namespace dz {

/// α.
struct ConstantRate {
  double rate = 0.01;
  double operator()(std::int64_t step) const;
};

/// α·factor^⌊t/every⌋.
struct StepDecay {
  double rate = 0.01, factor = 0.1;
  std::int64_t every = 1000;  ///< at least 1
  double operator()(std::int64_t step) const;
};

/// α·factor^t.
struct ExponentialDecay {
  double rate = 0.01, factor = 0.999;
  double operator()(std::int64_t step) const;
};

/// Rises in a line to α over the warm-up, α·(t + 1)/warmup, then falls along half a cosine to `lowest` at `steps` (Loshchilov and Hutter,
/// ICLR 2017, equation 5, without restarts), and stays there.
struct CosineDecay {
  double rate = 0.01, lowest = 0;
  std::int64_t steps = 1000, warmup = 0;  ///< steps above warmup
  double operator()(std::int64_t step) const;
};

/// One rise and one fall, both along half a cosine (Smith and Topin, 2018): from highest/start_divisor to highest at part·(steps − 1), from
/// there to highest/(start_divisor·end_divisor) at the last step.
struct OneCycle {
  double highest = 0.1;
  std::int64_t steps = 1000;  ///< at least 2
  double part = 0.3;          ///< of the steps, for the rise; in (0, 1)
  double start_divisor = 25, end_divisor = 1e4;
  double operator()(std::int64_t step) const;
};

/// α·min((t + 1)/warmup, √(warmup/(t + 1))) (Vaswani et al., NeurIPS 2017, section 5.3, α being the peak).
struct InverseSquareRoot {
  double rate = 0.01;
  std::int64_t warmup = 1000;  ///< at least 1
  double operator()(std::int64_t step) const;
};

/// Multiplies the rate by `factor` where the cost has not fallen below its best by the part `threshold` for more than `patience` reports.
struct ReduceOnPlateau {
  double rate = 0.01, factor = 0.1, lowest = 0;
  double threshold = 1e-4;  ///< below 1
  std::int64_t patience = 10;
  double best = std::numeric_limits<double>::infinity();
  std::int64_t waited = 0;  ///< reports since the best

  /// The rate from now on, after a report of the cost (of the dev part, once an epoch). A cost that is NaN is no gain.
  double operator()(double cost);
};

BOOST_DESCRIBE_STRUCT(ConstantRate, (), (rate))
BOOST_DESCRIBE_STRUCT(StepDecay, (), (rate, factor, every))
BOOST_DESCRIBE_STRUCT(ExponentialDecay, (), (rate, factor))
BOOST_DESCRIBE_STRUCT(CosineDecay, (), (rate, lowest, steps, warmup))
BOOST_DESCRIBE_STRUCT(OneCycle, (), (highest, steps, part, start_divisor, end_divisor))
BOOST_DESCRIBE_STRUCT(InverseSquareRoot, (), (rate, warmup))
BOOST_DESCRIBE_STRUCT(ReduceOnPlateau, (), (rate, factor, lowest, threshold, patience, best, waited))

}  // namespace dz
