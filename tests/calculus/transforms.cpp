// Transforms of functions against derivatives known by hand, against each other, and against differences.

#include <cmath>
#include <thread>

#include <dz/calculus/catch.hpp>
#include <dz/calculus/transforms.hpp>
#include <dz/dz.hpp>
#include <dz/ops/einsum.hpp>
#include <dz/ops/linear_algebra.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

Tensor number(double v) { return full({}, v, float64); }
Tensor random(const Shape& shape) { return normal(shape, 0, 1, float64); }

void check_close(const Tensor& a, const Tensor& b, double tolerance = 1e-12) {
  REQUIRE(a.shape() == b.shape());
  const std::vector<double> x = a.to_vector(), y = b.to_vector();
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::abs(x[i] - y[i]) <= tolerance * (1 + std::abs(y[i])));
}

/// A map of (3) to (2), curved in all arguments.
Tensor curve(In x) {
  return sum(tanh(reshape(x, {1, 3}) * tensor({1, 2, 3, -1, 0.5, 2}, {2, 3}, float64)) * square(reshape(x, {1, 3})), 1);
}

/// Of several tensors, scalar.
Tensor cost(In w, In b) { return sum(square(sigmoid(matmul(w, w.t()) + b))); }

template <class E, class F> std::string refusal(F f) {
  try {
    f();
  } catch (const E& e) {
    const std::string what = e.what();
    INFO(what);
    CHECK(what.find("transforms.cpp:") != std::string::npos);
    return what.substr(0, what.rfind(", at "));
  }
  FAIL_CHECK("no exception");
  return {};
}

}  // namespace

TEST_CASE("grad_of gives derivatives of any order", "[transforms]") {
  const auto f = [](In x) { return sin(2 * x); };
  const double x = 0.3;
  const auto first = grad_of(f);
  const auto second = grad_of(first);
  const auto third = grad_of(second);
  CHECK(first(number(x)).item() == Approx(2 * std::cos(2 * x)));
  CHECK(second(number(x)).item() == Approx(-4 * std::sin(2 * x)));
  CHECK(third(number(x)).item() == Approx(-8 * std::cos(2 * x)));
  CHECK(grad_of(third)(number(x)).item() == Approx(16 * std::sin(2 * x)));
  CHECK(first(x).item() == Approx(2 * std::cos(2 * x)));  // a number is a scalar
}

TEST_CASE("grad_of and value_and_grad of several tensors", "[transforms]") {
  seed(1);
  const Tensor w = random({3, 4}), b = random({1, 3});
  const auto [J, both] = value_and_grad(cost)(w, b);
  const auto [dw, db] = grad_of(cost)(w, b);
  const Tensor u = variable(w), v = variable(b);
  const Tensor expected = cost(u, v);
  backward(expected);
  CHECK(J.item() == expected.item());
  check_close(dw, u.grad());
  check_close(db, v.grad());
  check_close(both[0], dw);
  check_close(both[1], db);
  const auto [ones_gradient, nothing] = grad_of([](In x, In) { return sum(x); })(w, b);
  check_close(ones_gradient, ones_like(w));
  check_close(nothing, zeros_like(b));
  check_close(grad_of([](In) { return number(3); })(w), zeros_like(w));
  check_close(grad_of([](In x) { return x; })(number(2)), number(1));
}

TEST_CASE("a transform's results are recorded where something outside requires a gradient", "[transforms]") {
  seed(2);
  const auto f = [](In x) { return sum(x * x * x); };
  const Tensor plain = random({3}), leaf = variable(plain);
  {  // nothing outside
    const auto [y, g] = value_and_grad(f)(plain);
    CHECK_FALSE(y.requires_grad());
    CHECK_FALSE(g.requires_grad());
    CHECK(value_and_grad(f, {.create_graph = true})(plain).gradient.requires_grad());
  }
  {  // an argument
    const auto [y, g] = value_and_grad(f)(leaf);
    CHECK_FALSE(leaf.grad());
    check_close(grad(y, leaf, {.retain = true}), 3 * square(plain));
    check_close(grad(sum(g), leaf), 6 * plain);
    const auto [h, p] = vjp(f, leaf);
    check_close(grad(sum(p(ones_like(h))), leaf), 6 * plain);
  }
  {  // a captured one
    const Tensor g = grad_of([&](In x) { return sum(x * x * leaf); })(plain);
    check_close(g, 2 * plain * plain);
    check_close(grad(sum(g), leaf), 2 * plain);
  }
  {  // one of another thread, which counts its nodes anew
    Tensor other;
    std::thread([&] {
      for (int i = 0; i < 1000; ++i) (void)variable(plain);
      other = 2 * variable(plain);
    }).join();
    CHECK(grad_of([&](In x) { return sum(x * other); })(plain).requires_grad());
    Tensor there;
    std::thread([&] { there = grad_of([&](In x) { return sum(x * leaf); })(plain); }).join();
    CHECK(there.requires_grad());
  }
  {  // within one another, nothing outside
    const auto inner = [](In x) { return grad_of([&](In y) { return x * y * y; })(2.0); };
    CHECK_FALSE(grad_of(inner)(1.0).requires_grad());
    CHECK(grad_of(inner)(1.0).item() == 4);
  }
  {  // an argument that was recorded
    const Tensor inner = 2 * leaf;
    check_close(grad(sum(grad_of(f)(inner)), leaf), 6 * inner.detach() * 2);
  }
  {  // a cotangent, a tangent
    const Tensor dy = variable(number(1));
    check_close(grad(sum(vjp(f, plain).pull(dy)), dy), sum(3 * square(plain)));
    const Tensor v = variable(plain);
    check_close(grad(jvp(f, plain, v).tangent, v), 3 * square(plain));
  }
  const auto quiet = no_grad();
  const auto [y, g] = value_and_grad(f)(leaf);
  check_close(g, 3 * square(plain));
  CHECK_FALSE(y.requires_grad());
  CHECK_FALSE(g.requires_grad());
}

TEST_CASE("what a function has captured is a constant, the argument's own tensor too", "[transforms]") {
  const Tensor x = variable(number(3));
  CHECK(grad_of([&](In v) { return v * x; })(x).item() == 3);
  // d/dx (x · d/dy (x + y)) = 1, where a confusion of the two would give 2
  CHECK(grad_of([](In x) { return x * grad_of([&](In y) { return x + y; })(1.0); })(1.0).item() == 1);
  CHECK(grad_of([](In x) { return x * grad_of([&](In y) { return x * y; })(x); })(number(5)).item() == 10);
}

TEST_CASE("a transform spends no graph of the caller's", "[transforms]") {
  const Tensor w = variable(number(2)), h = w * w;
  {
    const auto quiet = no_grad();
    CHECK(grad_of([&](In v) { return v * h; })(number(3)).item() == 4);
    CHECK(jvp([&](In v) { return v * h; }, number(3), number(1)).tangent.item() == 4);
    CHECK(hvp([&](In v) { return v * v * h; }, number(3), number(1)).item() == 8);
    CHECK(jacobian([&](In v) { return v * h; }, number(3)).item() == 4);
  }
  backward(h);
  CHECK(w.grad().item() == 4);
  Linear layer(2, 1);
  const Tensor before = sum(layer(ones({1, 2})));
  (void)grad_of([&](Linear& l) { return before + sum(square(l.weight)); })(layer);
  backward(before);
}

TEST_CASE("vjp and jvp are products with the Jacobian", "[transforms]") {
  seed(3);
  const Tensor x = random({3}), v = random({3}), u = random({2});
  const Tensor J = jacobian(curve, x);
  REQUIRE(J.shape() == Shape{2, 3});
  const auto [y, pull] = vjp(curve, x);
  check_close(y, curve(x));
  check_close(pull(u), sum(reshape(u, {2, 1}) * J, 0));
  check_close(pull(2 * u), 2 * pull(u));  // as often as one likes
  const auto [z, tangent] = jvp(curve, x, v);
  check_close(z, curve(x));
  check_close(tangent, sum(reshape(v, {1, 3}) * J, 1));
  // along a straight line, by differences
  const double h = 1e-5;
  check_close(tangent, (curve(x + h * v) - curve(x - h * v)) / (2 * h), 1e-8);

  const Tensor w = random({3, 4}), b = random({1, 3}), dw = random({3, 4}), db = random({1, 3});
  const auto [gw, gb] = grad_of(cost)(w, b);
  check_close(jvp(cost, {w, b}, {dw, db}).tangent, sum(gw * dw) + sum(gb * db));
  const auto pulled = vjp(cost, w, b);
  const auto [pw, pb] = pulled.pull(number(1));
  check_close(pw, gw);
  check_close(pb, gb);
  check_close(jvp([](In) { return number(3); }, x, v).tangent, number(0));
  check_close(jvp([](In a) { return a; }, x, v).tangent, v);
}

TEST_CASE("the Jacobian by rows and by columns", "[transforms]") {
  seed(4);
  const Tensor a = random({4, 3}), x = random({3, 1});
  check_close(reshape(jacobian([&](In v) { return matmul(a, v); }, x), {4, 3}), a);
  REQUIRE(jacobian([&](In v) { return matmul(a, v); }, x).shape() == Shape{4, 1, 3, 1});
  // (30) by (2): columns
  const Tensor tall = random({30, 2}), s = random({2, 1});
  check_close(reshape(jacobian([&](In v) { return matmul(tall, v); }, s), {30, 2}), tall);
  const auto pair = jacobian([](In p, In q) { return outer(p, square(q)); }, random({2}), tensor({1, 2}, {2}, float64));
  REQUIRE(pair[1].shape() == Shape{2, 2, 2});
  const auto both = jacobian([&](In p, In q) { return matmul(tall, p) * q; }, s, number(2));
  check_close(reshape(both[0], {30, 2}), 2 * tall);
  check_close(both[1], matmul(tall, s));
  check_close(jacobian([](In v) { return v; }, zeros({0}, float64)), zeros({0, 0}, float64));
  check_close(jacobian([](In v) { return expand(v, {40}); }, number(1)), ones({40}, float64));
}

TEST_CASE("hessians known by hand", "[transforms]") {
  seed(5);
  const Tensor a = random({4, 4}), x = random({4});
  const auto quadratic = [&](In v) { return dot(v, reshape(matmul(a, reshape(v, {4, 1})), {4})); };
  check_close(hessian(quadratic, x), a + a.t());
  check_close(hvp(quadratic, x, x), reshape(matmul(a + a.t(), reshape(x, {4, 1})), {4}));
  check_close(hessian([](In v) { return sum(exp(v)); }, x), exp(diagonal_matrix(x)) * diagonal_matrix(ones_like(x)));
  const Tensor m = matmul(a, a.t()) + 3 * eye(4, float64), i = inverse(m);  // ∂² log|A| / ∂A_ij ∂A_kl = −A⁻¹_jk A⁻¹_li
  check_close(hessian([](In v) { return logdet(v); }, m), -einsum("jk,li->ijkl", i, i));
  // Rosenbrock's valley at (1, 1)
  const auto rosenbrock = [](In v) {
    const Tensor p = einsum("i,i->", v, tensor({1, 0}, {2}, float64)), q = einsum("i,i->", v, tensor({0, 1}, {2}, float64));
    return square(1 - p) + 100 * square(q - square(p));
  };
  check_close(hessian(rosenbrock, ones({2}, float64)), tensor({802, -400, -400, 200}, {2, 2}, float64));
  const Tensor w = random({2, 3}), b = random({1, 2}), dw = random({2, 3}), db = random({1, 2});
  const auto [hw, hb] = hvp(cost, {w, b}, {dw, db});
  const double h = 1e-5;
  const auto [pw, pb] = grad_of(cost)(w + h * dw, b + h * db);
  const auto [nw, nb] = grad_of(cost)(w - h * dw, b - h * db);
  check_close(hw, (pw - nw) / (2 * h), 1e-7);
  check_close(hb, (pb - nb) / (2 * h), 1e-7);
  check_close(hvp([](In v) { return sum(v); }, x, x), zeros_like(x));  // linear: nothing is left to differentiate
  check_close(hessian([](In v) { return sum(v); }, x), zeros({4, 4}, float64));
}

TEST_CASE("transforms compose with each other, and pass the gradient check", "[transforms]") {
  seed(6);
  const Tensor x = random({3}), v = random({3});
  const auto energy = [](In t) { return sum(square(curve(t))); };
  CHECK_THAT(gradcheck(grad_of(energy), x).order(2), Passes());
  CHECK_THAT(gradcheck([](In t) { return jacobian(curve, t); }, x).order(2), Passes());
  CHECK_THAT(gradcheck([](In t) { return jacobian([](In s) { return sin(expand(s, {9})); }, t); }, number(0.3)).order(2), Passes());
  CHECK_THAT(gradcheck([&](In t) { return hessian(energy, t); }, x), Passes());
  CHECK_THAT(gradcheck([&](In t, In d) { return hvp(energy, t, d); }, x, v).order(2), Passes());
  CHECK_THAT(gradcheck([&](In t, In d) { return jvp(curve, t, d).tangent; }, x, v).order(2), Passes());
  CHECK_THAT(gradcheck([&](In t, In d) { return vjp(curve, t).pull(d); }, x, random({2})).order(2), Passes());
  check_close(hessian(energy, x), jacobian(grad_of(energy), x));
  check_close(grad_of([&](In t) { return dot(grad_of(energy)(t), v); })(x), hvp(energy, x, v));
  check_close(jvp(grad_of(energy), x, v).tangent, hvp(energy, x, v));
  const Tensor second = jacobian([](In t) { return jacobian(curve, t); }, x);
  REQUIRE(second.shape() == Shape{2, 3, 3});
  check_close(second, second.t());  // the order of differentiation does not matter
}

TEST_CASE("transforms of functions of a model", "[transforms]") {
  seed(7);
  Mlp net = mlp({3, 4, 1}, tanh);
  cast_parameters(parameters(net), float64);
  const Tensor X = random({5, 3}), Y = bernoulli({5, 1}, 0.5, float64);
  const auto cost = [&](const Mlp& m) { return binary_cross_entropy_with_logits(m(X), Y); };
  const auto found = parameters(net);
  const auto [J, g] = value_and_grad(cost)(net);
  REQUIRE(g.size() == found.size());
  CHECK_FALSE(J.requires_grad());
  for (const auto& [name, p] : found) CHECK_FALSE(p->grad());
  backward(cost(net));
  for (std::size_t i = 0; i < g.size(); ++i) {
    CHECK_FALSE(g[i].requires_grad());
    check_close(g[i], found[i].parameter->grad());
    found[i].parameter->clear_grad();
  }
  const Mlp& constant = net;
  check_close(grad_of([&](Mlp& m) { return cost(m); })(constant)[0], g[0]);

  // the Hessian along v: by hvp, by differentiating the gradient's product with v within a transform, and by differences
  std::vector<Tensor> v;
  for (const auto& [name, p] : found) v.push_back(random(p->shape()));
  const std::vector<Tensor> hv = hvp(cost, net, v);
  const auto slope = [&](Mlp& m) {
    Tensor total = number(0);
    const auto inner = grad_of(cost)(m);
    for (std::size_t i = 0; i < inner.size(); ++i) total = total + sum(inner[i] * v[i]);
    return total;
  };
  const std::vector<Tensor> nested = grad_of(slope)(net);
  check_close(jvp(cost, net, v).tangent, slope(net));
  const double h = 1e-5;
  Mlp ahead = net, behind = net;
  for (std::size_t i = 0; i < v.size(); ++i) {
    parameters(ahead)[i].parameter->assign(*found[i].parameter + h * v[i]);
    parameters(behind)[i].parameter->assign(*found[i].parameter - h * v[i]);
  }
  const auto up = grad_of(cost)(ahead), down = grad_of(cost)(behind);
  for (std::size_t i = 0; i < v.size(); ++i) {
    check_close(nested[i], hv[i]);
    check_close(hv[i], (up[i] - down[i]) / (2 * h), 1e-7);
  }
  CHECK(grad_of(cost, {.create_graph = true})(net)[0].requires_grad());
  const auto [logits, pull] = vjp([&](Mlp& m) { return m(X); }, net);
  const auto rows = jacobian([&](Mlp& m) { return m(X); }, net);
  REQUIRE(rows[0].shape() == Shape{5, 1, 4, 3});
  check_close(pull(ones_like(logits))[0], sum(rows[0], {0, 1}));
}

namespace {
struct Scaled {
  Parameter scale{ones({2})}, count{zeros({}), Role::buffer};
};
BOOST_DESCRIBE_STRUCT(Scaled, (), (scale, count))
}  // namespace

TEST_CASE("a parameter that is not trained has no gradient", "[transforms]") {
  Scaled model;
  const auto g = grad_of([](Scaled& s) { return sum(s.scale * s.scale); })(model);
  REQUIRE(g.size() == 2);
  CHECK(g[0].to_vector() == std::vector<double>{2, 2});
  CHECK(static_cast<bool>(g[1]) == model.count.requires_grad());
}

TEST_CASE("transforms refuse what does not fit, with the line of the call", "[transforms]") {
  const Tensor x = ones({3}), y = ones({2});
  const auto f = [](In v) { return v * 2; };
  CHECK(refusal<ShapeError>([&] { grad_of(f)(x); }) == "[grad_of] the function gives (3), not a single element");
  CHECK(refusal<ShapeError>([&] { value_and_grad(f)(x); }) == "[value_and_grad] the function gives (3), not a single element");
  CHECK(refusal<ShapeError>([&] { hvp(f, x, x); }) == "[hvp] the function gives (3), not a single element");
  CHECK_THROWS_AS(hessian(f, x), ShapeError);
  CHECK(refusal<ShapeError>([&] { vjp(f, x).pull(y); }) == "[vjp] the cotangent is (2), what it belongs to (3)");
  CHECK(refusal<ShapeError>([&] { jvp(f, x, y); }) == "[jvp] the tangent is (2), what it belongs to (3)");
  CHECK(refusal<DtypeError>([&] { jvp(f, x, ones({3}, float64)); }) == "[jvp] the tangent is float64, what it belongs to float32");
  CHECK(refusal<DtypeError>([&] { jacobian(f, labels({1, 2})); }) == "[jacobian] argument 0 is int64: gradients are of float32 or float64");
  Linear layer(2, 1);
  CHECK(refusal<ShapeError>([&] {
          jvp([&](Linear& l) { return l(ones({1, 2})); }, layer, {ones({1, 2})});
        }) == "[jvp] 1 tangents for 2 inputs");
  CHECK(refusal<ShapeError>([&] { grad_of([](In v) { return reshape(v, {4}); })(x); }).starts_with("[reshape]"));
  CHECK(is_recording());  // after all these
  const auto before = parameters(layer)[0].parameter->to_vector();
  CHECK_THROWS_AS(grad_of([](Linear&) -> Tensor { throw ValueError("enough"); })(layer), ValueError);
  CHECK(parameters(layer)[0].parameter->to_vector() == before);
}
