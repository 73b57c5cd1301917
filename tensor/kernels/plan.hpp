#pragma once
// How operands of one shape, broadcast and strided at will, are walked row by row.

#include <array>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include <dz/tensor/array.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels {

/// The walk over N operands, the first of them the output: axes merged where every operand allows it, the last one inmost.
template <std::size_t N> struct Plan {
  std::array<const Array*, N> operands;
  int rank = 0;                                   ///< outer axes
  std::int64_t rows = 1, length = 1;              ///< rows of so many elements
  std::array<std::int64_t, max_rank> sizes{};
  std::array<std::array<std::int64_t, max_rank>, N> strides{};
  std::array<std::int64_t, N> step{};             ///< along a row
};

namespace detail {
/// Fills sizes and strides (count x max_rank, the inmost axis last) and gives the merged rank.
int merge_axes(const Array* const* operands, std::size_t count, std::int64_t* sizes, std::int64_t* strides);
}  // namespace detail

template <std::size_t N> Plan<N> make_plan(const std::array<const Array*, N>& operands) {
  Plan<N> p;
  p.operands = operands;
  const int rank = detail::merge_axes(operands.data(), N, p.sizes.data(), p.strides[0].data());
  if (rank == 0) return p;
  p.rank = rank - 1;
  const auto inner = static_cast<std::size_t>(p.rank);
  p.length = p.sizes[inner];
  for (std::size_t i = 0; i < inner; ++i) p.rows *= p.sizes[i];
  for (std::size_t k = 0; k < N; ++k) p.step[k] = p.strides[k][inner];
  return p;
}

template <std::size_t N> using Offsets = std::array<std::int64_t, N>;

namespace detail {
template <std::size_t N> using RowBody = void (*)(void* context, const Offsets<N>& at, std::int64_t n);
/// for_each_row, compiled once for each N.
template <std::size_t N> void walk_rows(const Plan<N>& p, RowBody<N> body, void* context);
extern template void walk_rows(const Plan<1>&, RowBody<1>, void*);
extern template void walk_rows(const Plan<2>&, RowBody<2>, void*);
extern template void walk_rows(const Plan<3>&, RowBody<3>, void*);
extern template void walk_rows(const Plan<4>&, RowBody<4>, void*);
extern template void walk_rows(const Plan<5>&, RowBody<5>, void*);

template <std::size_t N> void walk_rows(const Plan<N>& p, RowBody<N> body, void* context) {
  if (p.rows == 1) {
    parallel_for(p.length, elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
      Offsets<N> at;
      for (std::size_t k = 0; k < N; ++k) at[k] = begin * p.step[k];
      body(context, at, end - begin);
    });
    return;
  }
  if (p.length == 0) return;
  parallel_for(p.rows, std::max<std::int64_t>(1, elementwise_grain / p.length), [&](std::int64_t begin, std::int64_t end) {
    std::array<std::int64_t, max_rank> index{};
    Offsets<N> at{};
    for (std::int64_t rest = begin, i = p.rank; i-- > 0;) {
      const auto axis = static_cast<std::size_t>(i);
      index[axis] = rest % p.sizes[axis];
      rest /= p.sizes[axis];
      for (std::size_t k = 0; k < N; ++k) at[k] += index[axis] * p.strides[k][axis];
    }
    for (std::int64_t r = begin; r < end; ++r) {
      body(context, at, p.length);
      for (int i = p.rank; i-- > 0;) {
        const auto axis = static_cast<std::size_t>(i);
        for (std::size_t k = 0; k < N; ++k) at[k] += p.strides[k][axis];
        if (++index[axis] < p.sizes[axis]) break;
        for (std::size_t k = 0; k < N; ++k) at[k] -= p.sizes[axis] * p.strides[k][axis];
        index[axis] = 0;
      }
    }
  });
}
}  // namespace detail

/// Calls row(offsets, n) for every row, or part of one, on several threads where that pays; offsets are in elements.
template <std::size_t N, class Row> void for_each_row(const Plan<N>& p, Row&& row) {
  detail::walk_rows<N>(p, [](void* r, const Offsets<N>& at, std::int64_t n) { (*static_cast<std::remove_reference_t<Row>*>(r))(at, n); }, &row);
}

/// out[i] = f(in[i]…) one element at a time, for operands of any element types.
template <class Out, class... In, class F, class... A> void zip(F f, const Array& out, const A&... in) {
  constexpr std::size_t n = 1 + sizeof...(In);
  const auto p = make_plan<n>({&out, &in...});
  Out* const y = out.writable<Out>();
  const std::tuple<const In*...> x{in.template data<In>()...};
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    for_each_row(p, [&](const std::array<std::int64_t, n>& at, std::int64_t count) {
      Out* const to = y + at[0];
      const std::tuple<const In*...> from{std::get<I>(x) + at[I + 1]...};
      if (((p.step[I] == 1) && ...) && p.step[n - 1] == 1) {
        for (std::int64_t i = 0; i < count; ++i) to[i] = f(std::get<I>(from)[i]...);
      } else {
        for (std::int64_t i = 0; i < count; ++i) to[i * p.step[0]] = f(std::get<I>(from)[i * p.step[I + 1]]...);
      }
    });
  }(std::index_sequence_for<In...>{});
}

}  // namespace dz::kernels
