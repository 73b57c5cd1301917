#include "tests/quality/mutants.hpp"

#include <dz/ops/attention.hpp>
#include <dz/ops/convolution.hpp>
#include <dz/ops/einsum.hpp>
#include <dz/tensor/kernels/kernels.hpp>

namespace dz::quality {
namespace {

using Mutants = std::vector<Mutant>;
using Spoil = std::function<Derivative(Derivative)>;

void spoil(Mutants& all, const char* mistake, Rule rule, std::size_t input, const Spoil& how, int order = 1) {
  rule.derivatives[input] = how(rule.derivatives[input]);
  all.push_back({mistake, std::move(rule), order});
}
/// A formula with another derivative by one input.
void wrong(Mutants& all, const char* mistake, const char* name, Derivative d, std::size_t input = 0, int order = 1) {
  spoil(all, mistake, formula(name), input, [&](const Derivative&) { return d; }, order);
}
/// f with the derivative of g by its first input.
void crossed(Mutants& all, const char* mistake, const char* name, const std::vector<Input>& inputs, const Forward& f, const Forward& g, std::size_t input = 0) {
  spoil(all, mistake, rule_of(name, inputs, f), input, [&](const Derivative&) { return derivative_of(g, input); });
}

Tensor column(const Tensor& x) { return reshape(x, {x.size(), 1}); }

void wrong_signs(Mutants& all) {
  const char* c = "wrong sign";
  for (const char* name : {"exp", "log", "sqrt", "atan", "erf", "log1p", "relu", "inverse", "logdet", "logsumexp", "cumsum", "norm along an axis", "cross entropy"})
    spoil(all, c, formula(name), 0, [](Derivative d) { return times(d, -1); });
  for (const char* name : {"sub", "mul", "div", "matmul", "linear", "dot", "quotient by rows", "temperature", "atan2"})
    spoil(all, c, formula(name), 1, [](Derivative d) { return times(d, -1); });
  for (const char* name : {"gelu", "conv2d", "layer_norm", "average_pool2d", "einsum", "prod", "triangular_solve"})
    spoil(all, c, row(name), 0, [](Derivative d) { return times(d, -1); });
  wrong(all, c, "tanh", D(dy * (1 + y * y)));
  wrong(all, c, "sigmoid", D(dy * y * (1 + y)));
  wrong(all, c, "softmax", D(y * (dy + sum(dy * y, -1, true))));
  wrong(all, c, "log_softmax", D(dy + exp(y) * sum(dy, -1, true)));
  wrong(all, c, "cos", D(dy * sin(x[0])));
  wrong(all, c, "difference", D(dy + shift(dy, 1, -1)));
}

void wrong_factors(Mutants& all) {
  const char* c = "wrong factor";
  double factor = 2;
  for (const char* name : {"exp", "tanh", "sin", "softplus", "rsqrt", "sinh", "softsign", "transpose", "outer", "scores", "bias", "shift"})
    spoil(all, c, formula(name), 0, [&](Derivative d) { return times(d, factor = factor > 1 ? 0.5 : factor == 0.5 ? 1.01 : 2); });
  for (const char* name : {"matmul", "mul", "pow", "scale of rows", "bilinear", "gate"})
    spoil(all, c, formula(name), 1, [](Derivative d) { return times(d, 1.001); });
  for (const char* name : {"conv1d", "attention to the past", "group_norm", "mish", "cumprod", "cholesky"})
    spoil(all, c, row(name), 0, [](Derivative d) { return times(d, 0.99); });
  wrong(all, c, "square", D(dy * x[0]));
  wrong(all, c, "cube", D(dy * x[0] * 3));
  wrong(all, c, "sqrt", D(dy / y));
  wrong(all, c, "mean along an axis", D(column(dy) * ones_like(x[0])));
  wrong(all, c, "mean along an axis", D(column(dy) * ones_like(x[0]) / static_cast<double>(x[0].size())));
  wrong(all, c, "var along an axis", D(column(dy) * (x[0] - mean(x[0], 1, true)) * (2 / static_cast<double>(x[0].size(1) - 1))));
  wrong(all, c, "mean squared", D(dy * (x[0] - x[1]) * 2));
  wrong(all, c, "div", D(-(dy * x[0] / x[1])), 1);
  wrong(all, c, "pow", D(dy * pow(x[0], x[1] - 1)));
  wrong(all, c, "erf", D(dy * exp(-square(x[0]))));
  wrong(all, c, "gram", D(matmul(x[0], dy)));
  wrong(all, c, "normalised", D(rsqrt(mean(square(x[0] - mean(x[0], -1, true)), -1, true)) * (dy - y * mean(dy * y, -1, true))));
}

void missing_transpositions(Mutants& all) {
  const char* c = "missing transposition";
  const std::vector<Shape> square{{3, 3}, {3, 3}};
  spoil(all, c, sized(formula("matmul"), square), 0, [](const Derivative&) { return D(matmul(dy, x[1])); });
  spoil(all, c, sized(formula("matmul"), square), 1, [](const Derivative&) { return D(matmul(x[0], dy)); });
  spoil(all, c, formula("matmul"), 0, [](const Derivative&) { return D(matmul(dy, reshape(x[1], {2, 4}))); });
  spoil(all, c, formula("matmul"), 1, [](const Derivative&) { return D(matmul(reshape(x[0], {4, 3}), dy)); });
  wrong(all, c, "matmul of batches", D(matmul(dy, x[1])));
  wrong(all, c, "matmul of batches", D(matmul(x[0], dy)), 1);
  wrong(all, c, "product with the transposed", D(matmul(dy, t(x[1]))));
  wrong(all, c, "product with the transposed", D(matmul(dy, x[0])), 1);
  wrong(all, c, "gram", D(matmul(x[0], dy + dy)));
  spoil(all, c, sized(formula("linear"), {{3, 3}, {3, 3}, {3}}), 0, [](const Derivative&) { return D(matmul(dy, t(x[1]))); });
  spoil(all, c, sized(formula("linear"), {{3, 3}, {3, 3}, {3}}), 1, [](const Derivative&) { return D(matmul(dy, x[0])); });
  wrong(all, c, "transpose", D(dy));
  spoil(all, c, sized(formula("transpose"), {{3, 4}}), 0, [](const Derivative&) { return D(reshape(dy, {3, 4})); });
  wrong(all, c, "inverse", D(-matmul(y, matmul(dy, y))));
  wrong(all, c, "logdet", D(dy * inverse(x[0] + eye(3, dy.dtype()) * 3)));
  wrong(all, c, "bilinear", D(dy * outer(x[2], x[0])), 1);
  wrong(all, c, "bilinear", D(reshape(dy * matmul(x[1], column(x[0])), {3})), 2);
  wrong(all, c, "outer", D(reshape(matmul(t(dy), column(x[1])), {3})));
  wrong(all, c, "scores", D(matmul(y * (dy - sum(dy * y, -1, true)), x[0])), 1);
  const Input z = real({3, 3});
  crossed(all, c, "einsum", {z, z}, F(einsum("ij,jk->ik", x[0], x[1])), F(einsum("ji,jk->ik", x[0], x[1])));
  crossed(all, c, "solve", {z, z}, F(triangular_solve(x[0] + eye(3, x[0].dtype()) * 4, x[1])),
          F(triangular_solve(t(x[0]) + eye(3, x[0].dtype()) * 4, x[1])));
  for (const auto& [name, input] : {std::pair{"linear", 1}, {"sub", 0}, {"scale of rows", 0}, {"softmax", 0}, {"cumsum", 0}})
    spoil(all, c, formula(name), static_cast<std::size_t>(input), transposed);
  for (const char* name : {"conv2d", "attention to the past", "layer_norm", "cholesky"}) spoil(all, c, row(name), 0, transposed);
}

void dropped_sums(Mutants& all) {
  const char* c = "dropped broadcast sum";
  for (const auto& [name, input, axis] : {std::tuple{"scale of rows", 1, 1}, {"scale of columns", 1, 0}, {"bias", 1, 0}, {"quotient by rows", 1, 1}, {"shifted rows", 1, 1},
                                         {"powers by columns", 1, 0}, {"outer product by broadcast", 0, 1}, {"outer product by broadcast", 1, 0}, {"affine", 1, 0},
                                         {"affine", 2, 0}, {"linear", 2, 0}, {"temperature", 1, 0}, {"temperature", 1, 1}}) {
    const auto i = static_cast<std::size_t>(input);
    spoil(all, c, formula(name), i, [&, a = axis](Derivative d) { return of_the_first(d, a); });
    spoil(all, c, formula(name), i, [&, a = axis](Derivative d) { return without_the_last(d, a); });
  }
  for (const auto& [name, input, axis] : {std::tuple{"add of a row", 1, 0}, {"sub", 1, 1}, {"div", 1, 1}, {"mul", 0, 1}, {"prelu", 1, 0}, {"layer_norm", 1, 0},
                                         {"layer_norm", 2, 0}, {"conv2d with a bias", 2, 0}, {"conv2d with a bias", 2, 1}, {"rms_norm", 1, 0}}) {
    const Rule& r = row(name);
    if (static_cast<std::size_t>(input) < r.inputs.size()) spoil(all, c, r, static_cast<std::size_t>(input), [&, a = axis](Derivative d) { return of_the_first(d, a); });
  }
  wrong(all, c, "scale of rows", D(mean(dy * x[0], 1, true)), 1);
  wrong(all, c, "bias", D(mean(dy, 0)), 1);
}

void wrong_axes(Mutants& all) {
  const char* c = "wrong axis";
  const std::vector<Input> z{real({4, 4})}, positive{real({4, 4}, 0.4, 2)}, cube{real({3, 3, 3})}, kinked{apart({4, 4})};
#define ALONG(name, inputs, f) crossed(all, c, name, inputs, F(f(x[0], 1)), F(f(x[0], 0)))
  ALONG("softmax", z, softmax);
  ALONG("log_softmax", z, log_softmax);
  ALONG("logsumexp", z, logsumexp);
  ALONG("cumsum", z, cumsum);
  ALONG("cumprod", positive, cumprod);
  ALONG("sum", z, sum);
  ALONG("mean", z, mean);
  ALONG("prod", positive, prod);
  ALONG("max", kinked, max);
  ALONG("min", kinked, min);
  ALONG("var", z, var);
  ALONG("stddev", z, stddev);
  ALONG("norm", z, norm);
#undef ALONG
#define BETWEEN(name, f) crossed(all, c, name, cube, F(f(x[0], 2)), F(f(x[0], 1)))
  BETWEEN("softmax of batches", softmax);
  BETWEEN("cumsum of batches", cumsum);
  BETWEEN("sum of batches", sum);
  BETWEEN("logsumexp of batches", logsumexp);
#undef BETWEEN
  crossed(all, c, "shift", z, F(shift(x[0], 1, 1)), F(shift(x[0], 0, 1)));
  crossed(all, c, "difference", z, F(x[0] - shift(x[0], 1, 1)), F(x[0] - shift(x[0], 0, 1)));
  crossed(all, c, "centred", z, F(x[0] - mean(x[0], 1, true)), F(x[0] - mean(x[0], 0, true)));
  crossed(all, c, "recurrence", {real({3, 3}), real({3, 3})}, F(recurrence(x[0], x[1], 1)), F(recurrence(x[0], x[1], 0)));
  crossed(all, c, "einsum", {real({3, 3, 3}), real({3})}, F(einsum("ijk,k->ij", x[0], x[1])), F(einsum("ijk,j->ik", x[0], x[1])));
  spoil(all, c, sized(formula("bias"), {{4, 4}, {4}}), 1, [](const Derivative&) { return D(sum(dy, 1)); });
  spoil(all, c, sized(formula("linear"), {{3, 4}, {3, 4}, {3}}), 2, [](const Derivative&) { return D(sum(dy, 1)); });
  spoil(all, c, sized(formula("normalised"), {{4, 4}}), 0, [](const Derivative&) {
    return D(rsqrt(var(x[0], -1, true) + 1e-5) * (dy - mean(dy, 0, true) - y * mean(dy * y, 0, true)));
  });
  spoil(all, c, sized(formula("softmax"), {{4, 4}}), 0, [](const Derivative&) { return D(y * (dy - sum(dy * y, 0, true))); });
  spoil(all, c, sized(formula("cross entropy"), {{4, 4}, {4}}), 0, [](const Derivative&) {
    return D(dy * (softmax(x[0], 0) - Tensor(kernels::one_hot(x[1].value(), 4, dy.dtype()))) / 4);
  });
}

void stale_values(Mutants& all) {
  const char* c = "stale saved value";
  const Stale ways[] = {Stale::newest, Stale::first, Stale::previous, Stale::buffer};
  std::size_t way = 0;
  for (const char* name : {"log", "square", "sin", "cos", "softplus", "atan", "erf", "silu", "cube", "mul", "div", "pow", "matmul", "linear", "gram", "scale of rows", "gate",
                           "outer", "dot", "affine"})
    for (int twice = 0; twice < 2; ++twice) all.push_back({c, stale(formula(name), ways[way++ % 4]), 1});
}

void shifted_indices(Mutants& all) {
  const char* c = "index off by one";
  for (const char* name : {"exp", "square", "mul", "softmax", "cumsum", "mean along an axis", "normalised", "matmul", "bias", "norm along an axis", "cross entropy", "gate"})
    spoil(all, c, formula(name), 0, [&](Derivative d) { return shifted(d, 1, all.size() % 2 ? 1 : -1); });
  for (const char* name : {"conv2d", "max_pool2d", "average_pool1d", "attention to the past", "max along an axis", "layer_norm"})
    spoil(all, c, row(name), 0, [](Derivative d) { return shifted(d, 0, 1); });
  wrong(all, c, "shift", D(dy));
  wrong(all, c, "shift", D(shift(dy, 1, -2)));
  wrong(all, c, "difference", D(dy - shift(dy, 1, -2)));
  wrong(all, c, "cumsum", D(cumsum(dy, 1, true) - dy));
  wrong(all, c, "cross entropy", D(dy * (softmax(x[0]) - shift(Tensor(kernels::one_hot(x[1].value(), 4, dy.dtype())), 1, 1)) / 3));
  crossed(all, c, "conv1d", {real({2, 5, 2}), real({3, 2, 3})}, F(conv1d(x[0], x[1], {.padding = 1})), F(shift(conv1d(x[0], x[1], {.padding = 1}), 1, 1)));
  crossed(all, c, "cumsum from the end", {real({3, 4})}, F(cumsum(x[0], 1, true)), F(cumsum(shift(x[0], 1, 1), 1, true)));
  crossed(all, c, "causal attention", {real({1, 4, 3}), real({1, 4, 3}), real({1, 4, 3})}, F(attention(x[0], x[1], x[2], {.causal = true})),
          F(attention(x[0], shift(x[1], 1, 1), x[2], {.causal = true})), 1);
}

void single_elements(Mutants& all) {
  const char* c = "one element of 100,000";
  std::int64_t element = 0;
  const auto add = [&](Rule r, double factor) {
    element = (element * 31 + 77'777) % 100'000;
    spoil(all, c, std::move(r), 0, [&](Derivative d) { return at_element(d, element, factor); });
  };
  for (const char* name : {"exp", "tanh", "sigmoid", "sin", "erf", "expm1", "cosh", "silu", "softsign", "atan"}) add(sized(formula(name), {{250, 400}}), element % 2 ? 0 : -1);
  for (const char* name : {"mul", "gate", "sub"}) add(sized(formula(name), {{100'000}, {100'000}}), 1.5);
  for (const char* name : {"softmax", "cumsum", "normalised", "mean along an axis"}) add(sized(formula(name), {{1000, 100}}), 0);
  add(sized(formula("dot"), {{100'000}, {100'000}}), 0);
  add(sized(formula("scale of rows"), {{100, 1000}, {100, 1}}), -1);
  add(sized(formula("linear"), {{500, 200}, {10, 200}, {10}}), 0);
}

void second_orders(Mutants& all) {
  const char* c = "second order only";
  for (const char* name : {"tanh", "sigmoid", "exp", "sin", "log", "erf", "softplus", "silu", "rsqrt", "softmax", "logsumexp", "norm along an axis", "normalised", "gram", "inverse"})
    spoil(all, c, formula(name), 0, with_constants, 2);
  for (const char* name : {"mul", "div", "pow", "matmul", "scale of rows", "outer", "gate"}) spoil(all, c, formula(name), 1, with_constants, 2);
  for (const char* name : {"square", "cube", "cos", "atan", "log_softmax", "logdet"})
    spoil(all, c, formula(name), 0, [](Derivative d) { return recorded_times(d, 1.1); }, 2);
  for (const char* name : {"layer_norm", "attention to the past", "gelu", "cumprod"}) spoil(all, c, row(name), 0, with_constants, 2);
  wrong(all, c, "tanh", D(dy * (1 - y * y.detach())), 0, 2);
  wrong(all, c, "softmax", D(y * (dy - sum(dy * y.detach(), -1, true))), 0, 2);
  wrong(all, c, "exp", D(Tensor(dy.value()) * y), 0, 2);  // the cotangent is cut off
  wrong(all, c, "mul", D(Tensor(dy.value()) * x[1]), 0, 2);
}

}  // namespace

std::vector<Mutant> wrong_derivatives() {
  Mutants all;
  wrong_signs(all);
  wrong_factors(all);
  missing_transpositions(all);
  dropped_sums(all);
  wrong_axes(all);
  stale_values(all);
  shifted_indices(all);
  single_elements(all);
  second_orders(all);
  return all;
}

}  // namespace dz::quality
