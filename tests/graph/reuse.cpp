// An elementwise operation writes over what it was given where nobody else can see it, and over nothing else.

#include <cmath>

#include <dz/dz.hpp>

#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::test;

namespace {
Tensor rectified(In z) {
  return elementwise("rectified", [](auto z) { return max(z, 0); }, std::move(z));
}
}  // namespace

TEST_CASE("a temporary's memory takes the result, unless somebody holds it", "[graph]") {
  for (const std::int64_t n : {1, 40, 100000}) {
    Tensor alone = full({n}, -2);
    const std::byte* const place = alone.value().bytes();
    const Tensor y = rectified(std::move(alone));
    CHECK(y.value().bytes() == place);
    CHECK(sum(y).item() == 0);

    Tensor shared = full({n}, -2);
    const Tensor holder = shared;
    CHECK(rectified(std::move(shared)).value().bytes() != holder.value().bytes());
    CHECK(sum(holder).item() == -2.0 * static_cast<double>(n));

    Tensor seen = full({n}, -2);
    const Array view = seen.value().reshape({1, n});
    rectified(std::move(seen));
    CHECK(view.to_vector<double>().front() == -2);
  }
  const Tensor named = full({3}, -2);
  rectified(named);
  CHECK(named.to_vector() == std::vector<double>{-2, -2, -2});
}

TEST_CASE("an operand of another shape or dtype is not written over", "[graph]") {
  Tensor row = full({1, 3}, 2), wide = full({2, 3}, 5);
  CHECK(elementwise("product", [](auto a, auto b) { return a * b; }, std::move(row), wide).to_vector() == std::vector<double>(6, 10));
  CHECK(wide.to_vector() == std::vector<double>(6, 5));
  Tensor number = full({}, 2);
  CHECK(elementwise("product", [](auto a, auto b) { return a * b; }, std::move(number), wide).shape() == Shape{2, 3});
}

TEST_CASE("a reverse pass leaves seeds, and cotangents that are asked for, as they are", "[graph]") {
  for (const std::int64_t n : {1, 5, 100000}) {
    const auto size = static_cast<std::size_t>(n);
    const Tensor x = variable(full({n}, 0.5, float64)), seed = full({n}, 3, float64);
    const Tensor z = tanh(x), y = tanh(z * 2.0 * z);
    const auto together = grad({y}, {x, z, y}, {.retain = true, .seeds = {seed}});
    CHECK(together[2].to_vector() == std::vector<double>(size, 3));
    CHECK(together[1].to_vector() == grad(std::vector{y}, {z}, {.retain = true, .seeds = {seed}})[0].to_vector());
    CHECK(together[0].to_vector() == grad(std::vector{y}, {x}, {.retain = true, .seeds = {seed}})[0].to_vector());
    backward(y, {.seed = seed});
    CHECK(x.grad().to_vector() == together[0].to_vector());
    CHECK(seed.to_vector() == std::vector<double>(size, 3));
  }
}

TEST_CASE("a layer with relu leaves a cotangent that is held as it is, and has the same gradients where it is not", "[graph]") {
  const Tensor x = variable(normal({40, 6})), w = variable(normal({5, 6})), b = variable(normal({5})), seed = normal({40, 5});
  const Tensor y = linear(x, w, b, relu);
  const std::vector<double> before = seed.to_vector();
  const auto held = grad({y}, {x, w, b}, {.retain = true, .seeds = {seed}});
  CHECK(seed.to_vector() == before);
  const auto alone = grad({sum(y * seed)}, {x, w, b}, {.retain = true});  // here nobody holds what arrives
  const auto asked = grad({sum(y * seed)}, {x, w, b, y});
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(alone[i].to_vector() == held[i].to_vector());
    CHECK(asked[i].to_vector() == held[i].to_vector());
  }
  CHECK(asked[3].to_vector() == before);
}

TEST_CASE("a cotangent that goes to two operands, or to a hook, is not written over", "[graph]") {
  const Tensor x = variable(tensor({0.5, -1}, {2}, float64));
  Tensor heard;
  const Tensor t = tanh(x);
  const Tensor y = hook(tanh(t) + relu(t) + t * t, [&](const Tensor& dy) {
    heard = dy;
    return dy;
  });
  backward(sum(y * y));
  const auto value = y.to_vector(), at = t.to_vector();
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(heard.to_vector()[i] == 2 * value[i]);
    const double inner = std::tanh(at[i]), by_t = 1 - inner * inner + (at[i] > 0 ? 1 : 0) + 2 * at[i];
    CHECK(x.grad().to_vector()[i] == Approx(2 * value[i] * by_t * (1 - at[i] * at[i])).epsilon(1e-14));
  }
}

TEST_CASE("a derivative that takes its cotangent over owns it where it is the last to want it", "[graph]") {
  std::vector<bool> alone;
  const auto product = [&](In a, In b) {
    const auto by = [&](const Tensor& other) {
      return [&, other](Tensor&& dy) {
        alone.push_back(dy.value().is_unique());
        return dy * other;
      };
    };
    return record("product", [](const Array& a, const Array& b) { return (Tensor(a) * Tensor(b)).value(); }, wrt(a, by(b)), wrt(b, by(a)));
  };
  const Tensor x = variable(full({2}, 3)), constant = full({2}, 4);
  backward(sum(product(x * 1.0, x) * 2.0));
  CHECK(alone == std::vector<bool>{false, true});
  CHECK(x.grad().to_vector() == std::vector<double>{12, 12});
  alone.clear();
  backward(sum(product(x, constant) * 2.0));
  CHECK(alone == std::vector<bool>{true});
}
