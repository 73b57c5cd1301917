#include <dz/tensor/memory.hpp>

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <utility>

#include <dz/tensor/error.hpp>

#ifndef DZ_POOL
#define DZ_POOL 1
#endif

namespace dz::memory {
namespace {

// Sizes up to 1 KiB fall into classes 16 bytes apart, larger ones into eight classes per power of two.
constexpr std::size_t small_limit = 1024, slab_bytes = 1 << 16;
constexpr int small_classes = small_limit / 16 + 1, large_classes = 8 * 53;
constexpr std::size_t thread_limit = 1 << 20;  // pieces above this go straight to the shared lists

struct SizeClass {
  int index;
  std::size_t bytes;
};
SizeClass size_class(std::size_t bytes) {
  if (bytes <= small_limit) {
    const std::size_t index = (bytes + 15) / 16;
    return {static_cast<int>(index), index * 16};
  }
  const int exponent = static_cast<int>(std::bit_width(bytes - 1));  // 2^(exponent-1) < bytes <= 2^exponent
  const std::size_t step = std::size_t{1} << (exponent - 4), steps = (bytes + step - 1) / step;
  return {small_classes + (exponent - 11) * 8 + static_cast<int>(steps) - 9, steps * step};
}

struct Link {
  Link* next;
};
struct List {
  Link* head = nullptr;
  std::uint32_t count = 0;

  void push(void* p) noexcept {
    head = new (p) Link{head};
    ++count;
  }
  void* pop() noexcept {
    Link* p = head;
    head = p->next;
    --count;
    return p;
  }
};
using Lists = std::array<List, small_classes + large_classes>;

// Written by their own thread alone and read by live() from any: plain moves on x86, no locked instruction.
struct Counter {
  std::atomic<std::int64_t> value{0};
  void add(std::int64_t change) noexcept { value.store(value.load(std::memory_order_relaxed) + change, std::memory_order_relaxed); }
  std::int64_t get() const noexcept { return value.load(std::memory_order_relaxed); }
};

struct ThreadCache {
  Lists lists{};
  Counter nodes, arrays, bytes;
  ThreadCache *next = nullptr, *previous = nullptr;
  bool open = false, closed = false;
};
thread_local constinit ThreadCache cache;

struct Shared {
  std::mutex mutex;
  Lists lists{};
  ThreadCache* threads = nullptr;
  Live gone{};            // counts of threads that have ended
  Link* slabs = nullptr;  // never given back; kept so that leak checkers reach them
  std::atomic<std::int64_t> requests{0};
};
Shared& shared() {
  static Shared* const s = new Shared;  // outlives every thread and static object
  return *s;
}

void close_thread() noexcept {
  Shared& s = shared();
  const std::lock_guard lock(s.mutex);
  for (std::size_t i = 0; i < cache.lists.size(); ++i)
    while (cache.lists[i].head) s.lists[i].push(cache.lists[i].pop());
  s.gone.nodes += cache.nodes.get();
  s.gone.arrays += cache.arrays.get();
  s.gone.bytes += cache.bytes.get();
  (cache.previous ? cache.previous->next : s.threads) = cache.next;
  if (cache.next) cache.next->previous = cache.previous;
  cache.closed = true;
}
struct Closer {
  ~Closer() { close_thread(); }
};
[[gnu::noinline]] void open_thread() {
  static thread_local Closer closer;
  Shared& s = shared();
  const std::lock_guard lock(s.mutex);
  cache.next = s.threads;
  if (s.threads) s.threads->previous = &cache;
  s.threads = &cache;
  cache.open = true;
}
// After a thread's cache has closed, what its last objects release is counted and kept among the shared.
ThreadCache* thread_cache() {
  if (!cache.open) [[unlikely]]
    open_thread();
  return cache.closed ? nullptr : &cache;
}

void* from_system(std::size_t bytes) {
  shared().requests.fetch_add(1, std::memory_order_relaxed);
  bytes = (bytes + 63) / 64 * 64;
  void* p = bytes > PTRDIFF_MAX ? nullptr : std::aligned_alloc(64, bytes);
  if (!p) {
    trim();
    p = bytes > PTRDIFF_MAX ? nullptr : std::aligned_alloc(64, bytes);
  }
  if (!p) throw MemoryError(fmt::format("the system does not give {} bytes", bytes));
  return p;
}

[[maybe_unused]] void* take_slow(SizeClass c) {
  Shared& s = shared();
  ThreadCache* mine = thread_cache();
  {
    const std::lock_guard lock(s.mutex);
    List& list = s.lists[static_cast<std::size_t>(c.index)];
    if (list.head) {
      void* p = list.pop();
      if (mine && c.bytes <= small_limit)
        for (int i = 0; i < 64 && list.head; ++i) mine->lists[static_cast<std::size_t>(c.index)].push(list.pop());
      return p;
    }
  }
  if (c.bytes > small_limit || !mine) return from_system(c.bytes);
  auto* slab = static_cast<std::byte*>(from_system(slab_bytes));
  {
    const std::lock_guard lock(s.mutex);
    s.slabs = new (slab) Link{s.slabs};
  }
  std::byte* p = slab + 64;
  for (std::byte* next = p + c.bytes; next + c.bytes <= slab + slab_bytes; next += c.bytes)
    mine->lists[static_cast<std::size_t>(c.index)].push(next);
  return p;
}

}  // namespace

void* take(std::size_t bytes) {
#if DZ_POOL
  const SizeClass c = size_class(bytes < sizeof(Link) ? sizeof(Link) : bytes);
  List& list = cache.lists[static_cast<std::size_t>(c.index)];
  return list.head ? list.pop() : take_slow(c);
#else
  return from_system(bytes);
#endif
}

void give(void* piece, std::size_t bytes) noexcept {
#if DZ_POOL
  const SizeClass c = size_class(bytes < sizeof(Link) ? sizeof(Link) : bytes);
  const std::uint32_t limit = c.bytes <= small_limit ? 1u << 20 : 64;
  List& list = cache.lists[static_cast<std::size_t>(c.index)];
  if (c.bytes <= thread_limit && list.count < limit && cache.open && !cache.closed) return list.push(piece);
  Shared& s = shared();
  const std::lock_guard lock(s.mutex);
  s.lists[static_cast<std::size_t>(c.index)].push(piece);
#else
  static_cast<void>(bytes);
  std::free(piece);
#endif
}

void trim() noexcept {
  Shared& s = shared();
  const std::lock_guard lock(s.mutex);
  for (std::size_t i = small_classes; i < s.lists.size(); ++i) {
    while (s.lists[i].head) std::free(s.lists[i].pop());
    while (cache.lists[i].head) std::free(cache.lists[i].pop());
  }
}

Live live() {
  Shared& s = shared();
  const std::lock_guard lock(s.mutex);
  Live sum = s.gone;
  for (const ThreadCache* t = s.threads; t; t = t->next) {
    sum.nodes += t->nodes.get();
    sum.arrays += t->arrays.get();
    sum.bytes += t->bytes.get();
  }
  return sum;
}

std::int64_t system_requests() { return shared().requests.load(std::memory_order_relaxed); }

void count_node(std::int64_t change) noexcept {
  if (ThreadCache* mine = thread_cache()) return mine->nodes.add(change);
  const std::lock_guard lock(shared().mutex);
  shared().gone.nodes += change;
}

void count_array(std::int64_t change, std::int64_t bytes) noexcept {
  if (ThreadCache* mine = thread_cache()) {
    mine->arrays.add(change);
    return mine->bytes.add(bytes);
  }
  const std::lock_guard lock(shared().mutex);
  shared().gone.arrays += change;
  shared().gone.bytes += bytes;
}

}  // namespace dz::memory
