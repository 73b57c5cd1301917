#pragma once
// Numbers as files store them: any width, either byte order, anywhere in memory. For the readers and writers of this folder.

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <dz/tensor/array.hpp>

namespace dz::detail {

static_assert(std::endian::native == std::endian::little || std::endian::native == std::endian::big);

/// The number of type T that the bytes at p hold in that order.
template <class T> T load(const char* p, std::endian order = std::endian::little) {
  std::array<char, sizeof(T)> raw;
  std::memcpy(raw.data(), p, raw.size());
  if (order != std::endian::native) std::ranges::reverse(raw);
  return std::bit_cast<T>(raw);
}

/// Appends a number, little-endian.
template <std::unsigned_integral T> void append(std::string& out, T v) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>(static_cast<unsigned char>(v >> (8 * i)));
}

/// Walks through bytes, little-endian; every step beyond their end throws FileError.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes, std::uint64_t at = 0);

  template <std::unsigned_integral T> T number() { return load<T>(text(sizeof(T)).data()); }
  std::string_view text(std::uint64_t count);
  void skip(std::uint64_t count) { text(count); }
  std::string_view rest() const { return bytes_.substr(at_); }
  std::uint64_t left() const { return bytes_.size() - at_; }
  std::size_t at() const { return at_; }

 private:
  std::string_view bytes_;
  std::size_t at_;
};

/// An element type that files have.
enum class Element { f16, bf16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64, boolean };

/// Its bytes; a power of two.
std::size_t width(Element element);
/// The one that a dtype is stored as.
Element element_of(Dtype dtype);

/// What an array of that shape takes. Throws FileError for more than eight axes, negative sizes, or more bytes than 63 bits count (sizes of
/// 0 counting as 1, so that strides fit too).
std::uint64_t stored_bytes(Element element, std::span<const std::int64_t> sizes);

/// An array from its stored bytes, exactly stored_bytes() of them: f16, bf16 and f32 as float32, f64 as float64, u8 as uint8, boolean as
/// boolean (anything but 0 is true), every other integer as int64. Throws FileError for an integer beyond int64.
Array decode(std::string_view bytes, Element element, std::endian order, const Shape& shape);

/// Appends the elements in row order, little-endian.
void append_elements(std::string& out, const Array& array);

}  // namespace dz::detail
