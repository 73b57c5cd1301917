#pragma once
// check_graph(J): which operation is wrong. Every node of a recorded graph is examined by itself, with the values it really had.

#include <iosfwd>

#include <dz/calculus/comparison.hpp>
#include <dz/graph/tensor.hpp>

namespace dz {

/// What the examination of one operation found.
struct OperationCheck {
  std::string operation;
  At at;
  Shape shape;  ///< of its (first) output
  Verdict verdict = Verdict::right;
  std::vector<InputCheck> inputs;  ///< those that need a gradient
  std::string trouble;             ///< why it could not be examined, or what is wrong in float32; may be empty
  double apart = 0;                ///< relative difference of float32 and float64 where that is wrong
};

struct GraphCheck {
  std::vector<OperationCheck> operations;  ///< worst first

  /// Every operation is right.
  bool passed() const;
  explicit operator bool() const { return passed(); }
};
/// A table with a line for each operation, worst first, and what is wrong with the wrong ones.
std::string to_string(const GraphCheck& check);
/// What was found in an operation that is not right, in indented lines.
std::string details(const OperationCheck& check, int indent);
std::ostream& operator<<(std::ostream& out, const GraphCheck& check);

/// Examines every operation between J and its leaves, which were recorded while `auto guard = checked();` was alive: its derivative
/// on a random cotangent against central differences of its own forward, in float64 where the forward can. The graph stays as it
/// is. Throws GraphError where it was recorded without the guard or has been reversed already.
GraphCheck check_graph(const Tensor& J, std::uint64_t seed = 1, At at = At::here());

}  // namespace dz
