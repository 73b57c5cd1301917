#pragma once
// A loop shared among threads, where it is long enough to pay for them.

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include <dz/tensor/thresholds.hpp>

namespace dz {

namespace detail {
using RangeBody = void (*)(void* context, std::int64_t begin, std::int64_t end);
void parallel_ranges(std::int64_t n, std::int64_t grain, RangeBody body, void* context);

struct Range {
  std::int64_t begin, end;
};
/// The part of [0, n) that is `index`'s of `shares`, in whole units.
inline Range share(std::int64_t n, std::int64_t unit, std::int64_t index, std::int64_t shares) {
  if (shares == 1) return {0, n};  // dividing is slow where n is small
  const std::int64_t units = (n + unit - 1) / unit;
  return {std::min(n, units * index / shares * unit), std::min(n, units * (index + 1) / shares * unit)};
}
}  // namespace detail

/// Calls body(begin, end) on ranges that cover [0, n), each of at least `grain` (and a multiple of it but for the last), on as
/// many threads as OpenMP gives (OMP_NUM_THREADS). The body must not throw. How the ranges are cut depends on the number of
/// threads: a body whose result depends on the cut is wrong.
template <class Body> void parallel_for(std::int64_t n, std::int64_t grain, Body&& body) {
  if (n <= grain) {
    if (n > 0) body(std::int64_t{0}, n);
    return;
  }
  detail::parallel_ranges(
      n, grain, [](void* b, std::int64_t begin, std::int64_t end) { (*static_cast<std::remove_reference_t<Body>*>(b))(begin, end); },
      &body);
}

/// The most threads that a loop of the calling thread is shared among.
std::int64_t loop_threads();

/// From here on, what the calling thread computes runs on it alone: for threads that work beside the one that trains.
void loop_alone();

}  // namespace dz
