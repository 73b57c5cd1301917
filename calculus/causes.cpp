#include <dz/calculus/causes.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <optional>

#include <dz/calculus/comparison.hpp>
#include <dz/calculus/terms.hpp>

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

/// Whether the Jacobian is the right one with its axes, the output's and then the input's, in another order; and which order.
class MixedAxes {
 public:
  explicit MixedAxes(const Explanation& e) : e_(e), out_(e.output->rank()) {
    for (const Shape& shape : {*e.output, e.shape})
      for (int a = 0; a < shape.rank(); ++a) sizes_.push_back(shape[a]);
  }

  std::string describe() const {
    if (sizes_.size() > 5) return "";
    std::vector<std::size_t> order(sizes_.size());
    std::iota(order.begin(), order.end(), 0);
    if (is_the_slopes(order)) return "";  // each output by itself is right
    std::vector<std::size_t> fewest;
    while (std::next_permutation(order.begin(), order.end()))
      if (fits(order) && (fewest.empty() || moved(order).size() < moved(fewest).size()) && is_the_slopes(order)) fewest = order;
    return fewest.empty() ? "" : name_of(fewest);
  }

 private:
  bool fits(const std::vector<std::size_t>& order) const {
    for (std::size_t a = 0; a < order.size(); ++a)
      if (sizes_[a] != sizes_[order[a]] || (sizes_[a] == 1 && order[a] != a)) return false;
    return true;
  }

  bool is_the_slopes(const std::vector<std::size_t>& order) const {
    const auto n = static_cast<std::int64_t>(e_.x.size());
    std::vector<std::int64_t> from(sizes_.size());
    for (std::size_t r = 1; r < e_.slopes.size(); ++r) {
      const Index o = unravelled(static_cast<std::int64_t>(r) - 1, *e_.output);
      for (std::int64_t k = 0; k < n; ++k) {
        const Index i = unravelled(k, e_.shape);
        const auto at = [&](std::size_t axis) { return axis < o.size() ? o[axis] : i[axis - o.size()]; };
        for (std::size_t a = 0; a < order.size(); ++a) from[a] = at(order[a]);
        std::int64_t row = 0, element = 0;
        for (std::size_t a = 0; a < from.size(); ++a) (a < o.size() ? row : element) = (a < o.size() ? row : element) * sizes_[a] + from[a];
        const double s = e_.slopes[static_cast<std::size_t>(row) + 1][static_cast<std::size_t>(element)];
        if (!near(e_.derivatives[r][static_cast<std::size_t>(k)], s, e_.small)) return false;
      }
    }
    return true;
  }

  static std::vector<std::size_t> moved(const std::vector<std::size_t>& order) {
    std::vector<std::size_t> axes;
    for (std::size_t a = 0; a < order.size(); ++a)
      if (order[a] != a) axes.push_back(a);
    return axes;
  }

  std::string name_of(const std::vector<std::size_t>& order) const {
    const auto out = static_cast<std::size_t>(out_);
    const std::vector<std::size_t> axes = moved(order);
    if (axes.size() == 2 && axes[0] >= out) return "it is the transposed of what it should be";
    if (axes.size() == 2 && axes[1] < out) return "it is what dy transposed should give: does dy, or a factor, need a t()?";
    if (axes.size() == 2) return "what dy is multiplied by is transposed: is a t() missing, or one too many?";
    if (axes.size() == 4 && order.size() == 2 * out && order[axes[0]] == axes[1] && axes[2] == axes[0] + out && order[axes[2]] == axes[1] + out)
      return fmt::format("it would be right with axes {} and {} exchanged: is it along the wrong axis, or are the operands of a product swapped?", axes[0], axes[1]);
    return "its terms are right, with their axes in another order: are the operands of a product swapped, or a t() missing?";
  }

  const Explanation& e_;
  int out_;
  std::vector<std::int64_t> sizes_;
};

/// "axis 1", "axes 0 and 1".
std::string listed(const std::vector<bool>& axes) {
  std::string text;
  for (std::size_t a = 0; a < axes.size(); ++a)
    if (axes[a]) text += fmt::format("{}{}", text.empty() ? "" : " and ", a);
  return (std::ranges::count(axes, true) > 1 ? "axes " : "axis ") + text;
}

/// Two axes that could be taken for each other.
bool has_equal_axes(const Shape& shape) {
  for (int a = 0; a < shape.rank(); ++a)
    for (int b = 0; b < a; ++b)
      if (shape[a] > 1 && shape[a] == shape[b]) return true;
  return false;
}

/// Right for every dy that does not change, or with its own transposed added, where two axes are exchanged: one of its terms lacks a t().
class SymmetricParts {
 public:
  explicit SymmetricParts(const Explanation& e) : e_(e) {}

  std::string describe() const {
    std::vector<std::size_t> rows{0};
    const auto n = static_cast<std::size_t>(e_.output->volume());
    std::vector<std::size_t> elements(e_.x.size());
    std::iota(elements.begin(), elements.end(), 0);
    for (std::size_t r = 0; r < n; ++r) rows.push_back(r + 1);
    for (const auto& [a, b] : pairs(*e_.output)) {
      std::vector<std::size_t> swapped{0};
      for (std::size_t r = 0; r < n; ++r) swapped.push_back(exchanged(r, *e_.output, a, b) + 1);
      if (are_right(swapped, elements)) return fmt::format("it is right for every dy that is symmetric in axes {} and {}: is a t() of dy missing, or one too many, in one of its terms?", a, b);
    }
    for (const auto& [a, b] : pairs(e_.shape)) {
      std::vector<std::size_t> swapped;
      for (std::size_t k = 0; k < elements.size(); ++k) swapped.push_back(exchanged(k, e_.shape, a, b));
      if (are_right(rows, swapped)) return fmt::format("added to its own transposed in axes {} and {} it is right: is a t() missing, or one too many, around one of its terms?", a, b);
    }
    return "";
  }

 private:
  static std::vector<std::pair<int, int>> pairs(const Shape& shape) {
    std::vector<std::pair<int, int>> all;
    for (int b = shape.rank(); b-- > 0;)
      for (int a = b; a-- > 0;)
        if (shape[a] > 1 && shape[a] == shape[b]) all.emplace_back(a, b);
    return all;
  }
  static std::size_t exchanged(std::size_t k, const Shape& shape, int a, int b) {
    Index index = unravelled(static_cast<std::int64_t>(k), shape);
    std::swap(index[static_cast<std::size_t>(a)], index[static_cast<std::size_t>(b)]);
    return *element_at(shape, shape, index);
  }
  /// Whether what is wrong goes out against its counterpart.
  bool are_right(const std::vector<std::size_t>& rows, const std::vector<std::size_t>& elements) const {
    for (std::size_t r = 1; r < e_.slopes.size(); ++r)
      for (std::size_t k = 0; k < elements.size(); ++k) {
        const std::size_t q = rows[r], l = elements[k];
        const double s = e_.slopes[r][k] + e_.slopes[q][l], size = std::abs(e_.slopes[r][k]) + std::abs(e_.slopes[q][l]);
        if (std::abs(e_.derivatives[r][k] + e_.derivatives[q][l] - s) > 1e-4 * (size + e_.small)) return false;
      }
    return true;
  }

  const Explanation& e_;
};

/// What the single outputs tell: which of them contribute.
class Contributions {
 public:
  explicit Contributions(const Explanation& e) : e_(e) {
    same_rank_ = e.output && e.output->rank() == e.shape.rank();
    const auto rank = static_cast<std::size_t>(same_rank_ ? e.shape.rank() : 0);
    missing_across_.resize(rank), stray_across_.resize(rank), depends_across_.resize(rank);
    for (std::size_t r = 1; r < e.slopes.size(); ++r)
      for (std::size_t k = 0; k < e.slopes[r].size(); ++k) {
        const double d = e.derivatives[r][k], s = e.slopes[r][k];
        if (std::abs(s) > e.small * 1e-3) note(r, k, depends_across_);
        if (near(d, s, e.small)) continue;
        if (std::abs(d) <= e.small * 1e-3) ++missing_, missing_inside_ |= note(r, k, missing_across_);
        else if (std::abs(s) <= e.small * 1e-3) ++stray_, note(r, k, stray_across_);
        else ++other_;
      }
  }

  std::string describe() const {
    if (e_.slopes.size() < 2) return "";
    if (missing_ + stray_ + other_ == 0) return "right for each output by itself, wrong for all together: is the cotangent dy used more than once, or not as a factor?";
    if (stray_) return missing_ ? missing_and_stray() : stray();
    return missing_ ? missing() : "";
  }
  /// Outputs contribute that do not depend on it.
  bool strays() const { return stray_ > 0; }

 private:
  std::string missing() const {
    const char* term = has_equal_axes(e_.shape) ? "is one of its terms missing, or a t() or an index in it wrong?" : "is one of its terms missing?";
    if (any(missing_across_) && !missing_inside_)
      return fmt::format("outputs elsewhere along {} depend on it too, and their cotangents do not reach it: {}", listed(missing_across_),
                         broadcast_along(missing_across_) ? "is the sum over a broadcast axis missing?" : term);
    if (other_) return "";
    return fmt::format("some outputs that depend on it contribute nothing to it: {}", same_rank_ ? term : "is a sum missing, over an axis that the output has and it has not, or one of its terms?");
  }

  std::string stray() const {
    if (!any(stray_across_)) return other_ ? "" : "outputs that do not depend on an element contribute to it: is dy left out, or summed over an axis too many?";
    const std::string axes = listed(stray_across_), fact = fmt::format("outputs elsewhere along {} do not depend on it, yet their cotangents reach it", axes);
    if (any(depends_across_) && !overlap(depends_across_, stray_across_))
      return fmt::format("{} (those along {} it does depend on): is a sum or a mean taken over {}, where {} is meant?", fact, listed(depends_across_), axes, listed(depends_across_));
    if (any(depends_across_)) return fmt::format("{}: is a sum, a mean or an index along the wrong axis?", fact);
    return fmt::format("{}: is dy left out, or something summed over {}?", fact, axes);
  }

  std::string missing_and_stray() const {
    if (any(missing_across_) && any(stray_across_) && !overlap(missing_across_, stray_across_))
      return fmt::format("outputs elsewhere along {} do not depend on it, yet their cotangents reach it; those along {} do, and theirs do not: is a sum over the wrong axis?",
                         listed(stray_across_), listed(missing_across_));
    if (other_) return "";
    return fmt::format("the cotangents of some outputs go to other elements: are axes or indices mixed up{}?", has_equal_axes(e_.shape) || has_equal_axes(*e_.output) ? ", or a t() missing" : "");
  }

  /// Along which axes the output and the element lie apart; true where they stand at one place.
  bool note(std::size_t r, std::size_t k, std::vector<bool>& across) {
    if (!same_rank_) return false;
    const Index o = unravelled(static_cast<std::int64_t>(r) - 1, *e_.output), i = unravelled(static_cast<std::int64_t>(k), e_.shape);
    bool apart = false;
    for (std::size_t a = 0; a < o.size(); ++a)
      if (o[a] != i[a]) across[a] = apart = true;
    return !apart && *e_.output == e_.shape;
  }

  static bool any(const std::vector<bool>& axes) { return std::ranges::find(axes, true) != axes.end(); }
  static bool overlap(const std::vector<bool>& a, const std::vector<bool>& b) {
    for (std::size_t k = 0; k < a.size(); ++k)
      if (a[k] && b[k]) return true;
    return false;
  }
  bool broadcast_along(const std::vector<bool>& axes) const {
    for (std::size_t a = 0; a < axes.size(); ++a)
      if (axes[a] && e_.shape[static_cast<int>(a)] != 1) return false;
    return true;
  }

  const Explanation& e_;
  bool same_rank_, missing_inside_ = false;
  std::vector<bool> missing_across_, stray_across_, depends_across_;
  std::size_t missing_ = 0, stray_ = 0, other_ = 0;
};

/// Whether the wrong elements are exactly those with one index along an axis, or the last or the first of all.
std::string common_index(const std::vector<std::int64_t>& wrong, const Shape& shape) {
  const std::int64_t n = shape.volume();
  const auto where = [&](std::int64_t index, std::int64_t size) {
    return index == size - 1 ? "the last: does a loop end too early?" : index == 0 ? "the first: is an edge forgotten?" : "";
  };
  if (wrong.size() == 1) {
    const std::string text = where(wrong[0], n);
    return text.empty() ? text : "it is " + text;
  }
  for (int a = 0; a < shape.rank(); ++a) {
    const auto axis = static_cast<std::size_t>(a);
    const std::int64_t index = unravelled(wrong[0], shape)[axis];
    if (static_cast<std::int64_t>(wrong.size()) * shape[a] != n || std::ranges::any_of(wrong, [&](std::int64_t k) { return unravelled(k, shape)[axis] != index; })) continue;
    const std::string text = where(index, shape[a]);
    return fmt::format("these are the elements with index {} along axis {}{}{}", index, a, text.empty() ? "" : ", ", text);
  }
  if (wrong.back() - wrong.front() + 1 != static_cast<std::int64_t>(wrong.size())) return "";
  if (wrong.back() == n - 1) return fmt::format("these are the last {} elements: does a loop end too early?", wrong.size());
  return wrong.front() == 0 ? fmt::format("these are the first {} elements: is an edge forgotten?", wrong.size()) : "";
}

/// Where wrong elements are few: the others beside the one reported, and what their indices have in common.
std::string few_elements(const Explanation& e) {
  constexpr std::size_t shown = 3;
  if (e.wrong.empty() || e.wrong.size() * 2 >= e.x.size()) return "";
  std::string others;
  std::size_t count = 0;
  for (const std::int64_t k : e.wrong) {
    if (k == e.reported || ++count > shown) continue;
    const std::string values = values_at({e.shape, unravelled(k, e.shape)}, e.inputs, e.own);
    others += fmt::format("{}{} ({})", others.empty() ? "" : ", ", index_of(k, e.shape), values);
  }
  if (count > shown) others += fmt::format(" and {} more", count - shown);
  const std::string which = count ? "it is wrong at " + others + ", too" : "all others are right", place = common_index(e.wrong, e.shape);
  return which + (place.empty() ? "" : "\n" + place);
}

/// Where all slopes along an axis (or all of all) sum to 0, as they are or times the input, and the derivatives do not.
std::string invariance(const Explanation& e) {
  const auto sums_to_zero = [&](const Gradients& of, int axis, bool scaled, double bar) {
    std::size_t sums = 0;
    for (std::size_t r = 0; r < of.size(); ++r) {
      std::map<Index, std::pair<double, double>> lines;  // the sum, and its size
      std::map<Index, int> terms;
      for (std::size_t k = 0; k < e.x.size(); ++k) {
        Index index = axis < 0 ? Index{} : unravelled(static_cast<std::int64_t>(k), e.shape);
        if (axis >= 0) index[static_cast<std::size_t>(axis)] = 0;
        const double term = of[r][k] * (scaled ? e.x[k] : 1);
        lines[index].first += term, lines[index].second += std::abs(term) + 3 * e.bars[r][k] / bar;
        terms[index] += std::abs(term) > 1e-3 * e.small;
      }
      for (const auto& [index, line] : lines) {
        if (std::abs(line.first) > bar * line.second + bar * e.small) return false;
        sums += terms[index] > 1;
      }
    }
    return sums > 1;
  };
  for (const bool scaled : {false, true})
    for (int axis = e.shape.rank() - 1; axis >= (e.shape.rank() > 1 ? -1 : 0); --axis) {
      if (axis >= 0 && e.shape[axis] < 2) continue;
      if (!sums_to_zero(e.slopes, axis, scaled, 1e-6) || sums_to_zero(e.derivatives, axis, scaled, 1e-3)) continue;
      return fmt::format("{} {}{} changes no output, by your derivative it does: is a term lost?", scaled ? "multiplying" : "adding a number to", e.inputs[e.own].name,
                         fmt::format("{}{}", axis < 0 ? "" : fmt::format(" along axis {}", axis), scaled ? " by a number" : ""));
    }
  return "";
}

}  // namespace

std::string likely_cause(const Explanation& e) {
  const Values &d = e.derivatives[0], &s = e.slopes[0];
  for (const double v : d)
    if (!std::isfinite(v)) return "the derivative is not finite";
  if (const auto f = common_factor(d, s, e.small); f && std::abs(*f - 1) > 1e-3) return say_factor(*f, e.shape);
  if (std::string text = misplaced(d, s, e.shape, e.small); !text.empty()) return text;
  if (std::string text = few_elements(e); !text.empty()) return text;
  if (e.output) {
    if (std::string text = MixedAxes(e).describe(); !text.empty()) return text;
    if (std::string text = SymmetricParts(e).describe(); !text.empty()) return text;
  }
  std::string text;
  const auto add = [&text](const std::string& more) { text += (text.empty() || more.empty() ? "" : "\n") + more; };
  const Contributions contributions(e);
  add(contributions.describe());
  if (text.empty()) {
    add(neighbour_instead(e));
    add(factor_or_term(e));
  }
  if (!contributions.strays()) add(invariance(e));
  return text;
}

}  // namespace dz::detail
