#include "tests/ops/table.hpp"

#include <cmath>
#include <limits>
#include <set>
#include <tuple>

namespace dz::test {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();

const std::vector<Empty> keeps_empty{{{{0, 4}}, Shape{0, 4}}, {{{3, 0}}, Shape{3, 0}}, {{{0}}, Shape{0}}};
const std::vector<Empty> keeps_two_empty{
    {{{0, 4}, {0, 4}}, Shape{0, 4}}, {{{0, 4}, {1, 4}}, Shape{0, 4}}, {{{0, 1}, {1, 0}}, Shape{0, 0}}, {{{2, 0}, {}}, Shape{2, 0}}};
const std::vector<Shapes> refuses_two{{{5}, {5, 1}}, {{2, 3}, {3, 2}}, {{1}, {1, 1}}, {{2, 3}, {3}}};

}  // namespace

/// An elementwise function of one argument.
Operation one(std::string name, Tensor (*f)(In), Input input, Limits at_infinity) {
  return {.name = std::move(name),
          .call = [f](const Tensors& x) { return f(x[0]); },
          .inputs = {std::move(input)},
          .empty = keeps_empty,
          .at_infinity = at_infinity};
}

/// An elementwise function of two arguments, broadcast: (3, 4) with (1, 4) and (3, 1).
Operation two(std::string name, Tensor (*f)(In, In), Input a, Input b) {
  return {.name = std::move(name),
          .call = [f](const Tensors& x) { return f(x[0], x[1]); },
          .inputs = {std::move(a), std::move(b)},
          .empty = keeps_two_empty,
          .refused = refuses_two};
}

/// A comparison: a constant, and false of a NaN.
Operation comparison(std::string name, Tensor (*f)(In, In)) {
  Operation o = two(std::move(name), f, real({3, 4}), real({1, 4}));
  o.constant = true;
  o.passes_nan = false;
  return o;
}

/// A reduction of (2, 3, 4) over axes, and what it makes of empty inputs.
Operation reduction(std::string name, std::function<Tensor(In)> f, std::vector<Empty> empty) {
  return {
      .name = std::move(name), .call = [f](const Tensors& x) { return f(x[0]); }, .inputs = {apart({2, 3, 4})}, .empty = std::move(empty)};
}

namespace {

void add_arithmetic(std::vector<Operation>& rows) {
  rows.push_back(two("add", add, real({3, 4}), real({3, 4})));
  rows.push_back(two("add of a row", add, real({3, 4}), real({1, 4})));
  rows.push_back(two("add of a scalar", add, real({3, 4}), real({})));
  rows.push_back(two("sub", sub, real({3, 4}), real({3, 1})));
  rows.push_back(two("mul", mul, real({3, 1}), real({1, 4})));
  rows.push_back(one("scaled", [](In x) { return scaled(x, -0.7); }, real({3, 4}), {{-inf, inf}}));
  rows.push_back(two("div", div, real({3, 4}), real({3, 1}, 0.5, 2)));
  rows.push_back(one("neg", neg, real({3, 4}), {{-inf, inf}}));
  rows.push_back(two("pow", pow, real({3, 4}, 0.3, 2), real({1, 4})));
  rows.push_back(one("pow of a whole exponent", [](In x) { return pow(x, 3); }, real({3, 4}), {{inf, -inf}}));
  rows.push_back(one("pow of a base", [](In x) { return pow(2, x); }, real({3, 4}), {{inf, 0}}));
  rows.push_back(one("square", square, real({3, 4}), {{inf, inf}}));
  rows.push_back(one("sqrt", sqrt, real({3, 4}, 0.3, 2), {{inf, nan}}));
  rows.push_back(one("abs", abs, apart({3, 4}), {{inf, inf}}));
  rows.push_back(one("exp", exp, real({3, 4}), {{inf, 0}}));
  rows.push_back(one("log", log, real({3, 4}, 0.3, 2), {{inf, nan}}));
  rows.push_back(one("sign", sign, apart({3, 4}), {{1, -1}}));
  rows.back().constant = true;
  rows.push_back(comparison("less", less));
  rows.push_back(comparison("less_equal", less_equal));
  rows.push_back(comparison("greater", greater));
  rows.push_back(comparison("equal", equal));
  rows.push_back({.name = "where",
                  .call = [](const Tensors& x) { return where(x[0], x[1], x[2]); },
                  .inputs = {booleans({3, 4}), real({3, 4}), real({1, 4})},
                  .empty = {{{{0, 4}, {0, 4}, {1, 4}}, Shape{0, 4}}, {{{2, 1}, {1, 0}, {}}, Shape{2, 0}}},
                  .refused = {{{3}, {3, 1}, {3, 1}}, {{2, 3}, {3, 3}, {2, 3}}},
                  .passes_nan = false});
  rows.push_back(one("cast", [](In x) { return cast(x, float64); }, real({3, 4}), {{inf, -inf}}));
}

void add_elementwise(std::vector<Operation>& rows) {
  rows.push_back(one("sigmoid", sigmoid, real({3, 4}), {{1, 0}}));
  rows.push_back(one("tanh", tanh, real({3, 4}), {{1, -1}}));
  rows.push_back(one("relu", relu, apart({3, 4}), {{inf, 0}}));
  rows.push_back(one("leaky_relu", [](In z) { return leaky_relu(z); }, apart({3, 4}), {{inf, -inf}}));
  rows.push_back(one("leaky_relu of another slope", [](In z) { return leaky_relu(z, 0.3); }, apart({3, 4}), {{inf, -inf}}));
  rows.push_back(one("log1p", log1p, real({3, 4}, -0.5, 2), {{inf, nan}}));
  rows.push_back(one("sin", sin, real({3, 4}), {{nan, nan}}));
  rows.push_back(one("cos", cos, real({3, 4}), {{nan, nan}}));
  rows.push_back(one("elementwise",
                     [](In z) {
                       return elementwise(
                           "swish", [](auto z) { return z / (1 + exp(-z)); }, z);
                     },
                     real({3, 4}), {{inf, nan}}));
  rows.push_back(one("elementwise clamp",
                     [](In z) {
                       return elementwise(
                           "clamped", [](auto z) { return clamp(z * z * z, -0.4, 0.6); }, z);
                     },
                     apart({3, 4}), {{0.6, -0.4}}));
  rows.push_back(one("elementwise where",
                     [](In z) {
                       return elementwise(
                           "elu", [](auto z) { return where(less(z, 0), exp(z) - 1, z); }, z);
                     },
                     apart({3, 4}), {{inf, -1}}));
  rows.push_back(one(
      "elementwise functions",
      [](In z) {
        return elementwise(
            "mixed", [](auto z) { return sqrt(abs(z)) + tanh(z) * log1p(exp(sin(z))) - pow(abs(z), 1.5) / cos(z / 4); }, z);
      },
      apart({3, 4}), std::nullopt));
  rows.push_back(two(
      "elementwise max and min",
      [](In a, In b) {
        return elementwise(
            "spread", [](auto a, auto b) { return max(a, b) - min(a, b * b); }, a, b);
      },
      apart({3, 4}), real({1, 4})));
  rows.push_back({.name = "elementwise of three",
                  .call =
                      [](const Tensors& x) {
                        return elementwise(
                            "fma", [](auto a, auto b, auto c) { return a * b + c / b; }, x[0], x[1], x[2]);
                      },
                  .inputs = {real({3, 4}), real({3, 1}, 0.5, 2), real({})},
                  .empty = {{{{0, 4}, {0, 1}, {}}, Shape{0, 4}}}});
  rows.push_back({.name = "dropout",
                  .call =
                      [](const Tensors& x) {
                        const auto on = training();
                        Generator g(7);
                        return dropout(x[0], 0.6, g);
                      },
                  .inputs = {real({6, 7})},
                  .empty = keeps_empty,
                  .random = true});
  rows.push_back(one("dropout in evaluation", [](In x) { return dropout(x, 0.6); }, real({3, 4}), {{inf, -inf}}));
}

void add_shapes(std::vector<Operation>& rows) {
  rows.push_back({.name = "t",
                  .call = [](const Tensors& x) { return t(x[0]); },
                  .inputs = {real({2, 3, 4})},
                  .empty = {{{{0, 3}}, Shape{3, 0}}},
                  .refused = {{{3}}, {{}}}});
  rows.push_back({.name = "reshape",
                  .call =
                      [](const Tensors& x) {
                        return reshape(x[0], {6, -1});
                      },
                  .inputs = {real({3, 4})},
                  .empty = {{{{3, 0}}, Shape{6, 0}}},
                  .refused = {{{3, 3}}, {{}}}});
  rows.push_back({.name = "flatten",
                  .call = [](const Tensors& x) { return flatten(x[0]); },
                  .inputs = {real({2, 3, 4})},
                  .empty = {{{{0, 3, 4}}, Shape{0, 12}}, {{{2, 0, 4}}, Shape{2, 0}}, {{{0}}, Shape{0, 1}}},
                  .refused = {{{}}}});
  rows.push_back({.name = "expand",
                  .call =
                      [](const Tensors& x) {
                        return expand(x[0], {3, 4});
                      },
                  .inputs = {real({3, 1})},
                  .empty = {},
                  .refused = {{{3}}, {{2, 4}}, {{0, 4}}}});
  rows.push_back({.name = "expand of a scalar",
                  .call =
                      [](const Tensors& x) {
                        return expand(x[0], {0, 4});
                      },
                  .inputs = {real({})},
                  .empty = {{{{}}, Shape{0, 4}}, {{{1, 1}}, Shape{0, 4}}},
                  .refused = {{{3}}, {{1}}, {{2, 4}}, {{1, 3}}, {{1, 1, 1}}},
                  .passes_nan = false});
  rows.push_back({.name = "sum_to",
                  .call =
                      [](const Tensors& x) {
                        return sum_to(x[0], {3, 1});
                      },
                  .inputs = {real({3, 4})},
                  .empty = {{{{3, 0}}, Shape{3, 1}}},
                  .refused = {{{3}}, {{2, 4}}, {{3, 4, 1}}}});
}

void add_reductions(std::vector<Operation>& rows) {
  const std::vector<Empty> to_scalar{{{{0, 4}}, Shape{}}, {{{0}}, Shape{}}};
  rows.push_back(reduction(
      "sum", [](In x) { return sum(x); }, to_scalar));
  rows.push_back(reduction("sum along an axis", [](In x) { return sum(x, 1); }, {{{{2, 0, 4}}, Shape{2, 4}}, {{{0, 3}}, Shape{0}}}));
  rows.push_back(reduction("sum along two axes", [](In x) { return sum(x, {0, -1}, true); }, {{{{0, 3, 4}}, Shape{1, 3, 1}}}));
  rows.push_back(reduction(
      "mean", [](In x) { return mean(x); }, to_scalar));
  rows.push_back(
      reduction("mean along an axis", [](In x) { return mean(x, -1, true); }, {{{{2, 0}}, Shape{2, 1}}, {{{0, 4}}, Shape{0, 1}}}));
  rows.push_back(reduction("max", [](In x) { return max(x); }, {{{{0, 4}}, std::nullopt}, {{{0}}, std::nullopt}}));
  rows.push_back(reduction("max along an axis", [](In x) { return max(x, 1); }, {{{{2, 0, 4}}, std::nullopt}, {{{0, 3}}, Shape{0}}}));
  rows.push_back(reduction("max along two axes",
                           [](In x) {
                             return max(x, {0, 2}, true);
                           },
                           {{{{0, 3, 4}}, std::nullopt}, {{{2, 0, 4}}, Shape{1, 0, 1}}}));
  rows.push_back(reduction("argmax", [](In x) { return argmax(x, 1); }, {{{{2, 0}}, std::nullopt}, {{{0, 3}}, Shape{0}}}));
  rows.back().constant = true;
  rows.back().passes_nan = false;
  const std::pair<std::string, Tensor (*)(In, int)> along_an_axis[] = {{"softmax", softmax}, {"log_softmax", log_softmax}};
  for (const auto& [name, f] : along_an_axis) {
    rows.push_back({.name = name,
                    .call = [f = f](const Tensors& x) { return f(x[0], -1); },
                    .inputs = {real({3, 4})},
                    .empty = {{{{0, 4}}, Shape{0, 4}}, {{{3, 0}}, Shape{3, 0}}},
                    .refused = {{{}}}});
    rows.push_back({.name = name + " along the first axis",
                    .call = [f = f](const Tensors& x) { return f(x[0], 0); },
                    .inputs = {real({3, 2, 2})},
                    .empty = {{{{0, 4}}, Shape{0, 4}}}});
  }
}

void add_products(std::vector<Operation>& rows) {
  const auto product = [](const Tensors& x) { return matmul(x[0], x[1]); };
  rows.push_back({.name = "matmul",
                  .call = product,
                  .inputs = {real({3, 4}), real({4, 2})},
                  .empty = {{{{0, 4}, {4, 2}}, Shape{0, 2}}, {{{3, 0}, {0, 2}}, Shape{3, 2}}, {{{3, 4}, {4, 0}}, Shape{3, 0}}},
                  .refused = {{{3, 4}, {3, 4}}, {{4}, {4, 2}}, {{3, 4}, {4}}, {{1, 3, 4}, {4, 2}}, {{2, 3, 4}, {3, 4, 2}}, {{}, {}}}});
  rows.push_back(
      {.name = "matmul of batches", .call = product, .inputs = {real({2, 1, 3, 4}), real({3, 4, 2})}, .empty = {}, .refused = {}});
  rows.back().inputs[1].shape = {1, 3, 4, 2};
  rows.back().empty = {{{{0, 1, 3, 4}, {1, 3, 4, 2}}, Shape{0, 3, 3, 2}}, {{{2, 1, 3, 0}, {1, 3, 0, 2}}, Shape{2, 3, 3, 2}}};
  rows.push_back(
      {.name = "linear",
       .call = [](const Tensors& x) { return linear(x[0], x[1], x[2]); },
       .inputs = {real({3, 4}), real({2, 4}), real({2})},
       .empty = {{{{0, 4}, {2, 4}, {2}}, Shape{0, 2}}, {{{3, 0}, {2, 0}, {2}}, Shape{3, 2}}, {{{3, 4}, {0, 4}, {0}}, Shape{3, 0}}},
       .refused = {{{3, 4}, {2, 3}, {2}}, {{3, 4}, {2, 4}, {3}}, {{3, 4}, {2, 4}, {1, 2}}, {{4}, {2, 4}, {2}}}});
  rows.push_back(rows.back());
  rows.back().name = "linear_relu";
  rows.back().call = [](const Tensors& x) { return linear(x[0], x[1], x[2], relu); };
  rows.push_back({.name = "linear of tokens",
                  .call = [](const Tensors& x) { return linear(x[0], x[1], x[2]); },
                  .inputs = {real({2, 3, 4}), real({2, 4}), real({2})},
                  .empty = {{{{0, 3, 4}, {2, 4}, {2}}, Shape{0, 3, 2}}, {{{2, 3, 0}, {2, 0}, {2}}, Shape{2, 3, 2}}},
                  .refused = {{{2, 3, 4}, {2, 3}, {2}}, {{2, 3, 4}, {2, 4}, {3}}, {{2, 3, 4}, {}, {2}}}});
}

using Loss = Tensor (*)(In, In, Reduction);

/// A loss of predictions and targets of one shape: its mean, its sum and itself.
void add_loss(std::vector<Operation>& rows, const std::string& name, Loss f, const Input& a, const Input& y) {
  const std::vector<Shapes> refused{{{3, 4}, {1, 4}}, {{3, 4}, {}}, {{4}, {4, 1}}};
  rows.push_back({.name = name,
                  .call = [f](const Tensors& x) { return f(x[0], x[1], Reduction::mean); },
                  .inputs = {a, y},
                  .empty = {{{{0, 1}, {0, 1}}, std::nullopt}},
                  .refused = refused});
  rows.push_back({.name = name + " as a sum",
                  .call = [f](const Tensors& x) { return f(x[0], x[1], Reduction::sum); },
                  .inputs = {a, y},
                  .empty = {{{{0, 1}, {0, 1}}, Shape{}}},
                  .refused = refused});
  rows.push_back({.name = name + " of each",
                  .call = [f](const Tensors& x) { return f(x[0], x[1], Reduction::none); },
                  .inputs = {a, y},
                  .empty = {{{{0, 1}, {0, 1}}, Shape{0, 1}}},
                  .refused = refused});
}

void add_losses(std::vector<Operation>& rows) {
  add_loss(rows, "binary_cross_entropy", binary_cross_entropy, real({3, 4}, 0.1, 0.9), real({3, 4}, 0.1, 0.9));
  add_loss(rows, "binary_cross_entropy_with_logits", binary_cross_entropy_with_logits, apart({3, 4}), real({3, 4}, 0.1, 0.9));
  add_loss(rows, "mean_squared", mean_squared, real({3, 4}), real({3, 4}));
  const std::tuple<std::string, Reduction, Empty> reductions[] = {{"cross_entropy", Reduction::mean, {{{0, 4}, {0}}, std::nullopt}},
                                                                  {"cross_entropy as a sum", Reduction::sum, {{{0, 4}, {0}}, Shape{}}},
                                                                  {"cross_entropy of each", Reduction::none, {{{0, 4}, {0}}, Shape{0}}}};
  for (const auto& [name, reduction, empty] : reductions)
    rows.push_back({.name = name,
                    .call = [reduction = reduction](const Tensors& x) { return cross_entropy(x[0], x[1], reduction); },
                    .inputs = {real({3, 4}), labels_below({3}, 4)},
                    .empty = {empty},
                    .refused = {{{3, 4}, {3, 1}}, {{3, 4}, {4}}, {{3}, {3}}, {{3, 4}, {}}}});
  rows.push_back({.name = "squared_frobenius_norm",
                  .call = [](const Tensors& x) { return squared_frobenius_norm(x[0]); },
                  .inputs = {real({3, 4})},
                  .empty = {{{{0, 4}}, Shape{}}}});
}

}  // namespace

std::vector<Operation> operations() {
  std::vector<Operation> rows;
  add_arithmetic(rows);
  add_elementwise(rows);
  add_shapes(rows);
  add_reductions(rows);
  add_products(rows);
  add_losses(rows);
  add_math(rows);
  add_more_reductions(rows);
  add_more_losses(rows);
  add_control(rows);
  add_linear_algebra(rows);
  add_layers(rows);
  add_shapes_and_indices(rows);
  const std::set<std::string> products{"matmul", "linear", "linear_relu", "outer", "dot", "einsum", "conv2d", "conv2d_relu", "conv1d", "attention"};
  for (Operation& o : rows) o.product = products.contains(o.function());
  for (Operation& o : rows) o.place = R"((table|rows_\w+)\.cpp:\d+)";
  return rows;
}

}  // namespace dz::test
