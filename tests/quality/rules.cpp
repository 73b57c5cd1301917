#include "tests/quality/rules.hpp"

#include <algorithm>

#include <dz/tensor/kernels/kernels.hpp>

#include "tests/ops/table.hpp"

namespace dz::quality {
namespace {

double count(const Tensor& x, int axis) { return static_cast<double>(x.size(axis)); }
Tensor column(const Tensor& x) { return reshape(x, {x.size(), 1}); }
Tensor last_mean(In x) { return mean(x, -1, true); }
Tensor by_row(In x) { return rsqrt(mean(square(x), -1, true) + 1e-5); }
Tensor centred(In x) { return x - last_mean(x); }
Tensor one_of(In labels, std::int64_t n, Dtype dtype) { return Tensor(kernels::one_hot(labels.value(), n, dtype)); }

std::vector<Rule> elementwise_rules() {
  const Input z = real({3, 4}), positive = real({3, 4}, 0.4, 2), small = real({3, 4}, -0.8, 0.8);
  return {
      {"exp", {z}, F(exp(x[0])), {D(dy * y)}},
      {"log", {positive}, F(log(x[0])), {D(dy / x[0])}},
      {"tanh", {z}, F(tanh(x[0])), {D(dy * (1 - y * y))}},
      {"sigmoid", {z}, F(sigmoid(x[0])), {D(dy * y * (1 - y))}},
      {"softplus", {z}, F(softplus(x[0])), {D(dy * sigmoid(x[0]))}},
      {"square", {z}, F(square(x[0])), {D(dy * x[0] * 2)}},
      {"sqrt", {positive}, F(sqrt(x[0])), {D(dy / (y * 2))}},
      {"reciprocal", {positive}, F(reciprocal(x[0])), {D(-(dy * y * y))}},
      {"rsqrt", {positive}, F(rsqrt(x[0])), {D(dy * y * y * y * -0.5)}},
      {"sin", {z}, F(sin(x[0])), {D(dy * cos(x[0]))}},
      {"cos", {z}, F(cos(x[0])), {D(-(dy * sin(x[0])))}},
      {"atan", {z}, F(atan(x[0])), {D(dy / (square(x[0]) + 1))}},
      {"asin", {small}, F(asin(x[0])), {D(dy * rsqrt(1 - square(x[0])))}},
      {"erf", {z}, F(erf(x[0])), {D(dy * exp(-square(x[0])) * 1.1283791670955126)}},
      {"expm1", {z}, F(expm1(x[0])), {D(dy * (y + 1))}},
      {"log1p", {positive}, F(log1p(x[0])), {D(dy / (x[0] + 1))}},
      {"sinh", {z}, F(sinh(x[0])), {D(dy * cosh(x[0]))}},
      {"cosh", {z}, F(cosh(x[0])), {D(dy * sinh(x[0]))}},
      {"silu", {z}, F(silu(x[0])), {D(dy * sigmoid(x[0]) * (1 + x[0] * (1 - sigmoid(x[0]))))}},
      {"softsign", {apart({3, 4})}, F(softsign(x[0])), {D(dy / square(1 + abs(x[0])))}},
      {"cube", {z}, F(x[0] * square(x[0])), {D(dy * square(x[0]) * 3)}},
      {"relu", {apart({3, 4})}, F(relu(x[0])), {D(dy * cast(less(0, x[0]), dy.dtype()))}},
      {"add", {z, z}, F(x[0] + x[1]), {D(dy), D(dy)}},
      {"sub", {z, z}, F(x[0] - x[1]), {D(dy), D(-dy)}},
      {"mul", {z, z}, F(x[0] * x[1]), {D(dy * x[1]), D(dy * x[0])}},
      {"div", {z, positive}, F(x[0] / x[1]), {D(dy / x[1]), D(-(dy * y / x[1]))}},
      {"pow", {positive, z}, F(pow(x[0], x[1])), {D(dy * x[1] * pow(x[0], x[1] - 1)), D(dy * y * log(x[0]))}},
      {"atan2",
       {positive, positive},
       F(atan2(x[0], x[1])),
       {D(dy * x[1] / (square(x[0]) + square(x[1]))), D(-(dy * x[0] / (square(x[0]) + square(x[1]))))}},
  };
}

std::vector<Rule> matrix_rules() {
  const Input z = real({3, 3});
  return {
      {"matmul", {real({3, 4}), real({4, 2})}, F(matmul(x[0], x[1])), {D(matmul(dy, t(x[1]))), D(matmul(t(x[0]), dy))}},
      {"matmul of batches", {real({2, 3, 3}), real({2, 3, 3})}, F(matmul(x[0], x[1])), {D(matmul(dy, t(x[1]))), D(matmul(t(x[0]), dy))}},
      {"product with the transposed", {z, z}, F(matmul(x[0], t(x[1]))), {D(matmul(dy, x[1])), D(matmul(t(dy), x[0]))}},
      {"gram", {z}, F(matmul(t(x[0]), x[0])), {D(matmul(x[0], dy + t(dy)))}},
      {"linear",
       {real({3, 4}), real({2, 4}), real({2})},
       F(linear(x[0], x[1], x[2])),
       {D(matmul(dy, x[1])), D(matmul(t(dy), x[0])), D(sum(dy, 0))}},
      {"transpose", {z}, F(t(x[0])), {D(t(dy))}},
      {"inverse", {real({2, 2}, 0.5, 2)}, F(inverse(x[0] + eye(2, x[0].dtype()) * 3)), {D(-matmul(t(y), matmul(dy, t(y))))}},
      {"logdet", {real({3, 3}, -0.5, 0.5)}, F(logdet(x[0] + eye(3, x[0].dtype()) * 3)), {D(dy * t(inverse(x[0] + eye(3, dy.dtype()) * 3)))}},
      {"bilinear",
       {real({3}), z, real({3})},
       F(matmul(reshape(x[0], {1, 3}), matmul(x[1], column(x[2])))),
       {D(reshape(dy * matmul(x[1], column(x[2])), {3})), D(dy * outer(x[0], x[2])), D(reshape(dy * matmul(t(x[1]), column(x[0])), {3}))}},
      {"outer", {real({3}), real({3})}, F(outer(x[0], x[1])), {D(reshape(matmul(dy, column(x[1])), {x[0].size()})), D(reshape(matmul(t(dy), column(x[0])), {x[1].size()}))}},
      {"dot", {real({5}), real({5})}, F(dot(x[0], x[1])), {D(dy * x[1]), D(dy * x[0])}},
      {"scores", {z, z}, F(softmax(matmul(x[0], t(x[1])))),
       {D(matmul(y * (dy - sum(dy * y, -1, true)), x[1])), D(matmul(t(y * (dy - sum(dy * y, -1, true))), x[0]))}},
  };
}

std::vector<Rule> row_rules() {
  const Input z = real({3, 4});
  return {
      {"sum along an axis", {z}, F(sum(x[0], 1)), {D(column(dy) * ones_like(x[0]))}},
      {"mean along an axis", {z}, F(mean(x[0], 1)), {D(column(dy) * ones_like(x[0]) / count(x[0], 1))}},
      {"logsumexp", {z}, F(logsumexp(x[0], -1)), {D(column(dy) * exp(x[0] - column(y)))}},
      {"softmax", {z}, F(softmax(x[0])), {D(y * (dy - sum(dy * y, -1, true)))}},
      {"log_softmax", {z}, F(log_softmax(x[0])), {D(dy - exp(y) * sum(dy, -1, true))}},
      {"norm along an axis", {z}, F(norm(x[0], 1)), {D(column(dy / y) * x[0])}},
      {"var along an axis", {z}, F(var(x[0], 1)), {D(column(dy) * centred(x[0]) * (2 / count(x[0], 1)))}},
      {"rms normalised",
       {z},
       F(x[0] * by_row(x[0])),
       {D(by_row(x[0]) * dy - x[0] * by_row(x[0]) * square(by_row(x[0])) * last_mean(dy * x[0]))}},
      {"normalised",
       {z},
       F(centred(x[0]) * by_row(centred(x[0]))),
       {D(by_row(centred(x[0])) * (dy - last_mean(dy) - y * last_mean(dy * y)))}},
      {"cumsum", {z}, F(cumsum(x[0], 1)), {D(cumsum(dy, 1, true))}},
      {"shift", {z}, F(shift(x[0], 1, 1)), {D(shift(dy, 1, -1))}},
      {"difference", {z}, F(x[0] - shift(x[0], 1, 1)), {D(dy - shift(dy, 1, -1))}},
      {"scale of rows", {z, real({3, 1})}, F(x[0] * x[1]), {D(dy * x[1]), D(sum(dy * x[0], 1, true))}},
      {"scale of columns", {z, real({1, 4})}, F(x[0] * x[1]), {D(dy * x[1]), D(sum(dy * x[0], 0, true))}},
      {"bias", {z, real({4})}, F(x[0] + reshape(x[1], {1, x[1].size()})), {D(dy), D(sum(dy, 0))}},
      {"quotient by rows", {z, real({3, 1}, 0.5, 2)}, F(x[0] / x[1]), {D(dy / x[1]), D(-sum(dy * y / x[1], 1, true))}},
      {"temperature", {z, real({}, 0.5, 2)}, F(x[0] * x[1]), {D(dy * x[1]), D(sum(dy * x[0]))}},
      {"shifted rows", {z, real({3, 1})}, F(x[0] - x[1]), {D(dy), D(-sum(dy, 1, true))}},
      {"powers by columns", {real({3, 4}, 0.4, 2), real({1, 4})}, F(pow(x[0], x[1])),
       {D(dy * x[1] * pow(x[0], x[1] - 1)), D(sum(dy * y * log(x[0]), 0, true))}},
      {"outer product by broadcast", {real({3, 1}), real({1, 4})}, F(x[0] * x[1]), {D(sum(dy * x[1], 1, true)), D(sum(dy * x[0], 0, true))}},
      {"mean squared", {z, z}, F(mean_squared(x[0], x[1])),
       {D(dy * (x[0] - x[1]) * (2. / static_cast<double>(x[0].size()))), D(dy * (x[1] - x[0]) * (2. / static_cast<double>(x[0].size())))}},
      {"cross entropy", {z, labels_below({3}, 4)}, F(cross_entropy(x[0], x[1])),
       {D(dy * (softmax(x[0]) - one_of(x[1], x[0].size(1), dy.dtype())) / count(x[0], 0)), nullptr}},
      {"binary cross entropy of logits", {z, real({3, 4}, 0, 1)}, F(binary_cross_entropy_with_logits(x[0], x[1].detach(), Reduction::none)),
       {D(dy * (sigmoid(x[0]) - x[1])), D(-(dy * x[0]))}},
      {"gate", {z, z}, F(x[0] * sigmoid(x[1])), {D(dy * sigmoid(x[1])), D(dy * x[0] * sigmoid(x[1]) * (1 - sigmoid(x[1])))}},
      {"affine", {z, real({1, 4}), real({1, 4})}, F(x[0] * x[1] + x[2]), {D(dy * x[1]), D(sum(dy * x[0], 0, true)), D(sum(dy, 0, true))}},
  };
}

const Rule& named(const std::vector<Rule>& rules, const std::string& name) {
  const auto found = std::ranges::find(rules, name, &Rule::name);
  if (found == rules.end()) throw ValueError("there is no rule '" + name + "'", "quality");
  return *found;
}

}  // namespace

const std::vector<Rule>& formulas() {
  static const std::vector<Rule> all = [] {
    std::vector<Rule> rules = elementwise_rules();
    for (const auto& more : {matrix_rules(), row_rules()}) rules.insert(rules.end(), more.begin(), more.end());
    return rules;
  }();
  return all;
}
const Rule& formula(const std::string& name) { return named(formulas(), name); }

const std::vector<Rule>& rows() {
  static const std::vector<Rule> all = [] {
    std::vector<Rule> rules;
    for (const test::Operation& o : test::operations())
      if (!o.constant && !o.random && o.order == 2) rules.push_back(rule_of(o.name, o.inputs, o.call));
    return rules;
  }();
  return all;
}
const Rule& row(const std::string& name) { return named(rows(), name); }

Rule sized(Rule rule, const std::vector<Shape>& shapes) {
  for (std::size_t i = 0; i < shapes.size(); ++i) rule.inputs[i].shape = shapes[i];
  return rule;
}

}  // namespace dz::quality
