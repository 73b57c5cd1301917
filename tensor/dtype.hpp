#pragma once
// The five element types. A dtype is a tag; visit_dtype turns it into a C++ type once, where a kernel is entered.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>

#include <dz/tensor/error.hpp>

namespace dz {

enum class Dtype : std::uint8_t { float32, float64, int64, uint8, boolean };

inline constexpr Dtype float32 = Dtype::float32, float64 = Dtype::float64, int64 = Dtype::int64, uint8 = Dtype::uint8,
                       boolean = Dtype::boolean;

std::string_view name(Dtype dtype);
constexpr bool is_floating(Dtype dtype) { return dtype == float32 || dtype == float64; }

/// A C++ number.
template <class N> concept Arithmetic = std::is_arithmetic_v<N>;

template <class T>
inline constexpr Dtype dtype_of = [] {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, std::int64_t> ||
                    std::is_same_v<T, std::uint8_t> || std::is_same_v<T, bool>,
                "an element is a float, double, std::int64_t, std::uint8_t or bool");
  return std::is_same_v<T, float>          ? float32
         : std::is_same_v<T, double>       ? float64
         : std::is_same_v<T, std::int64_t> ? int64
         : std::is_same_v<T, std::uint8_t> ? uint8
                                           : boolean;
}();

/// A value as another element type. What an integer type cannot hold of a floating value goes to its nearest end, a NaN to 0;
/// integers wrap; to a boolean, everything but 0 is true.
template <class To, class From> constexpr To convert(From v) {
  if constexpr (std::is_same_v<To, bool>) {
    return v != From{};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    using Limits = std::numeric_limits<To>;
    if (v != v) return To{};
    if (v >= static_cast<From>(Limits::max())) return Limits::max();
    if (v <= static_cast<From>(Limits::min())) return Limits::min();
    return static_cast<To>(v);
  } else {
    return static_cast<To>(v);
  }
}

/// Calls f with a std::type_identity of the dtype's C++ type, for loops of one's own:
/// `visit_dtype(x.dtype(), [&]<class T>(std::type_identity<T>) { … })`.
template <class F> constexpr decltype(auto) visit_dtype(Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::float32: return f(std::type_identity<float>{});
    case Dtype::float64: return f(std::type_identity<double>{});
    case Dtype::int64: return f(std::type_identity<std::int64_t>{});
    case Dtype::uint8: return f(std::type_identity<std::uint8_t>{});
    case Dtype::boolean: break;
  }
  return f(std::type_identity<bool>{});
}

/// The bytes of one element.
constexpr std::size_t size_of(Dtype dtype) {
  constexpr std::uint64_t sizes = 0x1'1'8'8'4;  // a digit for each: no branch on the way to every array
  return sizes >> 4 * static_cast<unsigned>(dtype) & 15;
}
static_assert(size_of(float32) == sizeof(float) && size_of(float64) == sizeof(double) && size_of(int64) == sizeof(std::int64_t) && size_of(uint8) == 1 &&
              size_of(boolean) == sizeof(bool));

/// As visit_dtype for float32 and float64 only; throws DtypeError for the others.
template <class F> decltype(auto) visit_floating(Dtype dtype, F&& f) {
  if (dtype == float32) return f(std::type_identity<float>{});
  if (dtype != float64) throw DtypeError("needs float32 or float64, got " + std::string(name(dtype)));
  return f(std::type_identity<double>{});
}

}  // namespace dz
