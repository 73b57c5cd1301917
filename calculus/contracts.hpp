#pragma once
// What every derivative owes beyond its value: it leaves alone what it is given, adds up, is linear in the cotangent, does not remember
// other calls, and does not depend on how its inputs lie in memory.

#include <string>
#include <vector>

#include <dz/calculus/subject.hpp>

namespace dz::detail {

/// What the subject breaks of these, a sentence each; none where all is kept. Inputs of other layouts, of size 1 and without elements are
/// tried where its arguments can be exchanged. `rounding` is that of the subject's dtype. Without `slopes`, gradients are not compared
/// with differences once more.
std::vector<std::string> broken_contracts(const Subject& subject, const Generator& start, std::uint64_t seed, double rounding, bool slopes);

}  // namespace dz::detail
