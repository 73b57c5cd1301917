// A training loop that has found its memory: it calls the system's allocator no more, and meets no page for the first time.

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <limits>

#include <dz/dz.hpp>
#include <dz/tensor/memory.hpp>

#include "tests/support/support.hpp"

using namespace dz;

#if DZ_POOL && defined(__GLIBC__)
namespace {
std::atomic<std::int64_t> calls{0};
}

// In front of the C library's own, for this whole program.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t size) {
  calls.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  calls.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, size);
}
void* realloc(void* p, std::size_t size) {
  calls.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(p, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  calls.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** p, std::size_t alignment, std::size_t size) {
  calls.fetch_add(1, std::memory_order_relaxed);
  *p = __libc_memalign(alignment, size);
  return *p ? 0 : ENOMEM;
}
}
#endif

namespace {

struct Network {
  Linear first{2, 16}, second{16, 16}, output{16, 1};
  Tensor operator()(In x) const { return output(relu(second(relu(first(x))))); }
};
BOOST_DESCRIBE_STRUCT(Network, (), (first, second, output))

/// Large enough for every convolution to go through tiles.
struct Convolutional {
  Conv2d first{1, 16, 3, {.padding = 1}}, second{16, 16, 3, {.stride = 2, .padding = 1}};
  Linear output{14 * 14 * 16, 10};
  Tensor operator()(In x) const { return output(reshape(second(first(x, relu), relu), {x.size(0), 14 * 14 * 16})); }
};
BOOST_DESCRIBE_STRUCT(Convolutional, (), (first, second, output))

[[maybe_unused]] std::int64_t page_faults() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt;
}

}  // namespace

TEST_CASE("from its fourth step on a training loop asks the system for nothing", "[tensor]") {
#if DZ_POOL && defined(__GLIBC__)
  for (const std::int64_t m : {1, 32}) {
    CAPTURE(m);
    Network model;
    GradientDescent descent;
    Adam adam;
    const Tensor x = normal({m, 2}), y = bernoulli({m, 1}, 0.5);
    const auto step = [&] {
      backward(binary_cross_entropy_with_logits(model(x), y));
      descent.step(model);
      backward(binary_cross_entropy_with_logits(model(x), y));
      adam.step(model);
    };
    for (int i = 0; i < 3; ++i) step();
    const std::int64_t calls_before = calls;
    std::int64_t fewest = std::numeric_limits<std::int64_t>::max();  // of a few rounds: the system may take a page back at any time
    for (int round = 0; round < 3; ++round) {
      const std::int64_t before = page_faults();
      for (int i = 0; i < 50; ++i) step();
      fewest = std::min(fewest, page_faults() - before);
    }
    CHECK(calls == calls_before);
    CHECK(fewest == 0);
  }
#else
  DZ_SKIP("the pool is off");
#endif
}

TEST_CASE("from its fourth step on a training loop of convolutions in tiles asks the system for nothing", "[tensor]") {
#if DZ_POOL && defined(__GLIBC__)
  if (active_isa() != Isa::avx512) DZ_SKIP("this processor has no AVX-512: convolutions are oneDNN's");
  for (const bool casts : {false, true}) {
    if (casts && !unsupported(bfloat16).empty()) continue;
    CAPTURE(casts);
    const auto guard = autocast(bfloat16, casts);
    Convolutional model;
    Adam adam;
    const Tensor x = normal({16, 28, 28, 1}), labels = cast(bernoulli({16}, 0.5), int64);
    const auto step = [&] {
      backward(cross_entropy(model(x), labels));
      adam.step(model);
    };
    for (int i = 0; i < 3; ++i) step();
    const std::int64_t before = calls;
    for (int i = 0; i < 20; ++i) step();
    CHECK(calls == before);
  }
#else
  DZ_SKIP("the pool is off");
#endif
}
