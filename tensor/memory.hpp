#pragma once
// The caching pool behind every array and node. Small pieces come from lists of the thread, large ones from lists that all
// threads share; nothing goes back to the system until trim(). With DZ_POOL=0 (the sanitizer presets) every piece is the
// system's own, so that the sanitizers see each of them.

#include <cstddef>
#include <cstdint>

namespace dz::memory {

/// A piece of at least that many bytes, 16-byte aligned, 64-byte aligned where bytes is a multiple of 64. Throws MemoryError.
void* take(std::size_t bytes);
/// Gives back a piece that take(bytes) gave; from any thread.
void give(void* piece, std::size_t bytes) noexcept;
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

}  // namespace dz::memory
