#include <dz/dz.hpp>

#include "tests/support/support.hpp"

#include <dz/calculus/catch.hpp>

using namespace dz;

namespace {

Tensor swish(In z) {
  return elementwise(
      "swish", [](auto z) { return z / (1 + exp(-z)); }, z);
}

/// Its derivative should be cos.
Tensor wrong_sine(In x, double factor) {
  return record(
      "wrong_sine", [](const Array& v) { return sin(Tensor(v)).value(); },
      wrt(x, [x, factor](const Tensor& dy) { return dy * cos(x) * factor; }));
}

}  // namespace

TEST_CASE("gradcheck passes what is right", "[gradcheck]") {
  seed(3);
  CHECK_THAT(gradcheck(swish, normal({3, 4})), Passes());
  CHECK_THAT(gradcheck(swish, normal({3, 4})).order(2), Passes());
  CHECK_THAT(gradcheck(sigmoid, normal({40, 50})), Passes());
  CHECK_THAT(gradcheck([](In a, In b) { return matmul(a, b); }, normal({3, 4}), normal({4, 2})), Passes());
  CHECK_THAT(gradcheck([](In x) { return softmax(x); }, normal({3, 5})).order(2), Passes());
  CHECK_THAT(gradcheck([](In x) { return std::vector<Tensor>{exp(x), x * x}; }, normal({5})), Passes());
  CHECK_THAT(gradcheck([](In x, In p) { return pow(x, p); }, uniform({6}, 0.5, 2), normal({6})).order(2), Passes());
}

TEST_CASE("gradcheck widens what a function captured in float32", "[gradcheck]") {
  const Tensor X = normal({5, 3}), Y = bernoulli({5, 1}, 0.5);
  CHECK_THAT(gradcheck([&](In w, In b) { return binary_cross_entropy(sigmoid(linear(X, w, b)), Y); }, normal({1, 3}), zeros({1})),
             Passes());
}

TEST_CASE("gradcheck takes a model", "[gradcheck]") {
  const Tensor X = normal({6, 3}), Y = bernoulli({6, 1}, 0.5);
  const Mlp net = mlp({3, 4, 1}, tanh);
  const Gradcheck check = gradcheck([&](Mlp& m) { return binary_cross_entropy_with_logits(m(X), Y) + l2_cost(m, 0.1, 6); }, net);
  CHECK_THAT(check, Passes());
  REQUIRE(check.result().inputs.size() == 4);
  CHECK(check.result().inputs[2].name == "layers.1.weight");
}

TEST_CASE("gradcheck repeats random operations", "[gradcheck]") {
  const auto on = training();
  CHECK_THAT(gradcheck([](In x) { return dropout(x * x, 0.5); }, normal({8, 9})), Passes());
}

TEST_CASE("gradcheck accepts any subgradient at a kink, and none outside", "[gradcheck]") {
  CHECK_THAT(gradcheck(relu, tensor({0, 1, -1, 0}, {4})), Passes());
  CHECK_THAT(gradcheck([](In x) { return abs(x); }, tensor({0, 2}, {2})), Passes());
  CHECK_THAT(gradcheck([](In x) { return max(x); }, tensor({1, 3, 3}, {3})), Passes());
  const auto wrong_relu = [](In x) {
    return record(
        "wrong_relu", [](const Array& v) { return relu(Tensor(v)).value(); },
        wrt(x, [x](const Tensor& dy) { return dy * where(less(x, 0), 0.0, where(equal(x, 0), 2.0, 1.0)); }));
  };
  CHECK_THAT(gradcheck(wrong_relu, tensor({1, -1}, {2})), Passes());
  CHECK_FALSE(gradcheck(wrong_relu, tensor({0, -1}, {2})).passed());
}

namespace {

/// A network whose 209 · 27 pre-activations lie so close to 0 that every step crosses kinks. `rectified` is a layer: (x, w, b). With small
/// weights in the deeper layers too, those of the second lie within 1e-4.
template <class Layer> struct ManyKinks {
  Layer rectified;
  Initialiser deeper = initialise::xavier;
  Tensor x = uniform({209, 300}), y = bernoulli({209, 1}, 0.3);
  Linear first{300, 20, initialise::small_normal}, second{20, 7, deeper}, last{7, 1, deeper};

  Tensor cost(const Linear& one, const Linear& two, const Linear& three) const {
    return binary_cross_entropy_with_logits(three(rectified(rectified(x, one.weight, one.bias), two.weight, two.bias)), y);
  }
  Gradcheck check() const {
    return gradcheck([this](In w1, In b1, In w2, In b2, In w3, In b3) {
      return binary_cross_entropy_with_logits(linear(rectified(rectified(x, w1, b1), w2, b2), w3, b3), y);
    }, first.weight, first.bias, second.weight, second.bias, last.weight, last.bias);
  }
  GraphCheck check_operations() const {
    const auto guard = checked();
    return check_graph(cost(first, second, last));
  }
};

template <class Layer> ManyKinks(Layer) -> ManyKinks<Layer>;
template <class Layer> ManyKinks(Layer, Initialiser) -> ManyKinks<Layer>;

Tensor steep_relu(In z) {
  return record("steep_relu", [](const Array& v) { return relu(Tensor(v)).value(); },
                wrt(z, [](const Tensor& da, const Tensor& a) { return where(greater(a, 0), da * 1.02, zeros_like(da)); }));
}

}  // namespace

TEST_CASE("gradcheck sees past kinks that lie closer than its steps", "[gradcheck]") {
  const auto layer = [](In x, In w, In b) { return linear(x, w, b, relu); };
  const auto two = [](In x, In w, In b) { return leaky_relu(linear(x, w, b)); };
  const auto steep = [](In x, In w, In b) { return steep_relu(linear(x, w, b)); };
  for (const std::uint64_t s : {1u, 2u, 3u}) {
    seed(s);
    for (const Initialiser& deeper : {Initialiser(initialise::xavier), Initialiser(initialise::small_normal)}) {
      CHECK_THAT((ManyKinks{layer, deeper}.check()), Passes());
      CHECK_THAT((ManyKinks{layer, deeper}.check_operations()), Passes());
      CHECK_THAT((ManyKinks{two, deeper}.check()), Passes());
      CHECK_THAT((ManyKinks{two, deeper}.check_operations()), Passes());
    }
    const ManyKinks wrong{steep};
    CHECK(wrong.check().result().verdict() == Verdict::wrong);
    const GraphCheck operations = wrong.check_operations();
    CHECK(operations.operations[1].operation == "steep_relu");
    CHECK(operations.operations[1].verdict == Verdict::wrong);
    CHECK(operations.operations[2].verdict == Verdict::right);
  }
}

TEST_CASE("a derivative of 0 beside a slope of 0 is right, though nothing has a size", "[gradcheck]") {
  const auto guard = checked();
  const Tensor x = variable(zeros({4, 3})), w = variable(zeros({2, 3}));
  CHECK_THAT(check_graph(sum(linear(x, w, zeros({2})))), Passes());
  CHECK_THAT(gradcheck([](In a, In b) { return matmul(a, b); }, zeros({2, 3}), zeros({3, 2})), Passes());
}

TEST_CASE("gradcheck shows what is wrong, where and by how much", "[gradcheck]") {
  const Tensor x = tensor({0.5, 1, 2, 3}, {2, 2});
  const int line = __LINE__ + 1;
  const auto check = gradcheck([](In v) { return wrong_sine(v, 2); }, x);
  REQUIRE_FALSE(check.passed());
  const std::string text = to_string(check);
  INFO(text);
  CHECK(check.result().inputs[0].differing == 4);
  CHECK(check.result().inputs[0].derivative == Approx(2 * check.result().inputs[0].difference));
  CHECK(text.find("input 0 (2, 2): wrong at element [") != std::string::npos);
  CHECK(text.find("2 times what it should be") != std::string::npos);
  CHECK(text.find("wrong_sine") != std::string::npos);
  CHECK(text.find("gradcheck.cpp:" + std::to_string(line)) != std::string::npos);
  CHECK(to_string(gradcheck([](In v) { return wrong_sine(v, -1); }, x)).find("the sign is wrong") != std::string::npos);
}

TEST_CASE("gradcheck finds one wrong element among many", "[gradcheck]") {
  const std::int64_t n = 5000, bad = 3217;
  const auto almost = [&](In x) {
    return record(
        "almost_square", [](const Array& v) { return square(Tensor(v)).value(); }, wrt(x, [x](const Tensor& dy) {
          const Tensor right = dy * x * 2;
          right.value().writable<double>()[bad] *= 1.01;
          return right;
        }));
  };
  const auto check = gradcheck(almost, uniform({n}, 1, 2));
  REQUIRE_FALSE(check.passed());
  CHECK(check.result().inputs[0].element == bad);
}

TEST_CASE("gradcheck says when it cannot decide", "[gradcheck]") {
  double state = 0;
  const auto stateful = [&](In x) { return x * (state += 1); };
  CHECK(to_string(gradcheck(stateful, ones({2}))).find("keeps a state") != std::string::npos);
  const auto nowhere = gradcheck([](In x) { return log(x); }, tensor({-1}, {1}));
  CHECK_FALSE(nowhere.passed());
  CHECK(to_string(nowhere).find("not finite") != std::string::npos);
  CHECK_FALSE(gradcheck([](In x) { return cast(x, float64); }, labels({1, 2})).passed());
}

TEST_CASE("gradcheck leaves inputs, generator and gradients as they were", "[gradcheck]") {
  const Tensor x = variable(normal({3}));
  const std::vector<double> before = x.to_vector();
  seed(5);
  CHECK(gradcheck([](In v) { return v * normal({3}, 0, 1, float64); }, x).passed());
  CHECK(default_generator().position == 0);
  CHECK(x.to_vector() == before);
  CHECK_FALSE(x.grad());
}

TEST_CASE("a gradient that was cut off is found", "[gradcheck]") {
  const auto check = gradcheck([](In x) { return x * x.detach(); }, normal({3}));
  CHECK_FALSE(check.passed());
  CHECK(to_string(check).find("detached") != std::string::npos);
}
