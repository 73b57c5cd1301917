// Values of activations and of exp, log and their like against the standard library's, known values, and what happens at the extremes.

#include <cmath>
#include <limits>
#include <vector>

#include <dz/dz.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

Tensor of(std::initializer_list<double> values, Dtype dtype) { return tensor(values, {values.size()}, dtype); }

/// The gradient of f at one point.
double slope(Tensor (*f)(In), double at, Dtype dtype = float64) {
  const Tensor x = variable(full({}, at, dtype));
  return grad(f(x), x).item();
}

/// The largest error of f against a reference computed in long double, in units of the result's last place.
template <class T, class Reference> double worst_ulp(Tensor (*f)(In), Reference reference, double low, double high) {
  Generator g(11);
  const Tensor x = uniform({10000}, low, high, dtype_of<T>, g);
  const std::vector<T> in = x.to_vector<T>(), out = f(x).to_vector<T>();
  double worst = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const long double right = reference(static_cast<long double>(in[i]));
    const T rounded = static_cast<T>(right);
    const long double ulp = std::max<long double>(std::nextafter(std::abs(rounded), std::numeric_limits<T>::infinity()) - std::abs(rounded),
                                                  std::numeric_limits<T>::denorm_min());
    worst = std::max(worst, static_cast<double>(std::abs(static_cast<long double>(out[i]) - right) / ulp));
  }
  return worst;
}

template <class Reference> void check_ulp(Tensor (*f)(In), Reference reference, double low, double high, double limit) {
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    limit_isa(isa);
    INFO("up to instruction set " << static_cast<int>(isa) << " on [" << low << ", " << high << "]");
    CHECK(worst_ulp<float>(f, reference, low, high) <= limit);
    CHECK(worst_ulp<double>(f, reference, low, high) <= limit);
  }
  limit_isa(Isa::avx512);
}

}  // namespace

TEST_CASE("activations have their known values and slopes", "[ops]") {
  for (const Dtype dtype : {float32, float64}) {
    CHECK(sigmoid(full({}, 0, dtype)).item() == 0.5);
    CHECK(sigmoid(full({}, std::log(3.0), dtype)).item() == Approx(0.75).epsilon(1e-6));
    CHECK(tanh(full({}, 0, dtype)).item() == 0);
    CHECK(tanh(full({}, std::log(2.0), dtype)).item() == Approx(0.6).epsilon(1e-6));
    CHECK(relu(of({-2, -0.0, 0, 3}, dtype)).to_vector() == std::vector<double>{0, 0, 0, 3});
    CHECK(leaky_relu(of({-2, 0, 3}, float64)).to_vector() == std::vector<double>{-0.02, 0, 3});
    CHECK(slope(sigmoid, 0, dtype) == 0.25);
    CHECK(slope(tanh, 0, dtype) == 1);
  }
}

TEST_CASE("slopes at a kink are those that the headers name", "[ops]") {
  for (const double zero : {0.0, -0.0}) {
    CHECK(slope(relu, zero) == 0);
    CHECK(slope(abs, zero) == 0);
    CHECK(slope([](In x) { return leaky_relu(x); }, zero) == 0.01);
    CHECK(slope([](In x) { return leaky_relu(x, 0.2); }, zero) == 0.2);
  }
  CHECK(slope(relu, -1) == 0);
  CHECK(slope(relu, 1) == 1);
  CHECK(slope(abs, -2) == -1);
  // The recorded derivative, which a second order takes, gives the same.
  for (auto f : {relu, abs}) {
    const Tensor x = variable(of({-1, 0, 1}, float64));
    const Tensor once = grad(sum(f(x)), x, {.create_graph = true});
    CHECK(once.to_vector() == grad(sum(f(x)), x).to_vector());
  }
}

TEST_CASE("sigmoid and tanh saturate without a NaN", "[ops]") {
  for (const Dtype dtype : {float32, float64})
    for (const double far : {100.0, 1000.0, 1e30, inf}) {
      CHECK(sigmoid(of({far, -far}, dtype)).to_vector()[0] == 1);
      CHECK(sigmoid(of({far, -far}, dtype)).to_vector()[1] < 1e-30);
      CHECK(tanh(of({far, -far}, dtype)).to_vector() == std::vector<double>{1, -1});
      CHECK(slope(sigmoid, far, dtype) == 0);
      CHECK(slope(tanh, -far, dtype) == 0);
    }
  CHECK(sigmoid(of({-50}, float64)).item() == Approx(std::exp(-50.0)).epsilon(1e-12));  // small, not 0
}

TEST_CASE("abs drops the sign of zero and keeps infinities and NaN", "[ops]") {
  const std::vector<float> y = abs(of({-0.0, 0.0, -inf, -3, std::nan("")}, float32)).to_vector<float>();
  CHECK_FALSE(std::signbit(y[0]));
  CHECK_FALSE(std::signbit(y[1]));
  CHECK(y[2] == inf);
  CHECK(y[3] == 3);
  CHECK(std::isnan(y[4]));
  CHECK(abs(labels({-5, 0, 7})).to_vector() == std::vector<double>{5, 0, 7});
}

TEST_CASE("exp, log, log1p and tanh are accurate to their last places in every instruction set", "[ops]") {
  const auto e = [](long double x) { return std::exp(x); };
  const auto l = [](long double x) { return std::log(x); };
  const auto l1 = [](long double x) { return std::log1p(x); };
  const auto th = [](long double x) { return std::tanh(x); };
  check_ulp(exp, e, -20, 20, 2);
  check_ulp(exp, e, -87, 88, 2);
  check_ulp(exp, e, -1, 1, 2);
  check_ulp(log, l, 1e-3, 10, 2);
  check_ulp(log, l, 0.9, 1.1, 2);
  check_ulp(log, l, 1, 1e30, 2);
  check_ulp(log1p, l1, -0.9, 10, 3);
  check_ulp(log1p, l1, -1e-4, 1e-4, 3);
  check_ulp(tanh, th, -10, 10, 3);
  check_ulp(tanh, th, -0.1, 0.1, 3);
}

TEST_CASE("exp and log at the ends of their range", "[ops]") {
  const auto at = [](Tensor (*f)(In), double x, Dtype dtype) { return f(full({1}, x, dtype)).item(); };
  for (const Dtype dtype : {float32, float64}) {
    CHECK(at(log, 0, dtype) == -inf);
    CHECK(at(log, -0.0, dtype) == -inf);
    CHECK(std::isnan(at(log, -1, dtype)));
    CHECK(at(log1p, -1, dtype) == -inf);
    CHECK(std::isnan(at(log1p, -2, dtype)));
    CHECK(at(exp, -inf, dtype) == 0);
    CHECK(at(exp, inf, dtype) == inf);
    CHECK(at(exp, 0, dtype) == 1);
    CHECK(at(log, 1, dtype) == 0);
  }
  CHECK(at(exp, 88.72, float32) == Approx(std::exp(88.72)).epsilon(1e-5));
  CHECK(at(exp, 88.73, float32) == inf);
  CHECK(at(exp, 709.78, float64) == Approx(std::exp(709.78)).epsilon(1e-12));
  CHECK(at(exp, 709.79, float64) == inf);
  CHECK(at(exp, -100, float32) == Approx(std::exp(-100.0)).epsilon(0.05));  // a subnormal
  CHECK(at(exp, -740, float64) == Approx(std::exp(-740.0)).epsilon(0.05));
  CHECK(at(log, 1e-42, float32) == Approx(std::log(static_cast<double>(1e-42f))).epsilon(1e-6));
  CHECK(at(log, 5e-324, float64) == Approx(std::log(5e-324)));
  // log(1 + x)·x must not overflow on the way.
  CHECK(at(log1p, 3e38, float32) == Approx(std::log(3e38)).epsilon(1e-6));
  CHECK(at(log1p, 1.7e308, float64) == Approx(std::log(1.7e308)));
  CHECK(slope(log, 0) == inf);
}

TEST_CASE("softmax and log_softmax at the extremes", "[ops]") {
  for (const Dtype dtype : {float32, float64}) {
    CHECK(softmax(tensor({1e30, -1e30, 0}, {1, 3}, dtype)).to_vector() == std::vector<double>{1, 0, 0});
    CHECK(softmax(full({1, 4}, 1e30, dtype)).to_vector() == std::vector<double>(4, 0.25));
    CHECK(softmax(full({1, 4}, -1e30, dtype)).to_vector() == std::vector<double>(4, 0.25));
    const std::vector<double> l = log_softmax(tensor({1e30, -1e30, 0}, {1, 3}, dtype)).to_vector();
    CHECK(l[0] == 0);
    CHECK(l[1] == Approx(-2e30));
    CHECK(l[2] == Approx(-1e30));
    for (double v : log_softmax(full({2, 4}, -1e30, dtype)).to_vector()) CHECK(v == Approx(-std::log(4.0)));
    for (double v : log_softmax(full({4, 2}, 1e30, dtype), 0).to_vector()) CHECK(v == Approx(-std::log(4.0)));
    CHECK(softmax(tensor({0, -inf}, {1, 2}, dtype)).to_vector() == std::vector<double>{1, 0});
    const std::vector<double> rest = softmax(tensor({std::nan(""), 1, 0, 0}, {2, 2}, dtype)).to_vector();  // a row each
    CHECK(std::isnan(rest[0]));
    CHECK(std::isnan(rest[1]));
    CHECK(rest[2] == 0.5);
  }
  CHECK(softmax(full({1, 2}, -inf)).to_vector() == std::vector<double>{0, 0});  // no mass anywhere
  // The logarithm stays exact where softmax itself is 0.
  CHECK(log_softmax(tensor({0, 200}, {1, 2})).to_vector()[0] == -200);
  const Tensor z = variable(tensor({0, 200}, {1, 2}));
  backward(sum(log_softmax(z) * tensor({1, 0}, {1, 2})));
  CHECK(z.grad().to_vector() == std::vector<double>{1, -1});
}

TEST_CASE("rows of softmax sum to 1 along any axis", "[ops]") {
  const Tensor z = normal({3, 4, 5}, 0, 3, float64);
  for (int axis = -3; axis < 3; ++axis) {
    for (double v : sum(softmax(z, axis), axis).to_vector()) CHECK(v == Approx(1).epsilon(1e-14));
    const Tensor apart = log_softmax(z, axis) - log(softmax(z, axis));
    for (double v : apart.to_vector()) CHECK(std::abs(v) < 1e-13);
  }
}
