#pragma once

#include <dz/models/initialise.hpp>
#include <dz/models/parameters.hpp>
#include <dz/ops/indexing.hpp>

namespace dz {

/// A table of vectors: int64 indices (…) to (…, width). The weight is (count, width).
struct Embedding {
  Parameter weight;

  Embedding() = default;
  /// By xavier, the default, a vector's length is about 1. Throws ShapeError for a size below 1.
  Embedding(std::int64_t count, std::int64_t width, Initialiser initialiser = initialise::xavier, Dtype dtype = float32,
            Generator& g = default_generator());
  /// Throws ValueError for an index outside [0, count).
  Tensor operator()(In indices) const;
};
BOOST_DESCRIBE_STRUCT(Embedding, (), (weight))

}  // namespace dz
