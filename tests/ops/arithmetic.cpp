// Arithmetic at its special points, which dtype numbers take, and what refuses to meet.

#include <cmath>
#include <limits>

#include <dz/dz.hpp>

#include "tests/ops/refusal.hpp"
#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::test;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

double slope_by_base(double x, In p) {
  const Tensor v = variable(full({}, x, float64));
  return grad(pow(v, p), v).item();
}
double slope_by_exponent(double x, double p) {
  const Tensor v = variable(full({}, p, float64));
  return grad(pow(full({}, x, float64), v), v).item();
}

}  // namespace

TEST_CASE("pow at its special points", "[ops]") {
  const auto value = [](double x, double p) { return pow(full({}, x, float64), p).item(); };
  CHECK(value(0, 0) == 1);
  CHECK(value(-2, 3) == -8);
  CHECK(value(-2, -1) == -0.5);
  CHECK(std::isnan(value(-2, 0.5)));
  CHECK(value(0, -1) == inf);
  CHECK(value(0, 2) == 0);
  CHECK(value(std::nan(""), 0) == 1);  // as IEEE 754 has it

  CHECK(slope_by_base(0, 0) == 0);
  CHECK(slope_by_base(0, 1) == 1);
  CHECK(slope_by_base(0, 2) == 0);
  CHECK(slope_by_base(0, 0.5) == inf);
  CHECK(slope_by_base(-2, 3) == 12);
  CHECK(slope_by_base(-2, 2) == -4);
  CHECK(slope_by_exponent(0, 2) == 0);  // the limit
  CHECK(slope_by_exponent(2, 3) == Approx(8 * std::log(2.0)));
  CHECK(std::isnan(slope_by_exponent(-2, 3)));  // not differentiable by the exponent

  const Tensor x = variable(full({}, 0, float64));  // higher orders at 0
  const Tensor once = grad(pow(x, 2), x, {.create_graph = true});
  const Tensor twice = grad(once, x, {.create_graph = true});
  CHECK(twice.item() == 2);
  CHECK(grad(twice, x).item() == 0);
}

TEST_CASE("pow of a number to a tensor, and of a tensor to a number, in both dtypes", "[ops]") {
  for (const Dtype dtype : {float32, float64}) {
    const Tensor x = variable(tensor({1, 3}, {2}, dtype));
    const Tensor g = grad(sum(pow(2, x)), x);
    CHECK(g.dtype() == dtype);
    CHECK(g.to_vector()[1] == Approx(8 * std::log(2.0)).epsilon(1e-6));
    CHECK(grad(sum(pow(x, 2.5)), x).to_vector()[0] == Approx(2.5).epsilon(1e-6));
  }
}

TEST_CASE("sqrt at 0 has an infinite slope", "[ops]") {
  const Tensor x = variable(tensor({0, 4}, {2}, float64));
  const Tensor y = sqrt(x);
  CHECK(y.to_vector() == std::vector<double>{0, 2});
  CHECK(grad(sum(y), x).to_vector() == std::vector<double>{inf, 0.25});
  CHECK(std::isnan(sqrt(full({}, -1)).item()));
}

TEST_CASE("division by zero follows IEEE 754", "[ops]") {
  const std::vector<double> q = (tensor({1, -1, 0}, {3}) / tensor({0, 0, 0}, {3})).to_vector();
  CHECK(q[0] == inf);
  CHECK(q[1] == -inf);
  CHECK(std::isnan(q[2]));
}

TEST_CASE("sign and comparisons", "[ops]") {
  const Tensor x = tensor({-2, -0.0, 0, 3}, {4}), y = tensor({-2, 0, 1, 2}, {4});
  CHECK(sign(x).to_vector() == std::vector<double>{-1, 0, 0, 1});
  CHECK(less(x, y).to_vector() == std::vector<double>{0, 0, 1, 0});
  CHECK(less_equal(x, y).to_vector() == std::vector<double>{1, 1, 1, 0});
  CHECK(greater(x, y).to_vector() == std::vector<double>{0, 0, 0, 1});
  CHECK(equal(x, y).to_vector() == std::vector<double>{1, 1, 0, 0});
  CHECK(equal(x, y).dtype() == boolean);
  CHECK(less(labels({1, 5}), 3).to_vector() == std::vector<double>{1, 0});
}

TEST_CASE("where takes each side's gradient from where it was taken", "[ops]") {
  const Tensor a = variable(tensor({1, 2}, {2}, float64)), b = variable(full({}, 5, float64));
  const Tensor y = where(less(a, 1.5), a, b);
  CHECK(y.to_vector() == std::vector<double>{1, 5});
  backward(sum(y));
  CHECK(a.grad().to_vector() == std::vector<double>{1, 0});
  CHECK(b.grad().item() == 1);
  // A NaN on the side that was not taken stays there, in the value and in the gradient.
  const Tensor x = variable(tensor({-1, 4}, {2}, float64));
  const Tensor safe = where(less(x, 0), 0, sqrt(where(less(x, 0), 1, x)));
  CHECK(safe.to_vector() == std::vector<double>{0, 2});
  CHECK(grad(sum(safe), x).to_vector() == std::vector<double>{0, 0.25});
}

TEST_CASE("a number takes the dtype of the tensors that it meets", "[ops]") {
  for (const Dtype dtype : {float32, float64}) {
    const Tensor x = tensor({1, 2}, {2}, dtype);
    CHECK((x + 1).dtype() == dtype);
    CHECK((1.5 - x).dtype() == dtype);
    CHECK((x * In(2) / 3 + exp(In(1))).dtype() == dtype);
    CHECK(where(less(x, 1.5), 0, x).dtype() == dtype);
    CHECK((x * where(less(x, 1.5), 0.25, 1.0)).to_vector() == std::vector<double>{0.25, 2});  // chosen among numbers
    CHECK((x * where(less(x, 1.5), 0.25, 1.0)).dtype() == dtype);
    CHECK(elementwise(
              "scale", [](auto a, auto b) { return a * b; }, x, 3)
              .dtype() == dtype);
  }
  CHECK((labels({1, 2}) + 1).dtype() == int64);
  CHECK(refusal<DtypeError>([] { labels({1, 2}) + 0.5; }) == "[add] 0.5 is no int64");
  CHECK(refusal<DtypeError>([] { labels({1, 2}) * where(less(labels({1, 2}), 2), 0.5, 1); }) == "[mul] 0.5 is no int64");
  CHECK(variable(exp(In(0))).dtype() == float32);
}

TEST_CASE("shapes of different ranks do not meet, but a scalar meets everything", "[ops]") {
  const int line = __LINE__ + 1;
  const std::string what = what_of<ShapeError>([] { add(ones({5}), ones({5, 1})); });
  CHECK(what == "[add] ranks differ: (5) and (5, 1) (only equal ranks and scalars broadcast), at arithmetic.cpp:" + std::to_string(line));
  CHECK(refusal<ShapeError>([] { ones({2, 3}) * ones({3, 2}); }) == "[mul] shapes do not broadcast: (2, 3) and (3, 2)");
  CHECK(refusal<ShapeError>([] { ones({1}) - ones({1, 1}); }).starts_with("[sub] ranks differ: (1) and (1, 1)"));
  CHECK(refusal<ShapeError>([] { less(ones({2}), ones({3})); }) == "[less] shapes do not broadcast: (2) and (3)");
  for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 0}, Shape{2, 1, 3}, Shape{1, 1, 1, 1, 1, 1, 1, 1}}) {
    CHECK((ones(shape) + full({}, 2)).shape() == shape);
    CHECK((2 / ones(shape)).shape() == shape);
  }
}

TEST_CASE("different dtypes do not meet", "[ops]") {
  const Tensor f = ones({2}), d = ones({2}, float64), i = labels({1, 2});
  CHECK(refusal<DtypeError>([&] { f + d; }) == "[add] float32 meets float64: cast one of them");
  CHECK(refusal<DtypeError>([&] { i* f; }) == "[mul] int64 meets float32: cast one of them");
  CHECK(refusal<DtypeError>([&] { where(f, f, f); }) == "[where] a condition is boolean, got float32");
  CHECK(refusal<DtypeError>([&] { exp(i); }) == "[exp] needs float32 or float64, got int64");
  CHECK(refusal<DtypeError>([&] { i / 2; }) == "[div] needs float32 or float64, got int64");
  CHECK(refusal<DtypeError>([&] { less(f, f) + less(f, f); }).starts_with("[add] needs"));
  CHECK((f + cast(d, float32)).dtype() == float32);
}

TEST_CASE("a cast's gradient comes back in the input's dtype; to integers it is a constant", "[ops]") {
  const Tensor x = variable(tensor({1.75, -2.5}, {2}));
  const Tensor y = cast(x, float64) * 3;
  CHECK(y.dtype() == float64);
  backward(sum(y));
  CHECK(x.grad().dtype() == float32);
  CHECK(x.grad().to_vector() == std::vector<double>{3, 3});
  CHECK(cast(x, int64).to_vector() == std::vector<double>{1, -2});
  CHECK_FALSE(cast(x, int64).requires_grad());
}

TEST_CASE("integers add, subtract and multiply; unsigned ones wrap", "[ops]") {
  CHECK((labels({1LL << 60, -3}) - labels({1, 4})).to_vector<std::int64_t>() == std::vector<std::int64_t>{(1LL << 60) - 1, -7});
  CHECK((-labels({3})).item<std::int64_t>() == -3);
  CHECK((tensor({250}, {1}, uint8) + tensor({10}, {1}, uint8)).item() == 4);
  CHECK(square(labels({-3})).item() == 9);
}

TEST_CASE("an error names the line of the user's call, not the library's", "[ops]") {
  const Tensor x = ones({2, 3});
  const int line = __LINE__ + 1;
  const auto wrong = [&] { return x * 2 + matmul(x, x); };
  const std::string what = what_of<ShapeError>(wrong);
  CHECK(what == "[matmul] inner sizes differ: (2, 3) x (2, 3), at arithmetic.cpp:" + std::to_string(line));
}
