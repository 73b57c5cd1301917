#include <dz/dz.hpp>

#include "tests/support/support.hpp"

#include <dz/calculus/catch.hpp>

using namespace dz;

namespace {

/// tanh, whose derivative forgets the square.
Tensor careless_tanh(In z) {
  return record(
      "careless_tanh", [](const Array& v) { return tanh(Tensor(v)).value(); },
      wrt(z, [](const Tensor& da, const Tensor& a) { return da * (1 - a); }));
}

/// A kernel of float32 alone, as a user may have it.
Tensor cube(In x, float factor) {
  return record(
      "cube",
      [](const Array& v) {
        const Array in = v.contiguous(), out = Array::make(v.shape());
        for (std::int64_t i = 0; i < v.size(); ++i)
          out.writable<float>()[i] = in.data<float>()[i] * in.data<float>()[i] * in.data<float>()[i];
        return out;
      },
      wrt(x, [x, factor](const Tensor& dy) { return dy * x * x * factor; }));
}

}  // namespace

TEST_CASE("check_graph names the wrong operation in a deep network, with its line", "[check_graph]") {
  seed(1);
  std::vector<Linear> layers;
  for (int l = 0; l < 12; ++l) layers.emplace_back(8, 8, initialise::xavier);
  const Linear last(8, 1);
  const Tensor X = normal({16, 8}), Y = bernoulli({16, 1}, 0.5);
  const auto guard = checked();
  Tensor a = X;
  int line = 0;
  for (int l = 0; l < 12; ++l) {
    const Tensor z = layers[static_cast<std::size_t>(l)](a);
    line = __LINE__ + 1;
    a = l == 7 ? careless_tanh(z) : l % 2 ? tanh(z) : leaky_relu(z);
  }
  const Tensor J = binary_cross_entropy_with_logits(last(a), Y);
  const GraphCheck check = check_graph(J);
  INFO(to_string(check));
  REQUIRE_FALSE(check.passed());
  REQUIRE(check.operations.size() == 27);
  CHECK(check.operations[0].operation == "careless_tanh");
  CHECK(check.operations[0].at.line == line);
  CHECK(std::string(check.operations[0].at.file).find("check_graph.cpp") != std::string::npos);
  CHECK(check.operations[1].verdict == Verdict::right);  // it alone
  CHECK(to_string(check).find("careless_tanh") < to_string(check).find("linear"));
  backward(J);  // the graph is as it was
  CHECK(layers[0].weight.grad());
}

TEST_CASE("check_graph passes every operation of a right graph, in float32 and float64", "[check_graph]") {
  seed(2);
  for (const Dtype dtype : {float32, float64}) {
    const Tensor x = variable(normal({4, 3}, 0, 1, dtype)), w = variable(normal({3, 3}, 0, 1, dtype));
    const Tensor target = labels({0, 2, 1, 1});
    const auto guard = checked();
    const auto on = training();
    const Tensor h = dropout(relu(matmul(x, w) + 1), 0.7) * exp(x) / (2 + square(x)) - sqrt(abs(x));
    const Tensor J = cross_entropy(h, target) + mean(log_softmax(h * w.t().detach().value().size(), 0)) + sum(pow(abs(x) + 1, 1.5)) +
                     max(h) + mean_squared(sigmoid(h), x);
    CHECK_THAT(check_graph(J), Passes());
  }
}

TEST_CASE("check_graph examines kernels of float32 alone", "[check_graph]") {
  const Tensor x = variable(uniform({20}, 0.5, 2));
  const auto guard = checked();
  CHECK_THAT(check_graph(sum(cube(x, 3))), Passes());
  const GraphCheck wrong = check_graph(sum(cube(x, 2)));
  CHECK(wrong.operations[0].operation == "cube");
  CHECK(wrong.operations[0].verdict == Verdict::wrong);
}

TEST_CASE("check_graph examines a derivative that runs a reverse pass of its own", "[check_graph]") {
  const auto cubed = [](In x, double factor) {
    return record("cubed", [](const Array& v) { return (Tensor(v) * square(Tensor(v))).value(); }, wrt(x, [x, factor](const Tensor& dy) {
                    const auto recording = with_grad();
                    const Tensor own = variable(x.detach());
                    return grad(own * square(own), own, {.seeds = {dy}}) * factor;
                  }));
  };
  seed(5);
  const Tensor x = variable(normal({3, 4}));
  const auto guard = checked();
  CHECK_THAT(check_graph(sum(tanh(cubed(x, 1)))), Passes());
  const GraphCheck wrong = check_graph(sum(tanh(cubed(x, 1.01))));
  CHECK(wrong.operations[0].operation == "cubed");
  CHECK(wrong.operations[0].verdict == Verdict::wrong);
  CHECK(wrong.operations[1].verdict == Verdict::right);
}

TEST_CASE("check_graph says what it needs", "[check_graph]") {
  const Tensor x = variable(ones({2}));
  CHECK_THROWS_AS(check_graph(sum(x)), GraphError);
  const auto guard = checked();
  const Tensor J = sum(x * x);
  backward(J);
  CHECK_THROWS_AS(check_graph(J), GraphError);
}

TEST_CASE("check_graph examines operations of several inputs and outputs", "[check_graph]") {
  const auto polar = [](In r, In t, double factor) {
    return record_many(
        "polar",
        [](std::span<const Array> in) {
          const Tensor r(in[0]), t(in[1]);
          return std::vector<Array>{(r * cos(t)).value(), (r * sin(t)).value()};
        },
        wrt_all({r, t}, [r, t, factor](std::span<const Tensor> dy, std::span<const Tensor>, Wanted) {
          const Tensor dx = dy[0] ? dy[0] : zeros_like(r), dv = dy[1] ? dy[1] : zeros_like(r);
          return std::vector<Tensor>{dx * cos(t) + dv * sin(t), r * (dv * cos(t) - dx * sin(t)) * factor};
        }));
  };
  seed(4);
  const Tensor r = variable(uniform({5}, 1, 2)), t = variable(normal({5}));
  const auto guard = checked();
  auto right = polar(r, t, 1);
  CHECK_THAT(check_graph(sum(right[0] * right[1])), Passes());
  auto wrong = polar(r, t, 1.5);
  const GraphCheck check = check_graph(sum(wrong[0] * exp(wrong[1])));
  CHECK(check.operations[0].operation == "polar");
  CHECK(check.operations[0].inputs[1].verdict == Verdict::wrong);
  CHECK(check.operations[0].inputs[0].verdict == Verdict::right);
  CHECK_THAT(gradcheck([&](In a, In b) { return polar(a, b, 1); }, r, t), Passes());
}
