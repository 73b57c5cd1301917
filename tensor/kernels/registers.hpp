#pragma once
// Packs of one register each, for loops that hold several sums in registers; inside with_registers() (vectorised.hpp).

#include <array>
#include <cstring>

#include <dz/tensor/kernels/vectorised.hpp>

namespace dz::kernels::detail {

/// A register of elements, or one element. Only loads, shuffles and arithmetic: a vector that is put together of its elements, or converted, GCC takes to
/// pieces before it compiles for another instruction set than the baseline.
template <class T, int bytes> struct Register {
  using Element = T;
  static constexpr int width = bytes / static_cast<int>(sizeof(T));
  using V = std::conditional_t<width == 1, T, typename dz::detail::Vector<T, bytes>::Type>;

  DZ_INLINE static V load(const T* p) {
    V v;
    std::memcpy(&v, p, bytes);
    return v;
  }
  DZ_INLINE static void store(T* p, const V& v) { std::memcpy(p, &v, bytes); }

  /// x in all elements.
  DZ_INLINE static V everywhere(T x) {
    V first{};
    if constexpr (width == 1) return x;
    else return first[0] = x, shuffled(first, first, [](int) { return 0; });
  }
  DZ_INLINE static T element(const V& v, int i) {
    if constexpr (width == 1) return v;
    else return v[i];
  }

  /// Of `count` packs the sums: each throughout its group of width/count elements. Halves are added with halves, so a sum does not depend on count.
  template <int count> DZ_INLINE static V sums(const V* packs) { return sums_in_groups<width / count>(gathered<count>(packs)); }

 private:
  /// The elements number f(0), f(1)… of a and, after these, b.
  template <class F> DZ_INLINE static V shuffled(const V& a, const V& b, F) {
    return [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) { return __builtin_shufflevector(a, b, F{}(i)...); }(std::make_integer_sequence<int, width>{});
  }
  /// Halves of groups, h elements each, added: a group's sum is left in one of h elements.
  template <int h> DZ_INLINE static V folded(const V& a, const V& b) {
    return shuffled(a, b, [](int i) { return i + i / h * h; }) + shuffled(a, b, [](int i) { return i + i / h * h + h; });
  }
  template <int count> DZ_INLINE static V gathered(const V* packs) {
    if constexpr (count == 1) return packs[0];
    else return folded<width / count>(gathered<count / 2>(packs), gathered<count / 2>(packs + count / 2));
  }
  template <int group> DZ_INLINE static V sums_in_groups(const V& v) {
    if constexpr (group == 1) return v;
    else return sums_in_groups<group / 2>(v + shuffled(v, v, [](int i) { return i ^ (group / 2); }));
  }
};

/// What is kept of a pack: all of it, or its last elements, and 0 in place of those that the pack before it held.
struct KeepAll {
  template <class V> DZ_INLINE V operator()(const V& v) const { return v; }
};
template <class R> class KeepLast {
 public:
  DZ_INLINE explicit KeepLast(std::int64_t n) {
    alignas(64) static constexpr auto bits = [] {
      std::array<typename Bits::Bits, 2 * R::width> b{};
      for (std::size_t i = R::width; i < b.size(); ++i) b[i] = -1;
      return b;
    }();
    std::memcpy(&mask_, bits.data() + n, sizeof mask_);
  }
  DZ_INLINE typename R::V operator()(const typename R::V& v) const { return dz::detail::bits_to<typename R::V>(M(dz::detail::bits_to<M>(v) & mask_)); }

 private:
  using Bits = Mask<typename R::Element, sizeof(typename R::V)>;
  using M = typename Bits::V;
  M mask_;
};

/// Calls f(i, keep, way) for the packs of [begin, end), ways 0 to ways − 1 in turn; where the last is not a whole one it lies over the one before it.
/// The end is at least a pack from 0.
template <class R, int ways, class F> DZ_INLINE void for_each_pack(std::int64_t begin, std::int64_t end, const F& f) {
  std::int64_t i = begin;
  if constexpr (ways == 2)
    for (; i + 2 * R::width <= end; i += 2 * R::width) {
      f(i, KeepAll{}, std::integral_constant<int, 0>{});
      f(i + R::width, KeepAll{}, std::integral_constant<int, 1>{});
    }
  for (; i + R::width <= end; i += R::width) f(i, KeepAll{}, std::integral_constant<int, 0>{});
  if constexpr (R::width > 1)
    if (i < end) f(end - R::width, KeepLast<R>(end - i), std::integral_constant<int, 0>{});
}

}  // namespace dz::kernels::detail
