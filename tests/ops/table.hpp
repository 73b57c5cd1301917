#pragma once
// The table of operations: one row for each function of ops/*.hpp and graph/basic.hpp that takes tensors. Adding an operation touches its
// family's files and adds its row here; tests/ops/every_operation.cpp then asks of the row what is asked of all.

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <dz/dz.hpp>

namespace dz::test {

using Tensors = std::vector<Tensor>;
using Shapes = std::vector<Shape>;

/// An example of one input.
struct Input {
  enum class Kind {
    real,     ///< uniform on [low, high]
    apart,    ///< odd multiples of 0.1 in random order: no two equal, none near 0, so no kink is near
    label,    ///< int64 below `high`
    boolean,  ///< some true, some false
  };
  Shape shape;
  double low = -2, high = 2;
  Kind kind = Kind::real;

  /// Draws it; floating kinds in the given dtype.
  Tensor draw(Dtype dtype, Generator& g) const;
  bool floating() const { return kind == Kind::real || kind == Kind::apart; }
};

/// The same operation on inputs of other shapes, some of size 0: what shape it gives, or none where it refuses.
struct Empty {
  Shapes inputs;
  std::optional<Shape> gives;
};

/// A row. What is not given is what most operations do.
struct Operation {
  std::string name;  ///< of the function; a variant adds words to it
  std::function<Tensor(const Tensors&)> call;
  std::vector<Input> inputs;
  std::vector<Empty> empty;
  std::vector<Shapes> refused = {};  ///< shapes that it refuses with a ShapeError
  bool constant = false;             ///< its result is a constant to the graph
  bool random = false;               ///< its values depend on the dtype
  bool meets = true;                 ///< several floating inputs: float32 and float64 together are refused
  bool passes_nan = true;            ///< a NaN in any floating input reaches the result
  /// Of one elementwise argument: the values at +infinity and −infinity (a NaN for a NaN).
  std::optional<std::pair<double, double>> at_infinity = std::nullopt;

  /// The header's name, without a variant's words.
  std::string function() const { return name.substr(0, name.find(' ')); }
  Tensors draw(Dtype dtype, std::uint64_t seed = 1) const;
};

// ---- what rows are made of

Input real(const Shape& shape, double low = -2, double high = 2);
Input apart(const Shape& shape);
Input labels_below(const Shape& shape, double n);
Input booleans(const Shape& shape);

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

/// All rows. Made anew at each call, so that no tensor outlives a test.
std::vector<Operation> operations();

}  // namespace dz::test
