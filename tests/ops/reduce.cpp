// Reductions, shapes, products and dropout: values, ties, axes and refusals.

#include <cmath>

#include <dz/dz.hpp>

#include "tests/ops/refusal.hpp"
#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::test;

TEST_CASE("sum, mean and max along axes, with and without keepdims", "[ops]") {
  const Tensor x = reshape(arange(0, 24, 1, float64), {2, 3, 4});
  CHECK(sum(x).item() == 276);
  CHECK(sum(x).shape() == Shape{});
  CHECK(sum(x, {}, true).shape() == Shape{1, 1, 1});
  CHECK(sum(x, 0).shape() == Shape{3, 4});
  CHECK(sum(x, {2, 0}).to_vector() == std::vector<double>{60, 92, 124});
  CHECK(sum(x, {-1, 0}, true).shape() == Shape{1, 3, 1});
  CHECK(mean(x, 1).to_vector() == std::vector<double>{4, 5, 6, 7, 16, 17, 18, 19});
  CHECK(mean(x).item() == 11.5);
  CHECK(max(x, {0, 1}).to_vector() == std::vector<double>{20, 21, 22, 23});
  CHECK(max(-x, 2, true).to_vector() == std::vector<double>{0, -4, -8, -12, -16, -20});
  CHECK(argmax(x, 0).to_vector() == std::vector<double>(12, 1));
  CHECK(argmax(x, -1).dtype() == int64);
  CHECK(sum(full({}, 3), {}).item() == 3);
  CHECK(sum(labels({1, 2, 3})).item<std::int64_t>() == 6);
  CHECK(sum(less(x, 5)).item<std::int64_t>() == 5);  // counts
}

TEST_CASE("max shares its gradient evenly among equals; argmax names the first", "[ops]") {
  const Tensor x = variable(tensor({1, 3, 3, 2, 2, 2}, {2, 3}, float64));
  CHECK(argmax(x, 1).to_vector() == std::vector<double>{1, 0});
  backward(sum(max(x, 1) * tensor({1, 6}, {2}, float64)));
  CHECK(x.grad().to_vector() == std::vector<double>{0, 0.5, 0.5, 2, 2, 2});
  x.clear_grad();
  backward(max(x));
  CHECK(x.grad().to_vector() == std::vector<double>{0, 0.5, 0.5, 0, 0, 0});
}

TEST_CASE("max and argmax of a NaN", "[ops]") {
  const Tensor x = tensor({1, std::nan(""), 3, 5, 4, std::nan("")}, {2, 3});
  for (double v : max(x, 1).to_vector()) CHECK(std::isnan(v));
  CHECK(argmax(x, 1).to_vector() == std::vector<double>{1, 2});  // where max's value is
  CHECK(max(tensor({-INFINITY, -INFINITY}, {2})).item() == -INFINITY);
}

TEST_CASE("the mean of no elements is a NaN, their sum 0", "[ops]") {
  CHECK(std::isnan(mean(zeros({0})).item()));
  CHECK(sum(zeros({0, 3})).item() == 0);
  CHECK(sum(zeros({3, 0}), 1).to_vector() == std::vector<double>{0, 0, 0});
  const Tensor x = variable(zeros({0, 3}));
  backward(sum(x));
  CHECK(x.grad().shape() == Shape{0, 3});
}

TEST_CASE("axes that are not there, or given twice", "[ops]") {
  const Tensor x = ones({2, 3});
  CHECK(refusal<ShapeError>([&] { sum(x, 2); }) == "[sum] axis 2 of an array of rank 2");
  CHECK(refusal<ShapeError>([&] { mean(x, -3); }) == "[mean] axis -3 of an array of rank 2");
  CHECK(refusal<ShapeError>([&] { max(x, {0, 0}); }) == "[max] axis 0 given twice");
  CHECK(refusal<ShapeError>([&] { sum(x, {1, -1}); }) == "[sum] axis -1 given twice");
  CHECK(refusal<ShapeError>([&] { argmax(x, 2); }) == "[argmax] axis 2 of (2, 3)");
  CHECK(refusal<ShapeError>([&] { softmax(x, 2); }) == "[softmax] axis 2 of (2, 3)");
  CHECK(refusal<ShapeError>([&] { sum(full({}, 1), 0); }) == "[sum] axis 0 of an array of rank 0");
  CHECK(refusal<ShapeError>([&] { max(zeros({2, 0}), 1); }) == "[max] no element to choose: (2, 0) is empty");
  CHECK(refusal<ShapeError>([&] { argmax(zeros({2, 0}), 1); }) == "[argmax] no element to choose: (2, 0) is empty");
  CHECK(refusal<DtypeError>([&] { mean(labels({1, 2})); }) == "[mean] needs float32 or float64, got int64");
}

TEST_CASE("an error inside a composed operation names the outermost call's line", "[ops]") {
  const int line = __LINE__ + 1;
  const auto layer = [](In x) {
    const CallSite site(x.at());
    std::vector<std::string> all;
    all.push_back(what_of<DtypeError>([&] { mean(labels({1})); }));
    all.push_back(what_of<ShapeError>([&] { sum(x, 7); }));
    all.push_back(what_of<ShapeError>([&] { argmax(x, 7); }));
    all.push_back(what_of<ShapeError>([&] { flatten(full({}, 1)); }));
    all.push_back(what_of<ShapeError>([&] { mean_squared(zeros({0}), zeros({0})); }));
    return all;
  };
  const int call = __LINE__ + 1;
  for (const std::string& what : layer(ones({2}))) {
    INFO(what << " (the layer begins at line " << line << ")");
    CHECK(what.ends_with("at reduce.cpp:" + std::to_string(call)));
  }
}

TEST_CASE("views of a tensor: values and refusals", "[ops]") {
  const Tensor x = reshape(arange(0, 6), {2, 3});
  CHECK(x.t().to_vector() == std::vector<double>{0, 3, 1, 4, 2, 5});
  CHECK(reshape(x.t(), {-1, 2}).to_vector() == std::vector<double>{0, 3, 1, 4, 2, 5});
  CHECK(flatten(reshape(x, {2, 3, 1})).shape() == Shape{2, 3});
  CHECK(expand(reshape(x, {2, 3, 1}), {2, 3, 2}).to_vector() == std::vector<double>{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5});
  CHECK(sum_to(x, {1, 3}).to_vector() == std::vector<double>{3, 5, 7});
  CHECK(refusal<ShapeError>([&] { reshape(x, {4, -1}); }) == "[reshape] (2, 3) has 6 elements, not those of (4, -1)");
  CHECK(refusal<ShapeError>([&] { reshape(x, {-1, -1}); }) == "[reshape] cannot reshape to (-1, -1)");
  CHECK(refusal<ShapeError>([&] { reshape(x, {-2, 3}); }) == "[reshape] cannot reshape to (-2, 3)");
  CHECK(refusal<ShapeError>([&] { expand(x, {4, 3}); }) == "[expand] cannot expand (2, 3) to (4, 3)");
  CHECK(refusal<ShapeError>([&] { expand(x, {1, 2, 3}); }) == "[expand] cannot expand (2, 3) to (1, 2, 3): ranks differ");
  CHECK(refusal<ShapeError>([&] { sum_to(x, {2, 2}); }) == "[sum_to] (2, 3) is no broadcast of (2, 2)");
  CHECK(refusal<ShapeError>([&] { arange(0, 3).t(); }) == "[t] a transposition needs two axes, got (3)");
  CHECK(refusal<ShapeError>([&] { flatten(full({}, 1)); }) == "[flatten] a scalar has no samples to keep");
}

TEST_CASE("products refuse what does not fit", "[ops]") {
  const Tensor a = ones({2, 3});
  CHECK(refusal<ShapeError>([&] { matmul(a, a); }) == "[matmul] inner sizes differ: (2, 3) x (2, 3)");
  CHECK(refusal<ShapeError>([&] { matmul(a, ones({3})); }) == "[matmul] multiplies matrices of equal rank, got (2, 3) x (3)");
  CHECK(refusal<ShapeError>([&] { matmul(a, 2); }) == "[matmul] multiplies matrices of equal rank, got (2, 3) x ()");
  CHECK(refusal<ShapeError>([&] { matmul(ones({2, 2, 3}), ones({3, 3, 2})); }).starts_with("[matmul] shapes do not broadcast"));
  CHECK(refusal<DtypeError>([&] { matmul(a, ones({3, 2}, float64)); }) == "[matmul] float32 meets float64: cast one of them");
  CHECK(refusal<DtypeError>([&] { matmul(cast(a, int64), cast(a.t(), int64)); }) == "[matmul] needs float32 or float64, got int64");
  CHECK(refusal<ShapeError>([&] {
          linear(a, ones({4, 2}), ones({4}));
        }) == "[linear] x (2, 3), W (4, 2) and b (4) are not (m, n_in), (n_out, n_in) and (n_out)");
  CHECK(refusal<DtypeError>([&] { linear(a, ones({4, 3}), ones({4}, float64)); }) == "[linear] float32 meets float64: cast one of them");
}

TEST_CASE("linear is x·Wᵀ + b", "[ops]") {
  const Tensor x = tensor({1, 2, 3, 4}, {2, 2}), w = tensor({1, 0, 0, 1, 1, 1}, {3, 2}), b = tensor({10, 20, 30}, {3});
  CHECK(linear(x, w, b).to_vector() == std::vector<double>{11, 22, 33, 13, 24, 37});
}

TEST_CASE("linear with an activation is the activation of linear, and so are its derivatives of both orders", "[ops]") {
  seed(3);
  for (const auto& [m, in, out] : {std::tuple{3, 4, 2}, {1, 1, 1}, {40, 70, 130}, {33, 1100, 20}})
    for (const Dtype dtype : {float32, float64})
      for (Activation f : {Activation(relu), Activation(tanh), Activation(nullptr)}) {
        const Tensor x = variable(normal({m, in}, 0, 1, dtype)), w = variable(normal({out, in}, 0, 0.1, dtype)), b = variable(normal({out}, 0, 1, dtype));
        const auto composed = [&] { return f ? f(linear(x, w, b)) : linear(x, w, b); };
        const Tensor seeds = normal({m, out}, 0, 1, dtype);
        const auto first = [&](const Tensor& y, bool create) { return grad({y}, {x, w, b}, {.create_graph = create, .seeds = {seeds}}); };
        const auto second = [&](const Tensor& y) {
          const std::vector<Tensor> g = first(y, true);
          return grad(sum(square(g[0])) + sum(square(g[1])) + sum(square(g[2])), w);
        };
        const auto near = [&](const Tensor& a, const Tensor& b) {
          return max(abs(a - b)).item() <= (dtype == float32 ? 1e-5 : 1e-13) * (1 + max(abs(b)).item());
        };
        INFO(m << ", " << in << ", " << out << " " << name(dtype));
        CHECK(near(linear(x, w, b, f), composed()));
        const std::vector<Tensor> fused = first(linear(x, w, b, f), false), plain = first(composed(), false);
        for (std::size_t i = 0; i < 3; ++i) CHECK(near(fused[i], plain[i]));
        CHECK(near(second(linear(x, w, b, f)), second(composed())));
      }
}

TEST_CASE("dropout keeps about keep_prob of the elements, divides them by it, and reverses with the same mask", "[ops]") {
  const auto on = training();
  Generator g(4);
  const Tensor x = variable(full({100, 100}, 3, float64));
  const Tensor y = dropout(x, 0.8, g);
  const std::vector<double> v = y.to_vector();
  std::int64_t kept = 0;
  for (double e : v) {
    CHECK((e == 0 || e == Approx(3 / 0.8)));
    kept += e != 0;
  }
  CHECK(std::abs(static_cast<double>(kept) - 8000) < 200);  // five deviations
  CHECK(mean(y).item() == Approx(3).epsilon(0.03));
  backward(sum(y));
  const std::vector<double> dx = x.grad().to_vector();
  for (std::size_t i = 0; i < v.size(); ++i) CHECK(dx[i] == v[i] / 3);
  CHECK(dropout(x, 0.8, g).to_vector() != v);  // the next one is another
}

TEST_CASE("dropout does nothing in evaluation and at keep_prob 1", "[ops]") {
  const Tensor x = ones({5});
  CHECK(dropout(x, 0.1).value().same_handle(x.value()));
  const auto on = training();
  CHECK(dropout(x, 1).value().same_handle(x.value()));
}

TEST_CASE("dropout refuses what is no probability, trained or not", "[ops]") {
  const Tensor x = ones({5});
  for (const bool train : {false, true}) {
    const auto mode = training(train);
    CHECK(refusal<ValueError>([&] { dropout(x, 0); }) == "[dropout] keep_prob is 0, outside (0, 1]");
    CHECK(refusal<ValueError>([&] { dropout(x, 1.5); }) == "[dropout] keep_prob is 1.5, outside (0, 1]");
    CHECK(refusal<ValueError>([&] { dropout(x, -0.5); }) == "[dropout] keep_prob is -0.5, outside (0, 1]");
    CHECK(refusal<ValueError>([&] { dropout(x, std::nan("")); }) == "[dropout] keep_prob is nan, outside (0, 1]");
  }
  const auto on = training();
  CHECK(refusal<DtypeError>([&] { dropout(labels({1, 2}), 0.5); }) == "[dropout] random numbers are float32 or float64, not int64");
}
