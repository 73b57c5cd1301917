#pragma once
// Right operations, written by their formulas: what mistakes are made in.

#include "tests/quality/rule.hpp"

namespace dz::quality {

/// Derivatives by formulas, of one and two arguments.
const std::vector<Rule>& formulas();
/// One of them by name.
const Rule& formula(const std::string& name);
/// The rows of the table of operations that have a derivative, as rules.
const std::vector<Rule>& rows();
const Rule& row(const std::string& name);

/// The same on inputs of another shape.
Rule sized(Rule rule, const std::vector<Shape>& shapes);

}  // namespace dz::quality

// A forward, and a derivative, of x[0], x[1], …; the latter of the output y and its cotangent dy too.
#define F(...) [](const Tensors& x) -> Tensor { return __VA_ARGS__; }
#define D(...) [](const Tensors& x [[maybe_unused]], const Tensor& y [[maybe_unused]], const Tensor& dy) -> Tensor { return __VA_ARGS__; }
