// Reverse passes within reverse passes, and passes from several threads over a part of a graph that they share.

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include <dz/dz.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

void on_threads(int count, const std::function<void(int)>& f) {
  std::vector<std::thread> threads;
  for (int t = 0; t < count; ++t) threads.emplace_back([&f, t] { f(t); });
  for (std::thread& t : threads) t.join();
}

}  // namespace

TEST_CASE("checkpoints within checkpoints give the gradients of what they stand for, of both orders", "[graph]") {
  const Tensor x = variable(full({2}, 0.7, float64)), w = variable(full({2}, 1.3, float64));
  const auto plain = [&](In v) { return tanh(sin(v * w) * exp(v)); };
  const auto kept = [&](In v) {
    return checkpoint([&](In a) { return tanh(checkpoint([&](In b) { return sin(checkpoint([&](In c) { return c * w; }, b)); }, a) * exp(a)); }, v);
  };
  const auto gradients = [&](const Tensor& y) {
    std::vector<Tensor> first = grad({sum(y)}, {x, w}, {.create_graph = true});
    std::vector<Tensor> second = grad({sum(first[0] * first[1])}, {x, w});
    first.insert(first.end(), second.begin(), second.end());
    return first;
  };
  const auto expected = gradients(plain(x)), got = gradients(kept(x));
  for (std::size_t i = 0; i < expected.size(); ++i)
    for (std::size_t k = 0; k < 2; ++k) CHECK(got[i].to_vector()[k] == Approx(expected[i].to_vector()[k]).epsilon(1e-12));
}

TEST_CASE("a hook may run a reverse pass, over its own graph's leaves and over another graph", "[graph]") {
  const Tensor x = variable(full({}, 3, float64)), other = variable(full({}, 2, float64));
  const Tensor shared = x * x;
  int seen = 0;
  const Tensor y = hook(shared, [&](const Tensor& g) {
    ++seen;
    const auto on = with_grad();
    backward(other * other);                                           // another graph, while this pass has not committed
    CHECK(grad(shared, x, {.retain = true}).item() == 6);              // the graph that is being reversed
    return g * grad(other * other * other, other);                     // 12
  });
  backward(y * 1.0);
  CHECK(seen == 1);
  CHECK(other.grad().item() == 4);
  CHECK(x.grad().item() == 72);
}

TEST_CASE("a pass that fails within a hook leaves the outer one's gradients out, too", "[graph]") {
  const Tensor x = variable(full({}, 3, float64)), other = variable(full({}, 2, float64));
  const Tensor failing = hook(other * other, [](const Tensor&) -> Tensor { throw ValueError("inner"); });
  const Tensor y = x * x + hook(x * 2, [&](const Tensor& g) {
                     backward(failing);
                     return g;
                   });
  CHECK_THROWS_AS(backward(y), ValueError);
  CHECK_FALSE(x.grad());
  CHECK_FALSE(other.grad());
  CHECK_THROWS_AS(backward(y), GraphError);
}

TEST_CASE("threads reverse their own graphs over a part that they share", "[graph][threads]") {
  for (int round = 0; round < 20; ++round) {
    const auto before = memory::live();
    {
      const Tensor x = variable(full({8}, 2, float64));
      const Tensor shared = tanh(checkpoint([](In v) { return v * v * 0.1; }, x)) + x;
      const Tensor alone = grad(sum(shared), x, {.retain = true});
      std::atomic<int> wrong{0};
      on_threads(3, [&](int t) {
        for (int i = 0; i < 10; ++i) {
          const Tensor mine = sum(shared * (t + 1.0));
          const std::vector<double> g = grad(mine, x, {.retain = true}).to_vector();
          backward(mine, {.retain = true});
          for (std::size_t k = 0; k < g.size(); ++k) wrong += std::abs(g[k] - (t + 1) * alone.to_vector()[k]) > 1e-12;
        }
      });
      CHECK(wrong == 0);
      for (std::size_t k = 0; k < 8; ++k) CHECK(x.grad().to_vector()[k] == Approx(60 * alone.to_vector()[k]).epsilon(1e-12));
    }
    CHECK(memory::live() == before);
  }
}

TEST_CASE("threads race to spend a shared part: each pass is whole or refused", "[graph][threads]") {
  for (int round = 0; round < 50; ++round) {
    const Tensor x = variable(full({4}, 2, float64));
    const Tensor shared = x * x * x;
    std::atomic<int> whole{0}, refused{0};
    on_threads(3, [&](int) {
      try {
        backward(sum(shared * 1.0));
        ++whole;
      } catch (const GraphError&) {
        ++refused;
      }
    });
    CHECK(whole + refused == 3);
    CHECK(whole >= 1);
    if (x.grad()) CHECK(x.grad().to_vector() == std::vector<double>(4, 12.0 * whole));
  }
}

TEST_CASE("threads with hooks that reverse shared graphs in turn", "[graph][threads]") {
  const Tensor x = variable(full({}, 2, float64));
  const Tensor shared = x * x;
  std::atomic<int> wrong{0};
  on_threads(3, [&](int) {
    for (int i = 0; i < 20; ++i) {
      const Tensor y = hook(shared * 1.0, [&](const Tensor& g) { return g * grad(shared, x, {.retain = true}); });  // 4
      wrong += grad(y, x, {.retain = true}).item() != 16;
    }
  });
  CHECK(wrong == 0);
}
