#include <dz/tensor/memory.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <dz/tensor/error.hpp>
#include <dz/tensor/heap.hpp>

namespace dz::memory {

constinit thread_local detail::ThreadCache detail::cache;

using detail::cache;
using detail::Heap;
using detail::Link;
using detail::List;
using detail::region_bytes;
using detail::small_classes;
using detail::small_limit;
using detail::ThreadCache;

namespace {

// Beyond the small sizes there are eight classes per power of two, and from class_limit on a heap that all threads share.
constexpr std::size_t slab_bytes = 1 << 16, class_limit = 1 << 17;
// All pieces are cut from regions: whole large pages, of which a processor finds the addresses quickly.
constexpr std::size_t large_page = 1 << 21, page = 4096;
constexpr int large_classes = 8 * 7;
constexpr std::uint32_t large_count_limit = 64;

std::size_t whole(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

struct LargeClass {
  std::size_t index, bytes;
};
LargeClass large_class(std::size_t bytes) {
  const int exponent = static_cast<int>(std::bit_width(bytes - 1));  // 2^(exponent-1) < bytes <= 2^exponent
  const std::size_t step = std::size_t{1} << (exponent - 4), steps = (bytes + step - 1) / step;
  return {static_cast<std::size_t>((exponent - 11) * 8 + static_cast<int>(steps) - 9), steps * step};
}

std::size_t bytes_of_class(std::size_t index) { return (index % 8 + 9) << (index / 8 + 7); }

}  // namespace

struct detail::LargeLists : std::array<List, large_classes> {};

namespace {

struct Shared {
  std::mutex mutex;
  std::array<List, small_classes> small{};
  detail::LargeLists large{};
  Heap heap;
  ThreadCache* threads = nullptr;
  Live gone{};            // counts of threads that have ended
  Link *slabs = nullptr, *regions = nullptr;  // never given back; kept so that leak checkers reach them
  std::byte* next = nullptr;                  // of the last region: what has not been cut yet
  std::size_t left = 0;
  std::atomic<std::int64_t> requests{0};
};
Shared& shared() {
  static Shared* const s = new Shared;  // outlives every thread and static object
  return *s;
}

template <class Lists> void move_all(Lists& from, Lists& to) noexcept {
  for (std::size_t i = 0; i < from.size(); ++i)
    while (from[i].head) to[i].push(from[i].pop());
}

void close_thread() noexcept {
  Shared& s = shared();
  const std::lock_guard lock(s.mutex);
  move_all(cache.small, s.small);
  if (cache.large) move_all(*cache.large, s.large);
  delete std::exchange(cache.large, nullptr);
  s.gone.nodes += cache.nodes.get();
  s.gone.arrays += cache.arrays.get();
  s.gone.bytes += cache.bytes.get();
  (cache.previous ? cache.previous->next : s.threads) = cache.next;
  if (cache.next) cache.next->previous = cache.previous;
  cache.open = false;
  cache.closed = true;
}
struct Closer {
  ~Closer() { close_thread(); }
};
/// After a thread's cache has closed, what its last objects release is counted and kept among the shared.
void open_thread() {
  static thread_local Closer closer;
  Shared& s = shared();
  const std::lock_guard lock(s.mutex);
  cache.next = s.threads;
  if (s.threads) s.threads->previous = &cache;
  s.threads = &cache;
  cache.open = true;
}
bool is_open() {
  if (!cache.open && !cache.closed) [[unlikely]]
    open_thread();
  return cache.open;
}

void* from_system(std::size_t bytes) {
  shared().requests.fetch_add(1, std::memory_order_relaxed);
  const std::size_t alignment = DZ_POOL && bytes >= large_page ? large_page : 64;
  const bool possible = bytes <= PTRDIFF_MAX - alignment;
  void* p = possible ? std::aligned_alloc(alignment, whole(bytes, alignment)) : nullptr;
  if (!p && possible) {
    trim();
    p = std::aligned_alloc(alignment, whole(bytes, alignment));
  }
  if (!p) throw MemoryError(fmt::format("the system does not give {} bytes", bytes));
#if defined(__linux__)
  if (alignment == large_page) madvise(p, whole(bytes, alignment), MADV_HUGEPAGE);  // where the system has none to give, nothing changes
#endif
  return p;
}

/// A piece of a region, a new one where the last has too little left.
void* from_region(std::size_t bytes) {
  Shared& s = shared();
  for (;;) {
    {
      const std::lock_guard lock(s.mutex);
      if (s.left >= bytes) {
        s.left -= bytes;
        return std::exchange(s.next, s.next + bytes);
      }
    }
    auto* const region = static_cast<std::byte*>(from_system(region_bytes));
    const std::lock_guard lock(s.mutex);
    s.regions = new (region) Link{s.regions};
    s.next = region + 64;
    s.left = region_bytes - 64;
  }
}

/// A piece of the heap, which gets another region where none of its free blocks has so much.
void* from_heap(std::size_t bytes) try {
  Shared& s = shared();
  for (;;) {
    {
      const std::lock_guard lock(s.mutex);
      if (void* const p = s.heap.take(bytes)) return p;
    }
    const std::size_t size = whole(std::max(Heap::bytes_of_block(bytes), region_bytes), large_page);
    std::unique_ptr<void, void (*)(void*)> region(from_system(size), std::free);
    const std::lock_guard lock(s.mutex);
    s.heap.add({static_cast<std::byte*>(region.get()), size});
    region.release();
  }
} catch (const std::bad_alloc&) {  // the heap's own lists
  throw MemoryError(fmt::format("the system does not give {} bytes", bytes));
}

/// Gives the memory of a free piece of a region back to the system; its addresses and its link are kept.
void give_back(void* piece, std::size_t bytes) noexcept {
#if defined(__linux__)
  const auto address = reinterpret_cast<std::uintptr_t>(piece), begin = whole(address + sizeof(Link), page), end = (address + bytes) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
#endif
}

/// The thread's list of this class is empty: from the shared one, or from a new slab.
void* take_small(std::size_t bytes) {
  const std::size_t index = (bytes + 15) / 16, piece = index ? index * 16 : 16;
  Shared& s = shared();
  const bool mine = is_open();
  {
    const std::lock_guard lock(s.mutex);
    List& list = s.small[index];
    if (list.head) {
      void* p = list.pop();
      for (int i = 0; mine && i < 64 && list.head; ++i) cache.small[index].push(list.pop());
      return p;
    }
  }
  if (!mine) return from_system(piece);
  auto* slab = static_cast<std::byte*>(from_region(slab_bytes));
  {
    const std::lock_guard lock(s.mutex);
    s.slabs = new (slab) Link{s.slabs};
  }
  std::byte* p = slab + 64;
  for (std::byte* next = p + piece; next + piece <= slab + slab_bytes; next += piece) cache.small[index].push(next);
  return p;
}

void* take_large(std::size_t bytes) {
  if (bytes > PTRDIFF_MAX - region_bytes) return from_system(bytes);  // which refuses
  if (bytes > class_limit) return from_heap(bytes);
  const LargeClass c = large_class(bytes);
  if (is_open() && cache.large && (*cache.large)[c.index].head) return (*cache.large)[c.index].pop();
  Shared& s = shared();
  {
    const std::lock_guard lock(s.mutex);
    if (s.large[c.index].head) return s.large[c.index].pop();
  }
  return from_region(c.bytes);
}

}  // namespace

void* detail::take_slow(std::size_t bytes) {
  if (!DZ_POOL) return from_system(std::max(bytes, sizeof(Link)));
  return bytes <= small_limit ? take_small(bytes) : take_large(bytes);
}

void detail::give_slow(void* piece, std::size_t bytes) noexcept {
  if (!DZ_POOL) return std::free(piece);
  Shared& s = shared();
  if (bytes > class_limit) {
    const std::lock_guard lock(s.mutex);
    return s.heap.give(piece);
  }
  const bool small = bytes <= small_limit;
  const LargeClass c = small ? LargeClass{} : large_class(bytes);
  if (!small && cache.open) {
    if (!cache.large) cache.large = new (std::nothrow) LargeLists;
    if (cache.large && (*cache.large)[c.index].count < large_count_limit) return (*cache.large)[c.index].push(piece);
  }
  const std::lock_guard lock(s.mutex);
  (small ? s.small[(bytes + 15) / 16] : s.large[c.index]).push(piece);
}

void trim() noexcept {
  Shared& s = shared();
  const std::lock_guard lock(s.mutex);
  s.heap.remove_free([](void* region) { std::free(region); });
  for (const Heap::Block& b : s.heap.uncut_blocks()) give_back(b.begin, b.bytes);
  for (auto* lists : {&s.large, cache.large})
    if (lists)
      for (std::size_t i = 0; i < lists->size(); ++i)
        for (Link* piece = (*lists)[i].head; piece; piece = piece->next) give_back(piece, bytes_of_class(i));
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

void detail::count_slow(Live change) noexcept {
  if (is_open()) {
    cache.nodes.add(change.nodes);
    cache.arrays.add(change.arrays);
    return cache.bytes.add(change.bytes);
  }
  Shared& s = shared();
  const std::lock_guard lock(s.mutex);
  s.gone.nodes += change.nodes;
  s.gone.arrays += change.arrays;
  s.gone.bytes += change.bytes;
}

}  // namespace dz::memory
