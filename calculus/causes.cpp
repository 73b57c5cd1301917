#include <dz/calculus/causes.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include <dz/calculus/comparison.hpp>

namespace dz::detail {
namespace {

using Values = std::vector<double>;

bool near(double a, double b, double small) { return std::abs(a - b) <= 1e-3 * std::max(std::abs(a), std::abs(b)) + 1e-3 * small; }

bool all_near(const Values& a, const Values& b, double small) {
  return std::ranges::equal(a, b, [&](double x, double y) { return near(x, y, small); });
}

/// The same factor in every element that counts.
std::optional<double> common_factor(const Values& d, const Values& s, double small) {
  std::optional<double> factor;
  for (std::size_t k = 0; k < s.size(); ++k) {
    if (std::abs(s[k]) <= small) {
      if (std::abs(d[k]) > 2 * small) return std::nullopt;
      continue;
    }
    const double f = d[k] / s[k];
    if (!factor) factor = f;
    if (!std::isfinite(f) || std::abs(f - *factor) > 1e-3 * std::max(std::abs(*factor), 1e-3)) return std::nullopt;
  }
  return factor;
}

std::string say_factor(double f, const Shape& shape) {
  if (std::abs(f) < 1e-9) return "the derivative is 0: is it detached, or is its term missing?";
  if (std::abs(f + 1) < 1e-3) return "the sign is wrong";
  std::string text = fmt::format("the derivative is {:.4g} times what it should be", f);
  const auto size = [](double n) { return fmt::format("{}", n); };
  for (int a = 0; a < shape.rank(); ++a) {
    const auto n = static_cast<double>(shape[a]);
    if (n > 2 && near(f, n, 0)) return text + fmt::format(": {} is the size of axis {}; is a mean meant, or a sum taken twice?", size(n), a);
    if (n > 2 && near(f * n, 1, 0)) return text + fmt::format(": 1/{}, one over the size of axis {}; is a sum meant, not a mean?", size(n), a);
  }
  if (const auto n = static_cast<double>(shape.volume()); n > 2) {
    if (near(f, n, 0)) return text + ": the number of elements; is a mean meant?";
    if (near(f * n, 1, 0)) return text + ": one over the number of elements; is a sum meant, not a mean?";
  }
  return text + ": is a factor missing, or one too many?";
}

/// The values with the element at each index taken from elsewhere: `from` maps an index to the one to read, or to nothing.
std::optional<Values> rearranged(const Values& v, const Shape& shape, const std::function<bool(std::vector<std::int64_t>&)>& from) {
  Values out(v.size());
  std::vector<std::int64_t> index(static_cast<std::size_t>(shape.rank()));
  for (std::size_t k = 0; k < v.size(); ++k) {
    auto rest = static_cast<std::int64_t>(k);
    for (int a = shape.rank(); a-- > 0; rest /= shape[a]) index[static_cast<std::size_t>(a)] = rest % shape[a];
    if (!from(index)) return std::nullopt;
    std::int64_t at = 0;
    for (int a = 0; a < shape.rank(); ++a) at = at * shape[a] + index[static_cast<std::size_t>(a)];
    out[k] = v[static_cast<std::size_t>(at)];
  }
  return out;
}

std::string misplaced(const Values& d, const Values& s, const Shape& shape, double small) {
  const int rank = shape.rank();
  if (rank >= 2 && shape[rank - 1] > 1 && shape[rank - 2] > 1) {
    const auto last = static_cast<std::size_t>(rank - 1);
    if (shape[rank - 1] == shape[rank - 2]) {
      const auto transposed = rearranged(s, shape, [&](auto& i) { return std::swap(i[last], i[last - 1]), true; });
      if (all_near(d, *transposed, small)) return "it is the transposed of what it should be";
    } else if (rank == 2) {
      Values order(s.size());
      for (std::size_t k = 0; k < s.size(); ++k) order[k] = s[k % static_cast<std::size_t>(shape[0]) * static_cast<std::size_t>(shape[1]) + k / static_cast<std::size_t>(shape[0])];
      if (all_near(d, order, small)) return "its values are right, in the order of the transposed: t() is meant, not reshape";
    }
  }
  for (int a = 0; a < rank; ++a) {
    const auto axis = static_cast<std::size_t>(a);
    if (shape[a] < 2) continue;
    for (const std::int64_t by : {1, -1}) {
      const auto moved = rearranged(s, shape, [&](auto& i) { return i[axis] = (i[axis] + by + shape[a]) % shape[a], true; });
      Values inner_d, inner_s;  // without the edge, which may hold anything
      for (std::size_t k = 0; k < s.size(); ++k) {
        std::int64_t stride = 1;
        for (int b = a + 1; b < rank; ++b) stride *= shape[b];
        const std::int64_t i = static_cast<std::int64_t>(k) / stride % shape[a];
        if (i + by >= 0 && i + by < shape[a]) inner_d.push_back(d[k]), inner_s.push_back((*moved)[k]);
      }
      if (all_near(inner_d, inner_s, small)) return fmt::format("it is shifted by one along axis {}: is an index off by one?", a);
    }
    const auto reversed = rearranged(s, shape, [&](auto& i) { return i[axis] = shape[a] - 1 - i[axis], true; });
    if (all_near(d, *reversed, small)) return fmt::format("it is reversed along axis {}", a);
  }
  return "";
}

/// A factor that is the input itself, its inverse or the like.
std::string input_factor(const Values& d, const Values& s, const Values& x, double small) {
  const auto follows = [&](auto f) {
    std::size_t seen = 0;
    for (std::size_t k = 0; k < s.size(); ++k) {
      if (std::abs(s[k]) <= small) continue;
      if (!near(d[k], s[k] * f(x[k]), small)) return false;
      ++seen;
    }
    return seen > 1;
  };
  if (follows([](double v) { return 1 / v; })) return "a factor x, the input, is missing";
  if (follows([](double v) { return v; })) return "a factor x, the input, is too many";
  if (follows([](double v) { return 2 / v; }) || follows([](double v) { return 1 / (2 * v); })) return "a factor of about x, the input, is missing";
  if (follows([](double v) { return v * v; })) return "a factor x², of the input, is too many";
  if (follows([](double v) { return 1 / (v * v); })) return "a factor x², of the input, is missing";
  return "";
}

/// What the single outputs tell: which of them contribute.
std::string by_outputs(const Explanation& e) {
  std::size_t missing = 0, stray = 0, other = 0;
  for (std::size_t r = 1; r < e.slopes.size(); ++r)
    for (std::size_t k = 0; k < e.slopes[r].size(); ++k) {
      const double d = e.derivatives[r][k], s = e.slopes[r][k];
      if (near(d, s, e.small)) continue;
      if (std::abs(d) <= e.small * 1e-3) ++missing;
      else if (std::abs(s) <= e.small * 1e-3) ++stray;
      else ++other;
    }
  if (e.slopes.size() < 2) return "";
  if (missing + stray + other == 0) return "right for each output by itself, wrong for all together: is the cotangent dy used more than once, or not as a factor?";
  if (missing && !stray && !other) return "some outputs contribute nothing to it: is a sum over a broadcast axis missing?";
  if (stray && !missing && !other) return "outputs that do not depend on an element contribute to it: is dy left out, or summed over an axis too many?";
  if (stray && missing && !other) return "the cotangents of some outputs go to other elements: are axes or indices mixed up?";
  return "";
}

std::string few_elements(const Values& d, const Values& s, const Shape& shape, double small) {
  std::vector<std::int64_t> wrong;
  for (std::size_t k = 0; k < s.size(); ++k)
    if (!near(d[k], s[k], small)) wrong.push_back(static_cast<std::int64_t>(k));
  if (wrong.empty() || wrong.size() * 2 >= s.size()) return "";
  const std::string where = wrong.back() == static_cast<std::int64_t>(s.size()) - 1 ? ", the last among them: does a loop end too early?"
                            : wrong.front() == 0                                      ? ", the first among them: is an edge forgotten?"
                                                                                       : "";
  return fmt::format("{} of {} elements are wrong, the first at {}{}", wrong.size(), s.size(), index_of(wrong.front(), shape), where);
}

}  // namespace

std::string likely_cause(const Explanation& e) {
  const Values &d = e.derivatives[0], &s = e.slopes[0];
  for (const double v : d)
    if (!std::isfinite(v)) return "the derivative is not finite";
  if (const auto f = common_factor(d, s, e.small); f && std::abs(*f - 1) > 1e-3) return say_factor(*f, e.shape);
  if (std::string text = misplaced(d, s, e.shape, e.small); !text.empty()) return text;
  if (std::string text = by_outputs(e); !text.empty()) return text;
  if (std::string text = input_factor(d, s, e.x, e.small); !text.empty()) return text;
  return few_elements(d, s, e.shape, e.small);
}

}  // namespace dz::detail
