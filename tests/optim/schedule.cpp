// Learning rates over 100 steps, against their formulas.

#include <dz/optim/schedule.hpp>

#include <cmath>
#include <numbers>

#include <dz/dz.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

template <class Schedule, class Formula> void follow(const Schedule& schedule, Formula formula) {
  for (int t = 0; t < 100; ++t) {
    CAPTURE(t);
    CHECK(std::abs(schedule(t) - formula(t)) <= 1e-12);
  }
}

constexpr double pi = std::numbers::pi;

}  // namespace

TEST_CASE("constant, step and exponential rates", "[optim][schedule]") {
  follow(ConstantRate{0.3}, [](int) { return 0.3; });
  follow(StepDecay{.rate = 0.5, .factor = 0.2, .every = 30}, [](int t) {
    return t < 30 ? 0.5 : t < 60 ? 0.5 * 0.2 : t < 90 ? 0.5 * 0.2 * 0.2 : 0.5 * 0.2 * 0.2 * 0.2;
  });
  double rate = 0.5;
  follow(ExponentialDecay{.rate = 0.5, .factor = 0.97}, [&](int) { return std::exchange(rate, rate * 0.97); });
}

TEST_CASE("cosine with warm-up rises in a line and falls along half a cosine", "[optim][schedule]") {
  follow(CosineDecay{.rate = 0.4, .lowest = 0.1, .steps = 80, .warmup = 20}, [](int t) {
    if (t < 20) return 0.4 * (t + 1) / 20;
    return t < 80 ? 0.1 + 0.5 * (0.4 - 0.1) * (1 + std::cos(pi * (t - 20) / 60)) : 0.1;
  });
  const CosineDecay schedule{.rate = 1, .steps = 10};
  CHECK(schedule(0) == 1);
  CHECK(schedule(5) == Approx(0.5));
  CHECK(std::abs(schedule(10)) < 1e-15);
}

TEST_CASE("one cycle goes up once and down once", "[optim][schedule]") {
  follow(OneCycle{.highest = 0.8, .steps = 101, .part = 0.25, .start_divisor = 10, .end_divisor = 100}, [](int t) {
    const double start = 0.08, end = 0.0008;
    if (t <= 25) return start + (0.8 - start) * 0.5 * (1 - std::cos(pi * t / 25));
    return end + (0.8 - end) * 0.5 * (1 + std::cos(pi * (t - 25) / 75));
  });
  const OneCycle schedule{.highest = 0.8, .steps = 101, .part = 0.25};
  CHECK(schedule(25) == Approx(0.8));
  CHECK(schedule(100) == Approx(0.8 / 25 / 1e4));
  CHECK(schedule(1000) == schedule(100));
}

TEST_CASE("the inverse square root rises to its peak after the warm-up", "[optim][schedule]") {
  follow(InverseSquareRoot{.rate = 0.2, .warmup = 16}, [](int t) { return t < 16 ? 0.2 * (t + 1) / 16 : 0.2 * 4 / std::sqrt(t + 1); });
}

TEST_CASE("the rate is reduced on a plateau, after the patience, down to the lowest", "[optim][schedule]") {
  ReduceOnPlateau schedule{.rate = 1, .factor = 0.5, .lowest = 0.2, .threshold = 0.1, .patience = 2};
  const double costs[] = {10, 8, 7.5, 7.3, 7.21, 7.25, 7.3, 7.3, 5, std::nan(""), 9, 9, 9, 9, 9};
  const double rates[] = {1, 1, 1, 1, .5, .5, .5, .25, .25, .25, .25, .2, .2, .2, .2};
  for (std::size_t i = 0; i < std::size(costs); ++i) {
    CAPTURE(i);
    CHECK(schedule(costs[i]) == Approx(rates[i]));
  }
  CHECK(schedule.best == 5);
  ReduceOnPlateau falling{.rate = 1, .patience = 0};
  for (int t = 0; t < 100; ++t) CHECK(falling(-t * 1.0) == 1);  // below 0 too, each is a gain
}

TEST_CASE("schedules refuse settings out of their ranges", "[optim][schedule]") {
  CHECK_THROWS_AS(ConstantRate{-1}(0), ValueError);
  CHECK_THROWS_AS(ConstantRate{std::nan("")}(0), ValueError);
  CHECK_THROWS_AS(ConstantRate{1}(-1), ValueError);
  CHECK_THROWS_AS((StepDecay{.every = 0}(3)), ValueError);
  CHECK_THROWS_AS((ExponentialDecay{.factor = HUGE_VAL}(0)), ValueError);
  CHECK_THROWS_AS((CosineDecay{.steps = 10, .warmup = 10}(0)), ValueError);
  CHECK_THROWS_AS((OneCycle{.steps = 1}(0)), ValueError);
  CHECK_THROWS_AS((OneCycle{.part = 1}(0)), ValueError);
  CHECK_THROWS_AS((OneCycle{.start_divisor = 0}(0)), ValueError);
  CHECK_THROWS_AS((InverseSquareRoot{.warmup = 0}(0)), ValueError);
  CHECK_THROWS_AS((ReduceOnPlateau{.threshold = 1}(0)), ValueError);
  CHECK_THROWS_WITH((StepDecay{.every = -3}(1)), test::Contains("StepDecay") && test::Contains("every is -3"));
}
