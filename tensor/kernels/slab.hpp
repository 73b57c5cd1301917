#pragma once
// How reductions and scans see an array: the axes that they run over brought together.

#include <algorithm>

#include <dz/tensor/array.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels {

/// (before, reduced, after): an element is at (b·reduced + r)·after + a.
struct Extents {
  std::int64_t before = 1, reduced = 1, after = 1;
};

/// Outer indices that make a thread's while.
inline std::int64_t grain_of(Extents e) { return std::max<std::int64_t>(1, elementwise_grain / (e.reduced * e.after + 1)); }

/// An array with its masked axes together, contiguous.
struct Slab {
  Array values;
  Extents extents;
};
Slab slab(const Array& a, std::uint32_t mask);

/// Throws DtypeError for anything but float32 and float64.
void require_floating(const Array& a);

}  // namespace dz::kernels
