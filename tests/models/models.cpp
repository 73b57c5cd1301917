#include <array>
#include <optional>
#include <variant>

#include <dz/dz.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

struct Block {
  Linear hidden{3, 3};
  double factor = 1;
};
BOOST_DESCRIBE_STRUCT(Block, (), (hidden, factor))

struct Network {
  Linear in{2, 3};
  std::vector<Block> blocks = std::vector<Block>(2);
  std::array<Parameter, 2> scales{Parameter(ones({1, 3})), Parameter(zeros({1, 3}), Role::bias)};
  std::optional<Linear> perhaps, never;
  Parameter mean{zeros({3}), Role::buffer};
  Activation activation = relu;
};
BOOST_DESCRIBE_STRUCT(Network, (), (in, blocks, scales, perhaps, never, mean, activation))

struct Derived : Block {
  Parameter own{ones({1})};
};
BOOST_DESCRIBE_STRUCT(Derived, (Block), (own))

struct OneOf {
  std::variant<Linear, Derived> which = Linear(2, 3);
};
BOOST_DESCRIBE_STRUCT(OneOf, (), (which))

std::vector<std::string> names_of(const std::vector<NamedParameter>& found) {
  std::vector<std::string> names;
  for (const auto& p : found) names.push_back(p.name);
  return names;
}

}  // namespace

TEST_CASE("parameters are found by path through structs, vectors, arrays, optionals, variants and bases", "[models]") {
  Network n;
  n.perhaps.emplace(3, 1);
  CHECK(names_of(parameters(n)) == std::vector<std::string>{"in.weight", "in.bias", "blocks.0.hidden.weight", "blocks.0.hidden.bias",
                                                            "blocks.1.hidden.weight", "blocks.1.hidden.bias", "scales.0", "scales.1",
                                                            "perhaps.weight", "perhaps.bias", "mean"});
  Derived d;
  CHECK(names_of(parameters(d)) == std::vector<std::string>{"hidden.weight", "hidden.bias", "own"});
  OneOf one;
  CHECK(names_of(parameters(one)) == std::vector<std::string>{"which.weight", "which.bias"});
  one.which = Derived{};
  CHECK(names_of(parameters(one)) == std::vector<std::string>{"which.hidden.weight", "which.hidden.bias", "which.own"});
  CHECK(ParameterList(one).size() == 3);
}

TEST_CASE("a copied model is a model of its own", "[models]") {
  Mlp a = mlp({3, 4, 1}), b = a;
  CHECK(b.layers[0].weight.to_vector() == a.layers[0].weight.to_vector());
  CHECK_FALSE(b.layers[0].weight.value().shares_storage(a.layers[0].weight.value()));
  backward(sum(a(ones({2, 3}))));
  CHECK(a.layers[0].weight.grad());
  CHECK_FALSE(b.layers[0].weight.grad());
  const Mlp c = a;
  CHECK_FALSE(c.layers[0].weight.grad());
  b = a;
  CHECK_FALSE(b.layers[1].bias.value().shares_storage(a.layers[1].bias.value()));
  CHECK(b.layers[1].bias.role() == Role::bias);
  a = std::move(b);
  CHECK(a.layers.size() == 2);
}

TEST_CASE("a buffer is not trained", "[models]") {
  const Network n;
  CHECK_FALSE(n.mean.requires_grad());
  CHECK(n.scales[0].is_leaf());
}

TEST_CASE("Linear is x·Wᵀ + b, and its errors name shapes and the user's line", "[models]") {
  Linear layer(2, 3, initialise::he, float64);
  layer.bias.assign(tensor({1, 2, 3}, {3}, float64));
  const Tensor x = normal({4, 2}, 0, 1, float64), y = layer(x);
  const std::vector<double> expected = (matmul(x, layer.weight.t()) + reshape(layer.bias, {1, 3})).to_vector();
  CHECK(y.to_vector() == expected);
  const int line = __LINE__ + 2;
  try {
    layer(normal({4, 3}, 0, 1, float64));
    FAIL("no exception");
  } catch (const ShapeError& e) {
    const std::string what = e.what();
    INFO(what);
    CHECK(what.find("[linear]") == 0);
    CHECK(what.find("(4, 3)") != std::string::npos);
    CHECK(what.find("(3, 2)") != std::string::npos);
    CHECK(what.find("models.cpp:" + std::to_string(line)) != std::string::npos);
  }
  CHECK_THROWS_AS(Linear(0, 3), ShapeError);
  CHECK_THROWS_AS(Linear(3, -1), ShapeError);
}

TEST_CASE("what a layer calls inside reports the user's call", "[models]") {
  const Mlp net = mlp({3, 4, 4, 1});
  const int line = __LINE__ + 1;
  const Tensor y = net(ones({2, 3}));
  CHECK(y.from().node()->at().line == line);
  CHECK(y.from().node()->edges()[0].node()->at().line == line);
}

TEST_CASE("initialisers have the deviations of their formulas", "[models]") {
  seed(7);
  const auto deviation = [](Initialiser f) {
    const Tensor w = f({400, 100}, float64, default_generator());
    return std::sqrt(mean(square(w)).item());
  };
  CHECK(deviation(initialise::zeros) == 0);
  CHECK(deviation(initialise::small_normal) == Approx(0.01).epsilon(0.02));
  CHECK(deviation(initialise::xavier) == Approx(std::sqrt(1.0 / 100)).epsilon(0.02));
  CHECK(deviation(initialise::he) == Approx(std::sqrt(2.0 / 100)).epsilon(0.02));
  CHECK(deviation(initialise::glorot) == Approx(std::sqrt(2.0 / 500)).epsilon(0.02));
  CHECK(initialise::by_name("he") == initialise::he);
  CHECK_THROWS_AS(initialise::by_name("magic"), ValueError);
}

TEST_CASE("zeros keep hidden units the same; small ones leave a deep network at ln 2; He does not", "[models]") {
  seed(1);
  const Tensor X = normal({20, 5}), Y = bernoulli({20, 1}, 0.5);
  Mlp same = mlp({5, 4, 1}, tanh, initialise::zeros);
  same.layers[1].weight.assign(ones({1, 4}));
  backward(binary_cross_entropy_with_logits(same(X), Y));
  const Tensor dW = same.layers[0].weight.grad();
  for (int row = 1; row < 4; ++row)
    for (int k = 0; k < 5; ++k) CHECK(dW.to_vector()[static_cast<std::size_t>(5 * row + k)] == dW.to_vector()[static_cast<std::size_t>(k)]);
  const auto first_cost = [&](Initialiser f) {
    return binary_cross_entropy_with_logits(mlp({5, 20, 20, 20, 20, 1}, relu, f)(X), Y).item();
  };
  CHECK(first_cost(initialise::small_normal) == Approx(0.693147).epsilon(1e-5));
  CHECK(std::abs(first_cost(initialise::he) - 0.693147) > 1e-3);
}

TEST_CASE("the L2 cost counts weights and leaves biases out", "[models]") {
  Mlp net = mlp({2, 2, 1}, relu, initialise::he, float64);
  net.layers[0].bias.assign(full({2}, 100, float64));
  double squares = 0;
  for (const auto& [name, p] : parameters(net))
    if (p->role() == Role::weight)
      for (const double w : p->to_vector()) squares += w * w;
  CHECK(l2_cost(net, 0.7, 5).item() == Approx(0.7 / 10 * squares));
  CHECK_THROWS_AS(l2_cost(net, -1, 5), ValueError);
  CHECK_THROWS_AS(l2_cost(net, 1, 0), ValueError);
}

TEST_CASE("copy_values is all or nothing and names what does not fit", "[models]") {
  Mlp a = mlp({2, 2, 1}), b = mlp({2, 2, 1}), wider = mlp({2, 3, 1});
  copy_values(parameters(a), parameters(b));
  CHECK(a.layers[0].weight.to_vector() == b.layers[0].weight.to_vector());
  const std::vector<double> before = wider.layers[0].weight.to_vector();
  CHECK_THROWS_AS(copy_values(parameters(a), parameters(wider)), ShapeError);
  CHECK(wider.layers[0].weight.to_vector() == before);
}

TEST_CASE("a model's summary lists names, shapes and sums", "[models]") {
  const std::string table = summary(mlp({3, 4, 1}));
  CHECK(table.find("layers.0.weight") != std::string::npos);
  CHECK(table.find("(4, 3)") != std::string::npos);
  CHECK(table.find("          21           84") != std::string::npos);
}

namespace {

/// With a parameter of its own, which nothing tells the summary the shapes of.
struct Scaled {
  Linear inner{4, 4};
  Parameter scale{ones({1, 4})};
  Tensor operator()(In x) const { return inner(inner(x)) * scale; }
};
BOOST_DESCRIBE_STRUCT(Scaled, (), (inner, scale))

struct Tokens {
  Embedding tokens{10, 6};
  MultiHeadAttention attention{6, 2};
  Lstm lstm{6, 5, 2};
  LayerNorm norm{5};
  Linear output{5, 3};
  Tensor operator()(In x) const { return output(norm(lstm(attention(tokens(x))))); }
};
BOOST_DESCRIBE_STRUCT(Tokens, (), (tokens, attention, lstm, norm, output))

/// Of the table's lines, with one space between words.
std::vector<std::string> lines_of(const std::string& table) {
  std::vector<std::string> lines(1);
  for (const char c : table) {
    if (c == '\n') lines.emplace_back();
    else if (c != ' ' || (!lines.back().empty() && lines.back().back() != ' ')) lines.back() += c;
  }
  lines.pop_back();
  return lines;
}

}  // namespace

TEST_CASE("a model's summary on a sample input lists its layers: shape in and out, parameters, bytes", "[models]") {
  CHECK(lines_of(summary(LeNet({.height = 28, .width = 28, .channels = 1, .classes = 10}), ones({2, 28, 28, 1}))) ==
        std::vector<std::string>{"layer in out parameters bytes", "first (2, 28, 28, 1) (2, 28, 28, 6) 156 624", "second (2, 14, 14, 6) (2, 10, 10, 16) 2416 9664",
                                 "layers.0 (2, 400) (2, 120) 48120 192480", "layers.1 (2, 120) (2, 84) 10164 40656", "layers.2 (2, 84) (2, 10) 850 3400",
                                 "total (2, 28, 28, 1) (2, 10) 61706 246824"});
  CHECK(lines_of(summary(Tokens(), dz::tensor(std::vector<std::int64_t>{1, 2, 3, 4}, {1, 4}))) ==
        std::vector<std::string>{"layer in out parameters bytes", "tokens (1, 4) (1, 4, 6) 60 240", "attention (1, 4, 6) (1, 4, 6) 126 504",
                                 "attention.out_proj (1, 4, 6) (1, 4, 6) 42 168", "lstm (1, 4, 6) (1, 4, 5) 500 2000", "norm (1, 4, 5) (1, 4, 5) 10 40",
                                 "output (1, 4, 5) (1, 4, 3) 18 72", "total (1, 4) (1, 4, 3) 756 3024"});
  CHECK(lines_of(summary(Scaled(), ones({3, 4}))) ==
        std::vector<std::string>{"layer in out parameters bytes", "inner (3, 4) (3, 4) 20 80", "(its own) 4 16", "total (3, 4) (3, 4) 24 96"});
  CHECK(lines_of(summary(ResNet({.height = 8, .width = 8, .channels = 3, .classes = 2}, 1, 4), ones({1, 8, 8, 3}))).back() == "total (1, 8, 8, 3) (1, 2) 5339 21392");
  CHECK(summary(BatchNorm(3, float64), ones({2, 3}, float64)).find("(its own)                        (2, 3)               (2, 3)                         13          104") !=
        std::string::npos);
  CHECK_THROWS_AS(summary(Scaled(), ones({3, 5})), ShapeError);
  CHECK_FALSE(detail::LayerCalls::are_noted());  // after an error neither
}
