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

/// What a loop of packs goes through: where the result and the operands lie, how many elements apart (the result's step first), and how many.
template <std::size_t N> struct Row {
  void* out;
  std::array<const void*, N> in;
  std::array<std::int64_t, N + 1> step;
  std::int64_t n;
};

template <int bytes, class T, std::size_t N, class F> DZ_INLINE void run_row(const F& f, const Row<N>& row) {
  [&]<std::size_t... I>(std::index_sequence<I...>) __attribute__((always_inline)) {
    T* const out = static_cast<T*>(row.out);
    const std::array<const T*, N> in{static_cast<const T*>(row.in[I])...};
    for (std::int64_t i = 0; i < row.n; i += Pack<T, bytes>::width)
      store<T, bytes>(out + i * row.step[0], row.step[0], row.n - i, f(load<T, bytes>(in[I] + i * row.step[I + 1], row.step[I + 1], row.n - i)...));
  }(std::make_index_sequence<N>{});
}

// A formula's loops, for each element type and instruction set. They are all that is compiled for each formula; what calls them is shared.

template <class T, std::size_t N, class F> void row_baseline(const void* f, const Row<N>& row) { run_row<16, T>(*static_cast<const F*>(f), row); }
#if defined(__x86_64__)
template <class T, std::size_t N, class F>
__attribute__((target("avx2,fma"), flatten)) void row_avx2(const void* f, const Row<N>& row) { run_row<32, T>(*static_cast<const F*>(f), row); }
template <class T, std::size_t N, class F>
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"), flatten)) void row_avx512(const void* f, const Row<N>& row) {
  run_row<thresholds::pack_bytes, T>(*static_cast<const F*>(f), row);
}
#endif

template <std::size_t N> using RowLoop = void (*)(const void* f, const Row<N>& row);
template <std::size_t N> using IsaLoops = std::array<RowLoop<N>, 3>;
template <std::size_t N> using Loops = std::array<IsaLoops<N>, 4>;  // by dtype; null for those that the formula is not of

template <class T, std::size_t N, class F> constexpr IsaLoops<N> isa_loops() {
#if defined(__x86_64__)
  return {&row_baseline<T, N, F>, &row_avx2<T, N, F>, &row_avx512<T, N, F>};
#else
  return {&row_baseline<T, N, F>, &row_baseline<T, N, F>, &row_baseline<T, N, F>};
#endif
}
template <bool integers, std::size_t N, class F> constexpr Loops<N> make_loops() {
  Loops<N> loops{isa_loops<float, N, F>(), isa_loops<double, N, F>()};
  if constexpr (integers) loops[2] = isa_loops<std::int64_t, N, F>(), loops[3] = isa_loops<std::uint8_t, N, F>();
  return loops;
}
template <bool integers, std::size_t N, class F> inline constexpr Loops<N> loops_of = make_loops<integers, N, F>();

[[noreturn]] void refuse_dtype(Dtype dtype);

/// A formula as a kernel's attribute: its loops, and the numbers that its lambda has captured.
template <std::size_t N, std::size_t bytes> struct Formula {
  const Loops<N>* loops;
  alignas(16) std::array<std::byte, bytes> captured;

  RowLoop<N> loop(Dtype dtype) const {
    const auto type = static_cast<std::size_t>(dtype);
    if (type >= loops->size() || !(*loops)[type][0]) [[unlikely]]
      refuse_dtype(dtype);
    return (*loops)[type][static_cast<std::size_t>(active_isa())];
  }
};

template <bool integers, std::size_t N, class F> auto make_formula(const F& f) {
  static_assert(std::is_trivially_copyable_v<F>, "a formula captures plain data only: tensors are its arguments");
  Formula<N, (sizeof(F) + 15) / 16 * 16> formula{&loops_of<integers, N, F>, {}};
  std::memcpy(formula.captured.data(), &f, sizeof f);
  return formula;
}

template <std::size_t N> using Operands = std::array<const Array*, N>;

/// The general way: out may be one of the operands.
template <std::size_t N, std::size_t bytes> void run_rows(const Array& out, const Formula<N, bytes>& f, const Operands<N>& in) {
  const auto run = f.loop(out.dtype());
  const auto size = static_cast<std::int64_t>(size_of(out.dtype()));
  const auto p = [&]<std::size_t... I>(std::index_sequence<I...>) { return make_plan<N + 1>({&out, in[I]...}); }(std::make_index_sequence<N>{});
  std::array<const std::byte*, N> from;
  for (std::size_t k = 0; k < N; ++k) from[k] = in[k]->bytes();
  for_each_row(p, [&](const std::array<std::int64_t, N + 1>& at, std::int64_t count) {
    Row<N> row{out.writable_bytes() + at[0] * size, {}, p.step, count};
    for (std::size_t k = 0; k < N; ++k) row.in[k] = from[k] + at[k + 1] * size;
    run(f.captured.data(), row);
  });
}

/// All are float32, short, and of one shape in row order.
template <std::size_t N> bool alike(const Operands<N>& in) {
  const Array& first = *in[0];
  bool alike = first.is_plain(float32) && first.size() <= elementwise_grain;
  for (std::size_t k = 1; k < N; ++k) alike = alike && in[k]->same_kind(first) && in[k]->same_shape(first);
  return alike;
}

/// The way of such operands, and of a result that is like them.
template <std::size_t N, std::size_t bytes> void run_alike(const Array& out, const Formula<N, bytes>& f, const Operands<N>& in) {
  Row<N> row;
  row.out = out.writable_bytes();
  row.n = out.size();
  row.step[0] = 1;
  for (std::size_t k = 0; k < N; ++k) {
    row.in[k] = in[k]->bytes();
    row.step[k + 1] = row.n != 1;  // one element alone is spread over a pack: no part of one is loaded
  }
  f.loop(float32)(f.captured.data(), row);
}

/// Where all operands are alike, or one element repeated beside those that are: the one with the result's shape. Most operands are, and what
/// they need is one row.
template <std::size_t N> const Array* short_rows(const Operands<N>& in) {
  const Array* lead = nullptr;
  for (const Array* a : in)
    if (!a->is_number() && (!lead || a->rank() > lead->rank())) lead = a;
  if (!lead || !lead->is_plain(float32) || lead->size() > elementwise_grain) return nullptr;
  for (const Array* a : in) {
    const bool beside = a->same_kind(*lead) || (a->dtype() == float32 && a->repeats_one());
    if (a != lead && !(beside ? a->rank() == 0 || a->same_shape(*lead) : a->rank() == 0 && a->is_number())) return nullptr;
  }
  return lead;
}

/// The way of operands that short_rows() has passed.
template <std::size_t N, std::size_t bytes> void run_short(const Array& out, const Formula<N, bytes>& f, const Operands<N>& in) {
  float number[N];
  Row<N> row{out.writable_bytes(), {}, {1}, out.size()};
  for (std::size_t k = 0; k < N; ++k) {
    const Array& a = *in[k];
    if (a.is_number()) number[k] = convert<float>(*a.data<double>());
    row.in[k] = a.is_number() ? static_cast<const void*>(&number[k]) : a.bytes();
    row.step[k + 1] = a.size() == 1 || !a.is_contiguous() ? 0 : 1;
  }
  f.loop(float32)(f.captured.data(), row);
}

template <std::size_t N, std::size_t bytes, std::size_t... I>
Array map_formula(const Formula<N, bytes>& f, const Operands<N>& given, std::index_sequence<I...>) {
  if (alike<N>(given)) [[likely]] {
    Array out = Array::make_like(*given[0]);
    launch([](const Array& out, const Formula<N, bytes>& f, const auto&... in) { run_alike<N>(out, f, {&in...}); }, out, f, *given[I]...);
    return out;
  }
  if (const Array* like = short_rows<N>(given)) {
    Array out = Array::make_like(*like);
    launch([](const Array& out, const Formula<N, bytes>& f, const auto&... in) { run_short<N>(out, f, {&in...}); }, out, f, *given[I]...);
    return out;
  }
  const Dtype dtype = common_dtype({given[I]...});
  Array out = Array::make(common_shape({given[I]...}), dtype);
  launch([](const Array& out, const Formula<N, bytes>& f, const auto&... in) { run_rows<N>(out, f, {&in...}); }, out, f, in_dtype(*given[I], dtype)...);
  if ((given[I]->is_number() && ...)) out.become_number();
  return out;
}

template <bool integers, class F, class... A> Array map(const F& f, const A&... given) {
  constexpr std::size_t n = sizeof...(A);
  return map_formula<n>(make_formula<integers, n>(f), {&given...}, std::make_index_sequence<n>{});
}

// What most formulas need is compiled once.
extern template Array map_formula(const Formula<1, 16>&, const Operands<1>&, std::index_sequence<0>);
extern template Array map_formula(const Formula<2, 16>&, const Operands<2>&, std::index_sequence<0, 1>);
extern template Array map_formula(const Formula<3, 16>&, const Operands<3>&, std::index_sequence<0, 1, 2>);
extern template Array map_formula(const Formula<4, 16>&, const Operands<4>&, std::index_sequence<0, 1, 2, 3>);

/// f of the operands into an array that is there, of the result's shape and their dtype; it may be one of them.
template <class F, class... A> void map_into(const F& f, const Array& out, const A&... in) {
  constexpr std::size_t n = sizeof...(A);
  const auto formula = make_formula<false, n>(f);
  if (out.is_plain(float32) && alike<n>({&in...})) return run_alike<n>(out, formula, {&in...});
  if (out.is_plain(float32) && short_rows<n>({&in...})) return run_short<n>(out, formula, {&in...});
  run_rows<n>(out, formula, {&in...});
}

}  // namespace detail

/// f of the operands, element by element, broadcast; float32 and float64. f is called with packs and captures plain data only.
template <class F, class... A> Array map(const F& f, const A&... operands) { return detail::map<false>(f, operands...); }
/// The same for int64 and uint8 too.
template <class F, class... A> Array map_numbers(const F& f, const A&... operands) { return detail::map<true>(f, operands...); }

}  // namespace kernels
}  // namespace dz
