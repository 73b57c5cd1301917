#pragma once
// The caching pool behind every array and node. Pieces come from lists of the thread, large ones from a heap (heap.hpp) that all
// threads share; nothing goes back to the system until trim(). With DZ_POOL=0 (the sanitizer presets) every piece is the
// system's own, so that the sanitizers see each of them.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#ifndef DZ_POOL
#define DZ_POOL 1
#endif

namespace dz::memory {

/// A piece of at least that many bytes, 16-byte aligned, 64-byte aligned where bytes is a multiple of 64. Throws MemoryError.
void* take(std::size_t bytes);
/// Gives back a piece that take(bytes) gave; from any thread.
void give(void* piece, std::size_t bytes) noexcept;

/// A piece of the pool while it lives, or none for 0 bytes.
class Room {
 public:
  explicit Room(std::size_t bytes) : bytes_(bytes), piece_(bytes ? take(bytes) : nullptr) {}
  ~Room() {
    if (piece_) give(piece_, bytes_);
  }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  void* piece() const { return piece_; }

 private:
  std::size_t bytes_;
  void* piece_;
};

/// Gives the shared lists' and this thread's large pieces back to the system.
void trim() noexcept;

/// What is alive in the process at this moment.
struct Live {
  std::int64_t nodes = 0, arrays = 0, bytes = 0;
  friend bool operator==(const Live&, const Live&) = default;
};
Live live();

/// How often the pool has asked the system for memory.
std::int64_t system_requests();

/// Bookkeeping of live(): called where a node or an array comes to life (+1) and goes (−1).
void count_node(std::int64_t change) noexcept;
void count_array(std::int64_t change, std::int64_t bytes) noexcept;

/// A standard container's elements from the pool: what is filled in every step costs the system nothing.
template <class T> struct Allocator {
  using value_type = T;
  Allocator() = default;
  template <class U> Allocator(const Allocator<U>&) {}
  T* allocate(std::size_t n) {
    if (n > PTRDIFF_MAX / sizeof(T)) throw std::bad_array_new_length();
    return static_cast<T*>(take(n * sizeof(T)));
  }
  void deallocate(T* p, std::size_t n) noexcept { give(p, n * sizeof(T)); }
  friend bool operator==(const Allocator&, const Allocator&) { return true; }
};
template <class T> using Vector = std::vector<T, Allocator<T>>;

namespace detail {

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

// Written by their own thread alone and read by live() from any: plain moves on x86, no locked instruction.
struct Counter {
  std::atomic<std::int64_t> value{0};
  void add(std::int64_t change) noexcept { value.store(value.load(std::memory_order_relaxed) + change, std::memory_order_relaxed); }
  std::int64_t get() const noexcept { return value.load(std::memory_order_relaxed); }
};

// Sizes up to 1 KiB fall into classes 16 bytes apart.
inline constexpr std::size_t small_limit = 1024;
inline constexpr int small_classes = small_limit / 16 + 1;
inline constexpr std::uint32_t small_count_limit = 1u << 20;  // of a thread's pieces of one class

struct LargeLists;
struct ThreadCache {
  std::array<List, small_classes> small{};
  LargeLists* large = nullptr;
  Counter nodes, arrays, bytes;
  ThreadCache *next = nullptr, *previous = nullptr;
  bool open = false, closed = false;  // open: from the thread's first use of it to its end

  void count_array(std::int64_t change, std::int64_t more) noexcept {
    arrays.add(change);
    bytes.add(more);
  }
};
extern constinit thread_local ThreadCache cache;

void* take_slow(std::size_t bytes);
void give_slow(void* piece, std::size_t bytes) noexcept;
void count_slow(Live change) noexcept;

/// What this thread has at hand, or null. Where it has some, and where it keeps one, its counters are open.
inline void* take_cached(std::size_t bytes) noexcept {
  if (!DZ_POOL || bytes > small_limit) [[unlikely]]
    return nullptr;
  List& list = cache.small[(bytes + 15) / 16];
  return list.head ? list.pop() : nullptr;
}
/// False where this thread does not keep it.
inline bool give_cached(void* piece, std::size_t bytes) noexcept {
  if (!DZ_POOL || bytes > small_limit || !cache.open) [[unlikely]]
    return false;
  List& list = cache.small[(bytes + 15) / 16];
  if (list.count >= small_count_limit) [[unlikely]]
    return false;
  list.push(piece);
  return true;
}

}  // namespace detail

inline void* take(std::size_t bytes) {
  void* const p = detail::take_cached(bytes);
  return p ? p : detail::take_slow(bytes);
}

inline void give(void* piece, std::size_t bytes) noexcept {
  if (!detail::give_cached(piece, bytes)) [[unlikely]]
    detail::give_slow(piece, bytes);
}

inline void count_node(std::int64_t change) noexcept {
  if (detail::cache.open) [[likely]]
    return detail::cache.nodes.add(change);
  detail::count_slow({change, 0, 0});
}

inline void count_array(std::int64_t change, std::int64_t bytes) noexcept {
  if (detail::cache.open) [[likely]]
    return detail::cache.count_array(change, bytes);
  detail::count_slow({0, change, bytes});
}

}  // namespace dz::memory
