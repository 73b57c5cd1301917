#include <dz/ops/einsum.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include <dz/graph/basic.hpp>
#include <dz/graph/record.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/linear_algebra.hpp>
#include <dz/ops/matrix.hpp>
#include <dz/ops/reduce.hpp>
#include <dz/ops/shape.hpp>

namespace dz {
namespace {

/// Names of axes, a character each: letters, and digits for the axes that an ellipsis stands for.
using Names = std::string;

bool has(const Names& names, char c) { return names.find(c) != Names::npos; }
int axis_of(const Names& names, char c) { return static_cast<int>(names.find(c)); }

struct Spec {
  std::vector<Names> terms;
  Names output;
};

[[noreturn]] void refuse(std::string_view spec, std::string reason) { throw ValueError(fmt::format("'{}': {}", spec, reason)); }

/// The terms as they stand, '.' for an ellipsis; the output's is the last, where one is given.
std::vector<Names> read_terms(std::string_view spec, bool& has_output) {
  std::vector<Names> terms(1);
  has_output = false;
  for (std::size_t i = 0; i < spec.size(); ++i) {
    const char c = spec[i];
    Names& term = terms.back();
    const auto at_place = [&](std::string_view reason) { refuse(spec, fmt::format("at {}: {}", i, reason)); };
    if (c == ' ') continue;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      if (has_output && has(term, c)) at_place(fmt::format("'{}' is in the output already", c));
      term += c;
    } else if (spec.substr(i, 3) == "...") {
      if (has(term, '.')) at_place("a second ellipsis in one term");
      term += '.';
      i += 2;
    } else if (spec.substr(i, 2) == "->") {
      if (has_output) at_place("a second '->'");
      has_output = true;
      terms.emplace_back();
      i += 1;
    } else if (c == ',') {
      if (has_output) at_place("a second output");
      terms.emplace_back();
    } else {
      at_place(fmt::format("'{}' is no letter, ',', '->' or '...'", c));
    }
  }
  return terms;
}

/// Without '->': an ellipsis, then what occurs once, in alphabetical order.
Names implied_output(const std::vector<Names>& terms) {
  std::map<char, int> count;
  for (const Names& term : terms)
    for (char c : term) ++count[c];
  Names output;
  for (const auto& [c, n] : count)
    if (c == '.' || n == 1) output += c;
  return output;
}

/// Digits in an ellipsis's place.
Names spelt_out(const Names& term, int ellipsis_rank) {
  Names names;
  for (char c : term)
    if (c != '.') names += c;
    else for (int i = 0; i < ellipsis_rank; ++i) names += static_cast<char>('0' + i);
  return names;
}

/// How many axes the ellipses stand for; the same for all.
int ellipsis_rank(const std::vector<Names>& terms, const std::vector<Tensor>& operands) {
  std::optional<int> rank;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const int letters = static_cast<int>(terms[i].size()), own = operands[i].rank() - (letters - 1);
    if (!has(terms[i], '.')) {
      if (operands[i].rank() != letters) throw ShapeError(fmt::format("operand {} is {}, its term '{}' has {} indices", i, to_string(operands[i].shape()), terms[i], letters));
      continue;
    }
    if (own < 0) throw ShapeError(fmt::format("operand {} is {}, its term has {} indices beside the ellipsis", i, to_string(operands[i].shape()), letters - 1));
    if (rank && *rank != own) throw ShapeError(fmt::format("the ellipsis stands for {} axes, in operand {} for {}", *rank, i, own));
    rank = own;
  }
  return rank.value_or(0);
}

Spec parse(std::string_view text, const std::vector<Tensor>& operands) {
  bool has_output = false;
  std::vector<Names> terms = read_terms(text, has_output);
  Names output;
  if (has_output) {
    output = terms.back();
    terms.pop_back();
    for (char c : output)
      if (std::none_of(terms.begin(), terms.end(), [c](const Names& t) { return has(t, c); }))
        refuse(text, c == '.' ? std::string("no operand has the output's ellipsis") : fmt::format("no operand has the output's '{}'", c));
    if (!has(output, '.') && std::any_of(terms.begin(), terms.end(), [](const Names& t) { return has(t, '.'); }))
      refuse(text, "the ellipsis is missing in the output");
  } else {
    output = implied_output(terms);
  }
  if (terms.size() != operands.size()) refuse(text, fmt::format("{} terms for {} operands", terms.size(), operands.size()));
  const int rank = ellipsis_rank(terms, operands);
  for (Names& term : terms) term = spelt_out(term, rank);
  return {std::move(terms), spelt_out(output, rank)};
}

/// The size of every index; those of an ellipsis broadcast.
std::map<char, std::int64_t> sizes_of(const Spec& spec, const std::vector<Tensor>& operands) {
  std::map<char, std::int64_t> sizes;
  std::map<char, std::size_t> from;
  for (std::size_t i = 0; i < operands.size(); ++i)
    for (std::size_t axis = 0; axis < spec.terms[i].size(); ++axis) {
      const char c = spec.terms[i][axis];
      const std::int64_t n = operands[i].size(static_cast<int>(axis));
      const auto [known, fresh] = sizes.emplace(c, n);
      if (fresh) from[c] = i;
      const bool of_ellipsis = c >= '0' && c <= '9';
      if (of_ellipsis && known->second == 1) known->second = n;
      if (known->second == n || (of_ellipsis && n == 1)) continue;
      const std::string what = of_ellipsis ? fmt::format("axis {} of the ellipsis", c) : fmt::format("index '{}'", c);
      throw ShapeError(fmt::format("{} is {} in operand {} {} and {} in operand {} {}", what, known->second, from[c], to_string(operands[from[c]].shape()), n, i,
                                   to_string(operands[i].shape())));
    }
  return sizes;
}

Tensor permuted(In x, const std::vector<int>& axes) {
  return record("permute", [axes](const Array& v) { return v.permute(axes); },
                wrt(x, [axes](const Tensor& dy) {
                  std::vector<int> back(axes.size());
                  for (std::size_t i = 0; i < axes.size(); ++i) back[static_cast<std::size_t>(axes[i])] = static_cast<int>(i);
                  return permuted(dy, back);
                }));
}

/// A tensor whose axes have names.
struct Factor {
  Tensor value;
  Names names;

  /// The axes in another order of names.
  Factor in_order(const Names& order) const {
    if (order == names) return *this;
    std::vector<int> axes;
    for (char c : order) axes.push_back(axis_of(names, c));
    return {permuted(value, axes), order};
  }
  /// Equal names become one, by the diagonal.
  Factor with_distinct_names() const {
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::size_t twin = names.find(names[i], i + 1);
      if (twin == Names::npos) continue;
      std::vector<int> axes;
      Names rest;
      for (std::size_t k = 0; k < names.size(); ++k)
        if (k != i && k != twin) axes.push_back(static_cast<int>(k)), rest += names[k];
      axes.insert(axes.end(), {static_cast<int>(i), static_cast<int>(twin)});
      return Factor{diagonal(permuted(value, axes)), rest + names[i]}.with_distinct_names();
    }
    return *this;
  }
  /// Summed over the names that nobody needs.
  Factor summed_but(const Names& needed) const {
    Factor f = *this;
    for (char c : names)
      if (!has(needed, c)) {
        const int axis = axis_of(f.names, c);
        f.value = sum(f.value, axis);
        f.names.erase(f.names.begin() + axis);
      }
    return f;
  }
  /// The axes stretched to the indices' sizes (those of an ellipsis may be 1).
  Factor stretched(const std::map<char, std::int64_t>& sizes) const {
    Shape full;
    for (char c : names) full.append(sizes.at(c));
    return full == value.shape() ? *this : Factor{expand(value, full), names};
  }
};

/// The product of two, summed over what is not needed; every name that only one of them has is needed.
Factor product(const Factor& a, const Factor& b, const Names& needed, const std::map<char, std::int64_t>& sizes) {
  Names batch, contracted, left, right;
  for (char c : a.names) (!has(b.names, c) ? left : has(needed, c) ? batch : contracted) += c;
  for (char c : b.names)
    if (!has(a.names, c)) right += c;
  const auto volume = [&](const Names& names) {
    std::int64_t n = 1;
    for (char c : names) n = checked_product(n, sizes.at(c));
    return n;
  };
  const auto matrices = [&](const Factor& f, const Names& rows, const Names& columns) {
    const Tensor x = f.in_order(batch + rows + columns).value;
    Shape shape = batch.empty() ? Shape{} : Shape{volume(batch)};
    shape.append(volume(rows));
    shape.append(volume(columns));
    return shape == x.shape() ? x : reshape(x, shape);
  };
  const Tensor l = matrices(a, left, contracted), r = matrices(b, contracted, right);
  const Tensor y = contracted.empty() ? l * r : matmul(l, r);
  const Names names = batch + left + right;
  Shape shape;
  for (char c : names) shape.append(sizes.at(c));
  return {shape == y.shape() ? y : reshape(y, shape), names};
}

/// The names that the output or another factor has.
Names needed_beside(const std::vector<Factor>& factors, const Names& output, std::size_t i, std::size_t j) {
  Names needed = output;
  for (std::size_t k = 0; k < factors.size(); ++k)
    if (k != i && k != j) needed += factors[k].names;
  return needed;
}

double volume_of(const Names& names, const std::map<char, std::int64_t>& sizes) {
  double n = 1;
  for (char c : names) n *= static_cast<double>(sizes.at(c));
  return n;
}

/// The pair that multiplies the fewest numbers; of equals the one of the smallest product, then the first.
std::pair<std::size_t, std::size_t> cheapest_pair(const std::vector<Factor>& factors, const Names& output, const std::map<char, std::int64_t>& sizes) {
  std::pair<std::size_t, std::size_t> best{0, 1};
  std::optional<std::pair<double, double>> least;
  for (std::size_t i = 0; i < factors.size(); ++i)
    for (std::size_t j = i + 1; j < factors.size(); ++j) {
      Names all = factors[i].names, kept;
      for (char c : factors[j].names)
        if (!has(all, c)) all += c;
      const Names needed = needed_beside(factors, output, i, j);
      for (char c : all)
        if (has(needed, c)) kept += c;
      const std::pair cost(volume_of(all, sizes), volume_of(kept, sizes));
      if (least && cost >= *least) continue;
      least = cost;
      best = {i, j};
    }
  return best;
}

}  // namespace

Tensor einsum(std::string_view text, const std::vector<Tensor>& operands, At at) {
  const CallSite site(at);
  const At call = detail::call_site(at);
  const auto [spec, sizes] = detail::run_forward("einsum", call, [&] {
    for (std::size_t i = 0; i < operands.size(); ++i)
      if (!operands[i]) throw GraphError(fmt::format("operand {} is an empty handle", i));
    Spec spec = parse(text, operands);
    auto sizes = sizes_of(spec, operands);
    return std::pair(std::move(spec), std::move(sizes));
  });
  std::vector<Factor> factors;
  for (std::size_t i = 0; i < operands.size(); ++i) factors.push_back(Factor{operands[i], spec.terms[i]}.with_distinct_names().stretched(sizes));
  for (std::size_t i = 0; i < factors.size(); ++i) factors[i] = factors[i].summed_but(needed_beside(factors, spec.output, i, i));
  while (factors.size() > 1) {
    const auto [i, j] = cheapest_pair(factors, spec.output, sizes);
    factors[i] = product(factors[i], factors[j], needed_beside(factors, spec.output, i, j), sizes);
    factors.erase(factors.begin() + static_cast<std::ptrdiff_t>(j));
  }
  return factors[0].in_order(spec.output).value;
}

}  // namespace dz
