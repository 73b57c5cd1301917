#include "tools/descents.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <tuple>

#include <dz/dz.hpp>

namespace dz::tool {
namespace {

constexpr double least_ratio = 3, most_stretched = 6;
constexpr std::int64_t most_samples = 400, most_features = 100, steps = 30;

/// Two features of some samples, and the probability of class 1 that is to be learnt: (m, 2) and (m, 1), float64.
struct Samples {
  Tensor x, y;

  Tensor cost(In w) const { return binary_cross_entropy_with_logits(matmul(x, w), y); }
  /// The root mean square of each feature.
  std::array<double, 2> scale() const {
    const std::vector<double> s = sqrt(mean(square(x), 0)).to_vector();
    return {s[0], s[1]};
  }
  /// Of all columns of w (2, n).
  std::vector<double> costs(const Tensor& w) const {
    const Tensor z = matmul(x, w);
    return mean(binary_cross_entropy_with_logits(z, expand(y, z.shape()), Reduction::none), 0).to_vector();
  }
};

Tensor column(double first, double second) { return tensor({first, second}, {2, 1}, float64); }

/// The lowest place, or where classes that a line parts have none, one that is far enough down: no score beyond 3.
std::array<double, 2> lowest(const Samples& s) {
  Parameter w(zeros({2, 1}, float64));
  Lbfgs search{.learning_rate = 1};
  for (int step = 0; step < 30; ++step) search.step({{"w", &w}}, [&] { return s.cost(w); });
  const std::vector<double> found = w.to_vector();
  const std::array<double, 2> scale = s.scale();
  return {std::clamp(found[0], -3 / scale[0], 3 / scale[0]), std::clamp(found[1], -3 / scale[1], 3 / scale[1])};
}

/// The places and the costs of a descent, the first ones first.
struct Descent {
  std::vector<std::pair<double, double>> path;
  std::vector<double> costs;

  bool falls() const { return std::ranges::is_sorted(costs, std::greater<>()) && std::isfinite(costs.back()); }
  bool stays_in(const CostSurface& s) const {
    return std::ranges::all_of(path, [&](const auto& w) { return w.first > s.left && w.first < s.right && w.second > s.bottom && w.second < s.top; });
  }
};
Descent descend(const Samples& s, const std::array<double, 2>& from, double rate) {
  Descent d;
  GradientDescent descent{.learning_rate = rate};
  Parameter w(column(from[0], from[1]));
  for (std::int64_t step = 0; step <= steps; ++step) {
    const Tensor J = s.cost(w);
    const std::vector<double> at = w.to_vector();
    d.path.emplace_back(at[0], at[1]);
    d.costs.push_back(J.item());
    backward(J);
    descent.step({{"w", &w}});
  }
  return d;
}

/// 1/L is safe anywhere, L the largest eigenvalue of XᵀX/4m, which bounds the second derivative of the cost; from there on up, in steps of a tenth, as long
/// as the cost falls at every step and the descent stays in the picture (of classes that a line parts it would go on for ever).
std::pair<double, Descent> fastest(const Samples& s, const std::array<double, 2>& from, const CostSurface& picture) {
  const std::vector<double> h = (matmul(s.x.t(), s.x) / (4 * static_cast<double>(s.x.size(0)))).to_vector();
  double rate = 1 / ((h[0] + h[3]) / 2 + std::hypot((h[0] - h[3]) / 2, h[1]));
  Descent best = descend(s, from, rate);
  for (int times = 0; times < 60; ++times) {
    Descent next = descend(s, from, 1.1 * rate);
    if (!next.falls() || !next.stays_in(picture)) break;
    rate *= 1.1;
    best = std::move(next);
  }
  return {rate, std::move(best)};
}

CostSurface surface_of(const Samples& s) {
  CostSurface out;
  const std::array<double, 2> scale = s.scale(), low = lowest(s);
  // A weight's bowl is as wide as its feature is small. Both axes have one scale, unless the bowl would be a line then.
  const double widest = 2.7 / std::min(scale[0], scale[1]);
  const double half[2] = {std::min(widest, most_stretched * 2.7 / scale[0]), std::min(widest, most_stretched * 2.7 / scale[1])};
  out.left = low[0] - half[0], out.right = low[0] + half[0], out.bottom = low[1] - half[1], out.top = low[1] + half[1];

  std::vector<double> first, second;
  constexpr auto last = static_cast<double>(Descents::side - 1);
  for (std::size_t row = 0; row < Descents::side; ++row)
    for (std::size_t at = 0; at < Descents::side; ++at) {
      first.push_back(out.left + (out.right - out.left) * static_cast<double>(at) / last);
      second.push_back(out.top - (out.top - out.bottom) * static_cast<double>(row) / last);
    }
  first.insert(first.end(), second.begin(), second.end());
  out.costs = s.costs(tensor(first, {2, second.size()}));

  Descent way;
  std::tie(out.learning_rate, way) = fastest(s, {low[0] - 1.9 / scale[0], low[1] + 1.9 / scale[1]}, out);
  out.path = std::move(way.path);
  out.first_cost = way.costs.front(), out.last_cost = way.costs.back();
  return out;
}

/// The first samples of two features, in float64.
Tensor features(const Tensor& x, const std::size_t (&which)[2]) {
  const std::int64_t m = std::min(x.size(0), most_samples);
  std::vector<Tensor> columns;
  for (const std::size_t f : which) {
    const auto at = static_cast<std::int64_t>(f);
    columns.emplace_back(x.value().slice(0, 0, m).slice(1, at, at + 1).cast(float64));
  }
  return concat(columns, 1);
}

}  // namespace

std::optional<Scales> differing_scales(const Dataset& train) {
  const std::int64_t n = train.x.size(1);
  if (train.images || n < 2 || n > most_features || train.size() < 2) return {};
  const std::vector<double> scale = sqrt(mean(square(cast(train.x.detach(), float64)), 0)).to_vector();
  const auto [smallest, largest] = std::ranges::minmax_element(scale);
  const double ratio = *largest / *smallest;
  if (!(*smallest > 0) || !std::isfinite(ratio) || ratio < least_ratio) return {};
  return Scales{{static_cast<std::size_t>(std::min(smallest, largest) - scale.begin()), static_cast<std::size_t>(std::max(smallest, largest) - scale.begin())}, ratio};
}

Descents descents_of(const Dataset& train, const Scales& scales) {
  const Tensor x = features(train.x, scales.features);
  const std::vector<std::int64_t> classes = class_numbers(train);
  std::vector<double> y;
  for (std::int64_t i = 0; i < x.size(0); ++i) y.push_back(classes[static_cast<std::size_t>(i)] > 0);
  const Tensor labels = tensor(y, {x.size(0), 1});
  return {scales, surface_of({x, labels}), surface_of({InputNormalisation(x)(x), labels})};
}

}  // namespace dz::tool
