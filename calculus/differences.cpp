#include <dz/calculus/differences.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include <dz/tensor/random.hpp>

namespace dz {
namespace detail {
namespace {

constexpr std::int64_t every_element = 64, sampled_elements = 8;

/// What a slope was found to be.
struct Slope {
  double value = 0, bar = 0;
  bool finite = false;
};

/// Some elements of an input and the way that each goes.
struct Direction {
  std::int64_t first, last;     // the elements [first, last)
  const double* way = nullptr;  // for each element of the input; 1 without
  double at(std::int64_t k) const { return way ? way[k] : 1; }
};

class Comparison {
 public:
  Comparison(const Probe& probe, std::size_t i, const Array& gradient, std::uint64_t seed)
      : probe_(probe), input_(probe.inputs[i]), x_(input_.to_vector<double>()), g_(gradient.to_vector<double>()), random_(seed + i) {
    at_rest_ = probe.contracted();
    for (const double g : g_) largest_ = std::max(largest_, std::abs(g));
    largest_ = std::max(largest_, 1e-3 * std::abs(at_rest_));
    for (std::size_t k = 0; k < g_.size(); ++k) terms_ += std::abs(g_[k] * x_[k]);
    if (!std::isfinite(terms_)) terms_ = 0;
  }

  void run(InputCheck& result) {
    if (!std::isfinite(at_rest_)) return give_up(result, "the function is not finite here");
    const auto n = static_cast<std::int64_t>(x_.size());
    if (n <= every_element)
      for (std::int64_t k = 0; k < n; ++k) compare_element(result, k);
    else compare_many(result, n);
    if (result.verdict == Verdict::wrong) result.cause = guess();
  }

 private:
  void compare_many(InputCheck& result, std::int64_t n) {
    const std::vector<double> draws = kernels::uniform({2 * n}, 0, 1, float64, random_).to_vector<double>();
    std::vector<double> way(static_cast<std::size_t>(n));
    for (std::size_t k = 0; k < way.size(); ++k)
      way[k] = (draws[k] < 0.5 ? -1 : 1) * std::max(1.0, std::abs(x_[k])) / std::sqrt(static_cast<double>(n));
    for (std::int64_t s = 0; s < sampled_elements; ++s)
      compare_element(result, static_cast<std::int64_t>(draws[static_cast<std::size_t>(n + s)] * static_cast<double>(n)));
    Direction all{0, n, way.data()};
    if (agrees(all) != Verdict::wrong) return;
    while (all.last - all.first > 1) {
      const std::int64_t middle = (all.first + all.last) / 2;
      const Direction left{all.first, middle, all.way}, right{middle, all.last, all.way};
      if (agrees(left) == Verdict::wrong) all = left;
      else if (agrees(right) == Verdict::wrong) all = right;
      else break;
    }
    for (std::int64_t k = all.first; k < std::min(all.last, all.first + sampled_elements); ++k) compare_element(result, k);
    if (result.verdict != Verdict::wrong) {  // small errors that only add up to one
      const Slope s = slope(all);
      result.verdict = Verdict::wrong;
      result.element = all.first;
      result.derivative = along(all), result.difference = s.value, result.error_bar = s.bar;
      result.cause = fmt::format("along a random direction over {} elements from this one on", all.last - all.first);
    }
  }

  void compare_element(InputCheck& result, std::int64_t k) {
    const Direction d{k, k + 1};
    Slope s;
    const Verdict v = agrees(d, &s);
    const double g = along(d);
    ++result.compared;
    if (v == Verdict::wrong) {
      ++result.differing;
      ratios_.push_back(g / s.value);
    }
    const double misfit = v == Verdict::undecided ? 0 : std::abs(g - s.value) / (s.bar > 0 ? s.bar : 1e-300);
    const auto rank = [](Verdict verdict) { return verdict == Verdict::wrong ? 2 : verdict == Verdict::undecided ? 1 : 0; };
    if (result.compared > 1 && (rank(v) < rank(result.verdict) || (v == result.verdict && misfit <= worst_))) return;
    worst_ = misfit;
    result.verdict = v;
    result.element = k;
    result.derivative = g, result.difference = s.value, result.error_bar = s.bar;
    if (v == Verdict::undecided) result.cause = s.finite ? "the difference quotients do not settle" : "the function is not finite nearby";
  }

  static void give_up(InputCheck& result, const char* why) {
    result.verdict = Verdict::undecided;
    result.cause = why;
  }

  /// The function with the input moved by t along d.
  double moved(const Direction& d, double t) {
    visit_floating(input_.dtype(), [&]<class T>(std::type_identity<T>) {
      T* x = input_.writable<T>();
      for (std::int64_t k = d.first; k < d.last; ++k) x[k] = static_cast<T>(x_[static_cast<std::size_t>(k)] + t * d.at(k));
    });
    const double value = probe_.contracted();
    visit_floating(input_.dtype(), [&]<class T>(std::type_identity<T>) {
      T* x = input_.writable<T>();
      for (std::int64_t k = d.first; k < d.last; ++k) x[k] = static_cast<T>(x_[static_cast<std::size_t>(k)]);
    });
    return value;
  }

  double along(const Direction& d) const {
    double sum = 0;
    for (std::int64_t k = d.first; k < d.last; ++k) sum += g_[static_cast<std::size_t>(k)] * d.at(k);
    return sum;
  }

  double scale(const Direction& d) const {
    return d.last - d.first == 1 && !d.way ? std::max(1.0, std::abs(x_[static_cast<std::size_t>(d.first)])) : 1.0;
  }

  /// Central differences with two steps and Richardson's extrapolation; the bar holds what the steps differ by and the rounding.
  Slope slope(const Direction& d, double shrink = 1) {
    double h = shrink * scale(d) * std::pow(probe_.rounding, 0.2);
    for (int attempt = 0; attempt < 4; ++attempt, h /= 16) {
      const double a = moved(d, h), b = moved(d, -h), c = moved(d, h / 2), e = moved(d, -h / 2);
      if (!std::isfinite(a + b + c + e)) continue;
      const double wide = (a - b) / (2 * h), narrow = (c - e) / h;
      const double size = std::max({std::abs(a), std::abs(b), std::abs(at_rest_), 1e-3 * largest_, terms_});
      const double saved = probe_.captured_rounding * 100 * (std::abs(narrow) + largest_);
      return {narrow + (narrow - wide) / 3, std::abs(narrow - wide) / 3 + 64 * probe_.rounding * size / h + saved, true};
    }
    return {};
  }

  Verdict judge(double g, const Slope& s) const {
    if (!s.finite) return Verdict::undecided;
    if (!std::isfinite(g) || std::abs(g - s.value) > 3 * s.bar) return Verdict::wrong;
    return s.bar <= 1e-2 * std::max(std::abs(s.value), largest_) ? Verdict::right : Verdict::undecided;
  }

  Verdict agrees(const Direction& d, Slope* found = nullptr) {
    const double g = along(d);
    Slope s = slope(d);
    Verdict v = judge(g, s);
    if (v != Verdict::right) {  // a kink or a strong curvature may lie within the step: come closer
      const Slope closer = slope(d, 1.0 / 256);
      const Verdict again = judge(g, closer);
      if (again == Verdict::right || (v == Verdict::undecided && again == Verdict::wrong)) s = closer, v = again;
    }
    if (v != Verdict::right && at_kink(d, g)) v = Verdict::right, s = {g, 0, true};
    if (found) *found = s;
    return v;
  }

  /// The slopes on both sides differ and go on differing as one comes closer, and g is between them: a subgradient.
  bool at_kink(const Direction& d, double g) {
    const double h = scale(d) * std::sqrt(probe_.rounding) * 64;
    const auto sides = [&](double t) { return std::pair{(at_rest_ - moved(d, -t)) / t, (moved(d, t) - at_rest_) / t}; };
    const auto [left, right] = sides(h);
    const auto [nearer_left, nearer_right] = sides(h / 4);
    const double gap = std::abs(right - left), nearer = std::abs(nearer_right - nearer_left), slack = 1e-3 * gap;
    return std::isfinite(gap) && std::isfinite(nearer) && gap > 1e-5 * largest_ && nearer > 0.7 * gap &&
           g >= std::min(left, right) - slack && g <= std::max(left, right) + slack;
  }

  /// What would explain the wrong elements: the same factor in all of them.
  std::string guess() const {
    if (ratios_.empty() || !std::isfinite(ratios_[0])) return "";
    for (const double r : ratios_)
      if (!(std::abs(r - ratios_[0]) <= 1e-3 * std::abs(ratios_[0]))) return "";
    if (std::abs(ratios_[0]) < 1e-9) return "the derivative is 0: is a term missing?";
    if (std::abs(ratios_[0] + 1) < 1e-3) return "the sign is wrong";
    return fmt::format("the derivative is {:.4g} times what it should be: is a factor missing?", ratios_[0]);
  }

  const Probe& probe_;
  const Array input_;
  const std::vector<double> x_, g_;
  Generator random_;
  double at_rest_ = 0, largest_ = 0, worst_ = 0;
  double terms_ = 0;  // what the value is about the sum of: it may cancel, its rounding does not
  std::vector<double> ratios_;
};

}  // namespace

InputCheck compare(const Probe& probe, std::size_t i, const Array& gradient, std::string name, std::uint64_t seed) {
  InputCheck result;
  result.name = std::move(name);
  result.shape = gradient.shape();
  Comparison(probe, i, gradient, seed).run(result);
  return result;
}

}  // namespace detail

std::string to_string(const InputCheck& c) {
  if (c.verdict == Verdict::right)
    return fmt::format("{} {}: right ({} elements, the worst {:.3g} against {:.3g})", c.name, to_string(c.shape), c.compared, c.derivative,
                       c.difference);
  std::string index;
  std::int64_t rest = c.element;
  for (int a = c.shape.rank(); a-- > 0; rest /= c.shape[a])
    index = fmt::format("{}{}{}", rest % c.shape[a], index.empty() ? "" : ", ", index);
  const std::string cause = c.cause.empty() ? "" : "; " + c.cause;
  if (c.verdict == Verdict::undecided)
    return fmt::format("{} {}: cannot decide at element [{}]{}", c.name, to_string(c.shape), index, cause);
  return fmt::format("{} {}: wrong at element [{}]: derivative {:.9g}, by differences {:.9g} ± {:.1g} ({} of {} compared differ{})", c.name,
                     to_string(c.shape), index, c.derivative, c.difference, c.error_bar, c.differing, c.compared, cause);
}

}  // namespace dz
