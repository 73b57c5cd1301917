#pragma once
// Large pieces of memory, cut from regions: a piece that is given back is joined with what is free beside it, and cut again to what is wanted next. Arrays of
// all sizes so take turns in the same memory, and a training step touches little more of it than is alive at once: what fits there stays in the caches.

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

  /// The smallest free block that has so many bytes, or its beginning; null where there is none. A block larger than a region is not cut by pieces of less than half of it.
  void* take(std::size_t bytes);
  /// What take(bytes) gave.
  void give(void* piece, std::size_t bytes) noexcept;

  /// A region to cut pieces from.
  void add(const Block& region);
  /// Releases the regions of which nothing is taken.
  void remove_free(void (*release)(void*)) noexcept;
  const std::vector<Block>& free_blocks() const { return free_; }

 private:
  bool begins_region(const std::byte* p) const;
  void make_room();

  std::vector<Block> free_, regions_;  // by address; blocks of different regions are never joined
  std::size_t taken_ = 0;              // pieces
};

}  // namespace dz::memory::detail
