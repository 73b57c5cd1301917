#include <dz/calculus/contracts.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <dz/calculus/comparison.hpp>
#include <dz/graph/mode.hpp>
#include <dz/graph/reverse.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/creation.hpp>
#include <dz/ops/reduce.hpp>

namespace dz::detail {
namespace {

using Values = std::vector<std::vector<double>>;

Values values_of(const Tensors& tensors) {
  Values v;
  for (const Tensor& t : tensors) v.push_back(t ? t.to_vector() : std::vector<double>{});
  return v;
}

std::vector<double> sum_of(const std::vector<double>& a, double factor, const std::vector<double>& b) {
  std::vector<double> c = a;
  for (std::size_t k = 0; k < c.size(); ++k) c[k] += factor * b[k];
  return c;
}

Tensor transposed(const Tensor& x) {
  std::vector<int> back;
  for (int i = x.rank(); i-- > 0;) back.push_back(i);
  return Tensor(x.value().permute(back).clone().permute(back));
}

/// The same values, every second element of a wider array.
Tensor sliced(const Tensor& x) {
  if (x.rank() == 0) return x;
  Shape wide = x.shape();
  const int last = x.rank() - 1;
  wide[last] = 2 * wide[last] + 3;
  Array part = Array::full(wide, 0, x.dtype()).slice(last, 2, 2 + 2 * x.size(last), 2);
  part.assign(x.value());
  return Tensor(part);
}

/// The first row for all rows, without a copy.
Tensor expanded(const Tensor& x) { return Tensor(x.value().slice(0, 0, 1).expand(x.shape())); }

/// x with each axis of size `from` cut to `to`.
Tensor resized(const Tensor& x, std::int64_t from, std::int64_t to) {
  Array a = x.value();
  for (int axis = 0; axis < x.rank(); ++axis)
    if (a.size(axis) == from) a = a.slice(axis, 0, to);
  return Tensor(a.clone());
}

Tensors values_again(const Tensors& tensors) {
  Tensors copies;
  for (const Tensor& t : tensors) copies.push_back(Tensor(t.value().clone()));
  return copies;
}

class Contracts {
 public:
  Contracts(const Subject& s, const Generator& start, std::uint64_t seed, double rounding, bool slopes)
      : s_(s), start_(start), seed_(seed), rounding_(rounding), slopes_(slopes), leaves_(s.leaves()) {
    const Tensors y = run(s_, start_);
    c_ = cotangents_like(y, seed_);
    gradients_ = values_of(gradients(y, cotangents_like(y, seed_), leaves_));
    noise_ = gradient_noise(s_, start_, seed_, rounding_);
  }

  std::vector<std::string> check() {
    leaves_alone();
    if (!broken_.empty()) return std::move(broken_);  // all else would follow from it
    ignores_old_gradients();
    adds_up();
    is_linear();
    takes_missing_cotangents();
    if (s_.arguments.empty()) return std::move(broken_);
    forgets_other_calls();
    takes_one_tensor_twice();
    takes_every_layout();
    takes_small_sizes();
    return std::move(broken_);
  }

 private:
  /// Equal up to rounding, in other orders of summation.
  bool same(const std::vector<double>& a, const std::vector<double>& b, double noise) const {
    if (a.size() != b.size()) return false;
    double largest = 0;
    for (const double v : a)
      if (std::isfinite(v)) largest = std::max(largest, std::abs(v));
    const double bar = (rounding_ == 0x1p-53 ? 1e-9 : 1e-4) * largest + 64 * noise;
    for (std::size_t k = 0; k < a.size(); ++k)
      if (!(std::abs(a[k] - b[k]) <= bar) && !(a[k] == b[k]) && !(std::isnan(a[k]) && std::isnan(b[k]))) return false;
    return true;
  }
  /// Gradients of the inputs, or of those among them that are arguments.
  bool same_gradients(const Values& a, const Values& b) const {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
      if (!same(a[i], b[i], noise_[i])) return false;
    return true;
  }
  bool same_outputs(const Values& a, const Values& b) const {
    return std::ranges::equal(a, b, [this](const auto& x, const auto& y) { return same(x, y, 0); });
  }

  template <class... A> void report(fmt::format_string<A...> text, A&&... a) { broken_.push_back(fmt::format(text, std::forward<A>(a)...)); }

  void leaves_alone() {
    const Values before = values_of(leaves_), given = values_of(s_.arguments), seeds = values_of(c_);
    const Tensors handed = values_again(c_);
    gradients(run(s_, start_), handed, leaves_);
    const Values after = values_of(leaves_);
    const auto identical = [](const auto& a, const auto& b) {
      return std::ranges::equal(a, b, [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); });
    };
    for (std::size_t i = 0; i < before.size(); ++i)
      if (!identical(before[i], after[i])) report("it changes {}, which it is given to read", s_.inputs[i].name);
    const Values later = values_of(s_.arguments), cotangents = values_of(handed);
    for (std::size_t i = 0; i < given.size(); ++i)
      if (!is_floating(s_.arguments[i].dtype()) && !identical(given[i], later[i])) report("it changes argument {}, which it is given to read", i);
    for (std::size_t i = 0; i < seeds.size(); ++i)
      if (!identical(seeds[i], cotangents[i])) report("its derivative changes the cotangent of output {}, which others may hold", i);
  }

  void ignores_old_gradients() {
    for (const Tensor& leaf : leaves_) leaf.set_grad(full_like(leaf, std::numeric_limits<double>::quiet_NaN()));
    const Values with_poison = values_of(gradients(run(s_, start_), c_, leaves_));
    for (std::size_t i = 0; i < leaves_.size(); ++i) leaves_[i].clear_grad();
    if (!same_gradients(gradients_, with_poison)) report("its gradient changes with what an earlier pass has left in grad()");
  }

  void adds_up() {
    const auto reverse = [&] {
      const Tensors y = run(s_, start_);
      Tensor all;
      for (std::size_t i = 0; i < y.size(); ++i) {
        if (!y[i].requires_grad()) continue;
        const Tensor part = sum_all(y[i], c_[i]);
        all = all ? all + part : part;
      }
      if (all) backward(all);
      return static_cast<bool>(all);
    };
    if (!reverse()) return;
    const Values once = grads();
    reverse();
    const Values twice = grads();
    for (const Tensor& leaf : leaves_) leaf.clear_grad();
    for (std::size_t i = 0; i < once.size(); ++i) {
      if (once[i].empty()) continue;
      if (!same(once[i], gradients_[i], noise_[i])) report("backward() and grad() give {} different gradients", s_.inputs[i].name);
      if (!same(sum_of(once[i], 1, once[i]), twice[i], noise_[i])) report("two reverse passes do not add up to twice the gradient of {}", s_.inputs[i].name);
    }
  }

  static Tensor sum_all(const Tensor& y, const Tensor& c) { return sum(y * c.detach()); }

  Values grads() const {
    Values g;
    for (const Tensor& leaf : leaves_) {
      const Tensor grad = leaf.grad();
      g.push_back(grad ? grad.to_vector() : std::vector<double>{});
    }
    return g;
  }

  void is_linear() {
    const Tensors y = run(s_, start_), other = cotangents_like(y, seed_ + 1);
    Tensors both;
    for (std::size_t i = 0; i < c_.size(); ++i) both.push_back(Tensor(c_[i].detach() + other[i].detach() * 2));
    const Values v = values_of(gradients(y, other, leaves_, true)), together = values_of(gradients(y, both, leaves_, true));
    const Values again = values_of(gradients(y, c_, leaves_));
    for (std::size_t i = 0; i < v.size(); ++i) {
      if (!same(again[i], gradients_[i], noise_[i])) report("another pass over the same graph gives {} another gradient: is a saved value changed?", s_.inputs[i].name);
      else if (!same(sum_of(gradients_[i], 2, v[i]), together[i], noise_[i])) report("the gradient of {} is not linear in the cotangent", s_.inputs[i].name);
    }
  }

  void takes_missing_cotangents() {
    if (c_.size() < 2) return;
    const Tensors y = run(s_, start_);
    Values total;
    for (std::size_t o = 0; o < c_.size(); ++o) {
      if (!y[o].requires_grad()) continue;
      Tensors alone(c_.size());
      alone[o] = c_[o];
      const Values g = values_of(gradients(y, alone, leaves_, true));
      if (total.empty()) total = g;
      else
        for (std::size_t i = 0; i < g.size(); ++i) total[i] = sum_of(total[i], 1, g[i]);
    }
    if (!total.empty() && !same_gradients(total, gradients_)) report("where only one output has a cotangent, the gradients do not add up to that of all");
  }

  /// Runs f; a refusal by dz::Error is fine, anything else that is thrown is not.
  template <class F> void attempt(const std::string& what, F f) {
    try {
      f();
    } catch (const Error&) {
    } catch (const std::exception& e) {
      report("for {} it throws {}, not a dz::Error", what, e.what());
    }
  }

  Values gradients_at(const Tensors& arguments, Values* outputs = nullptr) {
    const Subject other = with_arguments(s_, arguments);
    const Tensors y = run(other, start_);
    if (outputs) *outputs = values_of(y);
    return values_of(gradients(y, cotangents_like(y, seed_), other.leaves()));
  }

  void forgets_other_calls() {
    const Subject other = with_other_values(s_);
    attempt("other values", [&] {
      const Values expected = gradients_at(other.arguments);
      const Tensors first = run(s_, start_), second = run(other, start_);
      const Values here = values_of(gradients(first, c_, leaves_)), there = values_of(gradients(second, cotangents_like(second, seed_), other.leaves()));
      if (!same_gradients(here, gradients_)) report("its gradient is that of a later call: the derivative reads what the newest forward has left");
      else if (!same_gradients(there, expected)) report("its gradient depends on an earlier call");
      else if (slopes_) compare_slope("called again, with other values", other, cotangents_like(second, seed_), there);
    });
  }

  void takes_one_tensor_twice() {
    const Tensors& x = s_.arguments;
    for (std::size_t i = 0; i < x.size(); ++i)
      for (std::size_t j = i + 1; j < x.size(); ++j) {
        if (!is_floating(x[i].dtype()) || x[i].dtype() != x[j].dtype() || x[i].shape() != x[j].shape()) continue;
        attempt("the same tensor twice", [&] {
          Tensors apart = x;
          apart[j] = Tensor(x[i].value().clone());
          const Values separate = gradients_at(apart);
          Subject shared = with_arguments(s_, apart);
          shared.arguments[j] = shared.arguments[i];
          const Tensors y = run(shared, start_);
          const Values one = values_of(gradients(y, cotangents_like(y, seed_), {shared.arguments[i]}));
          const auto position = [&](std::size_t argument) {
            return static_cast<std::size_t>(std::count_if(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(argument), [](const Tensor& t) { return is_floating(t.dtype()); }));
          };
          const std::size_t first = position(i), second = position(j);
          if (!same(one[0], sum_of(separate[first], 1, separate[second]), noise_[first] + noise_[second]))
            report("given one tensor as inputs {} and {}, its gradient is not the sum of both", i, j);
        });
      }
  }

  void takes_every_layout() {
    const auto compare = [&](std::size_t i, const char* layout, const Tensors& plain, const Tensors& other) {
      attempt(fmt::format("a {} input {}", layout, i), [&] {
        Values y, z;
        const Values g = gradients_at(plain, &y), h = gradients_at(other, &z);
        if (!same_outputs(y, z)) report("its value changes where input {} is {}: does a loop take it for contiguous?", i, layout);
        else if (!same_gradients(g, h)) report("its gradient changes where input {} is {}", i, layout);
      });
    };
    for (std::size_t i = 0; i < s_.arguments.size(); ++i) {
      const Tensor x = s_.arguments[i].detach();
      if (x.rank() == 0 || x.size() == 0) continue;
      const auto with = [&](const Tensor& t) {
        Tensors all = s_.arguments;
        all[i] = t;
        return all;
      };
      if (x.rank() > 1) compare(i, "transposed", s_.arguments, with(transposed(x)));
      compare(i, "sliced", s_.arguments, with(sliced(x)));
      if (x.size(0) > 1) compare(i, "expanded", with(Tensor(expanded(x).value().clone())), with(expanded(x)));
    }
  }

  void takes_small_sizes() {
    std::set<std::int64_t> sizes;
    std::int64_t elements = 0;
    for (const Tensor& x : s_.arguments) {
      elements += x.size();
      for (int a = 0; a < x.rank(); ++a)
        if (x.size(a) > 1) sizes.insert(x.size(a));
    }
    if (elements > 4096) return;
    for (const std::int64_t from : sizes)
      for (const std::int64_t to : {1, 0}) {
        Tensors small;
        for (const Tensor& x : s_.arguments) small.push_back(resized(x, from, to));
        attempt(to ? "axes of size 1" : "empty inputs", [&] {
          const Subject other = with_arguments(s_, small);
          const Tensors y = run(other, start_), c = cotangents_like(y, seed_);
          const Tensors g = gradients(y, c, other.leaves());
          if (to == 1 && slopes_) compare_slope(fmt::format("where an axis has size 1 ({})", shapes_of(other.arguments)), other, c, values_of(g));
        });
      }
  }

  /// One slope along all inputs of another call, whose gradients g are.
  void compare_slope(const std::string& where, const Subject& other, const Tensors& c, const Values& g) {
    Probe probe;
    probe.rounding = rounding_;
    for (const NamedLeaf& input : other.inputs) probe.inputs.push_back(input.leaf.value());
    probe.rows = [&] {
      const auto quiet = no_grad();
      return std::vector<double>{contraction(run(other, start_), c)};
    };
    if (!std::isfinite(probe.rows()[0])) return;
    const Differences differences(probe);
    std::vector<Claim> claims;
    for (std::size_t i = 0; i < other.inputs.size(); ++i) claims.push_back({i, other.inputs[i].name, other.inputs[i].leaf.shape(), {g[i]}, {""}});
    const InputCheck found = compare_along_all(differences, claims, seed_);
    if (found.verdict == Verdict::wrong)
      report("{}, its gradient along a random direction is {:.9g}, by differences {:.9g}", where, found.derivative, found.difference);
  }

  static std::string shapes_of(const Tensors& tensors) {
    std::string text;
    for (const Tensor& t : tensors) text += (text.empty() ? "" : ", ") + to_string(t.shape());
    return text;
  }

  const Subject& s_;
  const Generator start_;
  const std::uint64_t seed_;
  const double rounding_;
  const bool slopes_;
  const Tensors leaves_;
  Tensors c_;
  Values gradients_;
  std::vector<double> noise_;  // of each input's gradient
  std::vector<std::string> broken_;
};

}  // namespace

std::vector<std::string> broken_contracts(const Subject& subject, const Generator& start, std::uint64_t seed, double rounding, bool slopes) {
  return Contracts(subject, start, seed, rounding, slopes).check();
}

}  // namespace dz::detail
