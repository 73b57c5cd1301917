// Anomaly detection, hooks that change a gradient, and scaled gradients.

#include <cmath>
#include <limits>

#include <dz/dz.hpp>

#include "tests/ops/refusal.hpp"
#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::test;

namespace {

std::string line(int number) { return ":" + std::to_string(number); }

}  // namespace

TEST_CASE("an anomaly of the forward pass is named with operation, element and line", "[graph]") {
  const Tensor x = tensor({1, 2, 0, 4}, {2, 2});
  log(x);  // unwatched, −∞ is a value like any other
  const auto watch = detect_anomalies();
  const int at = __LINE__ + 1;
  const std::string what = what_of<ValueError>([&] { log(x); });
  CHECK(what.starts_with("[log] its result is -inf at element 2 of (2, 2), at "));
  CHECK(what.ends_with("watching.cpp" + line(at)));
  CHECK_NOTHROW(log(x + 1));
}

TEST_CASE("an anomaly of the reverse pass is named as its forward, and leaves the gradients as they were", "[graph]") {
  const Tensor x = variable(tensor({1, 0}, {2}, float64)), w = variable(full({2}, 3, float64));
  backward(sum(w * 2));
  const auto watch = detect_anomalies();
  const int at = __LINE__ + 1;
  const Tensor y = sum(sqrt(x) * w);
  const std::string what = what_of<ValueError>([&] { backward(y); });
  CHECK(what.starts_with("[sqrt] its gradient by input 0 is inf at element 1 of (2), at "));
  CHECK(what.ends_with("watching.cpp" + line(at)));
  CHECK(w.grad().to_vector() == std::vector<double>{2, 2});
  CHECK_FALSE(x.grad());
}

TEST_CASE("detection ends with its guard", "[graph]") {
  {
    const auto watch = detect_anomalies();
    CHECK_THROWS_AS(log(full({1}, 0)), ValueError);
  }
  CHECK(log(full({1}, 0)).item() == -std::numeric_limits<double>::infinity());
}

TEST_CASE("scale_grad leaves the value and multiplies the gradient, of every order", "[ops]") {
  const Tensor x = variable(tensor({1, -2, 3}, {3}, float64));
  for (const double factor : {-1.0, 0.0, 0.25}) {
    const Tensor same = scale_grad(x, factor);
    CHECK(same.to_vector() == x.to_vector());
    const Tensor g = grad(sum(same * same * x), x, {.create_graph = true});  // by its ways: factor·2x² and x²
    for (std::size_t i = 0; i < 3; ++i) {
      const double v = x.to_vector()[i];
      CHECK(g.to_vector()[i] == Approx((2 * factor + 1) * v * v));
    }
    // once more: what was x on a scaled way is scaled again
    const std::vector<double> second = grad(sum(g), x).to_vector();
    for (std::size_t i = 0; i < 3; ++i) {
      const double v = x.to_vector()[i];
      CHECK(second[i] == Approx((2 * factor * factor + 4 * factor) * v));
    }
  }
}

TEST_CASE("a hook changes the gradient of what passes it, and of nothing else", "[ops]") {
  const Tensor x = variable(tensor({1, -2, 3}, {3}, float64));
  const Tensor clipped = hook(x, [](const Tensor& g) { return clamp(g, -1, 1); });
  CHECK(clipped.to_vector() == x.to_vector());
  backward(sum(clipped * tensor({5, -7, 0.5}, {3}, float64)) + sum(x * 10));
  CHECK(x.grad().to_vector() == std::vector<double>{11, 9, 10.5});
  const Tensor seen = hook(x, [](const Tensor& g) { return g * 3; });
  CHECK(grad(sum(seen * seen), x).to_vector() == std::vector<double>{6, -12, 18});
}

TEST_CASE("a hook that gives another shape, dtype or nothing is refused by name, and no gradient changes", "[ops]") {
  const Tensor x = variable(ones({3}, float64));
  const auto reversed = [&](std::function<Tensor(const Tensor&)> f) {
    return refusal<ShapeError>([&] { backward(sum(hook(x, f))); });
  };
  CHECK(reversed([](const Tensor& g) { return sum(g); }) == "[hook] the hook gives () for a gradient (3)");
  CHECK(reversed([](const Tensor&) { return Tensor(); }) == "[hook] the hook gives nothing for a gradient (3)");
  reversed([](const Tensor& g) { return cast(g, float32); });
  CHECK_FALSE(x.grad());
}
