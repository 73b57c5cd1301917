#include "tests/quality/networks.hpp"

#include <algorithm>
#include <cstdio>
#include <random>

#include <dz/calculus/check_graph.hpp>
#include <dz/ops/convolution.hpp>

#include "tests/quality/mutants.hpp"

namespace dz::quality {
namespace {

constexpr const char* file = "network.cpp";

/// A wrong operation that takes one or two matrices and gives one of the same shape.
std::vector<Rule> suspects() {
  std::vector<Rule> fit;
  const Shape shape{4, 4};
  for (const Mutant& m : wrong_derivatives()) {
    if (m.order != 1 || m.mistake == "stale saved value" || m.mistake.starts_with("one element")) continue;
    if (std::ranges::any_of(m.rule.inputs, [](const Input& i) { return i.shape.rank() != 2 || !i.floating() || i.low > 0 || (i.high < 1 && i.kind == Input::Kind::real); })) continue;
    Rule r = m.rule;
    for (Input& i : r.inputs)
      for (int a = 0; a < 2; ++a)
        if (i.shape[a] > 1) i.shape[a] = 4;
    if (std::ranges::any_of(r.inputs, [&](const Input& i) { return i.shape != shape; })) continue;
    try {
      Generator g(3);
      Tensors x;
      for (const Input& i : r.inputs) x.push_back(variable(i.draw(float32, g)));
      const Tensor y = apply(r, x, At::here());
      if (y.shape() != shape) continue;
      backward(sum(y));
      r.name += " (" + m.mistake + ")";
      fit.push_back(std::move(r));
    } catch (const Error&) {  // of another shape it is refused
    }
  }
  return fit;
}

/// A network of matrices (4, 4), built operation by operation, each on a line of its own.
class Network {
 public:
  Network(std::uint64_t seed, const Rule& wrong) : random_(seed), values_(seed), wrong_(wrong) {}

  Tensor build(int size, int culprit) {
    for (int i = 0; i < 3; ++i) pool_.push_back(variable(leaf({4, 4})));
    const auto kind = pick(4);
    for (line_ = 1; line_ <= size; ++line_) {
      if (line_ == culprit) pool_.push_back(mistaken());
      else if (kind == 0) layered();
      else if (kind == 1) recurrent();
      else if (kind == 2) convolved();
      else branching();
    }
    Tensor total = sum(In(square(In(pool_.back(), at())), at()));
    for (++line_; line_ < size + 6; ++line_) total = total + In(mean(In(tanh(In(any(), at())), at())), at());
    return total;
  }

 private:
  At at() const { return {file, line_}; }
  std::size_t pick(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }
  Tensor leaf(const Shape& s) { return normal(s, 0, 0.6, float32, values_); }
  const Tensor& any() { return pool_[pick(pool_.size())]; }
  In last() { return {pool_.back(), at()}; }
  void push(Tensor x) { pool_.push_back(std::move(x)); }

  Tensor mistaken() {
    Tensors x{pool_.back()};
    while (x.size() < wrong_.inputs.size())
      if (const Tensor& t = any(); t.rank() == 2) x.push_back(t);
    return apply(wrong_, x, at());
  }
  void layered() {
    switch (line_ % 3) {
      case 0: return push(linear(last(), variable(leaf({4, 4})), variable(leaf({4}))));
      case 1: return push(tanh(last()));
      default: return push(layer_norm(last(), variable(leaf({4})), variable(leaf({4}))));
    }
  }
  void recurrent() {
    switch (line_ % 3) {
      case 0: return push(matmul(last(), pool_[0]));
      case 1: return push(add(last(), pool_[1]));
      default: return push(sigmoid(last()));
    }
  }
  void convolved() {
    switch (line_ % 4) {
      case 0: return push(reshape(last(), {1, 4, 4, 1}));
      case 1: return push(pool_.back().rank() == 4 ? conv2d(last(), variable(leaf({1, 1, 3, 3})), {.padding = 1}) : silu(last()));
      case 2: return push(pool_.back().rank() == 4 ? reshape(last(), {4, 4}) : softmax(last()));
      default: return push(tanh(last()));
    }
  }
  void branching() {
    switch (pick(6)) {
      case 0: return push(mul(last(), any()));
      case 1: return push(add(last(), any()));
      case 2: return push(softmax(last()));
      case 3: return push(sin(last()));
      case 4: return push(matmul(last(), any()));
      default: return push(softplus(last()));
    }
  }

  std::mt19937_64 random_;
  Generator values_;
  const Rule& wrong_;
  int line_ = 0;
  Tensors pool_;
};

}  // namespace

Named name_culprits(int networks, std::uint64_t seed) {
  const std::vector<Rule> wrong = suspects();
  Named result;
  for (int n = 0; n < networks; ++n) {
    const Rule& rule = wrong[static_cast<std::size_t>(n) % wrong.size()];
    const auto guard = checked();
    const int size = 30 + n % 20;
    int culprit = 1 + static_cast<int>((seed + static_cast<std::uint64_t>(n) * 7919) % static_cast<std::uint64_t>(size));
    culprit = std::max(1, culprit - culprit % 4);  // where the value is a matrix in every kind of network
    const Tensor J = Network(seed + static_cast<std::uint64_t>(n), rule).build(size, culprit);
    const GraphCheck found = check_graph(J, seed + static_cast<std::uint64_t>(n));
    bool named = false, others = false;
    for (const OperationCheck& o : found.operations) {
      if (o.verdict != Verdict::wrong) continue;
      const bool it = o.operation == rule.name && o.at.line == culprit && std::string(o.at.file) == file;
      named |= it, others |= !it;
    }
    ++result.networks;
    result.named += named && !others;
    result.least_nodes = std::min(result.least_nodes, static_cast<int>(found.operations.size()));
    if (!named || others) std::printf("  culprit %s: '%s' on line %d, network %d\n", named ? "not alone" : "missed", rule.name.c_str(), culprit, n);
  }
  return result;
}

}  // namespace dz::quality
