#include <dz/optim/watch.hpp>

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include <dz/graph/mode.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/loss.hpp>

namespace dz {
namespace {

double norm_of(const Tensor& x) { return std::sqrt(squared_frobenius_norm(cast(x, float64)).item()); }

}  // namespace

std::vector<LayerGradient> layer_gradients(const std::vector<NamedParameter>& parameters) {
  const auto guard = no_grad();
  std::vector<LayerGradient> layers;
  for (const auto& [name, p] : parameters) {
    if (!*p || p->role() != Role::weight || !p->requires_grad()) continue;
    const Tensor g = p->grad();
    if (!g) continue;
    const double dw = norm_of(g), w = norm_of(p->detach());
    layers.push_back({name, dw, dw == 0 ? 0 : w == 0 ? std::numeric_limits<double>::infinity() : dw / w});
  }
  return layers;
}

std::vector<std::string> gradient_warnings(const std::vector<LayerGradient>& layers) {
  std::vector<std::string> found;
  for (const LayerGradient& l : layers) {
    if (!std::isfinite(l.norm)) found.push_back(fmt::format("the gradient of {} is not finite: it has exploded", l.name));
    else if (std::isfinite(l.relative) && l.relative > 1e3)
      found.push_back(
          fmt::format("the gradient of {} is {:.2g} times as large as its weights: it explodes (clip it, or begin with smaller weights)",
                      l.name, l.relative));
  }
  if (layers.size() < 2 || !std::isfinite(layers.back().relative)) return found;
  for (const LayerGradient& l : layers)
    if (l.relative < 1e-5 * layers.back().relative) {
      found.push_back(
          fmt::format("the gradient of {}, relative to its weights, is {:.2g} of the last layer's: it vanishes (ReLU with He's first "
                      "weights, or fewer layers)",
                      l.name, l.relative / layers.back().relative));
      break;  // the others follow from it
    }
  return found;
}

double dead_units(const Tensor& activations) {
  if (activations.rank() < 2)
    throw ShapeError(fmt::format("activations are (m, units…), got {}", to_string(activations.shape())), "dead_units");
  const std::vector<double> a = activations.to_vector();
  const auto m = static_cast<std::size_t>(activations.size(0)), units = m == 0 ? 0 : a.size() / m;
  std::size_t dead = 0;
  for (std::size_t u = 0; u < units; ++u) {
    bool alive = false;
    for (std::size_t i = 0; i < m && !alive; ++i) alive = a[i * units + u] != 0;
    dead += !alive;
  }
  return units == 0 ? 0 : static_cast<double>(dead) / static_cast<double>(units);
}

}  // namespace dz
