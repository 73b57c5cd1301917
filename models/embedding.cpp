#include <dz/models/embedding.hpp>

#include <fmt/format.h>

#include <dz/graph/mode.hpp>
#include <dz/models/summary.hpp>

namespace dz {

Embedding::Embedding(std::int64_t count, std::int64_t width, Initialiser initialiser, Dtype dtype, Generator& g) {
  if (count < 1 || width < 1) throw ShapeError(fmt::format("{} vectors of {} elements: both are at least 1", count, width), "Embedding");
  weight = Parameter(initialiser({count, width}, dtype, g));
}

Tensor Embedding::operator()(In indices) const {
  const CallSite site(indices.at());
  return layer_call(*this, indices, [this](In i) { return embedding(i, weight); });
}

}  // namespace dz
