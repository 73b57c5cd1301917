#include <dz/models/normalisation.hpp>

#include <fmt/format.h>

#include <dz/graph/mode.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/creation.hpp>
#include <dz/ops/normalisation.hpp>

namespace dz {

// Scale and shift are biases to the regularisation: L2 and weight decay leave them alone.
BatchNorm::BatchNorm(std::int64_t channels, Dtype dtype)
    : scale(ones({channels}, dtype), Role::bias), shift(zeros({channels}, dtype), Role::bias), mean(zeros({channels}, dtype), Role::buffer),
      variance(ones({channels}, dtype), Role::buffer) {}

Tensor BatchNorm::operator()(In x) const {
  const CallSite site(x.at());
  if (!is_training()) return batch_norm(x, scale, shift, mean, variance, epsilon);
  const std::int64_t positions = x.size() / std::max<std::int64_t>(1, scale.size());
  if (positions == 1)
    throw ShapeError(fmt::format("a batch {} of one position has no variance to train by", to_string(x.shape())), "BatchNorm", x.at());
  BatchNormed batch = batch_norm(x, scale, shift, epsilon);
  const auto guard = no_grad();
  const double unbiased = static_cast<double>(positions) / static_cast<double>(positions - 1);
  Tensor(mean).assign(lerp(mean, batch.mean.detach(), momentum), x.at());
  Tensor(variance).assign(lerp(variance, batch.variance.detach() * unbiased, momentum), x.at());
  return batch.y;
}

LayerNorm::LayerNorm(std::int64_t features, Dtype dtype)
    : scale(ones({features}, dtype), Role::bias), shift(zeros({features}, dtype), Role::bias) {}

Tensor LayerNorm::operator()(In x) const { return layer_norm(std::move(x), scale, shift, epsilon); }

RmsNorm::RmsNorm(std::int64_t features, Dtype dtype) : scale(ones({features}, dtype), Role::bias) {}

Tensor RmsNorm::operator()(In x) const { return rms_norm(std::move(x), scale, epsilon); }

}  // namespace dz
