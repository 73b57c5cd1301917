#include <dz/models/normalisation.hpp>

#include <fmt/format.h>

#include <dz/graph/mode.hpp>
#include <dz/models/summary.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/creation.hpp>
#include <dz/ops/normalisation.hpp>

namespace dz {

// Whatever it is called, the scale is a bias to the regularisation: L2 and weight decay leave it alone.
BatchNorm::BatchNorm(std::int64_t channels, Dtype dtype)
    : weight(ones({channels}, dtype), Role::bias), bias(zeros({channels}, dtype), Role::bias),
      running_mean(zeros({channels}, dtype), Role::buffer), running_var(ones({channels}, dtype), Role::buffer),
      num_batches_tracked(zeros({}, int64), Role::buffer) {}

Tensor BatchNorm::operator()(In x) const {
  const CallSite site(x.at());
  if (!is_training())
    return layer_call(*this, x, [this](In x) { return batch_norm(x, weight, bias, running_mean, running_var, epsilon); });
  const std::int64_t positions = x.size() / std::max<std::int64_t>(1, weight.size());
  if (positions == 1)
    throw ShapeError(fmt::format("a batch {} of one position has no variance to train by", to_string(x.shape())), "BatchNorm", x.at());
  BatchNormed batch = batch_norm(x, weight, bias, epsilon);
  const auto guard = no_grad();
  const double unbiased = static_cast<double>(positions) / static_cast<double>(positions - 1);
  Tensor(running_mean).assign(lerp(running_mean, batch.mean.detach(), momentum), x.at());
  Tensor(running_var).assign(lerp(running_var, batch.variance.detach() * unbiased, momentum), x.at());
  Tensor(num_batches_tracked).assign(num_batches_tracked + 1, x.at());
  return batch.y;
}

LayerNorm::LayerNorm(std::int64_t features, Dtype dtype)
    : weight(ones({features}, dtype), Role::bias), bias(zeros({features}, dtype), Role::bias) {}

Tensor LayerNorm::operator()(In x) const {
  return layer_call(*this, std::move(x), [this](In x) { return layer_norm(std::move(x), weight, bias, epsilon); });
}

RmsNorm::RmsNorm(std::int64_t features, Dtype dtype) : weight(ones({features}, dtype), Role::bias) {}

Tensor RmsNorm::operator()(In x) const {
  return layer_call(*this, std::move(x), [this](In x) { return rms_norm(std::move(x), weight, epsilon); });
}

}  // namespace dz
