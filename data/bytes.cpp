#include <dz/data/bytes.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <type_traits>

namespace dz::detail {
namespace {

enum Half : std::uint16_t {};   // IEEE 754 binary16
enum Brain : std::uint16_t {};  // bfloat16: the upper half of a float32

float widen(Half h) {
  const std::uint32_t sign = std::uint32_t{h & 0x8000u} << 16, exponent = h >> 10 & 0x1fu, fraction = h & 0x3ffu;
  if (exponent == 0) return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(static_cast<float>(fraction) * 0x1p-24f));
  const std::uint32_t wide = exponent == 0x1f ? 0xffu : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

template <class Stored> auto widen(Stored v) {
  if constexpr (std::is_same_v<Stored, Brain>) return std::bit_cast<float>(std::uint32_t{v} << 16);
  else if constexpr (std::is_floating_point_v<Stored> || std::is_same_v<Stored, std::uint8_t>) return v;
  else return static_cast<std::int64_t>(v);
}

/// Calls f with a std::type_identity of the C++ type in which an element is stored; booleans are not among them.
template <class F> decltype(auto) visit_stored(Element element, F&& f) {
  switch (element) {
    case Element::f16: return f(std::type_identity<Half>{});
    case Element::bf16: return f(std::type_identity<Brain>{});
    case Element::f32: return f(std::type_identity<float>{});
    case Element::f64: return f(std::type_identity<double>{});
    case Element::i8: return f(std::type_identity<std::int8_t>{});
    case Element::i16: return f(std::type_identity<std::int16_t>{});
    case Element::i32: return f(std::type_identity<std::int32_t>{});
    case Element::i64: return f(std::type_identity<std::int64_t>{});
    case Element::u16: return f(std::type_identity<std::uint16_t>{});
    case Element::u32: return f(std::type_identity<std::uint32_t>{});
    case Element::u64: return f(std::type_identity<std::uint64_t>{});
    case Element::u8:
    case Element::boolean: break;
  }
  return f(std::type_identity<std::uint8_t>{});
}

template <class Stored> Array decode_as(std::string_view bytes, std::endian order, const Shape& shape) {
  using T = decltype(widen(Stored{}));
  Array array = Array::make(shape, dtype_of<T>);
  T* out = array.writable<T>();
  const std::int64_t n = array.size();
  if constexpr (std::is_same_v<T, Stored>) {
    if (order == std::endian::native || sizeof(T) == 1) {
      std::ranges::copy(bytes, reinterpret_cast<char*>(out));
      return array;
    }
  }
  for (std::int64_t i = 0; i < n; ++i) {
    const auto v = load<Stored>(bytes.data() + i * static_cast<std::int64_t>(sizeof(Stored)), order);
    if constexpr (std::is_same_v<Stored, std::uint64_t>)
      if (v > INT64_MAX) throw FileError(fmt::format("element {} is {}, beyond int64", i, v));
    out[i] = widen(v);
  }
  return array;
}

}  // namespace

Cursor::Cursor(std::string_view bytes, std::uint64_t at) : bytes_(bytes), at_(static_cast<std::size_t>(at)) {
  if (at > bytes.size()) throw FileError(fmt::format("it ends at byte {}, before byte {}", bytes.size(), at));
}

std::string_view Cursor::text(std::uint64_t count) {
  if (count > bytes_.size() - at_)
    throw FileError(fmt::format("it ends at byte {} where {} bytes are due from byte {}", bytes_.size(), count, at_));
  const std::string_view found = bytes_.substr(at_, static_cast<std::size_t>(count));
  at_ += found.size();
  return found;
}

std::size_t width(Element element) {
  return visit_stored(element, []<class T>(std::type_identity<T>) { return sizeof(T); });
}

Element element_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::float32: return Element::f32;
    case Dtype::float64: return Element::f64;
    case Dtype::int64: return Element::i64;
    case Dtype::uint8: return Element::u8;
    case Dtype::boolean: break;
  }
  return Element::boolean;
}

std::uint64_t stored_bytes(Element element, std::span<const std::int64_t> sizes) {
  if (sizes.size() > max_rank) throw FileError(fmt::format("an array of {} axes, of which dz has up to {}", sizes.size(), max_rank));
  // Small elements may widen to eight bytes, so each is counted as eight.
  std::int64_t elements = 1;
  bool empty = false;
  for (const std::int64_t size : sizes) {
    if (size < 0) throw FileError(fmt::format("a negative size in ({})", fmt::join(sizes, ", ")));
    empty |= size == 0;
    if (__builtin_mul_overflow(elements, std::max<std::int64_t>(size, 1), &elements) || elements > INT64_MAX / 8)
      throw FileError(fmt::format("the sizes ({}) are beyond any memory", fmt::join(sizes, ", ")));
  }
  return empty ? 0 : static_cast<std::uint64_t>(elements) * width(element);
}

Array decode(std::string_view bytes, Element element, std::endian order, const Shape& shape) {
  if (bytes.size() != stored_bytes(element, {shape.begin(), shape.end()}))
    throw FileError(fmt::format("{} bytes of data for {} elements of {} bytes", bytes.size(), shape.volume(), width(element)));
  if (element == Element::boolean) {
    Array array = Array::make(shape, boolean);
    std::ranges::transform(bytes, array.writable<bool>(), [](char c) { return c != 0; });
    return array;
  }
  return visit_stored(element, [&]<class Stored>(std::type_identity<Stored>) { return decode_as<Stored>(bytes, order, shape); });
}

void append_elements(std::string& out, const Array& array) {
  const Array whole = array.contiguous();
  const std::size_t size = size_of(whole.dtype()), begin = out.size();
  out.append(reinterpret_cast<const char*>(whole.bytes()), static_cast<std::size_t>(whole.size()) * size);
  if constexpr (std::endian::native == std::endian::big)
    for (std::size_t i = begin; i < out.size(); i += size) std::reverse(out.data() + i, out.data() + i + size);
}

}  // namespace dz::detail
