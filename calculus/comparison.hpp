#pragma once
// A gradient against slopes: small inputs element by element, large ones along random directions, bisected down to the element.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <dz/calculus/differences.hpp>

namespace dz {

enum class Verdict { right, wrong, undecided };
std::string_view name(Verdict verdict);

/// How one input's gradient compares with difference quotients.
struct InputCheck {
  std::string name;
  Shape shape;
  Verdict verdict = Verdict::right;
  std::int64_t element = 0;    ///< where they differ most against the error bar, in row order
  std::string output;          ///< the output's element that it is the derivative of; empty: of all, contracted with a random cotangent
  double derivative = 0;       ///< what the reverse pass gave there
  double difference = 0;       ///< the difference quotient there
  double error_bar = 0;        ///< what they may differ by
  std::int64_t compared = 0;   ///< elements compared one by one
  std::int64_t differing = 0;  ///< of these
  double size = 0;             ///< the largest derivative of this input
  std::string there;           ///< what the inputs, and the output, have at that place
  std::vector<std::int64_t> wrong;  ///< the elements found wrong, in rising order
  std::string like;            ///< an earlier input of which the same holds: "input 0" or "input 0, negated"
  std::string cause;           ///< sentences, a line each: what else was found, and a guess; or why it cannot be decided; may be empty
};

/// A few lines of at most 100 columns, the last without its end:
///   input 0 (3, 4): wrong at element [1, 2] (12 of 12 compared differ)
///     your derivative gives 0.42, by differences it is 0.84 ± 2e-10
///     there input 0 = 1.2
///     the likely cause
/// Those after the first, and what is too long for one, are indented by `indent` and more.
std::string to_string(const InputCheck& check, int indent = 0);
/// The text in lines of at most 100 columns, broken at spaces; each after the first begins with `indent` spaces, the first has `used` columns already.
std::string wrapped(std::string_view text, int indent, int used = 0);
/// The index of an element in row order: "[1, 2]".
std::string index_of(std::int64_t element, const Shape& shape);

namespace detail {

/// For each row of the differences, the gradient of one input.
using Gradients = std::vector<std::vector<double>>;

/// One input's gradient and what is known about the rows.
struct Claim {
  std::size_t input;
  std::string name;
  Shape shape;
  Gradients gradients;
  std::vector<std::string> outputs;  // of each row: its element's index, with the output's number where there are several
  std::optional<Shape> output = {};  // of the rows, where all but the first are the elements of one output
};

/// Compares a claim with the slopes. Row 0 must be there.
InputCheck compare(const Differences& differences, const Claim& claim, std::uint64_t seed);

/// Where an input is wrong just as an earlier one is, in the same elements by the same or the negated derivatives: says so in `like`.
void name_the_like(const Differences& differences, const std::vector<Claim>& claims, std::vector<InputCheck>& checks);

/// Compares the slope along one random direction through all inputs with what their gradients say: ⟨u, Jv⟩ = ⟨Jᵀu, v⟩.
InputCheck compare_along_all(const Differences& differences, const std::vector<Claim>& claims, std::uint64_t seed);

}  // namespace detail
}  // namespace dz
