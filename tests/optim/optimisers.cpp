// Optimisers against their formulas, written out element by element, over 100 steps in float64.

#include <cmath>
#include <functional>

#include <dz/dz.hpp>
#include <dz/optim/adaptive.hpp>
#include <dz/optim/clip.hpp>
#include <dz/optim/lbfgs.hpp>
#include <dz/optim/momentum.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

using Vector = std::vector<double>;

constexpr double exact = 1e-12;

/// Steps of a layer on a real cost; beside it w moves by the formula, from the same gradients' values at its own place.
template <class Optimiser, class Formula> void follow(Optimiser optimiser, Formula formula) {
  seed(7);
  const std::int64_t m = 20;
  const Tensor X = normal({m, 6}, 0, 1, float64), Y = bernoulli({m, 3}, 0.5, float64);
  Linear layer(6, 3, initialise::xavier, float64);
  layer.bias.assign(full({3}, 0.4, float64));
  Vector w = layer.weight.to_vector(), b = layer.bias.to_vector();
  auto of_w = formula, of_b = formula;  // each with its own state
  for (int t = 0; t < 100; ++t) {
    backward(binary_cross_entropy_with_logits(layer(X), Y));
    const Vector dw = layer.weight.grad().to_vector(), db = layer.bias.grad().to_vector();
    for (std::size_t i = 0; i < w.size(); ++i) of_w(w[i], dw[i], i);
    for (std::size_t i = 0; i < b.size(); ++i) of_b(b[i], db[i], i);
    optimiser.step(layer);
    CHECK_FALSE(layer.weight.grad());  // taken
  }
  const Vector W = layer.weight.to_vector(), B = layer.bias.to_vector();
  for (std::size_t i = 0; i < w.size(); ++i) CHECK(std::abs(W[i] - w[i]) <= exact);
  for (std::size_t i = 0; i < b.size(); ++i) CHECK(std::abs(B[i] - b[i]) <= exact);
}

/// A formula with one number of state for each element.
auto with_state(std::function<void(double& w, double g, double& s)> f) {
  return [f, s = Vector(18, 0.0)](double& w, double g, std::size_t i) mutable { f(w, g, s[i]); };
}

}  // namespace

TEST_CASE("momentum is v := μ·v + dW, W := W − α·v", "[optim]") {
  follow(Momentum{.learning_rate = 0.1, .momentum = 0.9}, with_state([](double& w, double g, double& v) {
           v = 0.9 * v + g;
           w -= 0.1 * v;
         }));
}

TEST_CASE("with dampening β momentum is the courses' running mean, v := β·v + (1 − β)·dW", "[optim]") {
  follow(Momentum{.learning_rate = 0.5, .momentum = 0.8, .dampening = 0.8}, with_state([](double& w, double g, double& v) {
           v = 0.8 * v + (1 - 0.8) * g;
           w -= 0.5 * v;
         }));
}

TEST_CASE("Nesterov's momentum steps by μ·v + dW with the new v", "[optim]") {
  follow(Momentum{.learning_rate = 0.1, .momentum = 0.9, .nesterov = true}, with_state([](double& w, double g, double& v) {
           v = 0.9 * v + g;
           w -= 0.1 * (0.9 * v + g);
         }));
}

TEST_CASE("Adagrad divides by the root of the sum of all squares", "[optim]") {
  follow(Adagrad{.learning_rate = 0.3, .epsilon = 1e-6}, with_state([](double& w, double g, double& s) {
           s += g * g;
           w -= 0.3 * g / (std::sqrt(s) + 1e-6);
         }));
}

TEST_CASE("RMSProp divides by the root of the running mean of squares", "[optim]") {
  follow(RmsProp{.learning_rate = 0.02, .decay = 0.95, .epsilon = 1e-4}, with_state([](double& w, double g, double& s) {
           s = 0.95 * s + (1 - 0.95) * g * g;
           w -= 0.02 * g / (std::sqrt(s) + 1e-4);
         }));
}

TEST_CASE("a copied optimiser goes its own way, and a parameter without a gradient keeps its state", "[optim]") {
  Linear a(2, 1), b = a;
  Momentum first;
  a.weight.set_grad(ones({1, 2}));
  first.step(a);
  CHECK_FALSE(first.velocities[1]);  // the bias has none yet
  Momentum second = first;
  b.weight.set_grad(ones({1, 2}));
  second.step(b);
  CHECK(first.velocities[0].to_vector() == Vector{1, 1});
  CHECK(second.velocities[0].to_vector()[0] == Approx(1.9));
}

TEST_CASE("optimisers refuse what is wrong and change nothing", "[optim]") {
  Linear layer(2, 1);
  const Vector before = layer.weight.to_vector();
  CHECK_THROWS_AS(Momentum{}.step(layer), GraphError);
  layer.weight.set_grad(ones({1, 2}));
  CHECK_THROWS_AS((Momentum{.momentum = 1}.step(layer)), ValueError);
  CHECK_THROWS_AS((Momentum{.dampening = 1.5}.step(layer)), ValueError);
  CHECK_THROWS_AS((Adagrad{.learning_rate = -1}.step(layer)), ValueError);
  CHECK_THROWS_AS((RmsProp{.decay = 1}.step(layer)), ValueError);
  CHECK_THROWS_AS((RmsProp{.epsilon = std::nan("")}.step(layer)), ValueError);
  CHECK(layer.weight.to_vector() == before);
  CHECK(layer.weight.grad());

  Momentum used;
  used.step(layer);
  Linear other(3, 1);
  other.weight.set_grad(ones({1, 3}));
  CHECK_THROWS_WITH(used.step(other), test::Contains("'weight'") && test::Contains("(1, 3)"));
  Mlp net = mlp({2, 2, 1});
  backward(sum(net(ones({1, 2}))));
  CHECK_THROWS_AS(used.step(net), ValueError);
}

// ---- L-BFGS

namespace {

/// A matrix, row by row.
using Square = std::vector<Vector>;

Square product(const Square& a, const Square& b) {
  Square c(a.size(), Vector(b[0].size(), 0.0));
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t k = 0; k < b.size(); ++k)
      for (std::size_t j = 0; j < b[0].size(); ++j) c[i][j] += a[i][k] * b[k][j];
  return c;
}
double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// −H·g with H written out: H := VᵀHV + ρ·s·sᵀ, V = I − ρ·y·sᵀ, over the pairs (Nocedal and Wright, equation 7.16).
Vector written_out(const std::vector<Vector>& s, const std::vector<Vector>& y, const Vector& g) {
  const std::size_t n = g.size();
  const double gamma = s.empty() ? 1 : dot(s.back(), y.back()) / dot(y.back(), y.back());
  Square H(n, Vector(n, 0.0));
  for (std::size_t i = 0; i < n; ++i) H[i][i] = gamma;
  for (std::size_t k = 0; k < s.size(); ++k) {
    const double rho = 1 / dot(y[k], s[k]);
    Square V(n, Vector(n)), Vt(n, Vector(n));
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) Vt[j][i] = V[i][j] = (i == j) - rho * y[k][i] * s[k][j];
    H = product(Vt, product(H, V));
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) H[i][j] += rho * s[k][i] * s[k][j];
  }
  Vector d(n);
  for (std::size_t i = 0; i < n; ++i) d[i] = -dot(H[i], g);
  return d;
}

/// Σ 100·(x[i+1] − x[i]²)² + (1 − x[i])², of which steep descent finds the valley and not its end.
Tensor rosenbrock(const Tensor& x, std::int64_t n) {
  const Tensor terms = 100 * square(shift(x, 0, -1) - square(x)) + square(1 - x);
  return sum(where(less(arange(0, static_cast<double>(n), 1, float64), static_cast<double>(n - 1)), terms, 0));
}

struct Place {
  Parameter x;
};
BOOST_DESCRIBE_STRUCT(Place, (), (x))

}  // namespace

TEST_CASE("every L-BFGS step is along −H·g with H written out, halved until Armijo's condition holds", "[optim]") {
  const std::int64_t n = 10;
  seed(4);
  Place place{Parameter(normal({n}, 0, 1, float64))};
  const auto cost = [&] { return rosenbrock(place.x, n); };
  const auto cost_at = [&](const Vector& x) { return rosenbrock(tensor(x, {n}), n).item(); };
  Lbfgs lbfgs{.history = 5};
  std::vector<Vector> s, y;
  int halvings = 0;
  for (int t = 0; t < 100; ++t) {
    const Vector x = place.x.to_vector(), g = grad(cost(), place.x).to_vector(), d = written_out(s, y, g);
    Vector expected;
    for (double rate = 1;; rate /= 2, ++halvings) {
      expected = x;
      for (std::size_t i = 0; i < x.size(); ++i) expected[i] += rate * d[i];
      if (cost_at(expected) <= cost_at(x) + 1e-4 * rate * dot(g, d)) break;
    }
    const double before = lbfgs.step(place, cost);
    CHECK(before == cost_at(x));
    const Vector now = place.x.to_vector(), g_now = grad(cost(), place.x).to_vector();
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::abs(now[i] - expected[i]) <= exact * (1 + std::abs(expected[i])));
    Vector moved(x.size()), changed(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) moved[i] = now[i] - x[i], changed[i] = g_now[i] - g[i];
    if (dot(moved, changed) <= 1e-10 * dot(changed, changed)) continue;
    s.push_back(moved), y.push_back(changed);
    if (s.size() > 5) s.erase(s.begin()), y.erase(y.begin());
    if (cost_at(now) < 1e-20) break;  // at the minimum nothing is left but rounding
  }
  CHECK(halvings > 0);
  CHECK(cost().item() < 1e-8);
}

TEST_CASE("L-BFGS fits logistic regression in a few steps, in float32 too", "[optim]") {
  for (const Dtype dtype : {float32, float64}) {
    seed(3);
    const Tensor X = normal({50, 4}, 0, 1, dtype), Y = bernoulli({50, 1}, 0.5, dtype);
    Linear layer(4, 1, initialise::zeros, dtype);
    Lbfgs lbfgs;
    const auto cost = [&] { return binary_cross_entropy_with_logits(layer(X), Y) + l2_cost(layer, 1, 50); };
    double last = HUGE_VAL;
    for (int t = 0; t < 15; ++t) {
      const double J = lbfgs.step(layer, cost);
      CHECK(J <= last);
      last = J;
    }
    CHECK(norm(grad(cost(), layer.weight)).item() < (dtype == float32 ? 1e-4 : 1e-6));
    CHECK(std::ssize(lbfgs.moved) <= 10);
  }
}

TEST_CASE("L-BFGS leaves the parameters where no step helps, and after an error", "[optim]") {
  Place place{Parameter(tensor({1, 2}, {2}, float64))};
  int calls = 0;
  const auto rising = [&] { return sum(square(place.x)) + 10 * calls++; };  // not the same function at every call
  Lbfgs lbfgs;
  lbfgs.step(place, rising);
  CHECK(place.x.to_vector() == Vector{1, 2});
  CHECK(lbfgs.moved.empty());
  CHECK_FALSE(place.x.grad());

  const auto failing = [&, first = true]() mutable -> Tensor {
    if (!first) throw ValueError("no more");
    first = false;
    return sum(square(place.x));
  };
  CHECK_THROWS_AS(lbfgs.step(place, failing), ValueError);
  CHECK(place.x.to_vector() == Vector{1, 2});
  CHECK_THROWS_AS(lbfgs.step(place, [&] { return sum(log(place.x - 5)); }), ValueError);  // not finite
  CHECK(place.x.to_vector() == Vector{1, 2});

  lbfgs.step(place, [&] { return sum(square(place.x)); });
  CHECK(lbfgs.moved.size() == 1);
  Linear other(3, 1);
  CHECK_THROWS_AS(lbfgs.step(other, [&] { return sum(other(ones({1, 3}))); }), ValueError);
  CHECK_THROWS_AS((Lbfgs{.history = 0}.step(other, [&] { return sum(other(ones({1, 3}))); })), ValueError);
  CHECK_THROWS_AS((Lbfgs{.learning_rate = std::nan("")}.step(other, [&] { return sum(other(ones({1, 3}))); })), ValueError);
}

// ---- clipping

TEST_CASE("clipping by norm scales all gradients alike; by value each element by itself", "[optim]") {
  Linear layer(2, 1, initialise::he, float64);
  const auto put = [&] {
    layer.weight.set_grad(tensor({3, -4}, {1, 2}, float64));
    layer.bias.set_grad(tensor({12}, {1}, float64));
  };
  put();
  CHECK(gradient_norm(layer) == 13);
  CHECK(clip_norm(layer, 20) == 13);
  CHECK(layer.bias.grad().item() == 12);  // within the limit nothing changes
  CHECK(clip_norm(layer, 6.5) == 13);
  CHECK(layer.weight.grad().to_vector() == Vector{1.5, -2});
  CHECK(layer.bias.grad().item() == 6);
  clip_value(layer, 1.75);
  CHECK(layer.weight.grad().to_vector() == Vector{1.5, -1.75});
  CHECK(layer.bias.grad().item() == 1.75);

  layer.bias.set_grad(full({1}, HUGE_VAL, float64));
  CHECK(std::isinf(clip_norm(layer, 1)));
  CHECK(layer.weight.grad().to_vector() == Vector{1.5, -1.75});
  for (const double limit : {-1.0, std::nan("")}) {
    CHECK_THROWS_AS(clip_norm(layer, limit), ValueError);
    CHECK_THROWS_AS(clip_value(layer, limit), ValueError);
  }
  CHECK(gradient_norm(Linear(2, 1)) == 0);

  Linear wide(1, 1);  // a norm that float32 does not hold
  wide.weight.set_grad(full({1, 1}, 3e25));
  CHECK(gradient_norm(wide) == Approx(3e25));
}
