#pragma once
// The notes' networks: logistic regression, the shallow and the deep network are all an Mlp.

#include <span>

#include <dz/models/input_normalisation.hpp>
#include <dz/models/linear.hpp>
#include <dz/ops/activation.hpp>

namespace dz {

/// The notes' activations by name (sigmoid, tanh, relu, leaky_relu); throws ValueError that lists them.
Activation activation_by_name(std::string_view name);

/// Some keep_prob is below 1.
bool drops(std::span<const double> keep_prob);

/// Dense layers with an activation between them: [Linear → activation]*(L − 1) → Linear (the notes, part three). The last layer gives
/// logits; the sigmoid of the notes' last layer belongs to the loss.
struct Mlp {
  std::vector<Linear> layers;
  Activation activation = nullptr;
  /// The probability to keep a unit while training(), one for each hidden layer: lower for wider ones, and only where the network
  /// overfits (the notes, part four, section three). Empty for no dropout.
  std::vector<double> keep_prob{};
  std::optional<InputNormalisation> normalisation{};  ///< of the samples, before the first layer

  /// (m, sizes.front()) to (m, sizes.back()). Throws ValueError for a keep_prob outside (0, 1], or as many as there are not hidden layers.
  Tensor operator()(In x) const;
  /// Some hidden layer has a keep_prob below 1: the cost while training() is another with every draw.
  bool drops() const { return dz::drops(keep_prob); }
};
BOOST_DESCRIBE_STRUCT(Mlp, (), (layers, activation, keep_prob, normalisation))

/// What an Mlp of these layers gives, without normalisation; for models that have dense layers at their end. Throws as it, in the model's name.
Tensor dense_layers(const std::vector<Linear>& layers, Activation activation, std::span<const double> keep_prob, In x, const char* model);

/// sizes = {n_x, hidden…, outputs}; {n_x, 1} is logistic regression. Throws ShapeError for fewer than two sizes or one below 1.
Mlp mlp(const std::vector<std::int64_t>& sizes, Activation activation = relu, Initialiser initialiser = initialise::he,
        Dtype dtype = float32, Generator& g = default_generator());

}  // namespace dz
