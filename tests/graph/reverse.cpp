#include <thread>

#include <dz/dz.hpp>

#include "tests/support/support.hpp"

using namespace dz;

TEST_CASE("backward adds into leaves, grad touches none", "[graph]") {
  const Tensor w = variable(tensor({1, 2}, {2}, float64));
  const Tensor J = sum(w * w * w);
  CHECK(grad(J, w, {.retain = true}).to_vector() == std::vector<double>{3, 12});
  CHECK_FALSE(w.grad());
  backward(J, {.retain = true});
  backward(J);
  CHECK(w.grad().to_vector() == std::vector<double>{6, 24});
  w.clear_grad();
  CHECK_FALSE(w.grad());
}

TEST_CASE("one tensor used several times gets the sum", "[graph]") {
  const Tensor x = variable(full({}, 3, float64));
  const Tensor a = x * x, b = a + a * x;  // x² + x³
  backward(b * b);
  CHECK(x.grad().item() == Approx(2 * 36 * (6 + 27)));
}

TEST_CASE("gradients are summed back over broadcast axes", "[graph]") {
  const Tensor row = variable(ones({1, 3}, float64)), column = variable(ones({2, 1}, float64)), scalar = variable(full({}, 2, float64));
  backward(sum((row + column) * scalar));
  CHECK(row.grad().to_vector() == std::vector<double>{4, 4, 4});
  CHECK(column.grad().to_vector() == std::vector<double>{6, 6});
  CHECK(scalar.grad().item() == 12);
}

TEST_CASE("gradients of gradients, as often as one likes", "[graph]") {
  const Tensor x = variable(full({}, 0.7, float64));
  Tensor y = sin(x) * exp(x);
  for (int n = 0; n < 4; ++n) y = grad(y, x, {.create_graph = true});
  CHECK(y.item() == Approx(-4 * std::sin(0.7) * std::exp(0.7)).epsilon(1e-12));  // (sin·exp)'''' = −4 sin·exp
}

TEST_CASE("grad by an intermediate result, and by what is not reached", "[graph]") {
  const Tensor x = variable(full({}, 2, float64)), other = variable(ones({3}));
  const Tensor middle = x * x, y = middle * middle;
  const auto g = grad({y}, {middle, x, other});
  CHECK(g[0].item() == 8);
  CHECK(g[1].item() == 32);
  CHECK(g[2].to_vector() == std::vector<double>{0, 0, 0});
}

TEST_CASE("seeds", "[graph]") {
  const Tensor x = variable(tensor({1, 2}, {2}, float64));
  const Tensor y = x * x;
  CHECK_THROWS_AS(backward(y, {.retain = true}), GraphError);
  CHECK_THROWS_AS(backward(y, {.retain = true, .seed = ones({3}, float64)}), ShapeError);
  CHECK_FALSE(x.grad());
  backward(y, {.seed = tensor({1, 10}, {2}, float64)});
  CHECK(x.grad().to_vector() == std::vector<double>{2, 40});
}

TEST_CASE("a graph is reversed once, unless it is retained", "[graph]") {
  const Tensor x = variable(ones({2}));
  const int line = __LINE__ + 1;
  const Tensor J = sum(x * x);
  backward(J);
  try {
    backward(J);
    FAIL("no exception");
  } catch (const GraphError& e) {
    const std::string what = e.what();
    CHECK(what.find("retain") != std::string::npos);
    CHECK(what.find("reverse.cpp:" + std::to_string(line)) != std::string::npos);
  }
  CHECK(x.grad().to_vector() == std::vector<double>{2, 2});
}

TEST_CASE("nothing is recorded under no_grad, for constants or for detached tensors", "[graph]") {
  const Tensor x = variable(ones({2}));
  {
    const auto guard = no_grad();
    CHECK_FALSE((x * x).requires_grad());
    const auto again = with_grad();
    CHECK((x * x).requires_grad());
  }
  CHECK((x * x).requires_grad());
  CHECK_FALSE((x.detach() * 2).requires_grad());
  CHECK_THROWS_AS(backward(sum(x.detach())), GraphError);
}

TEST_CASE("a value changed in place after it was recorded is not used", "[graph]") {
  Tensor w = variable(tensor({3}, {1}, float64)), v = variable(tensor({5}, {1}, float64));
  const Tensor J = sum(w * v);
  const int line = __LINE__ + 1;
  w.assign(full({1}, 100, float64));
  try {
    backward(J);
    FAIL("no exception");
  } catch (const GraphError& e) {
    const std::string what = e.what();
    INFO(what);
    CHECK(what.find("mul") != std::string::npos);
    CHECK(what.find("reverse.cpp:" + std::to_string(line)) != std::string::npos);
    CHECK(what.find("reverse.cpp:" + std::to_string(line - 2)) != std::string::npos);
  }
  CHECK_FALSE(w.grad());
  CHECK_FALSE(v.grad());
  CHECK_THROWS_AS(backward(J), GraphError);  // given up
  const Tensor fine = sum(w + v);            // an addition's derivative reads neither
  w.assign(full({1}, 7, float64));
  backward(fine);
  CHECK(w.grad().item() == 1);
}

TEST_CASE("a derivative that fails leaves every gradient as it was", "[graph]") {
  const Tensor a = variable(ones({2})), b = variable(ones({2}));
  backward(sum(a + b));
  const auto failing = [](In x) {
    return record(
        "failing", [](const Array& v) { return v; }, wrt(x, [](const Tensor&) -> Tensor { throw ValueError("on purpose"); }));
  };
  const Tensor J = sum(b * 3 + failing(a));
  const std::string expected = "[failing] on purpose";
  try {
    backward(J);
    FAIL("no exception");
  } catch (const ValueError& e) {
    CHECK(std::string(e.what()).find(expected) == 0);
  }
  CHECK(a.grad().to_vector() == std::vector<double>{1, 1});
  CHECK(b.grad().to_vector() == std::vector<double>{1, 1});
}

TEST_CASE("a derivative's shape and dtype are held to its input's", "[graph]") {
  const Tensor x = variable(ones({2, 3}));
  const auto wrong = [](In v, Tensor gives) {
    return record(
        "wrong", [](const Array& a) { return a; }, wrt(v, [gives](const Tensor&) { return gives; }));
  };
  CHECK_THROWS_AS(backward(sum(wrong(x, ones({3, 2})))), ShapeError);
  CHECK_THROWS_AS(backward(sum(wrong(x, ones({2, 3}, float64)))), DtypeError);
  CHECK_THROWS_AS(backward(sum(wrong(x, Tensor()))), GraphError);
  CHECK_FALSE(x.grad());
}

TEST_CASE("an operation that refuses within a derivative is named with the operation whose derivative it is", "[graph]") {
  const Tensor x = variable(ones({2, 3}));
  const auto product = [](In v) {
    return record("product", [](const Array&) { return Array::full({2, 2}, 1); }, wrt(v, [v](const Tensor& dy) { return matmul(v, dy); }));
  };
  const int line = __LINE__ + 2;
  try {
    backward(sum(product(x)));
    FAIL("it is not refused");
  } catch (const ShapeError& e) {
    INFO(e.what());
    CHECK(e.operation() == "matmul");
    CHECK(std::string(e.what()).find("in the derivative of product") != std::string::npos);
    CHECK(std::string(e.what()).find("reverse.cpp:" + std::to_string(line)) != std::string::npos);
  }
}

TEST_CASE("a derivative of first order only refuses a second", "[graph]") {
  const Tensor x = variable(full({}, 2, float64));
  const auto raw = [](In v) {
    return record(
        "raw_square", [](const Array& a) { return square(Tensor(a)).value(); },
        wrt(v, [v](const Array& dy) { return (Tensor(dy) * v.detach() * 2).value(); }));
  };
  CHECK(grad(raw(x), x).item() == 4);
  CHECK_THROWS_AS(grad(raw(x), x, {.create_graph = true}), GraphError);
}

TEST_CASE("what only a dropped derivative captured is freed", "[graph]") {
  const auto before = memory::live();
  const Tensor w = variable(ones({1000, 10}));
  Tensor y;
  {
    const Tensor x = ones({10, 1000});
    y = matmul(w, x);  // needs x for w's gradient; x needs none, so w is not kept for it
  }
  CHECK(memory::live().bytes - before.bytes > 3 * 40000);
  const Tensor z = y + 1;
  y = Tensor();
  backward(z, {.seed = ones({1000, 1000})});
  CHECK(memory::live().nodes - before.nodes == 3);  // the leaf, matmul and add: names and edges stay, values are gone
}

TEST_CASE("threads record and reverse graphs that share leaves", "[graph]") {
  const Tensor w = variable(full({}, 1, float64));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) backward(w * w * 0.5);
    });
  for (std::thread& t : threads) t.join();
  CHECK(w.grad().item() == 800);
}

TEST_CASE("threads reverse one retained graph at the same time", "[graph]") {
  const Tensor w = variable(full({}, 2, float64));
  const Tensor y = w * w * w;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) backward(y, {.retain = true});
    });
  for (std::thread& t : threads) t.join();
  CHECK(w.grad().item() == 12 * 400);
}

TEST_CASE("a derivative may run a reverse pass of its own", "[graph]") {
  const Tensor x = variable(full({}, 3, float64));
  const auto nested = [](In v) {
    return record(
        "nested", [](const Array& a) { return square(Tensor(a)).value(); }, wrt(v, [v](const Tensor& dy) {
          const auto on = with_grad();
          const Tensor inner = variable(v.detach());
          return dy * grad(inner * inner, inner);
        }));
  };
  CHECK(grad(nested(x) * x, x).item() == 27);
}
