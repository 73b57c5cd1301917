// The pool: pieces come back, live() counts, and nothing grows.

#include <array>
#include <atomic>
#include <cstring>
#include <deque>
#include <mutex>
#include <random>
#include <thread>

#include <dz/dz.hpp>
#include <dz/tensor/heap.hpp>
#include <dz/tensor/memory.hpp>

#include "tests/support/support.hpp"

using namespace dz;

#if defined(__SANITIZE_ADDRESS__)
// Refused memory is an exception of dz's, not a sanitizer's report.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }
#endif
#if defined(__SANITIZE_THREAD__)
extern "C" const char* __tsan_default_options() { return "allocator_may_return_null=1"; }
#endif

namespace {

/// With the pool off (the sanitizer presets) every piece is the system's own.
bool pooled() {
  void* a = memory::take(100);
  memory::give(a, 100);
  const std::int64_t before = memory::system_requests();
  void* b = memory::take(100);
  memory::give(b, 100);
  return memory::system_requests() == before;
}

double training_step(const Tensor& w, const Tensor& x) {
  backward(sum(square(tanh(matmul(x, w)) + 1)));
  const double first = w.grad().to_vector()[0];
  w.clear_grad();
  return first;
}

}  // namespace

TEST_CASE("pieces of all sizes are aligned, writable to their end and apart", "[tensor]") {
  std::vector<std::pair<std::byte*, std::size_t>> pieces;
  std::vector<std::size_t> sizes;
  for (std::size_t n = 0; n <= 300; ++n) sizes.push_back(n);
  for (std::size_t n = 512; n <= (std::size_t{1} << 22); n = n * 3 / 2) sizes.insert(sizes.end(), {n - 1, n, n + 1});
  for (std::size_t n = 1024; n <= (std::size_t{1} << 22); n *= 2) sizes.insert(sizes.end(), {n - 1, n, n + 1});
  for (const std::size_t n : sizes) {
    auto* p = static_cast<std::byte*>(memory::take(n));
    CHECK(reinterpret_cast<std::uintptr_t>(p) % 16 == 0);
    if (n % 64 == 0) CHECK(reinterpret_cast<std::uintptr_t>(p) % 64 == 0);
    std::memset(p, static_cast<int>(pieces.size() % 251), n);
    pieces.emplace_back(p, n);
  }
  bool intact = true;
  for (std::size_t i = 0; i < pieces.size(); ++i)
    for (std::size_t k = 0; k < pieces[i].second; ++k) intact &= pieces[i].first[k] == static_cast<std::byte>(i % 251);
  CHECK(intact);
  for (const auto& [p, n] : pieces) memory::give(p, n);
  memory::trim();
}

TEST_CASE("elements of arrays begin on a cache line, where they are more than 32 bytes", "[tensor]") {
  for (const std::int64_t n : {9, 16, 100, 1000, 100000})
    for (int rank = 1; rank <= 8; ++rank) {
      Shape shape{n};
      while (shape.rank() < rank) shape.append(1);
      CHECK(reinterpret_cast<std::uintptr_t>(Array::make(shape).data<float>()) % 64 == 0);
    }
}

TEST_CASE("a piece that was given back is used again", "[tensor]") {
  if (!pooled()) DZ_SKIP("the pool is off");
  for (const std::int64_t n : {4, 1000, 100'000, 10'000'000}) {
    const float* first = nullptr;
    {
      const Array a = Array::make({n});
      first = a.data<float>();
    }
    CHECK(Array::make({n}).data<float>() == first);
  }
}

TEST_CASE("arrays of different sizes take turns in the same memory", "[tensor]") {
  if (!pooled()) DZ_SKIP("the pool is off");
  constexpr std::int64_t n = 3'000'000;
  { const Array whole = Array::make({n}); }
  const std::int64_t requests = memory::system_requests();
  for (const std::int64_t parts : {2, 3, 7, 1}) {
    std::vector<Array> all;
    for (std::int64_t k = 0; k < parts; ++k) all.push_back(Array::make({n / parts - 2000}));
    std::swap(all.front(), all.back());
  }
  CHECK(memory::system_requests() == requests);
}

TEST_CASE("a heap's pieces lie apart, what is free is joined within its region, and free regions go", "[tensor]") {
  using memory::detail::Heap;
  constexpr std::size_t size = 32'768, cell = 64;
  alignas(64) static std::array<std::byte, 2 * size> regions;  // two that touch
  static std::vector<void*> released;
  released.clear();
  Heap heap;
  CHECK(heap.take(cell) == nullptr);
  heap.add({regions.data() + size, size});
  heap.add({regions.data(), size});
  std::vector<Heap::Block> pieces;
  std::mt19937 random(5);
  std::array<bool, 2 * size / cell> taken{};
  const auto mark = [&](const Heap::Block& b, bool to) {
    const auto offset = [&](const std::byte* p) { return static_cast<std::size_t>(p - regions.data()); };
    bool right = true;
    for (std::size_t i = offset(b.begin) / cell; i < (offset(b.end()) + cell - 1) / cell; ++i) right &= std::exchange(taken[i], to) != to;
    return right;
  };
  bool right = true;
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (random() % 2) {
      const std::size_t bytes = 1 + random() % 9000;
      void* const p = heap.take(bytes);
      if (!p) {  // all that is free is joined, and none of it would do
        ++refused;
        for (const Heap::Block& b : heap.uncut_blocks()) right &= b.bytes < Heap::bytes_of_block(bytes);
      }
      if (p) right &= reinterpret_cast<std::uintptr_t>(p) % 64 == 0 && mark(pieces.emplace_back(Heap::Block{static_cast<std::byte*>(p), bytes}), true);
    } else if (!pieces.empty()) {
      std::swap(pieces[random() % pieces.size()], pieces.back());
      right &= mark(pieces.back(), false);
      heap.give(pieces.back().begin);
      pieces.pop_back();
    }
  }
  CHECK(right);
  CHECK(refused > 0);
  for (const Heap::Block& b : pieces) heap.give(b.begin);
  const std::size_t most = size - Heap::bytes_of_block(0);
  void* const p = heap.take(most);  // all that was cut is joined for it
  REQUIRE(p);
  CHECK(heap.take(most + 1) == nullptr);
  heap.remove_free([](void* region) { released.push_back(region); });
  const bool in_first = p < regions.data() + size;
  CHECK(released == std::vector<void*>{regions.data() + (in_first ? size : 0)});
  CHECK(heap.uncut_blocks().empty());
  heap.give(p);
  heap.remove_free([](void* region) { released.push_back(region); });
  CHECK(released.size() == 2);
  CHECK(heap.take(cell) == nullptr);
}

TEST_CASE("a heap's block serves again for what is at least half as large, in its middle", "[tensor]") {
  using memory::detail::Heap;
  alignas(64) static std::array<std::byte, 65'536> region;
  Heap heap;
  heap.add({region.data(), region.size()});
  constexpr std::size_t n = 16'000;
  auto* const first = static_cast<std::byte*>(heap.take(n));
  auto* const second = static_cast<std::byte*>(heap.take(n));
  heap.give(first);
  heap.give(second);
  CHECK(heap.take(n) == second);  // which was given back last
  heap.give(second);
  auto* const smaller = static_cast<std::byte*>(heap.take(n / 2));
  CHECK(std::abs((smaller + n / 4) - (second + n / 2)) <= 512);
  heap.give(smaller);
  auto* const small = static_cast<std::byte*>(heap.take(n / 4));
  CHECK((small < first || small >= first + n));
  CHECK((small < second || small >= second + n));
  CHECK(heap.take(n) == second);
}

TEST_CASE("live() counts arrays, their bytes and nodes", "[tensor]") {
  const auto before = memory::live();
  {
    const Tensor x = variable(ones({10, 10}));
    const Tensor view = x.detach().t();
    CHECK(memory::live().nodes == before.nodes + 1);
    CHECK(memory::live().arrays == before.arrays + 2);
    CHECK(memory::live().bytes == before.bytes + 400);
    const Tensor y = x * 2;
    CHECK(memory::live().nodes == before.nodes + 2);
  }
  CHECK(memory::live() == before);
  const Array kept = Array::make({1000}).slice(0, 0, 1);  // a view keeps all of it, but the array itself is gone
  CHECK(memory::live().arrays == before.arrays + 1);
}

TEST_CASE("a training loop asks the system for nothing after its second step", "[tensor]") {
  if (!pooled()) DZ_SKIP("the pool is off");
  const Tensor w = variable(normal({64, 32})), x = normal({128, 64});
  training_step(w, x);
  training_step(w, x);
  const std::int64_t requests = memory::system_requests();
  for (int i = 0; i < 200; ++i) training_step(w, x);
  CHECK(memory::system_requests() == requests);
}

TEST_CASE("trim gives large pieces back, and the pool goes on", "[tensor]") {
  for (const std::int64_t n : {5'000'000, 500'000, 1'000}) {  // a region, a part of one, and one that hardly has a page
    { const Array a = Array::full({n}, 1), b = Array::full({n}, 1); }
    memory::trim();
    const Array a = Array::full({n}, 2), b = Array::full({n}, 3);
    CHECK(a.data<float>()[n - 1] == 2);
    CHECK(b.data<float>()[n - 1] == 3);
  }
}

TEST_CASE("threads allocate, and others free", "[tensor]") {
  const auto before = memory::live();
  {
    std::mutex mutex;
    std::deque<Tensor> queue;
    std::atomic<int> producers = 3;
    std::atomic<std::int64_t> wrong = 0, taken = 0;
    const auto produce = [&](int id) {
      for (int i = 0; i < 2000; ++i) {
        Tensor t = full({1 + (i * 37) % 700}, id, float32);
        const std::lock_guard lock(mutex);
        queue.push_back(std::move(t));
      }
      --producers;
    };
    const auto consume = [&] {
      while (true) {
        Tensor t;
        {
          const std::lock_guard lock(mutex);
          if (queue.empty()) {
            if (producers == 0) return;
          } else {
            t = std::move(queue.front());
            queue.pop_front();
          }
        }
        if (!t) {
          std::this_thread::yield();
          continue;
        }
        ++taken;
        const auto v = t.to_vector<float>();
        for (float f : v) wrong += f != v[0];
      }
    };
    std::vector<std::thread> threads;
    for (int id = 0; id < 3; ++id) threads.emplace_back(produce, id);
    for (int id = 0; id < 2; ++id) threads.emplace_back(consume);
    for (std::thread& t : threads) t.join();
    CHECK(wrong == 0);
    CHECK(taken == 6000);
  }
  CHECK(memory::live() == before);
}

TEST_CASE("threads that come and go leave their pieces to others", "[tensor]") {
  if (!pooled()) DZ_SKIP("the pool is off");
  const auto work = [] {
    std::vector<Tensor> all;
    for (int i = 0; i < 50; ++i) all.push_back(variable(full({i, 20}, 1)) * 2);
  };
  const auto once = [&] { std::thread(work).join(); };
  for (int i = 0; i < 3; ++i) once();
  const std::int64_t requests = memory::system_requests();
  for (int i = 0; i < 50; ++i) once();
  CHECK(memory::system_requests() == requests);
}

TEST_CASE("tensors outlive the thread that made them, and their last release may be anywhere", "[tensor]") {
  Tensor x, y;
  std::thread([&] {
    x = variable(full({100}, 3, float64));
    y = sum(x * x);
  }).join();
  backward(y);
  CHECK(x.grad().to_vector()[99] == 6);
  std::thread([x = std::move(x), y = std::move(y)]() mutable {
    x = Tensor();
    y = Tensor();
  }).join();
}
