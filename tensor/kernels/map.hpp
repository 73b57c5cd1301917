#pragma once
// map(f, a, b, …): an elementwise formula, written once as a generic lambda on packs, run over arrays of any layout.

#include <dz/tensor/kernels/pack.hpp>
#include <dz/tensor/kernels/plan.hpp>
#include <dz/tensor/launch.hpp>

namespace dz {

/// The instruction sets that loops are compiled for; the best one of the machine is taken unless a test asks for another.
enum class Isa { baseline, avx2, avx512 };
namespace detail {
extern std::atomic<Isa> isa;
}
inline Isa active_isa() { return detail::isa.load(std::memory_order_relaxed); }
/// For tests: uses at most this instruction set from now on, in the whole process.
void limit_isa(Isa isa);

namespace kernels {

/// The dtype that operands share. Numbers take the others' dtype; different dtypes throw DtypeError (inside a gradient check,
/// float32 that meets float64 is widened).
Dtype common_dtype(std::initializer_list<const Array*> operands);
/// `a` in that dtype where it is a number or is to be widened, else a itself.
Array in_dtype(const Array& a, Dtype dtype);
/// The common shape of operands under broadcasting.
Shape common_shape(std::initializer_list<const Array*> operands);

namespace detail {

/// Up to `width` elements that do not lie side by side, or are fewer: a pack's.
template <class T> [[gnu::noinline]] void gather(T* pack, const T* p, std::int64_t step, std::int64_t n, std::int64_t width) {
  n = std::min(n, width);
  for (std::int64_t i = 0; i < n; ++i) pack[i] = p[i * step];
  for (std::int64_t i = n; i < width; ++i) pack[i] = T{};
}
template <class T> [[gnu::noinline]] void scatter(T* p, std::int64_t step, std::int64_t n, const T* pack, std::int64_t width) {
  n = std::min(n, width);
  for (std::int64_t i = 0; i < n; ++i) p[i * step] = pack[i];
}

/// A pack of the elements from p on; beyond the n-th it holds zeros, with a step of 0 the one element throughout.
template <class T, int bytes = static_cast<int>(thresholds::pack_bytes)> DZ_INLINE Pack<T, bytes> load(const T* p, std::int64_t step, std::int64_t n) {
  using P = Pack<T, bytes>;
  typename P::V v{};
  if (step == 1 && n >= P::width) std::memcpy(&v, p, bytes);
  else if (step == 0) v = *p - v;  // less 0, which keeps the sign of a 0
  else {
    T buffer[P::width];
    gather(buffer, p, step, n, P::width);
    std::memcpy(&v, buffer, bytes);
  }
  return P(v);
}

template <class T, int bytes> DZ_INLINE void store(T* p, std::int64_t step, std::int64_t n, const Pack<T, bytes>& x) {
  if (step == 1 && n >= x.width) {
    std::memcpy(p, &x.v, bytes);
    return;
  }
  if (n == 1) {
    *p = x.v[0];
    return;
  }
  T buffer[Pack<T, bytes>::width];
  std::memcpy(buffer, &x.v, bytes);
  scatter(p, step, n, buffer, x.width);
}

template <class T, std::size_t N> struct Row {
  T* out;
  std::array<const T*, N> in;
  std::array<std::int64_t, N + 1> step;
  std::int64_t n;
};

template <int bytes, class T, std::size_t N, class F> DZ_INLINE void run_row(const F& f, const Row<T, N>& row) {
  [&]<std::size_t... I>(std::index_sequence<I...>) __attribute__((always_inline)) {
    for (std::int64_t i = 0; i < row.n; i += Pack<T, bytes>::width)
      store<T, bytes>(row.out + i * row.step[0], row.step[0], row.n - i, f(load<T, bytes>(row.in[I] + i * row.step[I + 1], row.step[I + 1], row.n - i)...));
  }(std::make_index_sequence<N>{});
}

template <class T, std::size_t N, class F> void row_baseline(const F& f, const Row<T, N>& row) { run_row<16>(f, row); }
#if defined(__x86_64__)
template <class T, std::size_t N, class F>
__attribute__((target("avx2,fma"), flatten)) void row_avx2(const F& f, const Row<T, N>& row) { run_row<32>(f, row); }
template <class T, std::size_t N, class F>
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"), flatten)) void row_avx512(const F& f, const Row<T, N>& row) {
  run_row<thresholds::pack_bytes>(f, row);
}
#endif

template <class T, std::size_t N, class F> auto best_row() {
#if defined(__x86_64__)
  const Isa isa = active_isa();
  if (isa == Isa::avx512) return &row_avx512<T, N, F>;
  if (isa == Isa::avx2) return &row_avx2<T, N, F>;
#endif
  return &row_baseline<T, N, F>;
}

template <class T, class F, class... A> void map_into(const F& f, const Array& out, const A&... in) {
  constexpr std::size_t n = sizeof...(A);
  const auto run = best_row<T, n, F>();
  Row<T, n> row{out.template writable<T>(), {in.template data<T>()...}, {}, out.size()};
  const auto p = make_plan<n + 1>({&out, &in...});
  row.step = p.step;
  for_each_row(p, [&](const std::array<std::int64_t, n + 1>& at, std::int64_t count) {
    Row<T, n> part{row.out + at[0], row.in, row.step, count};
    for (std::size_t k = 0; k < n; ++k) part.in[k] += at[k + 1];
    run(f, part);
  });
}

/// Where all operands are float32, short, and of one shape in row order, or one element repeated beside it: the one with the result's
/// shape. Most operands are, and what they need is one row.
template <class... A> const Array* short_rows(const A&... in) {
  const Array* lead = nullptr;
  ((lead = !in.is_number() && (!lead || in.rank() > lead->rank()) ? &in : lead), ...);
  if (!lead || lead->dtype() != float32 || !lead->is_contiguous() || lead->size() > elementwise_grain) return nullptr;
  const auto fits = [lead](const Array& a) {
    if (&a == lead) return true;
    if (a.same_kind(*lead) || (a.dtype() == float32 && a.repeats_one())) return a.rank() == 0 || a.same_shape(*lead);
    return a.rank() == 0 && a.is_number();
  };
  return (fits(in) && ...) ? lead : nullptr;
}

template <class F, class... A> void map_short(const F& f, const Array& out, const A&... in) {
  constexpr std::size_t n = sizeof...(A);
  float number[n];
  Row<float, n> row{out.writable<float>(), {}, {1}, out.size()};
  std::size_t k = 0;
  const auto add = [&](const Array& a) {
    if (a.is_number()) number[k] = convert<float>(*a.data<double>());
    row.in[k] = a.is_number() ? &number[k] : a.data<float>();
    row.step[++k] = a.size() == 1 || !a.is_contiguous() ? 0 : 1;
  };
  (add(in), ...);
  best_row<float, n, F>()(f, row);
}

template <bool integers, class F, class... A> Array map(const F& f, const A&... given) {
  if (const Array* like = short_rows(given...)) {
    Array out = Array::make_like(*like);
    launch([f](const Array& out, const auto&... in) { map_short(f, out, in...); }, out, given...);
    return out;
  }
  const Dtype dtype = common_dtype({&given...});
  Array out = Array::make(common_shape({&given...}), dtype);
  auto kernel = [f](const Array& out, const auto&... in) {
    auto run = [&]<class T>(std::type_identity<T>) { map_into<T>(f, out, in...); };
    if constexpr (integers) {
      if (out.dtype() == int64) return run(std::type_identity<std::int64_t>{});
      if (out.dtype() == uint8) return run(std::type_identity<std::uint8_t>{});
    }
    visit_floating(out.dtype(), run);
  };
  launch(kernel, out, in_dtype(given, dtype)...);
  if ((given.is_number() && ...)) out.become_number();
  return out;
}

}  // namespace detail

/// f of the operands, element by element, broadcast; float32 and float64. f is called with packs and captures plain data only.
template <class F, class... A> Array map(const F& f, const A&... operands) { return detail::map<false>(f, operands...); }
/// The same for int64 and uint8 too.
template <class F, class... A> Array map_numbers(const F& f, const A&... operands) { return detail::map<true>(f, operands...); }

}  // namespace kernels
}  // namespace dz
