// Chains of millions of operations: nothing in the library recurses over a graph, and a recorded operation is small.

#include <pthread.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

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

TEST_CASE("ten million operations in a row, and a fan-in of a million", "[graph][long][.]") {
  on_stack(8 << 20, [] {
    constexpr int ten_million = 10'000'000;
    const Tensor x = variable(full({1}, 1, float32)), c = full({1}, -1, float32);
    Tensor y = x;
    for (int i = 0; i < ten_million; ++i) y = y * c;
    CHECK(y.item() == 1);
    backward(y);
    CHECK(x.grad().item() == 1);
    y = Tensor();
    Tensor dropped = x;
    for (int i = 0; i < ten_million; ++i) dropped = -dropped;
  });
  on_stack(8 << 20, [] {
    constexpr int million = 1'000'000;
    const Tensor x = variable(full({}, 1, float64));
    std::vector<In> operands;
    for (int i = 0; i < million; ++i) operands.emplace_back(x * (i % 2 ? 3 : 1));
    const Tensor y = record(
        "sum_of_many",
        [](std::span<const Array> in) {
          double sum = 0;
          for (const Array& a : in) sum += a.item();
          return Array::scalar(sum, float64);
        },
        wrt_all(std::move(operands), [](const Tensor& dy, const Tensor&, Wanted wanted) { return std::vector<Tensor>(wanted.size(), dy); }));
    CHECK(y.item() == 2.0 * million);
    CHECK(num_edges(Graph(y)) == 2 * million);
    backward(y, {.retain = true});
    CHECK(x.grad().item() == 2.0 * million);
    Tensor sum = full({}, 0, float64);
    for (int i = 0; i < million; ++i) sum = sum + x;  // one leaf that a million nodes read
    x.clear_grad();
    backward(sum);
    CHECK(x.grad().item() == million);
  });
}

namespace {

/// The most memory that this process has held so far.
double peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return 1024 * std::atof(line.c_str() + 6);
  return 0;
}

constexpr int measured = 10'000'000;

template <class C> void measure(C c) {
  const Tensor x = variable(ones({1}));
  Tensor y = x;
  for (int i = 0; i < measured; ++i) y = y * c;
  backward(y);
  std::printf("bytes an operation: %.1f\n", (peak_bytes() - 64.0 * measured) / measured);
}

/// What the test case of that name prints, run in a process of its own.
double measured_in_a_process(const std::string& test) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  FILE* const out = popen(("OMP_NUM_THREADS=1 '" + self + "' '" + test + "'").c_str(), "r");
  REQUIRE(out);
  double bytes = -1;
  for (char line[512]; std::fgets(line, sizeof line, out);) std::sscanf(line, "bytes an operation: %lf", &bytes);
  CHECK(pclose(out) == 0);
  return bytes;
}

}  // namespace

TEST_CASE("in a process of its own: a chain of products with a tensor", "[.][alone]") { measure(full({1}, 0.9999999)); }
TEST_CASE("in a process of its own: a chain of products with a number", "[.][alone]") { measure(0.9999999); }

TEST_CASE("y = y * c on one element, ten million times, takes at most 200 bytes an operation above 64", "[graph][long][.]") {
#if defined(DZ_POOL) && !DZ_POOL
  DZ_SKIP("a sanitizer's own memory would be counted");
#endif
  for (const std::string with : {"tensor", "number"}) {
    const double bytes = measured_in_a_process("in a process of its own: a chain of products with a " + with);
    INFO(bytes << " bytes, with a " << with);
    CHECK(bytes > 0);
    CHECK(bytes <= 200);
  }
}
