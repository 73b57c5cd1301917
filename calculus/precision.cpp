#include <dz/calculus/precision.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <dz/calculus/comparison.hpp>
#include <dz/tensor/widen.hpp>

namespace dz::detail {
namespace {

constexpr double rounding = 0x1p-24;

using Values = std::vector<std::vector<double>>;

/// Outputs and gradients of one run.
struct Run {
  Values values;  // outputs, then gradients
  std::size_t outputs = 0;
  std::vector<Shape> shapes;
  bool random = false;  // it drew random numbers
};

Run run_all(const Subject& s, const Generator& start, std::uint64_t seed) {
  Run r;
  const Tensors y = run(s, start);
  r.random = default_generator().position != start.position;
  const Tensors g = gradients(y, cotangents_like(y, seed), s.leaves());
  r.outputs = y.size();
  for (const Tensors* part : {&y, &g})
    for (const Tensor& t : *part) r.values.push_back(t.to_vector()), r.shapes.push_back(t.shape());
  return r;
}

/// How far each value moves when every input is shaken by up to `size` of itself.
Values shaken(const Subject& s, const Run& rest, const Generator& start, std::uint64_t seed, int times, double size) {
  Values moved = rest.values;
  for (auto& v : moved) std::ranges::fill(v, 0.0);
  std::vector<Array> before;
  for (const NamedLeaf& input : s.inputs) before.push_back(input.leaf.value().clone());
  Generator g(seed + static_cast<std::uint64_t>(times));  // the cotangents stay those of the run at rest
  for (int t = 0; t < times; ++t) {
    for (std::size_t i = 0; i < before.size(); ++i) {
      const std::vector<double> by = kernels::uniform({before[i].size()}, -size, size, float64, g).to_vector<double>();
      for (std::size_t k = 0; k < by.size(); ++k) s.inputs[i].leaf.value().writable<double>()[k] = before[i].data<double>()[k] * (1 + by[k]);
    }
    const Run now = run_all(s, start, seed);
    for (std::size_t i = 0; i < moved.size(); ++i)
      for (std::size_t k = 0; k < moved[i].size(); ++k)
        if (const double d = std::abs(now.values[i][k] - rest.values[i][k]); std::isfinite(d)) moved[i][k] = std::max(moved[i][k], d);
  }
  for (std::size_t i = 0; i < before.size(); ++i) std::copy_n(before[i].data<double>(), before[i].size(), s.inputs[i].leaf.value().writable<double>());
  return moved;
}

double largest(const Values& many) {
  double m = 0;
  for (const auto& v : many)
    for (const double x : v)
      if (std::isfinite(x)) m = std::max(m, std::abs(x));
  return m;
}

bool same_kind(const Run& a, const Run& b) {
  return a.outputs == b.outputs && a.shapes == b.shapes;
}

}  // namespace

std::int64_t beyond_rounding(const std::vector<double>& wide, const std::vector<double>& narrow, const std::vector<double>& conditioned, double scale,
                             double terms) {
  double squares = 0;
  std::size_t finite = 0;
  for (const double v : wide)
    if (std::isfinite(v)) squares += v * v, ++finite;
  const double usual = finite ? std::sqrt(squares / static_cast<double>(finite)) : 0;
  std::int64_t worst = -1;
  double most = 1;
  for (std::size_t k = 0; k < wide.size(); ++k) {
    const double a = wide[k], b = narrow[k];
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    if (!std::isfinite(a) || std::abs(a) > 1e37) continue;  // beyond float32, or no value to compare with
    const double bar = 16 * conditioned[k] + rounding * (32 * std::abs(a) + 16 * usual * std::sqrt(terms) + 4 * scale) + std::numeric_limits<float>::min();
    const double apart = std::isfinite(b) ? std::abs(a - b) / bar : HUGE_VAL;
    if (apart > most) most = apart, worst = static_cast<std::int64_t>(k);
  }
  return worst;
}

std::vector<std::string> check_precision(const Subject& wide, const Subject& shipped, const Generator& start, std::uint64_t seed) {
  std::vector<std::string> findings;
  const auto widened = [](auto f) {
    const Widening widening;
    return f();
  };
  const Run a = widened([&] { return run_all(wide, start, seed); });
  Run b;
  try {
    b = run_all(shipped, start, seed);
  } catch (const DtypeError&) {  // a function of float64 alone: there is no float32 to examine
    return findings;
  }
  if (a.random || b.random) return findings;  // the dtypes draw other numbers
  if (!same_kind(a, b)) return {"in float32 it gives outputs of other shapes than in float64"};
  Values arguments;
  for (const NamedLeaf& input : wide.inputs) arguments.push_back(input.leaf.to_vector());
  const Values outputs(a.values.begin(), a.values.begin() + static_cast<std::ptrdiff_t>(a.outputs));
  const double x = largest(arguments), y = largest(outputs);
  Values moved;
  const auto worst_of = [&](std::size_t i) {
    std::size_t elements = 0;
    for (const auto& v : a.values) elements = std::max(elements, v.size());
    const double terms = static_cast<double>(elements) / static_cast<double>(std::max<std::size_t>(1, a.values[i].size()));
    return beyond_rounding(a.values[i], b.values[i], moved[i], i < a.outputs ? x : 3 * y, terms);
  };
  moved = widened([&] { return shaken(wide, a, start, seed, 2, rounding); });
  std::vector<std::size_t> suspects;
  for (std::size_t i = 0; i < a.values.size(); ++i)
    if (worst_of(i) >= 0) suspects.push_back(i);
  if (suspects.empty()) return findings;
  moved = widened([&] { return shaken(wide, a, start, seed, 12, 256 * rounding); });  // a kink nearby, or a function that multiplies what rounding does
  for (const std::size_t i : suspects) {
    const std::int64_t k = worst_of(i);
    if (k < 0) continue;
    const std::string what = i < a.outputs ? fmt::format("output {}", i) : fmt::format("the gradient of {}", wide.inputs[i - a.outputs].name);
    findings.push_back(fmt::format("in float32 {} {} is wrong at element {}: {:.9g}, in float64 {:.9g}", what, to_string(a.shapes[i]),
                                   index_of(k, a.shapes[i]), b.values[i][static_cast<std::size_t>(k)], a.values[i][static_cast<std::size_t>(k)]));
  }
  return findings;
}

}  // namespace dz::detail
