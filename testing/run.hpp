#pragma once
// One evaluation of an operation, with its gradients along a fixed cotangent. For the checks' own use.

#include <cstdint>
#include <string>
#include <vector>

#include <dz/testing/check.hpp>

namespace dz::testing {

/// The value, and the gradients by the floating inputs.
struct Run {
  std::vector<double> value;
  std::vector<std::vector<double>> gradients;
  Shape shape;
  Dtype dtype = float32;
  std::string trouble;  ///< a gradient whose shape or dtype is not its input's
};

enum class Reverse {
  fused,     ///< as backward() runs: a fused operation's own derivative
  composed,  ///< recorded: the composition that it stands for
};

/// How far inputs and cotangent are moved: each element by ±relative of itself, at random.
struct Nudge {
  double relative = 0;
  std::uint64_t seed = 0;
};

Tensors as_leaves(const Tensors& inputs);
Run run(const Operation& o, const Tensors& inputs, Reverse reverse = Reverse::fused, Nudge nudge = {});

/// The operation's examples at the size n, one for each way in which they grow. A size that has no meaning there is left out.
std::vector<Operation> grown(const Operation& o, std::int64_t n);

/// f of each.
template <class F> Tensors each(const Tensors& inputs, F f) {
  Tensors out;
  for (const Tensor& x : inputs) out.push_back(f(x));
  return out;
}
std::string shapes_of(const Tensors& x);
std::string shapes_of(const Operation& o);

// ---- the questions
void ask_gradient(const Operation& o, Findings& f);
void ask_layouts(const Operation& o, Findings& f);
void ask_unrecorded(const Operation& o, Findings& f);
void ask_empty(const Operation& o, Findings& f);
void ask_refusals(const Operation& o, Findings& f);
void ask_special_values(const Operation& o, Findings& f);
void ask_limits(const Operation& o, Findings& f);
void ask_precision(const Operation& o, Findings& f);
void ask_thresholds(const Operation& o, Findings& f);

}  // namespace dz::testing
