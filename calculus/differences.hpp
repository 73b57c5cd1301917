#pragma once
// Derivatives by difference quotients, with an error bar, and their comparison with the derivatives that a reverse pass gave.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <dz/tensor/array.hpp>

namespace dz {

enum class Verdict { right, wrong, undecided };

/// How one input's gradient compares with difference quotients.
struct InputCheck {
  std::string name;
  Shape shape;
  Verdict verdict = Verdict::right;
  std::int64_t element = 0;    ///< where they differ most against the error bar, in row order
  double derivative = 0;       ///< what the reverse pass gave there
  double difference = 0;       ///< the difference quotient there
  double error_bar = 0;        ///< what they may differ by
  std::int64_t compared = 0;   ///< elements compared one by one
  std::int64_t differing = 0;  ///< of these
  std::string cause;           ///< a guess, or why it cannot be decided; may be empty
};

/// "input 0 (3, 4), element [1, 2]: derivative 0.42, by differences 0.84 ± 2e-10 (12 of 12 differ: twice too small)".
std::string to_string(const InputCheck& check);

namespace detail {

/// A scalar function of arrays that are this check's own: contracted() evaluates it at their present values.
struct Probe {
  std::vector<Array> inputs;  // contiguous; floating ones are changed in place and put back
  std::function<double()> contracted;
  double rounding = 0x1p-53;     // unit roundoff of what the function computes in
  double captured_rounding = 0;  // of values that the derivative has saved in a lower precision
};

/// Compares `gradient` with the slopes of the probe by input number i: small inputs element by element; large ones along a random
/// direction, bisected down to an element where it differs, and some elements at random.
InputCheck compare(const Probe& probe, std::size_t i, const Array& gradient, std::string name, std::uint64_t seed);

}  // namespace detail
}  // namespace dz
