#include <dz/tensor/heap.hpp>

#include <algorithm>
#include <iterator>

namespace dz::memory::detail {
namespace {

constexpr auto lies_before = [](const Heap::Block& b, const std::byte* p) { return b.begin < p; };

/// Small pieces would leave no block for the large ones that take turns with them, and each large one a new region.
bool may_be_cut(const Heap::Block& b, std::size_t bytes) { return b.bytes <= region_bytes || b.bytes / 2 < bytes; }

}  // namespace

void* Heap::take(std::size_t bytes) {
  make_room();
  auto best = free_.end();
  for (auto b = free_.begin(); b != free_.end(); ++b)
    if (b->bytes >= bytes && may_be_cut(*b, bytes) && (best == free_.end() || b->bytes < best->bytes)) best = b;
  if (best == free_.end()) return nullptr;
  std::byte* const piece = best->begin;
  if (best->bytes == bytes) free_.erase(best);
  else *best = {piece + bytes, best->bytes - bytes};
  ++taken_;
  return piece;
}

void Heap::give(void* piece, std::size_t bytes) noexcept {
  Block block{static_cast<std::byte*>(piece), bytes};
  auto next = std::lower_bound(free_.begin(), free_.end(), block.begin, lies_before);
  if (next != free_.end() && next->begin == block.end() && !begins_region(next->begin)) {
    block.bytes += next->bytes;
    next = free_.erase(next);
  }
  if (next != free_.begin() && std::prev(next)->end() == block.begin && !begins_region(block.begin)) std::prev(next)->bytes += block.bytes;
  else free_.insert(next, block);  // there is room
  --taken_;
}

void Heap::add(const Block& region) {
  regions_.reserve(regions_.size() + 1);
  make_room();  // from here on nothing is refused
  regions_.insert(std::lower_bound(regions_.begin(), regions_.end(), region.begin, lies_before), region);
  free_.insert(std::lower_bound(free_.begin(), free_.end(), region.begin, lies_before), region);
}

void Heap::remove_free(void (*release)(void*)) noexcept {
  std::erase_if(regions_, [&](const Block& r) {
    const auto b = std::lower_bound(free_.begin(), free_.end(), r.begin, lies_before);
    if (b == free_.end() || b->begin != r.begin || b->bytes != r.bytes) return false;
    free_.erase(b);
    release(r.begin);
    return true;
  });
}

bool Heap::begins_region(const std::byte* p) const {
  const auto r = std::lower_bound(regions_.begin(), regions_.end(), p, lies_before);
  return r != regions_.end() && r->begin == p;
}

/// For as many free blocks as there can be after the next piece is taken: give() is then never refused memory.
void Heap::make_room() {
  const std::size_t most = taken_ + 1 + regions_.size();
  if (free_.capacity() < most) free_.reserve(2 * most);
}

}  // namespace dz::memory::detail
