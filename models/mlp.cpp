#include <dz/models/mlp.hpp>

#include <fmt/format.h>

#include <algorithm>

#include <dz/graph/mode.hpp>
#include <dz/models/hidden.hpp>
#include <dz/ops/dropout.hpp>

namespace dz {

Activation activation_by_name(std::string_view name) {
  if (name == "sigmoid") return sigmoid;
  if (name == "tanh") return tanh;
  if (name == "relu") return relu;
  if (name == "leaky_relu") return [](In z) { return leaky_relu(std::move(z)); };
  throw ValueError(fmt::format("'{}' is none of sigmoid, tanh, relu, leaky_relu", name), "activation");
}

Tensor Mlp::operator()(In x) const {
  const CallSite site(x.at());
  return dense_layers(layers, activation, keep_prob, normalisation && !layers.empty() ? (*normalisation)(x) : x, "Mlp");
}

bool drops(std::span<const double> keep_prob) {
  return std::ranges::any_of(keep_prob, [](double p) { return p < 1; });
}

Tensor dense_layers(const std::vector<Linear>& layers, Activation activation, std::span<const double> keep_prob, In x, const char* model) {
  const CallSite site(x.at());
  if (layers.empty()) throw ValueError("a network without layers", model, x.at());
  if (!keep_prob.empty() && keep_prob.size() + 1 != layers.size())
    throw ValueError(fmt::format("{} keep_prob for {} hidden layers", keep_prob.size(), layers.size() - 1), model, x.at());
  Tensor a = std::move(x);
  for (std::size_t l = 0; l + 1 < layers.size(); ++l) a = dropout(hidden(layers[l](a, activation)), keep_prob.empty() ? 1 : keep_prob[l]);
  return layers.back()(a);
}

Mlp mlp(const std::vector<std::int64_t>& sizes, Activation activation, Initialiser initialiser, Dtype dtype, Generator& g) {
  if (sizes.size() < 2) throw ShapeError("a network has at least two sizes: that of its input and that of its output", "mlp");
  Mlp network{{}, activation};
  for (std::size_t l = 1; l < sizes.size(); ++l) network.layers.emplace_back(sizes[l - 1], sizes[l], initialiser, dtype, g);
  return network;
}

}  // namespace dz
