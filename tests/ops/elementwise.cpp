// Operations from one lambda: its value, its derivative by packs and its recorded derivative agree, also at kinks and of NaNs.

#include <cmath>

#include <dz/calculus/catch.hpp>
#include <dz/dz.hpp>

#include "tests/ops/refusal.hpp"
#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::test;

namespace {

/// Value and gradients, of which those recorded and those not recorded have to be the same (or both NaN).
template <class F> void check_recorded_like_unrecorded(F f, std::initializer_list<double> a, std::initializer_list<double> b) {
  const Tensor x = variable(tensor(a, {a.size()}, float64)), y = variable(tensor(b, {b.size()}, float64));
  const Tensor z = f(x, y);
  const auto plain = grad({sum(z)}, {x, y}, {.retain = true}), recorded = grad({sum(z)}, {x, y}, {.create_graph = true});
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t k = 0; k < a.size(); ++k) {
      const double p = plain[i].to_vector()[k], r = recorded[i].to_vector()[k];
      INFO("input " << i << ", element " << k << ": " << p << " and " << r);
      CHECK((p == r || (std::isnan(p) && std::isnan(r))));
    }
}

}  // namespace

TEST_CASE("a user's formula has the right gradients of first and second order", "[ops][gradcheck]") {
  const auto softplus = [](In z) {
    return elementwise(
        "softplus", [](auto z) { return max(z, 0) + log1p(exp(-abs(z))); }, z);
  };
  CHECK_THAT(gradcheck(softplus, normal({3, 4})).order(2), Passes());
  const auto gelu = [](In z) {
    return elementwise(
        "gelu", [](auto z) { return z / 2 * (1 + tanh(0.7978845608 * (z + 0.044715 * z * z * z))); }, z);
  };
  CHECK_THAT(gradcheck(gelu, normal({3, 4})).order(2), Passes());
  const auto huber = [](In a, In y) {
    return elementwise(
        "huber",
        [](auto a, auto y) {
          const auto d = abs(a - y);
          return where(less(d, 1), d * d / 2, d - 0.5);
        },
        a, y);
  };
  CHECK_THAT(gradcheck(huber, normal({3, 4}), normal({3, 1})).order(2), Passes());
}

TEST_CASE("at kinks and of NaNs the recorded derivative is that of the packs", "[ops]") {
  const double nan = std::nan("");
  const auto largest = [](In a, In b) {
    return elementwise(
        "largest", [](auto a, auto b) { return max(a, b) * max(b, a); }, a, b);
  };
  const auto least = [](In a, In b) {
    return elementwise(
        "least", [](auto a, auto b) { return min(a, b) * b; }, a, b);
  };
  const auto clipped = [](In a, In b) {
    return elementwise(
        "clipped", [](auto a, auto b) { return clamp(a, -1, 1) * b; }, a, b);
  };
  const auto size = [](In a, In b) {
    return elementwise(
        "size", [](auto a, auto b) { return abs(a) * abs(b); }, a, b);
  };
  check_recorded_like_unrecorded(largest, {1, 2, 3, nan, 1, nan}, {1, 3, 2, 1, nan, nan});
  check_recorded_like_unrecorded(least, {1, 2, 3, nan, 1, nan}, {1, 3, 2, 1, nan, nan});
  check_recorded_like_unrecorded(clipped, {-1, 1, 0, nan, 5, 0}, {2, 2, 2, 2, 2, nan});
  check_recorded_like_unrecorded(size, {0, -0.0, -2, 2, nan, 1}, {3, 3, -1, 0, 1, nan});
}

TEST_CASE("max and min within a formula give a NaN for a NaN on either side, in its derivative too", "[ops]") {
  const Tensor a = tensor({std::nan(""), 1}, {2}, float64), b = tensor({1, std::nan("")}, {2}, float64);
  const Tensor c = variable(full({}, 1, float64));
  for (const bool largest : {true, false}) {
    const Tensor y = elementwise(
        "chosen", [largest](auto a, auto b, auto c) { return (largest ? max(a, b) : min(a, b)) * c; }, a, b, c);
    for (double v : y.to_vector()) CHECK(std::isnan(v));
    CHECK(std::isnan(grad(sum(y), c, {.retain = true}).item()));
    CHECK(std::isnan(grad(sum(y), c, {.create_graph = true}).item()));
  }
}

TEST_CASE("a power of 0 in a formula is flat", "[ops]") {
  const Tensor x = variable(tensor({0, 2}, {2}, float64));
  const Tensor y = elementwise(
      "one", [](auto x) { return pow(x, 0) + x; }, x);
  CHECK(grad(sum(y), x, {.retain = true}).to_vector() == std::vector<double>{1, 1});
  CHECK(grad(sum(y), x, {.create_graph = true}).to_vector() == std::vector<double>{1, 1});
}

TEST_CASE("a formula gives the same in every instruction set, layout and length", "[ops]") {
  const auto f = [](In z) {
    return elementwise(
        "mix", [](auto z) { return exp(-z * z) * sin(3 * z) + log1p(abs(z)); }, z);
  };
  for (const std::int64_t n : {1, 7, 8, 15, 16, 17, 100, 257, 1000, 40000}) {
    const Tensor x = normal({n, 2}, 0, 1, float64);
    limit_isa(Isa::avx512);
    const std::vector<double> best = f(x).to_vector();
    CHECK(f(Tensor(x.value().permute(std::vector<int>{1, 0}))).t().to_vector() == best);
    for (const Isa isa : {Isa::baseline, Isa::avx2}) {
      limit_isa(isa);
      const std::vector<double> other = f(x).to_vector();
      double worst = 0;
      for (std::size_t i = 0; i < best.size(); ++i) worst = std::max(worst, std::abs(best[i] - other[i]));
      CHECK(worst < 1e-14);
    }
    limit_isa(Isa::avx512);
  }
}

TEST_CASE("a formula's operands have to fit, and the error carries its name", "[ops]") {
  const auto f = [](In a, In b) {
    return elementwise(
        "mine", [](auto a, auto b) { return a * b; }, a, b);
  };
  CHECK(refusal<ShapeError>([&] { f(ones({2}), ones({3})); }) == "[mine] shapes do not broadcast: (2) and (3)");
  CHECK(refusal<DtypeError>([&] { f(ones({2}), ones({2}, float64)); }) == "[mine] float32 meets float64: cast one of them");
  CHECK(refusal<DtypeError>([&] { f(labels({1}), labels({2})); }) == "[mine] needs float32 or float64, got int64");
}

TEST_CASE("abs of unsigned integers is themselves", "[ops]") {
  CHECK(abs(tensor({5, 250}, {2}, uint8)).to_vector() == std::vector<double>{5, 250});
}
