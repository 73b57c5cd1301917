// Hard use of the public interface: handles moved from, exceptions in forwards and derivatives, passes within passes, threads that
// share leaves or come and go. Nothing may crash, leak or change what was there before an error.

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include <dz/dz.hpp>
#include <dz/graph/node.hpp>

#include "tests/ops/refusal.hpp"
#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::test;

namespace {

/// x itself, with a derivative of one's own.
template <class D> Tensor through(In x, D derivative) {
  return record(
      "through", [](const Array& v) { return v.clone(); }, wrt(x, std::move(derivative)));
}

}  // namespace

TEST_CASE("empty and moved-from tensors are refused, not followed", "[ops]") {
  Tensor x = variable(ones({2}));
  const Tensor taken = std::move(x);
  const Tensor none;
  const int line = __LINE__ + 1;
  CHECK(what_of<ValueError>([&] { exp(none); }) == "an empty tensor is given to an operation, at misuse.cpp:" + std::to_string(line));
  CHECK_THROWS_AS(taken + x, ValueError);  // NOLINT: moved from
  CHECK_THROWS_AS(where(less(taken, 0), taken, none), ValueError);
  CHECK_THROWS_AS(backward(none), ValueError);
  CHECK_THROWS_AS(grad(none, taken), GraphError);
  CHECK_THROWS_AS(grad(sum(taken), none), GraphError);
  CHECK_THROWS_AS(none.grad(), GraphError);
  CHECK_THROWS_AS(none.shape(), ValueError);
  CHECK_THROWS_AS(none.t(), ValueError);
  const int asked = __LINE__ + 1;
  CHECK(what_of<ValueError>([&] { none.item(); }) == "[item] an empty tensor has no element, at misuse.cpp:" + std::to_string(asked));
  CHECK(what_of<ShapeError>([&] { zeros({2, 3}).item(); }) == "[item] one element is asked for, (2, 3) has 6, at misuse.cpp:" + std::to_string(asked + 1));
  CHECK(what_of<ShapeError>([&] { zeros({2, 3}).size(-3); }) == "[size] axis -3 of (2, 3), at misuse.cpp:" + std::to_string(asked + 2));
  CHECK_THROWS_AS(variable(none), ValueError);
  CHECK_FALSE(none.detach());
  CHECK_FALSE(none.requires_grad());
  CHECK_FALSE(none.is_leaf());
  CHECK(to_string(none) == "(none)");
  x = taken;
  Tensor& same = x;
  x = same;
  x = std::move(same);
  backward(sum(x));
  CHECK(x.grad().to_vector() == std::vector<double>{1, 1});
}

TEST_CASE("an exception in a forward records nothing and leaves the thread's state", "[ops]") {
  const auto before = memory::live();
  const Tensor x = variable(ones({2}));
  const auto failing = [](In v) {
    return record(
        "failing", [](const Array&) -> Array { throw std::runtime_error("mine"); }, wrt(v, [v](const Tensor& dy) { return dy * v; }));
  };
  const auto nodes = memory::live().nodes;
  CHECK_THROWS_AS(failing(x * 2), std::runtime_error);
  CHECK(memory::live().nodes == nodes);
  const int line = __LINE__ + 1;
  CHECK(what_of<ShapeError>([&] { sum(x, 3); }).ends_with("misuse.cpp:" + std::to_string(line)));  // no stale call site
  CHECK(is_recording());
  CHECK(memory::live().nodes == before.nodes + 1);
}

TEST_CASE("an exception of any type in a derivative leaves gradients, modes and limits as they were", "[ops]") {
  Tensor a = variable(full({}, 2, float64)), b = variable(full({}, 3, float64));
  backward(a * b);
  const Tensor kept = a * a;
  for (const bool retain : {true, false}) {
    const Tensor J = b * 2 + through(a, [](const Tensor&) -> Tensor { throw 42; }) + kept;
    CHECK_THROWS_AS(backward(J, {.retain = retain}), int);
    CHECK(a.grad().item() == 3);
    CHECK(b.grad().item() == 2);
    CHECK(is_recording());
    a.assign(a.detach() + 0);  // a later write can be read: no limit is left behind
    CHECK(a.item() == 2);
  }
  CHECK_THROWS_AS(backward(kept), GraphError);  // given up with the graph that it was in
  const int line = __LINE__ + 1;
  CHECK(what_of<ShapeError>([&] { sum(a, 3); }).ends_with("misuse.cpp:" + std::to_string(line)));
}

TEST_CASE("a retained graph can be reversed after a failed pass", "[ops]") {
  const Tensor x = variable(full({}, 3, float64));
  int failures = 1;
  const Tensor J = x * through(x * x, [&](const Tensor& dy) {
                     if (failures-- > 0) throw ValueError("once");
                     return dy;
                   });
  CHECK_THROWS_AS(backward(J, {.retain = true}), ValueError);
  CHECK_FALSE(x.grad());
  backward(J);
  CHECK(x.grad().item() == 27);
}

TEST_CASE("a derivative may reverse the very graph it is part of", "[ops]") {
  const Tensor x = variable(full({}, 2, float64));
  Tensor inner, result;
  int depth = 0;
  inner = x * x * x;
  const Tensor y = through(inner, [&](const Tensor& dy) {
    if (depth++ == 0) result = grad(inner, x, {.retain = true});
    return dy;
  });
  backward(y);
  CHECK(result.item() == 12);
  CHECK(x.grad().item() == 12);
  x.clear_grad();
  // Without retain it spends what the outer pass still needs; either order ends in a gradient or an error, never in a crash.
  Tensor z = x * x;
  const Tensor spending = through(z, [&](const Tensor& dy) {
    backward(z);
    return dy;
  });
  try {
    backward(spending);
    CHECK(x.grad().item() == 8);
  } catch (const GraphError&) {
    CHECK(x.grad().item() == 4);
  }
}

TEST_CASE("a derivative may drop the tensors that hold its graph", "[ops]") {
  const Tensor x = variable(full({3}, 2, float64));
  auto held = std::make_unique<Tensor>(x * x);
  Tensor y = through(*held * 3, [&](const Tensor& dy) {
    held.reset();
    return dy;
  });
  y = sum(y);
  backward(y);
  CHECK(x.grad().to_vector() == std::vector<double>(3, 12));
}

TEST_CASE("a gradient that was set does not keep a graph alive", "[ops]") {
  const auto before = memory::live();
  {
    const Tensor x = variable(ones({4}));
    x.set_grad(x * 2);  // computed from the leaf itself: held, it would be a cycle
    CHECK_FALSE(x.grad().requires_grad());
    CHECK(x.grad().to_vector() == std::vector<double>(4, 2));
    CHECK_THROWS_AS(x.set_grad(ones({3})), ShapeError);
    CHECK_THROWS_AS((x * 2).set_grad(ones({4})), GraphError);
  }
  CHECK(memory::live() == before);
}

TEST_CASE("gradients do not change with what was handed in or out before", "[ops]") {
  const Tensor x = variable(ones({2}, float64)), y = variable(ones({2}, float64));
  Tensor seed = full({2}, 5, float64);
  backward(x + y, {.seed = seed});
  Tensor first = x.grad();
  seed.assign(zeros({2}, float64));
  CHECK(x.grad().to_vector() == std::vector<double>{5, 5});
  CHECK(y.grad().to_vector() == std::vector<double>{5, 5});
  backward(x * 2, {.seed = ones({2}, float64)});
  CHECK(first.to_vector() == std::vector<double>{5, 5});  // not added to in place
  CHECK(x.grad().to_vector() == std::vector<double>{7, 7});
  x.grad().assign(zeros({2}, float64));
  CHECK(y.grad().to_vector() == std::vector<double>{5, 5});
}

TEST_CASE("record with derivatives together: a forward of another number of arrays, or of no outputs, is refused", "[ops]") {
  const Tensor x = variable(ones({2}));
  const auto derivative = [](const Tensor& dy, const Tensor&, Wanted) { return std::vector<Tensor>{dy, dy, dy}; };
  const auto two = [](const Array& a, const Array&) { return a.clone(); };
  CHECK(refusal<GraphError>([&] { record("mine", two, wrt_all({x, x, x}, derivative)); }) == "[mine] its forward does not take 3 arrays");
  CHECK(what_of<GraphError>([&] { record("mine", two, wrt_all({}, derivative)); }).starts_with("[mine] a forward of 0 arrays"));
  CHECK(refusal<GraphError>([&] {
          record("mine", two, wrt_all({x, x, x, x, x, x, x}, derivative));
        }).starts_with("[mine] a forward of 7 arrays"));
  const auto nothing = [](std::span<const Array>) { return std::vector<Array>{}; };
  const auto none = [](std::span<const Tensor>, std::span<const Tensor>, Wanted) { return std::vector<Tensor>{}; };
  CHECK(refusal<GraphError>([&] { record_many("mine", nothing, wrt_all({x}, none)); }) == "[mine] its forward gives 0 outputs");
  const Tensor y = record("mine", two, wrt_all({x, x}, derivative));
  CHECK_THROWS_AS(backward(sum(y)), GraphError);  // three gradients for two inputs
  CHECK_FALSE(x.grad());
}

TEST_CASE("closures that hold closures are released one by one", "[ops]") {
  const Tensor x = variable(full({}, 1, float64));
  Tensor y = x;
  for (int i = 0; i < 200'000; ++i)  // each derivative holds the tensor before it, which holds its node, which holds …
    y = through(y, [before = y, more = std::make_shared<Tensor>(y)](const Tensor& dy) { return dy; });
  y = Tensor();
  y = x;
  for (int i = 0; i < 50'000; ++i) {
    const std::function<Tensor(const Tensor&)> d = [before = y](const Tensor& dy) { return dy; };
    y = through(y, d);
  }
  backward(y);
  CHECK(x.grad().item() == 1);
}

TEST_CASE("threads that reverse separate graphs of the same leaves add up every gradient", "[ops]") {
  const Tensor w = variable(full({50, 50}, 0.5, float64)), b = variable(zeros({1, 50}, float64));
  std::atomic<int> refused = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const Tensor J = sum(matmul(w, w) + b);
        if (t == 3) {
          try {
            backward(J + sum(through(b, [](const Tensor&) -> Tensor { throw ValueError("on purpose"); })));
          } catch (const ValueError&) {
            ++refused;
          }
        } else {
          backward(J);
        }
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(refused == 20);
  CHECK(b.grad().to_vector() == std::vector<double>(50, 60 * 50));
  CHECK(w.grad().to_vector()[7] == Approx(60 * 50));
}

TEST_CASE("threads race to reverse one graph: one succeeds, the others are refused or add the same", "[ops]") {
  for (int round = 0; round < 50; ++round) {
    const Tensor x = variable(full({8}, 2, float64));
    const Tensor J = sum(x * x * x);
    std::atomic<int> done = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t)
      threads.emplace_back([&] {
        try {
          backward(J);
          ++done;
        } catch (const GraphError&) {
        }
      });
    for (std::thread& t : threads) t.join();
    REQUIRE(done >= 1);
    REQUIRE(x.grad().to_vector() == std::vector<double>(8, 12.0 * done));
  }
}

TEST_CASE("a graph built in one thread, reversed in a second and destroyed in a third", "[ops]") {
  Tensor x, J;
  std::thread([&] {
    x = variable(full({40}, 2, float64));
    Tensor y = x;
    for (int i = 0; i < 1000; ++i) y = y * 1.0 + 0;
    J = sum(y);
  }).join();
  std::thread([&] { backward(J, {.retain = true}); }).join();
  CHECK(x.grad().to_vector() == std::vector<double>(40, 1));
  const Tensor more = sum(x * 2);  // numbers of nodes hold across threads
  backward(J + more);
  CHECK(x.grad().to_vector() == std::vector<double>(40, 4));
  std::thread([J = std::move(J)]() mutable { J = Tensor(); }).join();
}

TEST_CASE("modes belong to the thread", "[ops]") {
  const auto quiet = no_grad();
  const auto on = training();
  bool recording = false, trains = true;
  std::thread([&] { recording = is_recording(), trains = is_training(); }).join();
  CHECK(recording);
  CHECK_FALSE(trains);
}

namespace {
// Alive until the process ends, after the thread's own state has gone; a leak checker or a crash at exit would tell.
Tensor outlives_main;
thread_local Tensor outlives_thread;
}  // namespace

TEST_CASE("tensors of static and thread storage duration", "[ops][keeps]") {
  outlives_main = variable(full({1000}, 1)) * 2;
  outlives_thread = outlives_main * 2;
  std::thread([] { outlives_thread = sum(variable(full({10}, 1)) * 3); }).join();
  backward(sum(outlives_thread));
  CHECK(outlives_main.to_vector()[0] == 2);
}
