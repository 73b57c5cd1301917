#pragma once
// Large pieces of memory, cut from regions. A piece that is given back stays as it was cut and serves again for what is at least half as large, in its middle: the first
// half of an array lies where first halves of others lay, still in the cache of that core whose thread goes through them. When none serves, free neighbours are joined.

#include <cstddef>
#include <vector>

namespace dz::memory::detail {

inline constexpr std::size_t region_bytes = 1 << 24;  ///< of a region, unless a piece is larger

class Heap {
 public:
  struct Block {
    std::byte* begin;
    std::size_t bytes;

    std::byte* end() const { return begin + bytes; }
  };

  /// The bytes of the block that a piece needs.
  static std::size_t bytes_of_block(std::size_t bytes);

  /// So many bytes of the smallest block that serves, of equal ones that given back last, or else of the smallest that can be cut; null where there is none.
  void* take(std::size_t bytes);
  /// What take() gave.
  void give(void* piece) noexcept;

  /// A region to cut pieces from.
  void add(const Block& region);
  /// Joins what is free, and releases the regions of which nothing is taken.
  void remove_free(void (*release)(void*)) noexcept;
  /// All that is free, after remove_free() or a take() that gave nothing.
  const std::vector<Block>& uncut_blocks() const { return uncut_; }

 private:
  Block smallest_free(std::size_t bytes);
  Block cut(std::size_t bytes);
  void join() noexcept;
  bool begins_region(const std::byte* p) const;
  void make_room();

  std::vector<Block> free_;     // as they were cut, the last given back at the end
  std::vector<Block> uncut_;    // by address after join()
  std::vector<Block> regions_;  // by address; blocks of different regions are never joined
  std::size_t taken_ = 0;       // pieces
};

}  // namespace dz::memory::detail
