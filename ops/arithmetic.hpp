#pragma once
// Arithmetic, element by element. Operands broadcast where their ranks are equal (a 1 stretches) or one is a scalar; numbers take
// the tensor's dtype. Each throws ShapeError or DtypeError where operands do not fit.

#include <dz/graph/basic.hpp>

namespace dz {

Tensor operator-(In a, In b);
Tensor operator*(In a, In b);
Tensor operator/(In a, In b);
Tensor operator-(In x);
inline Tensor sub(In a, In b) { return std::move(a) - std::move(b); }
inline Tensor mul(In a, In b) { return std::move(a) * std::move(b); }
inline Tensor div(In a, In b) { return std::move(a) / std::move(b); }
inline Tensor neg(In x) { return -std::move(x); }
/// x times a number, which the graph keeps as it is: mul(x, factor) for less memory. What the operator * of a tensor and a number is.
Tensor scaled(In x, double factor);
/// x to the power p. The derivative by p is 0 where x is 0 (its limit for p > 0).
Tensor pow(In x, In p);
Tensor square(In x);
Tensor sqrt(In x);
/// 1/√x.
Tensor rsqrt(In x);
/// 1/x.
Tensor reciprocal(In x);
/// |x|; its derivative at 0 is 0.
Tensor abs(In x);
Tensor exp(In x);
/// The natural logarithm.
Tensor log(In x);

/// −1, 0 or 1; a constant to the graph, as are the comparisons.
Tensor sign(In x);
/// Comparisons give booleans. They are functions: Tensor has no operator==.
Tensor less(In a, In b);
Tensor less_equal(In a, In b);
Tensor greater(In a, In b);
Tensor greater_equal(In a, In b);
Tensor equal(In a, In b);
Tensor not_equal(In a, In b);
/// Logic of booleans.
Tensor logical_and(In a, In b);
Tensor logical_or(In a, In b);
Tensor logical_xor(In a, In b);
Tensor logical_not(In x);
/// a where the condition holds, else b. The condition is boolean.
Tensor where(In condition, In a, In b);

/// The larger and the smaller of two; of equals, b has the gradient.
Tensor maximum(In a, In b);
Tensor minimum(In a, In b);
/// x held between low and high; the derivative is 1 between them and 0 elsewhere.
Tensor clamp(In x, In low, In high);
/// a + t·(b − a).
Tensor lerp(In a, In b, In t);

template <Arithmetic N> Tensor operator*(In x, N factor) { return scaled(std::move(x), static_cast<double>(factor)); }
template <Arithmetic N> Tensor operator*(N factor, In x) { return scaled(std::move(x), static_cast<double>(factor)); }

/// x in another dtype; its derivative is cast back. Integers and booleans are constants to the graph.
Tensor cast(In x, Dtype dtype);

}  // namespace dz
