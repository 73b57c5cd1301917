#pragma once
// Whether large float32 products are computed in bfloat16.

#include <cstdint>
#include <string_view>

namespace dz {

/// The upper half of a float32: its exponent, and 8 bits of its mantissa. No tensor has this type; it is what autocast() takes.
struct Bfloat16 {};
inline constexpr Bfloat16 bfloat16;

/// Why autocast(bfloat16) leaves everything in float32 on this machine, for a user to read; empty where it does not.
std::string_view unsupported(Bfloat16);

namespace detail {
extern constinit thread_local bool autocasting;  // set by autocast(), and in the reverse pass as it was when a node was recorded
}

/// How float32 products are computed: as they are, or from operands rounded to bfloat16, summed in float32.
enum class Precision : std::int64_t { full, bfloat16 };

/// How this thread computes them at this moment.
inline Precision product_precision() { return detail::autocasting && unsupported(bfloat16).empty() ? Precision::bfloat16 : Precision::full; }

}  // namespace dz
