#pragma once

#include <dz/models/initialise.hpp>
#include <dz/models/summary.hpp>
#include <dz/ops/matrix.hpp>

namespace dz {

/// A dense layer: (…, inputs) to (…, outputs), x·Wᵀ + b. The weight is (outputs, inputs), the bias (outputs), 0 at first.
struct Linear {
  Parameter weight, bias;

  Linear() = default;
  /// Throws ShapeError for a size below 1.
  Linear(std::int64_t inputs, std::int64_t outputs, Initialiser initialiser = initialise::he, Dtype dtype = float32,
         Generator& g = default_generator());
  Tensor operator()(In x) const {
    return layer_call(*this, std::move(x), [this](In x) { return linear(std::move(x), weight, bias); });
  }
  /// With the activation that follows: hidden(x, relu) is relu(hidden(x)), and quicker.
  Tensor operator()(In x, Activation activation) const {
    return layer_call(*this, std::move(x), [&](In x) { return linear(std::move(x), weight, bias, activation); });
  }
};
BOOST_DESCRIBE_STRUCT(Linear, (), (weight, bias))

}  // namespace dz
