#pragma once
// Functions of mathematics, element by element; float32 and float64. What is undefined (log of −1) is NaN, as in <cmath>.

#include <dz/graph/tensor.hpp>

namespace dz {

/// e^x − 1, exact for small x.
Tensor expm1(In x);
/// 2^x.
Tensor exp2(In x);
/// ln(1 + x), exact for small x.
Tensor log1p(In x);
/// The logarithm to base 2.
Tensor log2(In x);
/// x·ln y; 0 where x is 0 and y is not above it, and its derivatives are 0 there. Operands broadcast: xlogy(p, p) is an entropy's term.
Tensor xlogy(In x, In y);

Tensor sin(In x);
Tensor cos(In x);
Tensor tan(In x);
Tensor asin(In x);
Tensor acos(In x);
Tensor atan(In x);
/// The angle of the point (x, y), in [−π, π]; operands broadcast.
Tensor atan2(In y, In x);
Tensor sinh(In x);
Tensor cosh(In x);

/// 2/√π·∫₀ˣ e^−t² dt.
Tensor erf(In x);
/// ln|Γ(x)|.
Tensor lgamma(In x);
/// The derivative of order n + 1 of ln|Γ(x)|: digamma for n = 0, trigamma for 1 (NIST DLMF 5.15); for n > 0 NaN below −1000. Throws
/// ValueError for n outside [0, 150].
Tensor polygamma(int n, In x);

/// The largest whole number not above x, the smallest not below it, the nearest (halves to the even one). Constants to the graph: the
/// derivative is 0 wherever there is one.
Tensor floor(In x);
Tensor ceil(In x);
Tensor round(In x);

}  // namespace dz
