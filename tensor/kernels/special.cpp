#include <dz/tensor/kernels/special.hpp>

#include <cmath>
#include <limits>
#include <numbers>

namespace dz::kernels {
namespace {

/// The Bernoulli numbers B₂, B₄, … B₂₀.
constexpr double bernoulli[] = {1.0 / 6, -1.0 / 30, 1.0 / 42, -1.0 / 30, 5.0 / 66, -691.0 / 2730, 7.0 / 6, -3617.0 / 510, 43867.0 / 798, -174611.0 / 330};
constexpr double far = 12;  // from here on the asymptotic series is exact to rounding

/// ψ(x) for x > 0: the recurrence up to where the asymptotic series holds (NIST DLMF 5.5.2 and 5.11.2).
double digamma(double x) {
  double sum = 0;
  for (; x < far; ++x) sum -= 1 / x;
  const double z = 1 / (x * x);
  double power = z;
  sum += std::log(x) - 0.5 / x;
  for (int k = 0; k < 10; ++k, power *= z) sum -= bernoulli[k] / (2 * (k + 1)) * power;
  return sum;
}

}  // namespace

double lgamma(double x) {
  int sign = 0;
  return ::lgamma_r(x, &sign);
}
float lgamma(float x) {
  int sign = 0;
  return ::lgammaf_r(x, &sign);
}

double polygamma(int n, double x) {
  if (std::isnan(x)) return x;
  if (n == 0) {
    if (x > 0) return digamma(x);
    const double turn = std::remainder(x, 1);  // π·cot(πx) depends on the fraction alone
    return turn == 0 ? std::numeric_limits<double>::quiet_NaN() : digamma(1 - x) - std::numbers::pi / std::tan(std::numbers::pi * turn);
  }
  if (x < -1000) return std::numeric_limits<double>::quiet_NaN();  // the recurrence below would take too many steps
  // (−1)ⁿ⁺¹·n!·Σ 1/(x + k)ⁿ⁺¹: the first terms, then Euler and Maclaurin's formula for the rest (DLMF 25.11.8 with 25.11.12).
  const double start = far + n;
  double sum = 0;
  for (; x < start; ++x) sum += std::pow(x, -(n + 1));
  sum += std::pow(x, -n) / n + 0.5 * std::pow(x, -(n + 1));
  double rising = n + 1, factorial = 2;  // (n + 1)…(n + 2k − 1) and (2k)!
  for (int k = 1; k <= 10; ++k) {
    sum += bernoulli[k - 1] / factorial * rising * std::pow(x, -(n + 2 * k));
    rising *= (n + 2.0 * k) * (n + 2.0 * k + 1);
    factorial *= (2.0 * k + 1) * (2.0 * k + 2);
  }
  return (n % 2 ? 1 : -1) * std::tgamma(n + 1.0) * sum;
}

}  // namespace dz::kernels
