#include <dz/tensor/kernels/small_product.hpp>

#include <algorithm>
#include <utility>

#include <dz/tensor/kernels/packing.hpp>
#include <dz/tensor/kernels/vectorised.hpp>

namespace dz::kernels::detail {
namespace {

/// f(0), f(1), … of constants: what it indexes can stay in registers.
template <int n, class F> DZ_INLINE void unrolled(const F& f) {
  [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) { (f(std::integral_constant<int, i>{}), ...); }(std::make_integer_sequence<int, n>{});
}

/// The first n elements of a pack of any size, or all, 0 in the others; and the same stored.
template <class P> DZ_INLINE P load_some(const typename P::Element* p, std::int64_t n) {
  typename P::V v;
  if (n >= P::width) std::memcpy(&v, p, sizeof v);
  else {
    typename P::Element buffer[Pack<typename P::Element>::width];
    gather(buffer, p, 1, n);
    std::memcpy(&v, buffer, sizeof v);
  }
  return P(v);
}
template <class P> DZ_INLINE void store_some(typename P::Element* p, std::int64_t n, const P& x) {
  if (n >= P::width) std::memcpy(p, &x.v, sizeof x.v);
  else if (n == 1) *p = x.v[0];
  else {
    typename P::Element buffer[P::width];
    std::memcpy(buffer, &x.v, sizeof x.v);
    scatter(p, 1, n, buffer);
  }
}

/// `rows` rows of the result over `packs` packs of its columns, the last of which may be wider than what is left. Packs are P, of a register each: longer
/// ones would lie in memory.
template <int rows, int packs, class P, class T> DZ_INLINE void tile(const Matrix<T>& out, std::int64_t i, std::int64_t j, const Matrix<const T>& a, const Matrix<const T>& b, const Epilogue<T>& epilogue) {
  using V = typename P::V;
  constexpr std::int64_t width = P::width;
  V sum[rows][packs] = {};
  const T *left = a.data + i * a.row_stride, *right = b.data + j;
  for (std::int64_t k = a.columns; k > 0; --k, left += a.column_stride, right += b.row_stride) {
    V along[packs];
    unrolled<packs>([&](auto c) __attribute__((always_inline)) { std::memcpy(&along[c], right + c * width, sizeof(V)); });
    unrolled<rows>([&](auto r) __attribute__((always_inline)) {
      const T x = left[r * a.row_stride];
      unrolled<packs>([&](auto c) __attribute__((always_inline)) { sum[r][c] += along[c] * x; });
    });
  }
  unrolled<rows>([&](auto r) __attribute__((always_inline)) {
    unrolled<packs>([&](auto c) __attribute__((always_inline)) {
      const std::int64_t column = j + c * width, n = out.columns - column;
      if (n <= 0) return;
      T* const y = out.data + (i + r) * out.row_stride + column;
      P v = P(V(sum[r][c] * epilogue.factor));
      if (epilogue.bias) v = v + load_some<P>(epilogue.bias + column, n);
      if (epilogue.adds) v = v + load_some<P>(y, n);
      store_some(y, n, v);
    });
  });
}

/// Bands of `tall` rows, then of 4, then single rows.
template <int packs, int tall, class P, class T> DZ_INLINE void band(const Matrix<T>& out, std::int64_t j, const Matrix<const T>& a, const Matrix<const T>& b, const Epilogue<T>& epilogue) {
  std::int64_t i = 0;
  for (; i + tall <= out.rows; i += tall) tile<tall, packs, P>(out, i, j, a, b, epilogue);
  for (; i + 4 <= out.rows; i += 4) tile<4, packs, P>(out, i, j, a, b, epilogue);
  for (; i < out.rows; ++i) tile<1, packs, P>(out, i, j, a, b, epilogue);
}

/// Two packs side by side: with four rows, as many sums as the multipliers want at once and the registers hold.
template <int bytes, class T> DZ_INLINE void bands(const Matrix<T>& out, const Matrix<const T>& a, const Matrix<const T>& b, const Epilogue<T>& epilogue) {
  using P = Pack<T, bytes>;
  std::int64_t j = 0;
  for (; j + P::width < out.columns; j += 2 * P::width) band<2, 4, P>(out, j, a, b, epilogue);
  for (; j < out.columns; j += P::width) band<1, 8, P>(out, j, a, b, epilogue);
}

}  // namespace

template <class T> void small_product(const Matrix<T>& out, const Matrix<const T>& a, const Matrix<const T>& b, const Epilogue<T>& epilogue) {
  with_registers([&, out = out, a = a, b = b, epilogue = epilogue](auto bytes) __attribute__((always_inline)) { bands<bytes>(out, a, b, epilogue); });
}

template <class T> Matrix<const T> copied_to_packs(const Matrix<const T>& m, T*& room) {
  const std::int64_t step = in_packs<T>(m.columns);
  T* const to = std::exchange(room, room + m.rows * step);
  const Matrix<const T> copy{to, m.rows, m.columns, step, 1};
  if constexpr (std::is_same_v<T, float>)
    if (m.column_stride != 1 && m.row_stride == 1 && m.columns == step && m.columns > 0 && active_isa() == Isa::avx512) {
      turn(to, m);
      return copy;
    }
  for (std::int64_t i = 0; i < m.rows; ++i) {
    const T* const from = m.data + i * m.row_stride;
    if (m.column_stride == 1) std::copy_n(from, m.columns, to + i * step);
    else
      for (std::int64_t j = 0; j < m.columns; ++j) to[i * step + j] = from[j * m.column_stride];
    std::fill(to + i * step + m.columns, to + (i + 1) * step, T{});
  }
  return copy;
}

template void small_product(const Matrix<float>&, const Matrix<const float>&, const Matrix<const float>&, const Epilogue<float>&);
template void small_product(const Matrix<double>&, const Matrix<const double>&, const Matrix<const double>&, const Epilogue<double>&);
template Matrix<const float> copied_to_packs(const Matrix<const float>&, float*&);
template Matrix<const double> copied_to_packs(const Matrix<const double>&, double*&);

}  // namespace dz::kernels::detail
