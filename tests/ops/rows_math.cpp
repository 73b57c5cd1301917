// Rows of mathematics, further activations, reductions and losses, and control.

#include <cmath>
#include <limits>
#include <numbers>

#include "tests/ops/table.hpp"

namespace dz::test {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN(),
                 right_angle = std::numbers::pi / 2;

/// An elementwise function of one argument that is a constant to the graph.
Operation flat(std::string name, Tensor (*f)(In)) {
  Operation o = one(std::move(name), f, apart({3, 4}), {{inf, -inf}});
  o.constant = true;
  return o;
}

Operation logic(std::string name, Tensor (*f)(In, In)) {
  Operation o = two(std::move(name), f, booleans({3, 4}), booleans({1, 4}));
  o.constant = true;
  o.passes_nan = false;
  return o;
}

/// What keeps its input's shape and runs along an axis.
Operation along(std::string name, Tensor (*f)(In)) {
  return {.name = std::move(name),
          .call = [f](const Tensors& x) { return f(x[0]); },
          .inputs = {apart({3, 4})},
          .empty = {{{{3, 0}}, Shape{3, 0}}, {{{0, 4}}, Shape{0, 4}}},
          .refused = {{{}}}};
}

void add_functions(std::vector<Operation>& rows) {
  rows.push_back(one("rsqrt", rsqrt, real({3, 4}, 0.3, 2), {{0, nan}}));
  rows.push_back(one("reciprocal", reciprocal, real({3, 4}, 0.3, 2), {{0, 0}}));
  rows.push_back(one("expm1", expm1, real({3, 4}), {{inf, -1}}));
  rows.push_back(one("exp2", exp2, real({3, 4}), {{inf, 0}}));
  rows.push_back(one("log2", log2, real({3, 4}, 0.3, 2), {{inf, nan}}));
  rows.push_back(two("xlogy", xlogy, real({3, 4}), real({1, 4}, 0.3, 2)));
  rows.push_back(one("tan", tan, real({3, 4}, -1, 1), {{nan, nan}}));
  rows.push_back(one("asin", asin, real({3, 4}, -0.8, 0.8), {{nan, nan}}));
  rows.push_back(one("acos", acos, real({3, 4}, -0.8, 0.8), {{nan, nan}}));
  rows.push_back(one("atan", atan, real({3, 4}), {{right_angle, -right_angle}}));
  rows.push_back(two("atan2", atan2, real({3, 4}, 0.5, 2), real({1, 4})));
  rows.push_back(one("sinh", sinh, real({3, 4}), {{inf, -inf}}));
  rows.push_back(one("cosh", cosh, real({3, 4}), {{inf, inf}}));
  rows.push_back(one("erf", erf, real({3, 4}), {{1, -1}}));
  rows.push_back(one("lgamma", lgamma, real({3, 4}, 0.5, 4), {{inf, inf}}));
  rows.push_back(one(
      "polygamma", [](In x) { return polygamma(0, x); }, real({3, 4}, 0.5, 4), std::nullopt));
  rows.push_back(one(
      "polygamma of order two", [](In x) { return polygamma(2, x); }, real({3, 4}, 0.5, 4), std::nullopt));
  rows.push_back(flat("floor", floor));
  rows.push_back(flat("ceil", ceil));
  rows.push_back(flat("round", round));
  rows.push_back(comparison("greater_equal", greater_equal));
  rows.push_back(comparison("not_equal", not_equal));
  rows.push_back(logic("logical_and", logical_and));
  rows.push_back(logic("logical_or", logical_or));
  rows.push_back(logic("logical_xor", logical_xor));
  rows.push_back({.name = "logical_not",
                  .call = [](const Tensors& x) { return logical_not(x[0]); },
                  .inputs = {booleans({3, 4})},
                  .empty = {{{{0, 4}}, Shape{0, 4}}},
                  .constant = true});
  rows.push_back(two("maximum", maximum, apart({3, 4}), real({1, 4})));
  rows.push_back(two("minimum", minimum, apart({3, 4}), real({1, 4})));
  rows.push_back({.name = "clamp",
                  .call = [](const Tensors& x) { return clamp(x[0], x[1], x[2]); },
                  .inputs = {apart({3, 4}), real({3, 4}, -0.65, -0.55), real({}, 0.55, 0.65)},
                  .empty = {{{{0, 4}, {1, 4}, {}}, Shape{0, 4}}}});
  rows.push_back({.name = "lerp",
                  .call = [](const Tensors& x) { return lerp(x[0], x[1], x[2]); },
                  .inputs = {real({3, 4}), real({1, 4}), real({3, 1})},
                  .empty = {{{{0, 4}, {1, 4}, {0, 1}}, Shape{0, 4}}}});
}

void add_activations(std::vector<Operation>& rows) {
  rows.push_back(two("prelu", prelu, apart({3, 4}), real({1, 4}, 0.1, 0.5)));
  rows.push_back(one("elu", [](In z) { return elu(z); }, apart({3, 4}), {{inf, -1}}));
  rows.push_back(one("selu", selu, apart({3, 4}), {{inf, -1.0507009873554805 * 1.6732632423543772}}));
  rows.push_back(one("gelu", gelu, real({3, 4}), {{inf, nan}}));
  rows.push_back(one("gelu_tanh", gelu_tanh, real({3, 4}), {{inf, nan}}));
  rows.push_back(one("silu", silu, real({3, 4}), {{inf, nan}}));
  rows.push_back(one("log_sigmoid", log_sigmoid, real({3, 4}), {{0, -inf}}));
  rows.push_back(one("softplus", softplus, real({3, 4}), {{inf, 0}}));
  rows.push_back(one("softsign", softsign, apart({3, 4}), {{nan, nan}}));
  rows.push_back(one("mish", mish, real({3, 4}), {{inf, nan}}));
  rows.push_back(one("hardtanh", [](In z) { return hardtanh(z, -0.65, 0.75); }, apart({3, 4}), {{0.75, -0.65}}));
}

}  // namespace

void add_math(std::vector<Operation>& rows) {
  add_functions(rows);
  add_activations(rows);
}

void add_more_reductions(std::vector<Operation>& rows) {
  rows.push_back(reduction("prod", [](In x) { return prod(x); }, {{{{0, 4}}, Shape{}}}));
  rows.push_back(reduction("prod along two axes", [](In x) { return prod(x, {0, 2}, true); }, {{{{0, 3, 4}}, Shape{1, 3, 1}}}));
  rows.push_back(reduction("min", [](In x) { return min(x); }, {{{{0, 4}}, std::nullopt}}));
  rows.push_back(reduction("min along an axis", [](In x) { return min(x, 1); }, {{{{2, 0, 4}}, std::nullopt}, {{{0, 3}}, Shape{0}}}));
  rows.push_back(reduction("argmin", [](In x) { return argmin(x, 1); }, {{{{2, 0}}, std::nullopt}, {{{0, 3}}, Shape{0}}}));
  rows.back().constant = true;
  rows.back().passes_nan = false;
  rows.push_back(reduction("var", [](In x) { return var(x); }, {}));
  rows.push_back(reduction("var along an axis", [](In x) { return var(x, 1, true, 1); }, {}));
  rows.push_back(reduction("stddev", [](In x) { return stddev(x, {0, 2}); }, {}));
  rows.push_back(reduction("norm", [](In x) { return norm(x); }, {{{{0, 4}}, Shape{}}}));
  rows.push_back(reduction("norm along an axis", [](In x) { return norm(x, -1, true); }, {{{{2, 0}}, Shape{2, 1}}}));
  rows.push_back(reduction("norm of order three", [](In x) { return norm(x, 1, false, 3); }, {}));
  rows.push_back(reduction("norm of order one", [](In x) { return norm(x, 1, false, 1); }, {}));
  rows.push_back(reduction("norm of order infinity", [](In x) { return norm(x, {}, false, inf); }, {}));
  rows.back().inputs = {real({2, 3, 4})};  // no two of one size
  rows.push_back(reduction("logsumexp", [](In x) { return logsumexp(x, 1, true); }, {{{{2, 0}}, Shape{2, 1}}, {{{0, 3}}, Shape{0, 1}}}));
  rows.push_back(along("cumsum", [](In x) { return cumsum(x, 1); }));
  rows.push_back(along("cumsum from the end", [](In x) { return cumsum(x, 0, true); }));
  rows.back().empty = {};
  rows.push_back(along("cumprod", [](In x) { return cumprod(x, -1); }));
  rows.push_back(along("cumprod from the end", [](In x) { return cumprod(x, 0, true); }));
  rows.back().empty = {};
  rows.push_back(along("shift", [](In x) { return shift(x, 1, 2, 0.5); }));
  rows.back().passes_nan = false;
  rows.push_back({.name = "recurrence",
                  .call = [](const Tensors& x) { return recurrence(x[0], x[1], 1, 0.7); },
                  .inputs = {real({3, 4}), real({3, 4})},
                  .empty = {{{{3, 0}, {3, 0}}, Shape{3, 0}}},
                  .refused = {{{3, 4}, {3, 1}}, {{}, {}}}});
  const std::pair<const char*, Tensor (*)(In, const Axes&, bool)> of_booleans[] = {{"any", any}, {"all", all}};
  for (const auto& [name, f] : of_booleans)
    rows.push_back({.name = name,
                    .call = [f = f](const Tensors& x) { return f(x[0], 1, false); },
                    .inputs = {booleans({3, 4})},
                    .empty = {{{{3, 0}}, Shape{3}}},
                    .constant = true});
}

void add_more_losses(std::vector<Operation>& rows) {
  const std::vector<Shapes> refused{{{3, 4}, {1, 4}}, {{3, 4}, {}}, {{4}, {4, 1}}};
  const auto loss = [&](std::string name, std::function<Tensor(In, In)> f, Input a, Input y) {
    rows.push_back({.name = std::move(name),
                    .call = [f](const Tensors& x) { return f(x[0], x[1]); },
                    .inputs = {std::move(a), std::move(y)},
                    .empty = {},
                    .refused = refused});
  };
  loss(
      "l1", [](In a, In y) { return l1(a, y); }, apart({3, 4}), real({3, 4}));
  loss(
      "huber", [](In a, In y) { return huber(a, y, 0.7); }, apart({3, 4}), real({3, 4}, -0.05, 0.05));
  loss(
      "hinge", [](In a, In y) { return hinge(a, sign(y)); }, apart({3, 4}), apart({3, 4}));
  rows.back().passes_nan = false;
  loss(
      "kl_divergence", [](In q, In p) { return kl_divergence(q, p); }, real({3, 4}), real({3, 4}, 0.1, 0.9));
  loss(
      "cosine", [](In a, In y) { return cosine(a, y, Reduction::sum); }, apart({3, 4}), real({3, 4}));
  const auto labelled = [&](std::string name, std::function<Tensor(In, In)> f) {
    rows.push_back({.name = std::move(name),
                    .call = [f](const Tensors& x) { return f(x[0], x[1]); },
                    .inputs = {real({3, 4}), labels_below({3}, 4)},
                    .empty = {},
                    .refused = {{{3, 4}, {4}}, {{3}, {3}}}});
  };
  labelled("nll", [](In p, In labels) { return nll(p, labels); });
  rows.back().passes_nan = false;  // only the labels' own elements are read
  labelled("cross_entropy with smoothing", [](In z, In labels) { return cross_entropy(z, labels, {.label_smoothing = 0.2}); });
  labelled("cross_entropy with an ignored label", [](In z, In labels) { return cross_entropy(z, labels, {.ignored_label = 1}); });
  rows.back().passes_nan = false;
}

void add_control(std::vector<Operation>& rows) {
  rows.push_back(one("scale_grad", [](In x) { return scale_grad(x, 1); }, real({3, 4}), {{inf, -inf}}));  // another factor is a wrong derivative, on purpose
  rows.push_back(one("hook", [](In x) { return hook(x, [](const Tensor& g) { return g; }); }, real({3, 4}), {{inf, -inf}}));
  rows.push_back({.name = "checkpoint",
                  .call = [](const Tensors& x) { return checkpoint([](In a, In b) { return tanh(a * b) + sin(a); }, x[0], x[1]); },
                  .inputs = {real({3, 4}), real({3, 4})},
                  .empty = {{{{0, 4}, {0, 4}}, Shape{0, 4}}}});
}

}  // namespace dz::test
