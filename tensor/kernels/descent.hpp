#pragma once
// A step of descent, in place.

#include <dz/tensor/array.hpp>

namespace dz::kernels {

/// w := w − rate·(g + decay·w), one pass. With a remainder, an array of w's kind, what rounding takes from the step is kept there for
/// the next one: w + remainder follows the exact sum of the steps. w and the remainder are contiguous.
void descend(const Array& w, const Array& remainder, const Array& g, double rate, double decay);

}  // namespace dz::kernels
