#include <dz/optim/watch.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <dz/graph/mode.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/loss.hpp>
#include <dz/ops/reduce.hpp>
#include <dz/ops/shape.hpp>

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

void LiveUnits::see(const Tensor& activations) {
  if (activations.rank() < 2)
    throw ShapeError(fmt::format("activations are (m, …, units), got {}", to_string(activations.shape())), "LiveUnits");
  const auto units = static_cast<std::size_t>(activations.size(-1));
  if (!alive_.empty() && alive_.size() != units)
    throw ShapeError(fmt::format("{} units where there were {}", units, alive_.size()), "LiveUnits");
  alive_.resize(units);
  if (activations.size() == 0) return;
  const auto guard = no_grad();
  const std::vector<double> largest = max(abs(reshape(activations, {activations.size() / activations.size(-1), activations.size(-1)})), 0).to_vector();
  for (std::size_t u = 0; u < units; ++u)
    if (largest[u] != 0) alive_[u] = true;  // a NaN is alive
}

double LiveUnits::dead() const {
  if (alive_.empty()) return 0;
  return static_cast<double>(std::ranges::count(alive_, false)) / static_cast<double>(alive_.size());
}

double dead_units(const Tensor& activations) {
  if (activations.rank() < 2)
    throw ShapeError(fmt::format("activations are (m, units…), got {}", to_string(activations.shape())), "dead_units");
  if (activations.size() == 0) return 0;
  LiveUnits live;
  live.see(reshape(activations, {activations.size(0), activations.size() / activations.size(0)}));
  return live.dead();
}

}  // namespace dz
