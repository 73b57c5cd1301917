#include <dz/tensor/heap.hpp>

#include <algorithm>
#include <iterator>
#include <new>

namespace dz::memory::detail {
namespace {

// Less than a page: arrays that all begin at the same place of one get into each other's way in the first cache. The unit before a piece says which block it is of.
constexpr std::size_t unit = 512;

constexpr auto lies_before = [](const Heap::Block& b, const std::byte* p) { return b.begin < p; };

/// Small pieces would leave no block for the large ones that take turns with them, and each large one a new region.
bool may_be_cut(const Heap::Block& b, std::size_t bytes) { return b.bytes <= region_bytes || b.bytes / 2 < bytes; }

}  // namespace

std::size_t Heap::bytes_of_block(std::size_t bytes) { return (bytes + unit - 1) / unit * unit + unit; }

void* Heap::take(std::size_t bytes) {
  make_room();
  const std::size_t wanted = bytes_of_block(bytes);
  Block b = smallest_free(wanted);
  if (!b.begin) b = cut(wanted);
  if (!b.begin) {
    join();
    b = cut(wanted);
  }
  if (!b.begin) return nullptr;
  ++taken_;
  std::byte* const piece = b.begin + unit + (b.bytes - wanted) / 2 / unit * unit;
  new (piece - sizeof(Block)) Block(b);
  return piece;
}

void Heap::give(void* piece) noexcept {
  free_.push_back(*std::launder(reinterpret_cast<Block*>(static_cast<std::byte*>(piece) - sizeof(Block))));  // there is room
  --taken_;
}

void Heap::add(const Block& region) {
  regions_.reserve(regions_.size() + 1);
  make_room();  // from here on nothing is refused
  regions_.insert(std::lower_bound(regions_.begin(), regions_.end(), region.begin, lies_before), region);
  uncut_.push_back(region);
}

void Heap::remove_free(void (*release)(void*)) noexcept {
  join();
  std::erase_if(regions_, [&](const Block& r) {
    const auto b = std::lower_bound(uncut_.begin(), uncut_.end(), r.begin, lies_before);
    if (b == uncut_.end() || b->begin != r.begin || b->bytes != r.bytes) return false;
    uncut_.erase(b);
    release(r.begin);
    return true;
  });
}

Heap::Block Heap::smallest_free(std::size_t bytes) {
  auto best = free_.rend();
  for (auto b = free_.rbegin(); b != free_.rend(); ++b)
    if (b->bytes >= bytes && b->bytes / 2 <= bytes && (best == free_.rend() || b->bytes < best->bytes)) best = b;
  if (best == free_.rend()) return {};
  const Block found = *best;
  free_.erase(std::next(best).base());
  return found;
}

Heap::Block Heap::cut(std::size_t bytes) {
  auto best = uncut_.end();
  for (auto b = uncut_.begin(); b != uncut_.end(); ++b)
    if (b->bytes >= bytes && may_be_cut(*b, bytes) && (best == uncut_.end() || b->bytes < best->bytes)) best = b;
  if (best == uncut_.end()) return {};
  const Block piece{best->begin, bytes};
  if (best->bytes == bytes) uncut_.erase(best);
  else *best = {piece.end(), best->bytes - bytes};
  return piece;
}

void Heap::join() noexcept {
  uncut_.insert(uncut_.end(), free_.begin(), free_.end());  // there is room
  free_.clear();
  std::sort(uncut_.begin(), uncut_.end(), [](const Block& a, const Block& b) { return a.begin < b.begin; });
  std::size_t joined = 0;
  for (const Block& b : uncut_)
    if (joined > 0 && uncut_[joined - 1].end() == b.begin && !begins_region(b.begin)) uncut_[joined - 1].bytes += b.bytes;
    else uncut_[joined++] = b;
  uncut_.resize(joined);
}

bool Heap::begins_region(const std::byte* p) const {
  const auto r = std::lower_bound(regions_.begin(), regions_.end(), p, lies_before);
  return r != regions_.end() && r->begin == p;
}

/// For as many blocks as there can be after the next piece is taken: give() and join() are then never refused memory.
void Heap::make_room() {
  const std::size_t most = taken_ + 1 + free_.size() + uncut_.size() + 1;
  if (free_.capacity() < most) free_.reserve(2 * most);
  if (uncut_.capacity() < most) uncut_.reserve(2 * most);
}

}  // namespace dz::memory::detail
