// Where functions have an edge: what values and gradients of every order are there, and why. What is mathematics' own infinity stays one, so that
// detect_anomalies() finds it; what is finite in the limit is finite here, too. Neighbouring elements never notice.

#include <cmath>
#include <concepts>
#include <functional>
#include <limits>
#include <utility>

#include <dz/dz.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity(), not_a_number = std::numeric_limits<double>::quiet_NaN();

/// Of one tensor; a name with overloads means the one of one tensor.
struct Function : std::function<Tensor(In)> {
  Function(Tensor (*f)(In)) : function(f) {}
  template <std::invocable<In> F> Function(F f) : function(std::move(f)) {}
};

/// f(x), f′(x), …, by reverse passes over reverse passes.
std::vector<double> orders(const Function& f, double at, int highest, Dtype dtype = float64) {
  const Tensor x = variable(full({1}, at, dtype));
  Tensor y = f(x);
  std::vector<double> all{y.item()};
  for (int i = 0; i < highest; ++i) {
    y = grad(y, x, {.create_graph = true});
    all.push_back(y.item());
    if (!y.requires_grad()) {  // a constant from here on
      all.resize(static_cast<std::size_t>(highest) + 1);
      break;
    }
  }
  return all;
}

void check_orders(const std::string& what, const Function& f, double at, const std::vector<double>& expected) {
  for (const Dtype dtype : {float32, float64}) {
    const std::vector<double> got = orders(f, at, static_cast<int>(expected.size()) - 1, dtype);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double right = dtype == float32 ? static_cast<double>(static_cast<float>(expected[i])) : expected[i];
      INFO(what << " at " << at << " in " << name(dtype) << ", order " << i << ": " << got[i] << ", expected " << right);
      if (std::isnan(right)) CHECK(std::isnan(got[i]));
      else if (std::isinf(right)) CHECK(got[i] == right);
      else CHECK(std::abs(got[i] - right) <= (dtype == float32 ? 1e-6 : 1e-14) * std::abs(right));
    }
  }
}

Function power(double p) {
  return [p](In x) { return pow(x, p); };
}

}  // namespace

TEST_CASE("poles have the values and slopes of their limits", "[ops][edges]") {
  check_orders("log", log, 0, {-inf, inf, -inf});
  check_orders("log1p", log1p, -1, {-inf, inf, -inf});
  check_orders("log2", log2, 0, {-inf, inf, -inf});
  check_orders("sqrt", sqrt, 0, {0, inf, -inf});  // the root is vertical there: PyTorch and JAX say so, too
  check_orders("rsqrt", rsqrt, 0, {inf, -inf, inf});
  check_orders("reciprocal", reciprocal, 0, {inf, -inf, inf});
  check_orders("asin", asin, 1, {std::asin(1.0), inf, inf});
  check_orders("acos", acos, 1, {0, -inf, -inf});
  check_orders("log of a negative number", log, -1, {not_a_number, -1, -1});  // 1/x and its derivatives exist where the value does not
}

TEST_CASE("whole powers at 0 are the polynomials that they are, in every order", "[ops][edges]") {
  check_orders("x^0", power(0), 0, {1, 0, 0, 0, 0});
  check_orders("x^1", power(1), 0, {0, 1, 0, 0, 0});
  check_orders("x^2", power(2), 0, {0, 0, 2, 0, 0});
  check_orders("x^3", power(3), 0, {0, 0, 0, 6, 0, 0});
  check_orders("x^3", power(3), -2, {-8, 12, -12, 6, 0, 0});
  check_orders("x^0.5", power(0.5), 0, {0, inf});
  check_orders("x^1.5", power(1.5), 0, {0, 0, inf});
  check_orders("x^-1", power(-1), 0, {inf, -inf});
  const auto in_a_formula = [](double p) -> Function {
    return [p](In x) { return elementwise("power", [p](auto x) { return pow(x, p); }, x); };
  };
  check_orders("a formula's x^1", in_a_formula(1), 0, {0, 1, 0, 0, 0});
  check_orders("a formula's x^2", in_a_formula(2), 0, {0, 0, 2, 0, 0});
}

TEST_CASE("0·ln 0 is 0 by xlogy, and NaN where it is spelled out", "[ops][edges]") {
  const Tensor x = variable(tensor({0, 0, 0, 2, 0, 2}, {6}, float64)), y = variable(tensor({0, 2, not_a_number, 2, -1, 0}, {6}, float64));
  const std::vector<double> v = xlogy(x, y).to_vector();
  const std::vector<Tensor> g = grad({sum(xlogy(x, y))}, {x, y});
  const std::vector<double> by_x = g[0].to_vector(), by_y = g[1].to_vector();
  CHECK(v[0] == 0);
  CHECK(by_x[0] == 0);  // the slope ln y is −∞ in the limit; 0 leaves the neighbours of a product alone, as in JAX and PyTorch
  CHECK(by_y[0] == 0);
  CHECK(v[1] == 0);
  CHECK(by_x[1] == std::log(2.0));
  CHECK(by_y[1] == 0);
  CHECK(std::isnan(v[2]));  // what is wrong already is not hidden
  CHECK(v[3] == 2 * std::log(2.0));
  CHECK(by_x[3] == std::log(2.0));
  CHECK(by_y[3] == 1);
  CHECK(v[4] == 0);
  CHECK(by_x[4] == 0);
  CHECK(v[5] == -inf);
  CHECK(by_x[5] == -inf);
  CHECK(by_y[5] == inf);

  const Tensor p = variable(tensor({0, 1, 0.5}, {3}, float64));  // an entropy
  CHECK(-sum(xlogy(p, p)).item() == Approx(0.5 * std::log(2.0)));
  const Tensor first = grad(sum(xlogy(p, p)), p, {.create_graph = true});
  CHECK(first.to_vector()[1] == 1);
  CHECK(first.to_vector()[0] == 0);
  const std::vector<double> second = grad(sum(first), p).to_vector();
  CHECK(second[0] == 0);
  CHECK(second[2] == Approx(2));
  CHECK(std::isnan((full({}, 0) * log(full({}, 0))).item()));
}

TEST_CASE("far out nothing overflows on the way to a finite result", "[ops][edges]") {
  check_orders("exp", exp, 1e4, {inf, inf});
  check_orders("exp", exp, -1e4, {0, 0, 0});
  for (const double far : {1e3, 1e18, 1e30}) {
    check_orders("sigmoid", sigmoid, far, {1, 0, 0});
    check_orders("sigmoid", sigmoid, -far, {0, 0, 0});
    check_orders("tanh", tanh, far, {1, 0, 0});
    check_orders("softplus", softplus, far, {far, 1, 0});
    check_orders("softplus", softplus, -far, {0, 0, 0});
    check_orders("log_sigmoid", log_sigmoid, -far, {-far, 1, 0});
    check_orders("silu", silu, far, {far, 1});
    check_orders("silu", silu, -far, {0, 0});
    check_orders("mish", mish, far, {far, 1});
    check_orders("mish", mish, -far, {0, 0});
    check_orders("gelu", gelu, far, {far, 1});
    check_orders("gelu", gelu, -far, {0, 0});
    check_orders("gelu_tanh", gelu_tanh, far, {far, 1, 0});
    check_orders("gelu_tanh", gelu_tanh, -far, {0, 0, 0});
    check_orders("elu", [](In z) { return elu(z); }, far, {far, 1, 0});
    check_orders("elu", [](In z) { return elu(z); }, -far, {-1, 0, 0});
    check_orders("selu", selu, far, {1.0507009873554805 * far, 1.0507009873554805, 0});
    check_orders("softsign", softsign, far, {far / (1 + far), 1 / ((1 + far) * (1 + far))});
    check_orders("atan", atan, far, {std::atan(far), 1 / (1 + far * far)});
  }
}

TEST_CASE("the slopes of atan2 neither overflow nor vanish on the way", "[ops][edges]") {
  for (const Dtype dtype : {float32, float64})
    for (const double size : {1e-30, 1.0, 1e30}) {
      const Tensor y = variable(full({1}, 3 * size, dtype)), x = variable(full({1}, 4 * size, dtype));
      const std::vector<Tensor> g = grad({sum(atan2(y, x))}, {y, x}, {.create_graph = true});
      INFO(size << ' ' << name(dtype));
      CHECK(g[0].item() * size == Approx(0.16));
      CHECK(g[1].item() * size == Approx(-0.12));
      if (size == 1) CHECK(grad(g[0], x).item() == Approx(-0.0112));  // ∂²/∂y∂x = (y² − x²)/(x² + y²)²
    }
  const Tensor far = variable(full({1}, inf, float64)), near = variable(full({1}, 1, float64));
  CHECK(grad(atan2(near, far), far).item() == 0);
  CHECK(grad(atan2(far, near), far).item() == 0);
}

TEST_CASE("a run of −∞ has no mass: softmax is 0 there, its logarithm −∞, and no gradient is a NaN", "[ops][edges]") {
  for (const Dtype dtype : {float32, float64}) {
    const Tensor z = variable(tensor({-inf, -inf, 1, -inf}, {2, 2}, dtype)), w = tensor({1, 2, 3, 4}, {2, 2}, dtype);
    const Tensor s = softmax(z), l = logsumexp(z, 1);
    CHECK(s.to_vector() == std::vector<double>{0, 0, 1, 0});
    CHECK(l.to_vector() == std::vector<double>{-inf, 1});
    const Tensor first = grad(sum(s * w), z, {.create_graph = true});
    CHECK(first.to_vector() == std::vector<double>{0, 0, 0, 0});
    CHECK(grad(sum(first * w), z).to_vector() == std::vector<double>{0, 0, 0, 0});
    CHECK(grad(sum(logsumexp(z, 1)), z).to_vector() == std::vector<double>{0, 0, 1, 0});
    CHECK(log_softmax(z).to_vector() == std::vector<double>{-inf, -inf, 0, -inf});
    CHECK(grad(sum(log_softmax(z) * tensor({0, 0, 1, 0}, {2, 2}, dtype)), z).to_vector()[2] == 0);
  }
}

TEST_CASE("an axis of one element", "[ops][edges]") {
  const Tensor x = variable(tensor({3, -2}, {2, 1}, float64));
  const auto slopes = [&](const Tensor& y) { return grad(sum(y), x).to_vector(); };
  using Values = std::vector<double>;
  CHECK(softmax(x).to_vector() == Values{1, 1});
  CHECK(slopes(softmax(x)) == Values{0, 0});
  CHECK(log_softmax(x).to_vector() == Values{0, 0});
  CHECK(slopes(log_softmax(x)) == Values{0, 0});
  CHECK(logsumexp(x).to_vector() == Values{3, -2});
  CHECK(slopes(logsumexp(x)) == Values{1, 1});
  CHECK(max(x, 1).to_vector() == Values{3, -2});
  CHECK(slopes(max(x, 1)) == Values{1, 1});
  CHECK(argmax(x, 1).to_vector() == Values{0, 0});
  CHECK(prod(x, 1).to_vector() == Values{3, -2});
  CHECK(slopes(prod(x, 1)) == Values{1, 1});
  CHECK(cumsum(x, 1).to_vector() == Values{3, -2});
  CHECK(cumprod(x, 1).to_vector() == Values{3, -2});
  CHECK(slopes(cumprod(x, 1)) == Values{1, 1});
  CHECK(var(x, 1).to_vector() == Values{0, 0});
  CHECK(slopes(var(x, 1)) == Values{0, 0});
  CHECK(stddev(x, 1).to_vector() == Values{0, 0});
  CHECK(slopes(stddev(x, 1)) == Values{0, 0});  // the limit from everywhere is between −1 and 1: no direction is better than another
  CHECK(norm(x, 1).to_vector() == Values{3, 2});
  CHECK(slopes(norm(x, 1)) == Values{1, -1});
  CHECK(slopes(layer_norm(x, ones({1}, float64), zeros({1}, float64))) == Values{0, 0});
  CHECK(cross_entropy(x, labels({0, 0})).item() == 0);  // one class: nothing to learn
  CHECK(slopes(cross_entropy(x, labels({0, 0}))) == Values{0, 0});
}

TEST_CASE("empty tensors: sums are 0, products 1, gradients empty", "[ops][edges]") {
  const Tensor x = variable(zeros({0, 3}, float64));
  CHECK(prod(x, 0).to_vector() == std::vector<double>(3, 1));
  CHECK(norm(x, 0).to_vector() == std::vector<double>(3, 0));
  CHECK(logsumexp(x, 0).to_vector() == std::vector<double>(3, -inf));
  CHECK(all(less(x, 0)).item<bool>());
  CHECK_FALSE(any(less(x, 0)).item<bool>());
  for (const Tensor& y : {sum(exp(x)), sum(prod(x, 0)), sum(norm(x, 0)), sum(softmax(x)), sum(cumsum(x, 0)), sum(xlogy(x, x)), sum(matmul(t(x), x))})
    CHECK(grad(y, x).shape() == Shape{0, 3});
}

TEST_CASE("norms at 0 are flat, and products of zeros have their gradient", "[ops][edges]") {
  const Tensor x = variable(zeros({3}, float64));
  for (const double p : {1.0, 2.0, 3.0}) CHECK(grad(norm(x, 0, false, p), x).to_vector() == std::vector<double>{0, 0, 0});
  const Tensor f = variable(tensor({0, 2, 3}, {3}, float64));
  CHECK(grad(prod(f), f).to_vector() == std::vector<double>{6, 0, 0});
  const Tensor g = variable(tensor({0, 0, 3}, {3}, float64));
  const Tensor first = grad(prod(g), g, {.create_graph = true});
  CHECK(first.to_vector() == std::vector<double>{0, 0, 0});
  CHECK(grad(sum(first), g).to_vector() == std::vector<double>{3, 3, 0});  // ∂²/∂a∂b of a·b·c
}
