#pragma once
// An operation as its automatic tests see it: a name, a call, examples of its inputs. One line registers it:
//
//   DZ_TEST_OPERATION(scale_rows, real({3, 4}), real({3, 1}));
//
// and a program that links dz::testing then checks it (docs/custom_operations.md). dz's own operations are tested in the same way.

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <dz/dz.hpp>

namespace dz::testing {

using Tensors = std::vector<Tensor>;
using Shapes = std::vector<Shape>;

/// An example of one input.
struct Input {
  enum class Kind {
    real,     ///< uniform on [low, high]
    apart,    ///< equally spaced in random order, at most 0.2 apart: no two equal, none near 0, so no kink is near
    label,    ///< int64 below `high`
    boolean,  ///< some true, some false
  };
  Shape shape;
  double low = -2, high = 2;
  Kind kind = Kind::real;

  /// Draws it; floating kinds in the given dtype, with values that float32 holds.
  Tensor draw(Dtype dtype, Generator& g) const;
  bool floating() const { return kind == Kind::real || kind == Kind::apart; }
};

Input real(const Shape& shape, double low = -2, double high = 2);
Input apart(const Shape& shape);
Input labels_below(const Shape& shape, double n);
Input booleans(const Shape& shape);

/// The same operation on inputs of other shapes, some of size 0: what shape it gives, or none where it refuses.
struct Empty {
  Shapes inputs;
  std::optional<Shape> gives;
};

/// An operation with examples. What is not given is what most operations do.
struct Operation {
  std::string name;  ///< of the function; a variant adds words to it
  std::function<Tensor(const Tensors&)> call;
  std::vector<Input> inputs;
  std::vector<Empty> empty = {};
  std::vector<Shapes> refused = {};  ///< shapes that it refuses with a ShapeError
  bool constant = false;             ///< its result is a constant to the graph
  bool random = false;               ///< its values depend on the dtype
  bool meets = true;                 ///< several floating inputs: float32 and float64 together are refused
  bool passes_nan = true;            ///< a NaN in any floating input reaches the result
  /// Of one elementwise argument: the values at +infinity and −infinity (a NaN for a NaN).
  std::optional<std::pair<double, double>> at_infinity = std::nullopt;
  /// The inputs' shapes at the size n, one function for each way in which they can grow. Left out: each size greater than 1 among the
  /// examples grows by itself, wherever it occurs, and sizes that the operation refuses are passed over.
  std::vector<std::function<Shapes(std::int64_t)>> sizes = {};
  /// The least size at which float32 is compared: of fewer, all that matters cancels, and what is left is rounding (a mean of one).
  std::int64_t smallest = 1;
  bool product = false;  ///< it multiplies matrices: it is tried at the sizes of large products too
  int order = 2;                             ///< 1: its derivative is of first order only
  std::string place = R"([\w.-]+:\d+)";      ///< a regular expression of the place in the source that its errors name

  /// Its own name, without a variant's words.
  std::string function() const { return name.substr(0, name.find(' ')); }
  Tensors draw(Dtype dtype, std::uint64_t seed = 1) const;
  /// The same operation with examples of other shapes.
  Operation of(const Shapes& shapes) const;
};

/// An operation from any callable on as many tensors as there are inputs. Errors are to name a place: of this call, or the callable's
/// own line that met what does not fit.
template <class F, class... I> Operation operation(std::string name, At at, F f, const I&... inputs) {
  Operation o;
  o.name = std::move(name);
  o.call = [f, at](const Tensors& x) {
    return [&]<std::size_t... k>(std::index_sequence<k...>) { return Tensor(f(In(x[k], at)...)); }(std::index_sequence_for<I...>{});
  };
  o.inputs = {inputs...};
  o.passes_nan = false;  // a user's may well look away
  return o;
}

/// Registers an operation for the automatic tests of this program; gives a reference to it, to add to.
Operation& add(Operation o);
/// What has been registered.
const std::deque<Operation>& registered();

}  // namespace dz::testing

#define DZ_TESTING_JOIN_(a, b) a##b
#define DZ_TESTING_JOIN(a, b) DZ_TESTING_JOIN_(a, b)
/// DZ_TEST_OPERATION(f, real({3, 4}), …): registers the function f of as many tensors as examples follow (real, apart, labels_below,
/// booleans, or an Input).
#define DZ_TEST_OPERATION(f, ...)                                                       \
  [[maybe_unused]] static const auto& DZ_TESTING_JOIN(dz_testing_operation_, __LINE__) = \
      [] () -> const ::dz::testing::Operation& {                                        \
        using namespace ::dz::testing;                                                  \
        return add(operation(#f, ::dz::At::here(), f, __VA_ARGS__));                    \
      }()
