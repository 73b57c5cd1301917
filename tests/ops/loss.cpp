// Losses: known values, extremes, and what they refuse.

#include <cmath>
#include <limits>

#include <dz/dz.hpp>

#include "tests/ops/refusal.hpp"
#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::test;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

Tensor column(std::initializer_list<double> values, Dtype dtype) { return tensor(values, {values.size(), 1}, dtype); }

/// The gradient of the sum of a loss by its predictions.
std::vector<double> slopes(Tensor (*loss)(In, In, Reduction), const Tensor& a, const Tensor& y) {
  const Tensor v = variable(a);
  return grad(loss(v, y, Reduction::sum), v).to_vector();
}

}  // namespace

TEST_CASE("binary cross-entropy of probabilities: the notes' values", "[ops]") {
  const Tensor a = column({0.5, 0.9, 0.2}, float64), y = column({1, 1, 0}, float64);
  const double expected[] = {std::log(2.0), -std::log(0.9), -std::log(0.8)};
  const std::vector<double> each = binary_cross_entropy(a, y, Reduction::none).to_vector();
  for (std::size_t i = 0; i < 3; ++i) CHECK(each[i] == Approx(expected[i]).epsilon(1e-14));
  CHECK(binary_cross_entropy(a, y).item() == Approx((expected[0] + expected[1] + expected[2]) / 3));
  CHECK(binary_cross_entropy(a, y, Reduction::sum).item() == Approx(expected[0] + expected[1] + expected[2]));
  const std::vector<double> g = slopes(binary_cross_entropy, a, y);
  CHECK(g[0] == Approx(-2));
  CHECK(g[1] == Approx(-1 / 0.9));
  CHECK(g[2] == Approx(1 / 0.8));
}

TEST_CASE("binary cross-entropy of probabilities is finite at 0 and 1, and so is its gradient", "[ops]") {
  for (const Dtype dtype : {float32, float64}) {
    const Tensor a = column({0, 0, 1, 1}, dtype), y = column({0, 1, 0, 1}, dtype);
    const std::vector<double> each = binary_cross_entropy(a, y, Reduction::none).to_vector();
    CHECK(each[0] == 0);
    CHECK(each[1] == Approx(-std::log(1e-12)).epsilon(1e-6));
    CHECK(each[2] == Approx(-std::log(1e-12)).epsilon(1e-6));
    CHECK(each[3] == 0);
    const std::vector<double> g = slopes(binary_cross_entropy, a, y);
    CHECK(g[0] == 1);  // (1 − y)/(1 − a)
    CHECK(g[1] == Approx(-1e12).epsilon(1e-6));
    CHECK(g[2] == Approx(1e12).epsilon(1e-6));
    CHECK(g[3] == -1);
  }
}

TEST_CASE("binary cross-entropy of logits: known values and its gradient a − y", "[ops]") {
  const Tensor z = column({0, 2, -3}, float64), y = column({1, 0, 0.25}, float64);
  const std::vector<double> each = binary_cross_entropy_with_logits(z, y, Reduction::none).to_vector();
  const std::vector<double> by_probability = binary_cross_entropy(sigmoid(z), y, Reduction::none).to_vector();
  for (std::size_t i = 0; i < 3; ++i) CHECK(each[i] == Approx(by_probability[i]).epsilon(1e-13));
  const std::vector<double> g = slopes(binary_cross_entropy_with_logits, z, y), expected = (sigmoid(z) - y).to_vector();
  for (std::size_t i = 0; i < 3; ++i) CHECK(g[i] == Approx(expected[i]).epsilon(1e-14));
}

TEST_CASE("binary cross-entropy of logits is exact far out", "[ops]") {
  for (const Dtype dtype : {float32, float64})
    for (const double far : {1000.0, 1e30}) {
      const Tensor z = column({far, far, -far, -far}, dtype), y = column({1, 0, 1, 0}, dtype);
      const std::vector<double> each = binary_cross_entropy_with_logits(z, y, Reduction::none).to_vector();
      CHECK(each[0] == 0);
      CHECK(each[1] == Approx(far));
      CHECK(each[2] == Approx(far));
      CHECK(each[3] == 0);
      CHECK(slopes(binary_cross_entropy_with_logits, z, y) == std::vector<double>{0, 1, -1, 0});
    }
  // Where sigmoid(z) is 1 to the last place, the loss is still e^−z.
  CHECK(binary_cross_entropy_with_logits(column({50}, float64), column({1}, float64)).item() == Approx(std::exp(-50.0)).epsilon(1e-12));
}

TEST_CASE("cross-entropy: known values and its gradient softmax − one-hot", "[ops]") {
  const Tensor z = tensor({0, 0, 0, 0, 1, 2, 3, 4}, {2, 4}, float64), y = labels({2, 0});
  const std::vector<double> each = cross_entropy(z, y, Reduction::none).to_vector();
  CHECK(each[0] == Approx(std::log(4.0)));
  CHECK(each[1] == Approx(std::log(std::exp(0.0) + std::exp(1.0) + std::exp(2.0) + std::exp(3.0))));
  const Tensor v = variable(z);
  backward(cross_entropy(v, y));
  std::vector<double> expected = softmax(z).to_vector();
  expected[2] -= 1;
  expected[4] -= 1;
  for (std::size_t i = 0; i < 8; ++i) CHECK(v.grad().to_vector()[i] == Approx(expected[i] / 2).margin(1e-15));
}

TEST_CASE("cross-entropy at the extremes", "[ops]") {
  for (const Dtype dtype : {float32, float64}) {
    const Tensor z = variable(tensor({1e30, 0, 0, 1000, -1000, 0}, {2, 3}, dtype));
    const Tensor J = cross_entropy(z, labels({0, 1}), Reduction::none);
    CHECK(J.to_vector() == std::vector<double>{0, 2000});
    CHECK(grad(sum(J), z).to_vector() == std::vector<double>{0, 0, 0, 1, -1, 0});
    CHECK(cross_entropy(tensor({0, -inf}, {1, 2}, dtype), labels({0})).item() == 0);
    CHECK(cross_entropy(tensor({0, -inf}, {1, 2}, dtype), labels({1})).item() == inf);
  }
}

TEST_CASE("mean squared error and the Frobenius norm", "[ops]") {
  const Tensor a = variable(tensor({1, 2, 3, 4}, {2, 2}, float64)), y = tensor({1, 0, 0, 0}, {2, 2}, float64);
  CHECK(mean_squared(a, y).item() == 29.0 / 4);
  CHECK(mean_squared(a, y, Reduction::sum).item() == 29);
  CHECK(mean_squared(a, y, Reduction::none).to_vector() == std::vector<double>{0, 4, 9, 16});
  CHECK(grad(mean_squared(a, y), a).to_vector() == std::vector<double>{0, 1, 1.5, 2});
  CHECK(squared_frobenius_norm(a).item() == 30);
  CHECK(grad(squared_frobenius_norm(a), a).to_vector() == std::vector<double>{2, 4, 6, 8});
}

TEST_CASE("losses never broadcast, and say so with the user's line", "[ops]") {
  const Tensor a = full({4, 1}, 0.5), y = ones({1, 1}), flat = ones({4});
  const std::string tail = " differ (losses never broadcast)";
  CHECK(refusal<ShapeError>([&] { binary_cross_entropy(a, y); }) == "[binary_cross_entropy] prediction (4, 1) and target (1, 1)" + tail);
  CHECK(refusal<ShapeError>([&] { mean_squared(a, flat); }) == "[mean_squared] prediction (4, 1) and target (4)" + tail);
  CHECK(refusal<ShapeError>([&] { mean_squared(a, 1); }) == "[mean_squared] prediction (4, 1) and target ()" + tail);
  const int line = __LINE__ + 1;
  const std::string what = what_of<ShapeError>([&] { binary_cross_entropy_with_logits(a, flat); });
  CHECK(what ==
        "[binary_cross_entropy_with_logits] prediction (4, 1) and target (4)" + tail + ", at loss.cpp:" + std::to_string(line));
}

TEST_CASE("losses refuse values that are no probabilities, and name the element", "[ops]") {
  const Tensor y = column({0, 1}, float32);
  CHECK(refusal<ValueError>([&] {
          binary_cross_entropy(column({0.5, 1.5}, float32), y);
        }) == "[binary_cross_entropy] probability 1.5 at element 1 is outside [0, 1]");
  CHECK(refusal<ValueError>([&] {
          binary_cross_entropy(column({-0.25, 0.5}, float32), y);
        }) == "[binary_cross_entropy] probability -0.25 at element 0 is outside [0, 1]");
  CHECK(refusal<ValueError>([&] { binary_cross_entropy(y, y * 2); }) == "[binary_cross_entropy] target 2 at element 1 is outside [0, 1]");
  CHECK(refusal<ValueError>([&] { binary_cross_entropy_with_logits(y, y - 0.5); }) ==
        "[binary_cross_entropy_with_logits] target -0.5 at element 0 is outside [0, 1]");
  CHECK(std::isnan(binary_cross_entropy(column({std::nan(""), 0.5}, float32), y).item()));
}

TEST_CASE("losses refuse the wrong dtypes, with operation and line", "[ops]") {
  const Tensor a = full({2, 1}, 0.5), whole = tensor({0, 1}, {2, 1}, int64), wide = full({2, 1}, 0.5, float64);
  CHECK(refusal<DtypeError>([&] { binary_cross_entropy(a, whole); }) == "[binary_cross_entropy] targets are float32 or float64, not int64");
  CHECK(refusal<DtypeError>([&] { binary_cross_entropy(whole, a); }) ==
        "[binary_cross_entropy] predictions are float32 or float64, not int64");
  CHECK(refusal<DtypeError>([&] { binary_cross_entropy(a, wide); }) == "[binary_cross_entropy] float32 meets float64: cast one of them");
  CHECK(refusal<DtypeError>([&] { binary_cross_entropy_with_logits(a, less(a, 1)); }) ==
        "[binary_cross_entropy_with_logits] targets are float32 or float64, not boolean");
  CHECK(refusal<DtypeError>([&] { mean_squared(whole, whole); }) == "[mean_squared] predictions are float32 or float64, not int64");
  CHECK(refusal<DtypeError>([&] { mean_squared(a, whole); }) == "[mean_squared] targets are float32 or float64, not int64");
}

TEST_CASE("cross-entropy refuses labels that are no labels", "[ops]") {
  const Tensor z = ones({2, 3});
  CHECK(refusal<ValueError>([&] { cross_entropy(z, labels({0, 3})); }) == "[cross_entropy] label 3 of sample 1 is outside [0, 3)");
  CHECK(refusal<ValueError>([&] { cross_entropy(z, labels({-1, 0})); }) == "[cross_entropy] label -1 of sample 0 is outside [0, 3)");
  CHECK(refusal<DtypeError>([&] { cross_entropy(z, ones({2})); }) == "[cross_entropy] labels are int64, got float32");
  CHECK(refusal<ShapeError>([&] { cross_entropy(z, labels({0, 1, 2})); }) == "[cross_entropy] labels (3) for rows (2, 3)");
  CHECK(refusal<ShapeError>([&] { cross_entropy(z, tensor({0, 1}, {2, 1}, int64)); }) == "[cross_entropy] labels (2, 1) for rows (2, 3)");
  CHECK(refusal<ShapeError>([&] { cross_entropy(ones({3}), labels({0})); }) == "[cross_entropy] logits are (samples, classes), got (3)");
  CHECK(refusal<DtypeError>([&] { cross_entropy(tensor({1, 2}, {1, 2}, int64), labels({0})); }).starts_with("[cross_entropy]"));
}

TEST_CASE("the mean over no samples is refused, with operation and line", "[ops]") {
  const Tensor a = zeros({0, 1});
  CHECK(refusal<ShapeError>([&] { mean_squared(a, a); }) == "[mean_squared] the mean over no samples");
  CHECK(refusal<ShapeError>([&] { binary_cross_entropy(a, a); }) == "[binary_cross_entropy] the mean over no samples");
  CHECK(refusal<ShapeError>([&] { cross_entropy(zeros({0, 3}), labels({})); }) == "[cross_entropy] the mean over no samples");
  CHECK(cross_entropy(zeros({0, 3}), labels({}), Reduction::sum).item() == 0);
}

TEST_CASE("labels changed after the loss was recorded are not used", "[ops]") {
  const Tensor z = variable(ones({2, 3}));
  Tensor y = labels({0, 1});
  const Tensor J = cross_entropy(z, y);
  y.assign(labels({2, 2}));
  CHECK_THROWS_AS(backward(J), GraphError);
  CHECK_FALSE(z.grad());
}
