#include <dz/calculus/check_graph.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include <dz/graph/mode.hpp>
#include <dz/graph/reverse.hpp>
#include <dz/graph/view.hpp>
#include <dz/tensor/random.hpp>
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
    Generator g(seed);
    for (const Array& y : forward())  // indices and the like have none
      cotangents_.push_back(is_floating(y.dtype()) ? Tensor(kernels::normal(y.shape(), 0.3, 1, y.dtype(), g)) : Tensor());
  }

  void run(OperationCheck& result) {
    const std::vector<Tensor> gradients = detail::pull_alone(node_, cotangents_);
    const detail::Probe probe{inputs_, [this] { return contracted(); }, widen_ || !had_float32_ ? 0x1p-53 : 0x1p-24,
                              had_float32_ ? 0x1p-24 : 0};
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i]) continue;
      result.inputs.push_back(detail::compare(probe, i, gradients[i].value(), fmt::format("input {}", i), seed_));
      const Verdict v = result.inputs.back().verdict;
      if (v == Verdict::wrong || result.verdict == Verdict::right) result.verdict = v;
    }
  }

 private:
  std::vector<Array> forward() const {
    const auto quiet = no_grad();
    return node_.node()->replay()->run(inputs_);
  }
  double contracted() const {
    double total = 0;
    const std::vector<Array> y = forward();
    for (std::size_t o = 0; o < y.size(); ++o) {
      if (!cotangents_[o]) continue;
      const std::vector<double> a = y[o].to_vector<double>(), c = cotangents_[o].to_vector();
      for (std::size_t k = 0; k < a.size(); ++k) total += a[k] * c[k];
    }
    return total;
  }

  const NodeRef& node_;
  bool widen_, had_float32_ = false;
  std::uint64_t seed_;
  std::vector<Array> inputs_;
  std::vector<Tensor> cotangents_;
};

OperationCheck examine(const NodeRef& node, std::uint64_t seed) {
  OperationCheck result;
  result.operation = node.node()->name();
  result.at = node.node()->at();
  result.shape = node.node()->output(0).shape();
  const auto attempt = [&](bool widen) {
    try {
      result.inputs.clear();
      result.verdict = Verdict::right;
      Examination(node, widen, seed).run(result);
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
  double worst = 0;
  for (const InputCheck& c : o.inputs) {
    const double size = std::max({std::abs(c.derivative), std::abs(c.difference), 1e-12});
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

std::string to_string(const GraphCheck& check) {
  constexpr std::size_t shown = 40;
  std::string text = fmt::format("  {:<10} {:<32} {:<16} {:>10}  {}\n", "verdict", "operation", "shape", "apart", "line");
  for (std::size_t i = 0; i < check.operations.size(); ++i) {
    const OperationCheck& o = check.operations[i];
    if (i >= shown && o.verdict == Verdict::right) {
      text += fmt::format("  and {} more, all right\n", check.operations.size() - i);
      break;
    }
    text +=
        fmt::format("  {:<10} {:<32} {:<16} {:>10.1e}  {}\n", word(o.verdict), o.operation, to_string(o.shape), misfit(o), to_string(o.at));
    if (!o.trouble.empty()) text += "    " + o.trouble + "\n";
    for (const InputCheck& c : o.inputs)
      if (c.verdict != Verdict::right) text += "    " + to_string(c) + "\n";
  }
  return text;
}

std::ostream& operator<<(std::ostream& out, const GraphCheck& check) { return out << to_string(check); }

}  // namespace dz
