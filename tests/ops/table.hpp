#pragma once
// The table of operations: one row for each function of ops/*.hpp and graph/basic.hpp that takes tensors. Adding an operation touches its
// family's files and adds its row here; tests/ops/every_operation.cpp then asks of the row what is asked of all.

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <dz/testing/operation.hpp>

namespace dz::test {

using testing::apart, testing::booleans, testing::labels_below, testing::real;
using testing::Empty, testing::Input, testing::Operation, testing::Shapes, testing::Tensors;

// ---- what rows are made of

using Limits = std::optional<std::pair<double, double>>;
/// An elementwise function of one argument.
Operation one(std::string name, Tensor (*f)(In), Input input, Limits at_infinity);
/// An elementwise function of two arguments, broadcast: (3, 4) with (1, 4) and (3, 1).
Operation two(std::string name, Tensor (*f)(In, In), Input a, Input b);
/// A comparison: a constant, and false of a NaN.
Operation comparison(std::string name, Tensor (*f)(In, In));
/// A reduction of (2, 3, 4) over axes, and what it makes of empty inputs.
Operation reduction(std::string name, std::function<Tensor(In)> f, std::vector<Empty> empty);

// ---- the families that have a file of their own
void add_math(std::vector<Operation>& rows);
void add_more_reductions(std::vector<Operation>& rows);
void add_more_losses(std::vector<Operation>& rows);
void add_control(std::vector<Operation>& rows);
void add_linear_algebra(std::vector<Operation>& rows);
void add_layers(std::vector<Operation>& rows);
void add_shapes_and_indices(std::vector<Operation>& rows);

/// All rows. Made anew at each call, so that no tensor outlives a test.
std::vector<Operation> operations();

}  // namespace dz::test
