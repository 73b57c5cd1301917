#pragma once
// An operation as a user writes it, taken apart: its forward and a derivative for each input, so that one of them can be spoiled.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <dz/dz.hpp>
#include <dz/testing/operation.hpp>

namespace dz::quality {

using testing::Input, testing::apart, testing::real, testing::labels_below, testing::Tensors;

using Forward = std::function<Tensor(const Tensors& x)>;
/// The cotangent of one input.
using Derivative = std::function<Tensor(const Tensors& x, const Tensor& y, const Tensor& dy)>;

struct Rule {
  std::string name;
  std::vector<Input> inputs;
  Forward forward;
  std::vector<Derivative> derivatives;                     // none for an input of another dtype
  std::function<Tensors(const Tensors& x)> saved = nullptr;  // what the derivatives see of the inputs; all of them as they are without
};

/// Records it, as a user's function would, at that place.
Tensor apply(const Rule& rule, const Tensors& x, At at);

/// The rule of a function that is differentiable already.
Rule rule_of(std::string name, std::vector<Input> inputs, Forward f);
/// The derivative of f by one input.
Derivative derivative_of(Forward f, std::size_t input);

// ---- mistakes

Derivative times(Derivative d, double factor);
/// t() is forgotten, or stands where none should; on a matrix that is not square, a reshape makes it fit.
Derivative transposed(Derivative d);
/// Only the first along the output's axis contributes: the sum over a broadcast axis is missing.
Derivative of_the_first(Derivative d, int axis);
/// All but the last along the output's axis contribute.
Derivative without_the_last(Derivative d, int axis);
/// Everything lands one further on along an axis.
Derivative shifted(Derivative d, int axis, int by);
/// One element is multiplied.
Derivative at_element(Derivative d, std::int64_t element, double factor);
/// Right in first order; recorded, a factor is wrong.
Derivative recorded_times(Derivative d, double factor);
/// Right in first order; to a second one the inputs and the output are constants.
Derivative with_constants(Derivative d);

enum class Stale {
  newest,    ///< one place for all calls, which each overwrites
  first,     ///< kept since the first call
  previous,  ///< of the call before
  buffer,    ///< a buffer that every forward writes into
};
Rule stale(Rule rule, Stale how);

}  // namespace dz::quality
