#include <dz/calculus/check_graph.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include <dz/graph/mode.hpp>
#include <dz/graph/reverse.hpp>
#include <dz/graph/view.hpp>
#include <dz/calculus/precision.hpp>
#include <dz/calculus/subject.hpp>
#include <dz/tensor/widen.hpp>

namespace dz {
namespace {

/// One node with copies of its inputs, in float64 or in the dtypes that it had.
class Examination {
 public:
  Examination(const NodeRef& node, bool widen, std::uint64_t seed) : node_(node), widen_(widen), seed_(seed) {
    for (const Array& a : node.node()->replay()->inputs()) {
      const bool floating = is_floating(a.dtype()) && !a.is_number();
      had_float32_ |= floating && a.dtype() == float32;
      inputs_.push_back(!floating ? a : widen ? a.cast(float64).clone() : a.clone());
    }
    values_ = forward(inputs_);
    for (const Array& y : values_) outputs_.push_back(Tensor(y));
    cotangents_ = detail::cotangents_like(outputs_, seed);
    for (std::size_t o = 0; o < outputs_.size(); ++o)  // indices and the like have none
      if (!is_floating(outputs_[o].dtype())) cotangents_[o] = Tensor();
  }

  void run(OperationCheck& result) {
    gradients_ = detail::pull_alone(node_, cotangents_, values_);
    detail::Probe probe{inputs_, [this] { return std::vector<double>{contracted(detail::contraction)}; }, widen_ || !had_float32_ ? 0x1p-53 : 0x1p-24,
                        had_float32_ ? 0x1p-24 : 0, [this] { return contracted(detail::contraction_terms); }};
    for (std::size_t i = 0; i < inputs_.size(); ++i) probe.names.push_back(fmt::format("input {}", i));
    const detail::Differences differences(probe);
    for (std::size_t i = 0; i < gradients_.size(); ++i) {
      if (!gradients_[i]) continue;
      const detail::Claim claim{i, fmt::format("input {}", i), gradients_[i].shape(), {gradients_[i].to_vector()}, {""}};
      result.inputs.push_back(detail::compare(differences, claim, seed_));
      const Verdict v = result.inputs.back().verdict;
      if (v == Verdict::wrong || result.verdict == Verdict::right) result.verdict = v;
    }
  }

  /// What it really computes, in float32, against float64.
  void compare_float32(OperationCheck& result) const {
    const std::span<const Array> had = node_.node()->replay()->inputs();
    Tensors narrow_cotangents, narrow;
    double x = 0, y = 0;
    for (const Array& a : had)
      if (is_floating(a.dtype())) x = std::max(x, largest(a.to_vector<double>()));
    for (const Array& a : forward(had)) narrow.push_back(Tensor(a));
    for (std::size_t o = 0; o < narrow.size(); ++o) {
      const bool same = cotangents_[o] && is_floating(narrow[o].dtype());
      narrow_cotangents.push_back(same ? Tensor(cotangents_[o].value().cast(narrow[o].dtype())) : Tensor());
      if (same) y = std::max(y, largest(narrow[o].to_vector()));
      if (same) look(result, fmt::format("output {}", o), outputs_[o], narrow[o], x);
    }
    const Tensors gradients = detail::pull_alone(node_, narrow_cotangents);
    for (std::size_t i = 0; i < gradients.size(); ++i)
      if (gradients[i] && gradients_[i]) look(result, fmt::format("the gradient of input {}", i), gradients_[i], gradients[i], x + 3 * y);
  }
  bool has_float32() const { return had_float32_; }

 private:
  using Tensors = std::vector<Tensor>;

  static double largest(const std::vector<double>& values) {
    double m = 0;
    for (const double v : values)
      if (std::isfinite(v)) m = std::max(m, std::abs(v));
    return m;
  }

  /// How badly conditioned it is cannot be measured here, where the derivative has saved its values: hence a wide bar.
  static void look(OperationCheck& result, const std::string& what, const Tensor& wide, const Tensor& narrow, double scale) {
    const std::vector<double> a = wide.to_vector(), b = narrow.to_vector();
    if (a.size() != b.size()) return;
    const double terms = 4096;
    const std::int64_t k = detail::beyond_rounding(a, b, std::vector<double>(a.size(), 0.0), 64 * scale, terms);
    if (k < 0) return;
    const auto at = static_cast<std::size_t>(k);
    result.verdict = Verdict::wrong;
    result.trouble = fmt::format("in float32 {} is wrong at element {}: {:.9g}, in float64 {:.9g}", what, index_of(k, wide.shape()), b[at], a[at]);
    result.apart = std::abs(a[at] - b[at]) / std::max({std::abs(a[at]), std::abs(b[at]), 1e-30});
  }

  std::vector<Array> forward(std::span<const Array> inputs) const {
    const auto quiet = no_grad();
    return node_.node()->replay()->run(inputs);
  }
  /// Of the outputs as they are now, with their cotangents.
  template <class F> std::invoke_result_t<F, const Tensors&, const Tensors&> contracted(F contraction) const {
    Tensors y, c;
    const std::vector<Array> values = forward(inputs_);
    for (std::size_t o = 0; o < values.size(); ++o)
      if (cotangents_[o]) y.push_back(Tensor(values[o])), c.push_back(cotangents_[o]);
    return contraction(y, c);
  }

  const NodeRef& node_;
  bool widen_, had_float32_ = false;
  std::uint64_t seed_;
  std::vector<Array> inputs_, values_;
  Tensors outputs_, cotangents_, gradients_;
};

void compare_float32(const Examination& e, OperationCheck& result) {
  try {
    e.compare_float32(result);
  } catch (const DtypeError&) {  // it computes in float64 whatever it is given
  }
}

OperationCheck examine(const NodeRef& node, std::uint64_t seed) {
  OperationCheck result;
  result.operation = node.node()->name();
  result.at = node.node()->at();
  result.shape = node.node()->output(0).shape();
  const auto attempt = [&](bool widen) {
    try {
      result.inputs.clear();
      result.verdict = Verdict::right;
      Examination e(node, widen, seed);
      e.run(result);
      if (widen && e.has_float32() && result.verdict != Verdict::wrong) compare_float32(e, result);
      return true;
    } catch (const DtypeError& e) {  // a kernel of float32 alone
      if (!widen) throw;
      return false;
    }
  };
  try {
    if (!attempt(true)) attempt(false);
  } catch (const Error& e) {
    result.verdict = Verdict::undecided;
    result.trouble = e.what();
  }
  return result;
}

/// How far apart the two are at the worst place, for the table and its order.
double misfit(const OperationCheck& o) {
  double worst = o.apart;
  for (const InputCheck& c : o.inputs) {
    const double size = std::max({std::abs(c.derivative), std::abs(c.difference), c.size, 1e-12});
    const double apart = std::abs(c.derivative - c.difference) / size;
    worst = std::isnan(apart) ? HUGE_VAL : std::max(worst, apart);
  }
  return worst;
}

std::string_view word(Verdict v) { return v == Verdict::right ? "right" : v == Verdict::wrong ? "WRONG" : "undecided"; }

}  // namespace

bool GraphCheck::passed() const {
  return std::all_of(operations.begin(), operations.end(), [](const OperationCheck& o) { return o.verdict == Verdict::right; });
}

GraphCheck check_graph(const Tensor& J, std::uint64_t seed, At at) {
  const Graph graph(J, at);
  const Widening widening;
  GraphCheck check;
  for (std::size_t v = 0; v < num_vertices(graph); ++v) {
    const Node& n = graph.node(v);
    if (n.is_leaf()) continue;
    if (!n.replay())
      throw GraphError(
          fmt::format("'{}' at {} keeps nothing to examine: record it while `auto guard = checked();` is alive, and check before reversing",
                      n.name(), to_string(n.at())),
          "check_graph", at);
    check.operations.push_back(examine(graph.reference(v), seed + v));
  }
  const auto rank = [](const OperationCheck& o) { return o.verdict == Verdict::wrong ? 0 : o.verdict == Verdict::undecided ? 1 : 2; };
  std::stable_sort(check.operations.begin(), check.operations.end(), [&](const OperationCheck& a, const OperationCheck& b) {
    return rank(a) != rank(b) ? rank(a) < rank(b) : misfit(a) > misfit(b);
  });
  return check;
}

std::string details(const OperationCheck& check, int indent) {
  const std::string before(static_cast<std::size_t>(indent), ' ');
  std::string text;
  if (!check.trouble.empty()) text += before + wrapped(check.trouble, indent + 2, indent) + "\n";
  for (const InputCheck& c : check.inputs)
    if (c.verdict != Verdict::right) text += before + to_string(c, indent) + "\n";
  return text;
}

std::string to_string(const GraphCheck& check) {
  constexpr std::size_t shown = 40;
  std::string text = fmt::format("  {:<10} {:<32} {:<16} {:>8}  {}\n", "verdict", "operation", "shape", "apart", "line");
  for (std::size_t i = 0; i < check.operations.size(); ++i) {
    const OperationCheck& o = check.operations[i];
    if (i >= shown && o.verdict == Verdict::right) {
      text += fmt::format("  and {} more, all right\n", check.operations.size() - i);
      break;
    }
    text += fmt::format("  {:<10} {:<32} {:<16} {:>8.1e}  {}\n", word(o.verdict), o.operation, to_string(o.shape), misfit(o), to_string(o.at)) + details(o, 4);
  }
  return text;
}

std::ostream& operator<<(std::ostream& out, const GraphCheck& check) { return out << to_string(check); }

}  // namespace dz
