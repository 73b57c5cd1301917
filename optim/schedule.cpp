#include <dz/optim/schedule.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace dz {
namespace {

void require(bool right, const char* schedule, const char* what, double value) {
  if (!right) throw ValueError(fmt::format("{} is {}, which is out of its range", what, value), schedule);
}
void require_rate(const char* schedule, const char* what, double value) {
  require(value >= 0 && std::isfinite(value), schedule, what, value);
}
void require_step(const char* schedule, std::int64_t step) { require(step >= 0, schedule, "step", static_cast<double>(step)); }

double real(std::int64_t n) { return static_cast<double>(n); }

/// From first to last along half a cosine, as part goes from 0 to 1.
double cosine(double first, double last, double part) { return last + (first - last) * (1 + std::cos(std::numbers::pi * part)) / 2; }

}  // namespace

double ConstantRate::operator()(std::int64_t step) const {
  require_rate("ConstantRate", "rate", rate);
  require_step("ConstantRate", step);
  return rate;
}

double StepDecay::operator()(std::int64_t step) const {
  constexpr const char* name = "StepDecay";
  require_rate(name, "rate", rate);
  require_rate(name, "factor", factor);
  require(every >= 1, name, "every", real(every));
  require_step(name, step);
  return rate * std::pow(factor, real(step / every));
}

double ExponentialDecay::operator()(std::int64_t step) const {
  constexpr const char* name = "ExponentialDecay";
  require_rate(name, "rate", rate);
  require_rate(name, "factor", factor);
  require_step(name, step);
  return rate * std::pow(factor, real(step));
}

double CosineDecay::operator()(std::int64_t step) const {
  constexpr const char* name = "CosineDecay";
  require_rate(name, "rate", rate);
  require_rate(name, "lowest", lowest);
  require(warmup >= 0, name, "warmup", real(warmup));
  require(steps > warmup, name, "steps", real(steps));
  require_step(name, step);
  if (step < warmup) return rate * real(step + 1) / real(warmup);
  return cosine(rate, lowest, real(std::min(step, steps) - warmup) / real(steps - warmup));
}

double OneCycle::operator()(std::int64_t step) const {
  constexpr const char* name = "OneCycle";
  require_rate(name, "highest", highest);
  require(steps >= 2, name, "steps", real(steps));
  require(part > 0 && part < 1, name, "part", part);
  require(start_divisor > 0 && std::isfinite(start_divisor), name, "start_divisor", start_divisor);
  require(end_divisor > 0 && std::isfinite(end_divisor), name, "end_divisor", end_divisor);
  require_step(name, step);
  const double last = real(steps - 1), top = part * last, t = std::min(real(step), last), start = highest / start_divisor;
  return t <= top ? cosine(start, highest, t / top) : cosine(highest, start / end_divisor, (t - top) / (last - top));
}

double InverseSquareRoot::operator()(std::int64_t step) const {
  constexpr const char* name = "InverseSquareRoot";
  require_rate(name, "rate", rate);
  require(warmup >= 1, name, "warmup", real(warmup));
  require_step(name, step);
  const double t = real(step) + 1, w = real(warmup);
  return rate * std::min(t / w, std::sqrt(w / t));
}

double ReduceOnPlateau::operator()(double cost) {
  constexpr const char* name = "ReduceOnPlateau";
  require_rate(name, "rate", rate);
  require_rate(name, "factor", factor);
  require_rate(name, "lowest", lowest);
  require(threshold >= 0 && threshold < 1, name, "threshold", threshold);
  require(patience >= 0, name, "patience", real(patience));
  if (std::isinf(best) ? cost < best : cost < best - threshold * std::abs(best)) {
    best = cost;
    waited = 0;
  } else if (++waited > patience) {
    rate = std::min(rate, std::max(lowest, rate * factor));
    waited = 0;
  }
  return rate;
}

}  // namespace dz
