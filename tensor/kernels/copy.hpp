#pragma once
// Moving values: fill, and copy between any layouts and element types.

#include <dz/tensor/array.hpp>

namespace dz::kernels {

void fill(const Array& out, double v);
/// out[i] = in[i], converted; `in` broadcasts to the output's shape.
void copy(const Array& out, const Array& in);

}  // namespace dz::kernels
