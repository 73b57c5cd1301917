#pragma once
// What would put a wrong derivative right: a factor or a term from a small dictionary, fitted to every entry of the Jacobian.

#include <string>

#include <dz/calculus/causes.hpp>

namespace dz::detail {

/// A sentence that says which product of the inputs' and outputs' values, times a constant, is missing or too many, as a factor or as a term; nothing
/// where none explains all entries to their bars.
std::string factor_or_term(const Explanation& e);

/// A sentence where the derivative is right with the neighbour of a value along an axis instead of it, as a factor or in a difference.
std::string neighbour_instead(const Explanation& e);

}  // namespace dz::detail
