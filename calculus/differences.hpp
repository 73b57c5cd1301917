#pragma once
// Slopes of a function by difference quotients, each with an error bar that comes from the data.
//
// With steps h and h/2 the central quotients q(h) and q(h/2) are off by a·h² and a·h²/4, so q(h/2) + (q(h/2) − q(h))/3 is free of the
// leading term (Richardson 1911). The bar holds what the extrapolation changed, and the noise of the function over the step. Rounding u leaves
// u·|f|/h and truncation h⁴: the step h ~ u^(1/5)·|x| balances them.

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include <dz/calculus/places.hpp>
#include <dz/tensor/array.hpp>

namespace dz::detail {

/// What is examined: values computed from arrays that are this check's own. Row 0 is the outputs' contraction with a random cotangent;
/// further rows, where there are any, are the outputs' elements.
struct Probe {
  std::vector<Array> inputs;  // contiguous; floating ones are changed in place and put back
  std::function<std::vector<double>()> rows;
  double rounding = 0x1p-53;     // unit roundoff of what the function computes in
  double captured_rounding = 0;  // of values that the derivative has saved in a lower precision
  std::function<std::vector<double>()> terms = {};  // row 0 is their sum
  std::vector<std::string> names = {};              // of the inputs, where a report is to speak of them
};

/// Elements of one input and the way that each goes.
struct Way {
  std::size_t input;
  std::int64_t first, last;       // the elements [first, last)
  const double* steps = nullptr;  // for each element of the input; 1 without
  double at(std::int64_t k) const { return steps ? steps[k] : 1; }
};

/// What a slope was found to be.
struct Slope {
  double value = 0, bar = 0;
  bool finite = false;
  double noise = 0;  // what of the bar only grows as one comes closer
  double bent = 0;   // what beyond noise the extrapolation changed, and half of what the sides differ by beyond the bend of a smooth function
};

class Differences {
 public:
  /// Evaluates at rest and measures the noise. The probe outlives it.
  explicit Differences(const Probe& probe);

  const std::vector<double>& at_rest() const { return at_rest_; }
  std::size_t rows() const { return at_rest_.size(); }
  const std::vector<double>& values(std::size_t input) const { return x_[input]; }
  /// The inputs that have names.
  std::vector<NamedValues> named() const;
  double rounding() const { return probe_.rounding; }

  /// The slopes of all rows where all inputs move along their ways together. `shrink` scales the step; `largest` is a size below
  /// which a row's slope does not matter.
  std::vector<Slope> slopes(const std::vector<Way>& ways, double shrink, double largest) const;
  /// The same, to be believed where kinks or a strong curvature may lie within the step: at ever smaller steps, until noise drowns them. Of each
  /// row, the one with the smallest bar among those that every closer one bears out (Lepski, Theory Probab. Appl. 35(3), 1990).
  std::vector<Slope> settled(const std::vector<Way>& ways, double largest) const;
  /// The rows with the inputs moved by t along their ways.
  std::vector<double> moved(const std::vector<Way>& ways, double t) const;
  /// The terms of row 0, or it alone, where the inputs are moved so.
  std::vector<double> terms_moved(const std::vector<Way>& ways, double t) const;
  /// The step that suits these ways.
  double step(const std::vector<Way>& ways) const;

 private:
  std::vector<double> moved(const std::vector<Way>& ways, double t, const std::function<std::vector<double>()>& compute) const;
  void measure_noise();
  /// The rows at `count` points `spacing` apart along these ways, from `first` steps on.
  std::vector<std::vector<double>> table(const std::vector<Way>& ways, double spacing, int first, int count) const;

  const Probe& probe_;
  std::vector<std::vector<double>> x_;
  std::vector<double> at_rest_, noise_;
};

}  // namespace dz::detail
