// The recurrent layers against their formulas, written out as loops over numbers.

#include <cmath>
#include <vector>

#include <dz/calculus/gradcheck.hpp>
#include <dz/data/checkpoint.hpp>
#include <dz/data/model_file.hpp>
#include <dz/dz.hpp>
#include <dz/models/recurrent.hpp>

#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::test;

namespace {

using Values = std::vector<double>;

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

/// Row `row` of W·x + b.
double affine(const Parameter& weight, const Parameter& bias, std::size_t row, const Values& x) {
  const Values w = weight.to_vector(), b = bias.to_vector();
  double sum = b[row];
  for (std::size_t k = 0; k < x.size(); ++k) sum += w[row * x.size() + k] * x[k];
  return sum;
}

template <class Layer> Layer with_biases(std::int64_t inputs, std::int64_t width, std::int64_t layers = 1) {
  Layer layer(inputs, width, layers, initialise::xavier, float64);
  for (RecurrentParameters& one : layer.layers)
    for (Parameter* bias : {&one.bias_ih, &one.bias_hh}) bias->assign(normal(bias->shape(), 0, 1, float64));
  return layer;
}

/// Token t of sample s of (m, tokens, inputs).
Values token(const Tensor& x, std::int64_t s, std::int64_t t) { return slice(slice(x, 0, s, s + 1), 1, t, t + 1).to_vector(); }

void check_close(const Tensor& y, const Values& expected) {
  const Values got = y.to_vector();
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == Approx(expected[i]).epsilon(1e-12));
}

}  // namespace

TEST_CASE("Lstm: the gates i, f, g, o, and c′ = f·c + i·g, h′ = o·tanh(c′)", "[models]") {
  seed(11);
  const std::int64_t m = 2, tokens = 4, inputs = 3, width = 5;
  const auto layer = with_biases<Lstm>(inputs, width);
  const Tensor x = normal({m, tokens, inputs}, 0, 1, float64);
  LstmState state{normal({1, m, width}, 0, 1, float64), normal({1, m, width}, 0, 1, float64)};
  const LstmState before = state;
  const Tensor y = layer(x, state);
  CHECK(y.shape() == Shape{m, tokens, width});
  Values expected, last_h, last_c;
  for (std::int64_t s = 0; s < m; ++s) {
    Values h = slice(before.hidden, 1, s, s + 1).to_vector(), c = slice(before.cell, 1, s, s + 1).to_vector();
    for (std::int64_t t = 0; t < tokens; ++t) {
      const Values in = token(x, s, t), was = h;
      for (std::size_t j = 0; j < 5; ++j) {
        const auto gate = [&](std::size_t number) { return affine(layer.layers[0].weight_ih, layer.layers[0].bias_ih, number * 5 + j, in) + affine(layer.layers[0].weight_hh, layer.layers[0].bias_hh, number * 5 + j, was); };
        c[j] = logistic(gate(1)) * c[j] + logistic(gate(0)) * std::tanh(gate(2));
        h[j] = logistic(gate(3)) * std::tanh(c[j]);
      }
      expected.insert(expected.end(), h.begin(), h.end());
    }
    last_h.insert(last_h.end(), h.begin(), h.end());
    last_c.insert(last_c.end(), c.begin(), c.end());
  }
  check_close(y, expected);
  check_close(state.hidden, last_h);
  check_close(state.cell, last_c);
}

TEST_CASE("Gru: the gates r, z, n, and h′ = (1 − z)·n + z·h", "[models]") {
  seed(12);
  const std::int64_t m = 2, tokens = 4, inputs = 3, width = 5;
  const auto layer = with_biases<Gru>(inputs, width);
  const Tensor x = normal({m, tokens, inputs}, 0, 1, float64), before = normal({1, m, width}, 0, 1, float64);
  Tensor hidden = before;
  const Tensor y = layer(x, hidden);
  Values expected, last;
  for (std::int64_t s = 0; s < m; ++s) {
    Values h = slice(before, 1, s, s + 1).to_vector();
    for (std::int64_t t = 0; t < tokens; ++t) {
      const Values in = token(x, s, t), was = h;
      for (std::size_t j = 0; j < 5; ++j) {
        const auto a = [&](std::size_t number) { return affine(layer.layers[0].weight_ih, layer.layers[0].bias_ih, number * 5 + j, in); };
        const auto b = [&](std::size_t number) { return affine(layer.layers[0].weight_hh, layer.layers[0].bias_hh, number * 5 + j, was); };
        const double r = logistic(a(0) + b(0)), z = logistic(a(1) + b(1)), n = std::tanh(a(2) + r * b(2));
        h[j] = (1 - z) * n + z * was[j];
      }
      expected.insert(expected.end(), h.begin(), h.end());
    }
    last.insert(last.end(), h.begin(), h.end());
  }
  check_close(y, expected);
  check_close(hidden, last);
}

TEST_CASE("a sequence in two parts, the state handed on, is the sequence; without a state it begins with zeros", "[models]") {
  seed(13);
  const auto lstm = with_biases<Lstm>(3, 4);
  const auto gru = with_biases<Gru>(3, 4);
  const Tensor x = normal({2, 5, 3}, 0, 1, float64), first = slice(x, 1, 0, 2), rest = slice(x, 1, 2);
  LstmState state;
  check_close(concat({lstm(first, state), lstm(rest, state)}, 1), lstm(x).to_vector());
  Tensor hidden;
  check_close(concat({gru(first, hidden), gru(rest, hidden)}, 1), gru(x).to_vector());
  LstmState zero{zeros({1, 2, 4}, float64), zeros({1, 2, 4}, float64)};
  check_close(lstm(x, zero), lstm(x).to_vector());
  CHECK(lstm(zeros({2, 0, 3}, float64)).shape() == Shape{2, 0, 4});
}

TEST_CASE("recurrent layers: gradients by parameters, input and state", "[models][gradcheck]") {
  seed(14);
  const Tensor x = normal({2, 3, 3}, 0, 1, float64), w = normal({2, 3, 4}, 0, 1, float64);
  const auto lstm = with_biases<Lstm>(3, 4);
  const auto gru = with_biases<Gru>(3, 4);
  const auto stacked = with_biases<Lstm>(3, 4, 2);
  for (const auto& check : {gradcheck([&](Lstm& m) { return sum(m(x) * w); }, stacked),
                            gradcheck([&](Lstm& m) { return sum(m(x) * w); }, lstm), gradcheck([&](Gru& m) { return sum(m(x) * w); }, gru),
                            gradcheck([&](In x) { return lstm(x) * w; }, x), gradcheck([&](In x) { return gru(x) * w; }, x),
                            gradcheck([&](In h, In c) {
                              LstmState state{h, c};
                              return lstm(x, state) * w;
                            },
                                      normal({1, 2, 4}, 0, 1, float64), normal({1, 2, 4}, 0, 1, float64)),
                            gradcheck([&](In h) {
                              Tensor state = h;
                              return gru(x, state) * w;
                            },
                                      normal({1, 2, 4}, 0, 1, float64))}) {
    INFO(to_string(check));
    CHECK(check.passed());
  }
}

TEST_CASE("stacked recurrent layers are layers one after the other, each with a state of its own", "[models]") {
  seed(16);
  const auto lstm = with_biases<Lstm>(3, 4, 2);
  const auto gru = with_biases<Gru>(3, 4, 2);
  const auto one_of = [](const auto& stacked, std::size_t k) {
    auto one = stacked;
    one.layers = {stacked.layers[k]};
    return one;
  };
  const Tensor x = normal({2, 5, 3}, 0, 1, float64), states = normal({2, 2, 4}, 0, 1, float64), cells = normal({2, 2, 4}, 0, 1, float64);
  LstmState all{states, cells}, lower{slice(states, 0, 0, 1), slice(cells, 0, 0, 1)}, upper{slice(states, 0, 1), slice(cells, 0, 1)};
  check_close(lstm(x, all), one_of(lstm, 1)(one_of(lstm, 0)(x, lower), upper).to_vector());
  check_close(all.hidden, concat({lower.hidden, upper.hidden}, 0).to_vector());
  check_close(all.cell, concat({lower.cell, upper.cell}, 0).to_vector());
  Tensor both = states, first = slice(states, 0, 0, 1), second = slice(states, 0, 1);
  check_close(gru(x, both), one_of(gru, 1)(one_of(gru, 0)(x, first), second).to_vector());
  check_close(both, concat({first, second}, 0).to_vector());

  auto dropping = lstm;
  dropping.keep_prob = 0.5;
  CHECK(dropping(x).to_vector() == lstm(x).to_vector());
  const auto on = training();
  CHECK(dropping(x).to_vector() != lstm(x).to_vector());
  auto single = one_of(lstm, 0);
  single.keep_prob = 0.5;  // there is nothing between layers
  CHECK(single(x).to_vector() == one_of(lstm, 0)(x).to_vector());
}

TEST_CASE("recurrent layers have PyTorch's names and shapes, are saved, and refuse what does not fit", "[models]") {
  seed(15);
  Lstm lstm(3, 4, 2), other(3, 4, 2);
  std::vector<std::pair<std::string, Shape>> names;
  for (const auto& [name, p] : parameters(lstm)) {
    names.emplace_back(name, p->shape());
    CHECK((p->role() == Role::bias) == name.starts_with("bias"));
  }
  CHECK(names == std::vector<std::pair<std::string, Shape>>{{"weight_ih_l0", {16, 3}}, {"weight_hh_l0", {16, 4}}, {"bias_ih_l0", {16}}, {"bias_hh_l0", {16}},
                                                            {"weight_ih_l1", {16, 4}}, {"weight_hh_l1", {16, 4}}, {"bias_ih_l1", {16}}, {"bias_hh_l1", {16}}});
  auto nested = sequential(Gru(3, 4), Linear(4, 1));
  CHECK(parameters(nested)[1].name == "layers.0.weight_hh_l0");
  CHECK(parameters(nested)[1].parameter->shape() == Shape{12, 4});
  const TempDir folder;
  save_model(folder / "m", lstm);
  load_model(folder / "m", other);
  const Tensor x = normal({2, 3, 3});
  CHECK(other(x).to_vector() == lstm(x).to_vector());
  Lstm third(3, 4, 2);
  save_checkpoint(folder / "c", lstm);
  load_checkpoint(folder / "c", third);
  CHECK(third(x).to_vector() == lstm(x).to_vector());
  CHECK_THROWS_AS(load_model(folder / "m", *std::make_unique<Lstm>(3, 4)), FileError);
  CHECK_THROWS_AS(lstm(ones({2, 3})), ShapeError);
  CHECK_THROWS_AS(lstm(ones({2, 3, 4})), ShapeError);
  LstmState wrong{zeros({1, 2, 4}), zeros({1, 2, 4})};
  CHECK_THROWS_AS(lstm(x, wrong), ShapeError);
  CHECK(wrong.hidden.shape() == Shape{1, 2, 4});
  CHECK_THROWS_AS(Lstm()(x), ValueError);
  CHECK_THROWS_AS(Lstm(0, 4), ShapeError);
  CHECK_THROWS_AS(Lstm(3, 4, 0), ShapeError);
  CHECK_THROWS_AS(Gru(3, -1), ShapeError);
}
