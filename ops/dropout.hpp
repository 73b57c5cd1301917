#pragma once

#include <dz/graph/tensor.hpp>
#include <dz/tensor/random.hpp>

namespace dz {

/// Inverted dropout (the notes, part four, section three): while training(), each element is kept with probability keep_prob and
/// divided by it, else 0; the reverse pass uses the same mask. Otherwise x itself. Throws ValueError outside 0 < keep_prob ≤ 1.
Tensor dropout(In x, double keep_prob, Generator& g = default_generator());

}  // namespace dz
