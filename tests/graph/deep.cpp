// Chains of a million operations: nothing in the library recurses over a graph.

#include <pthread.h>

#include <functional>

#include <dz/dz.hpp>
#include <dz/graph/view.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

/// Runs f on a thread with a stack of this size.
void on_stack(std::size_t bytes, std::function<void()> f) {
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, bytes) == 0);
  pthread_t thread;
  const auto call = [](void* g) -> void* {
    (*static_cast<std::function<void()>*>(g))();
    return nullptr;
  };
  const int failure = pthread_create(&thread, &attributes, call, &f);  // checked below: the thread may be in a CHECK of its own
  if (!failure) pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  REQUIRE(failure == 0);
}

constexpr int length = 1'000'000;

double chain_gradient() {
  const Tensor x = variable(full({}, 1, float64));
  Tensor y = x;
  for (int i = 0; i < length; ++i) y = i % 2 ? y * 1.000001 : y + x;
  backward(y);
  return x.grad().item();
}

}  // namespace

TEST_CASE("a chain of a million operations is built, reversed and released", "[graph]") {
  double expected = 1;
  for (int i = 0; i < length; ++i) expected = i % 2 ? expected * 1.000001 : expected + 1;
  double main_stack = 0, small_stack = 0;
  on_stack(8 << 20, [&] { main_stack = chain_gradient(); });
  on_stack(256 << 10, [&] { small_stack = chain_gradient(); });
  CHECK(main_stack == Approx(expected).epsilon(1e-9));
  CHECK(small_stack == main_stack);
}

TEST_CASE("a chain of a million operations is dropped unreversed, viewed, and reversed with its graph recorded", "[graph]") {
  on_stack(256 << 10, [] {
    Tensor y = variable(full({}, 1, float64));
    for (int i = 0; i < length; ++i) y = -y;
    CHECK(num_vertices(Graph(y)) == length + 1);
    y = Tensor();
    const Tensor x = variable(full({}, 1, float64));
    Tensor z = x;
    for (int i = 0; i < length / 10; ++i) z = z * x;
    const Tensor dz = grad(z, x, {.create_graph = true});
    CHECK(dz.item() == length / 10 + 1);
    CHECK(grad(dz, x).item() == (length / 10 + 1.0) * (length / 10));
  });
}
