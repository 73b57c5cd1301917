#pragma once
// Sizes along at most eight axes, and their checked arithmetic.

#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include <dz/tensor/error.hpp>

namespace dz {

inline constexpr int max_rank = 8;

/// One size, from any integer type; throws ShapeError where it does not fit 63 bits.
struct Extent {
  std::int64_t value;

  template <std::integral I> constexpr Extent(I i) : value(static_cast<std::int64_t>(i)) {
    if (!std::in_range<std::int64_t>(i)) throw ShapeError("a size beyond 2^63");
  }
};

/// The sizes of an array, axis by axis: `{}` is a scalar, `{v.size(), 1}` a column.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<Extent> sizes) : Shape() {
    for (Extent e : sizes) append(e.value);
  }
  explicit Shape(std::span<const std::int64_t> sizes) : Shape() {
    for (std::int64_t s : sizes) append(s);
  }
  Shape(const Shape& o) noexcept : rank_(o.rank_) {  // copies the axes in use, no more
    for (int i = 0; i < rank_; ++i) sizes_[i] = o.sizes_[i];
  }
  Shape& operator=(const Shape& o) noexcept {
    rank_ = o.rank_;
    for (int i = 0; i < rank_; ++i) sizes_[i] = o.sizes_[i];
    return *this;
  }

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return sizes_[axis]; }
  std::int64_t& operator[](int axis) { return sizes_[axis]; }
  const std::int64_t* begin() const { return sizes_; }
  const std::int64_t* end() const { return sizes_ + rank_; }

  /// Adds an axis at the end; throws ShapeError beyond eight.
  void append(std::int64_t size) {
    if (rank_ == max_rank) [[unlikely]]
      refuse_axes();
    sizes_[rank_++] = size;
  }
  /// The number of elements; throws ShapeError for a negative size or one beyond 2^63.
  std::int64_t volume() const {
    std::int64_t volume = 1;
    for (int i = 0; i < rank_; ++i)
      if (sizes_[i] <= 0 || __builtin_mul_overflow(volume, sizes_[i], &volume)) [[unlikely]]
        return empty_volume();
    return volume;
  }
  /// An axis counted from the end where negative; throws ShapeError where there is none such.
  int axis(std::int64_t a) const;

  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_; ++i)
      if (a.sizes_[i] != b.sizes_[i]) return false;
    return true;
  }

 private:
  [[noreturn]] static void refuse_axes();
  std::int64_t empty_volume() const;

  std::int64_t sizes_[max_rank];
  int rank_ = 0;
};

/// "(2, 3)".
std::string to_string(const Shape& shape);

[[noreturn]] void refuse_product(std::int64_t a, std::int64_t b);
/// a·b; throws ShapeError where it does not fit 63 bits.
inline std::int64_t checked_product(std::int64_t a, std::int64_t b) {
  std::int64_t product;
  if (__builtin_mul_overflow(a, b, &product)) [[unlikely]]
    refuse_product(a, b);
  return product;
}

/// The common shape of two operands. Ranks are equal (a 1 stretches), or one side is a scalar (rank 0): the notes' warning about
/// one-dimensional arrays (part one, section six) made a rule. Throws ShapeError.
Shape broadcast(const Shape& a, const Shape& b);

/// Which axes a reduction takes: none given means all of them.
class Axes {
 public:
  Axes() = default;
  template <std::same_as<int> I> Axes(I axis) : Axes({axis}) {}  // an int and nothing that converts to one
  Axes(std::initializer_list<int> axes);

  /// A bit for each axis, negative ones counted from the end; throws ShapeError for an axis out of range or given twice.
  std::uint32_t mask(int rank) const;

 private:
  std::array<int, max_rank> axes_{};
  int count_ = 0;
};

/// The shape that is left when the masked axes are reduced, as 1 with keepdims, gone without.
Shape reduced(const Shape& shape, std::uint32_t mask, bool keepdims);

}  // namespace dz
