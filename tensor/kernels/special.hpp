#pragma once
// Special functions of one number that <cmath> lacks or does not give safely.

namespace dz::kernels {

/// ln|Γ(x)|; unlike std::lgamma it writes no global sign, so that threads may call it.
float lgamma(float x);
double lgamma(double x);

/// ψ⁽ⁿ⁾(x), n ≥ 0. For n > 0 it is NaN below −1000.
double polygamma(int n, double x);

}  // namespace dz::kernels
