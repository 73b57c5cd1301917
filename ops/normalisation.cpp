#include <dz/ops/normalisation.hpp>

#include <fmt/format.h>

#include <dz/graph/record.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/elementwise.hpp>
#include <dz/ops/reduce.hpp>
#include <dz/ops/shape.hpp>
#include <dz/tensor/kernels/normalisation.hpp>

namespace dz {
namespace {

using kernels::Grouping;

Shape view_of(const Grouping& g) { return {g.samples, g.rows, g.groups, g.width}; }
Shape channels_of(const Grouping& g) { return {1, 1, g.groups, g.width}; }

/// x̂ and the factor 1/√(variance + ε), of x seen as (samples, rows, groups, width).
struct Normal {
  Tensor deviation, factor, x;
};
Normal normal_of(const Tensor& x, const Grouping& g) {
  const Tensor v = reshape(x, view_of(g)), deviation = g.centred ? v - mean(v, {1, 3}, true) : v;
  const Tensor factor = 1 / sqrt(mean(square(deviation), {1, 3}, true) + g.epsilon);
  return {deviation, factor, deviation * factor};
}

/// By x, scale and shift, written with operations: what the kernels compute, to be differentiated again. With d = scale·dy,
/// dx = factor·(d − mean(d) − x̂·mean(d·x̂)).
std::array<Tensor, 3> gradient_by_operations(const Tensor& dy, const Tensor& x, const Tensor& scale, const Grouping& g) {
  const Normal n = normal_of(x, g);
  const Tensor along = reshape(dy, view_of(g)), d = along * reshape(scale, channels_of(g));
  const Tensor level = g.centred ? d - mean(d, {1, 3}, true) : d;
  const Tensor dx = n.factor * (level - n.x * mean(d * n.x, {1, 3}, true));
  const Shape channels{g.channels()};
  return {reshape(dx, x.shape()), reshape(sum(along * n.x, {0, 1}), channels), reshape(sum(along, {0, 1}), channels)};
}

std::array<Tensor, 3> as_tensors(std::array<Array, 3> a) { return {Tensor(std::move(a[0])), Tensor(std::move(a[1])), Tensor(std::move(a[2]))}; }

/// Each run of features by itself.
Grouping runs(const In& x, double epsilon, bool centred, const char* name) {
  if (x.rank() < 1) throw ShapeError("a scalar has no features", name, detail::call_site(x.at()));
  const std::int64_t n = x.size(-1);
  std::int64_t samples = 1;
  for (int i = 0; i + 1 < x.rank(); ++i) samples *= x.size(i);
  return {samples, 1, 1, n, epsilon, centred};
}

/// y, mean and variance of any grouping.
std::vector<Tensor> normalise(const In& x, const In& scale, const In& shift, const Grouping& g, const char* name) {
  return record_many(name, [g](std::span<const Array> in) { return kernels::normalise_groups(in[0], in[1], in[2], g); },
                     wrt_all({x, scale, shift}, [=](std::span<const Tensor> dy, std::span<const Tensor> y, Wanted) {
                       std::array<Tensor, 3> d;
                       if (dy[0] && is_recording()) d = gradient_by_operations(dy[0], x, scale, g);
                       else if (dy[0]) d = as_tensors(kernels::normalise_groups_gradient(dy[0].value(), x.value(), scale.value(), y[1].value(), y[2].value(), g));
                       else d = {Tensor(Array::full(x.shape(), 0, x.dtype())), Tensor(Array::full(scale.shape(), 0, scale.dtype())), Tensor(Array::full(shift.shape(), 0, shift.dtype()))};
                       const Shape groups{g.samples, 1, g.groups, 1};
                       const double count = static_cast<double>(g.rows * g.width);
                       if (dy[1]) d[0] = d[0] + reshape(expand(reshape(dy[1], groups) / count, view_of(g)), x.shape());                             // mean = Σx/n
                       if (dy[2]) d[0] = d[0] + reshape(normal_of(x, g).deviation * (reshape(dy[2], groups) * (2 / count)), x.shape());            // variance = Σ(x − mean)²/n
                       return std::vector<Tensor>(d.begin(), d.end());
                     }));
}

}  // namespace

BatchNormed batch_norm(In x, In scale, In shift, double epsilon) {
  const CallSite site(x.at());
  if (x.rank() < 2 || x.size(-1) == 0 || x.size() == 0)
    throw ShapeError(fmt::format("x is (m, …, channels), none of them 0, got {}", to_string(x.shape())), "batch_norm", detail::call_site(x.at()));
  const Grouping g{1, x.size() / x.size(-1), x.size(-1), 1, epsilon};
  const std::vector<Tensor> y = normalise(x, scale, shift, g, "batch_norm");
  return {y[0], reshape(y[1], {g.groups}), reshape(y[2], {g.groups})};
}

Tensor batch_norm(In x, In scale, In shift, In mean, In variance, double epsilon) {
  const CallSite site(x.at());
  Shape channels;  // (1, …, 1, channels)
  for (int i = 0; i + 1 < x.rank(); ++i) channels.append(1);
  if (x.rank() > 0) channels.append(x.size(-1));
  for (const In* p : {&scale, &shift, &mean, &variance})
    if (x.rank() < 2 || p->rank() != 1 || p->size() != x.size(-1))
      throw ShapeError(fmt::format("x {} is not (m, …, channels) with scale {}, shift {}, mean {} and variance {} of one element for each channel", to_string(x.shape()), to_string(scale.shape()),
                                   to_string(shift.shape()), to_string(mean.shape()), to_string(variance.shape())), "batch_norm", detail::call_site(x.at()));
  const Tensor factor = reshape(scale / sqrt(variance + epsilon), channels);
  return elementwise("batch_norm", [](auto x, auto mean, auto factor, auto shift) { return (x - mean) * factor + shift; }, x, reshape(mean, channels), factor, reshape(shift, channels));
}

Tensor group_norm(In x, std::int64_t groups, In scale, In shift, double epsilon) {
  if (x.rank() < 2 || groups < 1 || x.size(-1) % groups != 0)
    throw ShapeError(fmt::format("x is (m, …, channels) with channels in {} equal groups, got {}", groups, to_string(x.shape())), "group_norm", detail::call_site(x.at()));
  std::int64_t rows = 1;
  for (int i = 1; i + 1 < x.rank(); ++i) rows *= x.size(i);
  return normalise(x, scale, shift, {x.size(0), rows, groups, x.size(-1) / groups, epsilon}, "group_norm")[0];
}

Tensor layer_norm(In x, In scale, In shift, double epsilon) {
  const Grouping g = runs(x, epsilon, true, "layer_norm");
  return record("layer_norm", [g](const Array& x, const Array& scale, const Array& shift) { return kernels::normalise_runs(x, scale, shift, g); },
                wrt_all(std::array{x, scale, shift}, [=](const Tensor& dy, Wanted) {
                  if (is_recording()) return gradient_by_operations(dy, x, scale, g);
                  return as_tensors(kernels::normalise_runs_gradient(dy.value(), x.value(), scale.value(), g));
                }));
}

Tensor rms_norm(In x, In scale, double epsilon) {
  const Grouping g = runs(x, epsilon, false, "rms_norm");
  return record("rms_norm", [g](const Array& x, const Array& scale) { return kernels::normalise_runs(x, scale, {}, g); },
                wrt_all(std::array{x, scale}, [=](const Tensor& dy, Wanted) {
                  std::array<Tensor, 3> d = is_recording() ? gradient_by_operations(dy, x, scale, g) : as_tensors(kernels::normalise_runs_gradient(dy.value(), x.value(), scale.value(), g));
                  return std::array{std::move(d[0]), std::move(d[1])};  // there is no shift
                }));
}

}  // namespace dz
