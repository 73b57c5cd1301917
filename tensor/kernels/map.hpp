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

/// Up to a pack of elements that do not lie side by side, or are fewer. (gather_row() and scatter_row() of many; small products live by these.)
template <class T> [[gnu::noinline]] void gather(T* pack, const T* p, std::int64_t step, std::int64_t n) {
  n = std::min<std::int64_t>(n, Pack<T>::width);
  for (std::int64_t i = 0; i < n; ++i) pack[i] = p[i * step];
  for (std::int64_t i = n; i < Pack<T>::width; ++i) pack[i] = T{};
}
template <class T> [[gnu::noinline]] void scatter(T* p, std::int64_t step, std::int64_t n, const T* pack) {
  n = std::min<std::int64_t>(n, Pack<T>::width);
  for (std::int64_t i = 0; i < n; ++i) p[i * step] = pack[i];
}

/// A pack of the elements from p on; beyond the n-th it holds zeros, with a step of 0 the one element throughout.
template <class T> DZ_INLINE Pack<T> load(const T* p, std::int64_t step, std::int64_t n) {
  using P = Pack<T>;
  typename P::V v{};
  if (step == 1 && n >= P::width) std::memcpy(&v, p, sizeof v);
  else if (step == 0) v = *p - v;  // less 0, which keeps the sign of a 0
  else {
    T buffer[P::width];
    gather(buffer, p, step, n);
    std::memcpy(&v, buffer, sizeof v);
  }
  return P(v);
}

template <class T> DZ_INLINE void store(T* p, std::int64_t step, std::int64_t n, const Pack<T>& x) {
  if (step == 1 && n >= x.width) {
    std::memcpy(p, &x.v, sizeof x.v);
    return;
  }
  if (n == 1) {
    *p = x.v[0];
    return;
  }
  T buffer[Pack<T>::width];
  std::memcpy(buffer, &x.v, sizeof x.v);
  scatter(p, step, n, buffer);
}

/// What a formula's loop goes through: whole packs, of operands that lie side by side (step 1) or are one element repeated (step 0). The last pack is
/// stored whole unless there is one element in it.
template <std::size_t N> struct Packs {
  void* out;
  std::array<const void*, N> in;
  std::array<std::int64_t, N> step;
  std::int64_t n;
};

template <class P> DZ_INLINE P whole_pack(const typename P::Element* p, std::int64_t step, std::int64_t i) {
  asm("" : "+r"(step));  // or the compiler makes a loop of its own for every combination of steps
  typename P::V v{};
  if (step != 0) std::memcpy(&v, p + i, sizeof v);
  else v = *p - v;  // less 0, which keeps the sign of a 0
  return P(v);
}

template <int bytes, class T, std::size_t N, class F> DZ_INLINE void run_packs(const F& f, const Packs<N>& packs) {
  [&]<std::size_t... I>(std::index_sequence<I...>) __attribute__((always_inline)) {
    using P = Pack<T, bytes>;
    T* const out = static_cast<T*>(packs.out);
    const std::array<const T*, N> in{static_cast<const T*>(packs.in[I])...};
    const std::array<std::int64_t, N> step = packs.step;
    const std::int64_t n = packs.n;
    for (std::int64_t i = 0; i < n; i += P::width) {
      const P y = f(whole_pack<P>(in[I], step[I], i)...);
      if (n - i == 1) out[i] = y.v[0];
      else std::memcpy(out + i, &y.v, bytes);
    }
  }(std::make_index_sequence<N>{});
}

// A formula's loops, for each element type and instruction set. They are all that is compiled for each formula; what calls them is shared.

template <class T, std::size_t N, class F> void row_baseline(const void* f, const Packs<N>& packs) { run_packs<16, T>(*static_cast<const F*>(f), packs); }
#if defined(__x86_64__)
template <class T, std::size_t N, class F>
__attribute__((target("avx2,fma"), flatten)) void row_avx2(const void* f, const Packs<N>& packs) { run_packs<32, T>(*static_cast<const F*>(f), packs); }
template <class T, std::size_t N, class F>
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"), flatten)) void row_avx512(const void* f, const Packs<N>& packs) {
  run_packs<thresholds::pack_bytes, T>(*static_cast<const F*>(f), packs);
}
#endif

// The same of one float, in registers: graphs of single numbers are made of these.

template <class F, std::size_t N> DZ_INLINE float run_one(const void* f, std::array<float, N> x) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) __attribute__((always_inline)) {
    return (*static_cast<const F*>(f))(Pack<float, 16>(x[I])...).v[0];
  }(std::make_index_sequence<N>{});
}
template <class F, std::size_t N> float one_baseline(const void* f, std::array<float, N> x) { return run_one<F>(f, x); }
#if defined(__x86_64__)
template <class F, std::size_t N> __attribute__((target("avx2,fma"), flatten)) float one_avx2(const void* f, std::array<float, N> x) { return run_one<F>(f, x); }
#endif

template <std::size_t N> using RowLoop = void (*)(const void* f, const Packs<N>& packs);
template <std::size_t N> using OneLoop = float (*)(const void* f, std::array<float, N> x);
template <std::size_t N> struct Loops {
  using IsaLoops = std::array<RowLoop<N>, 3>;
  std::array<OneLoop<N>, 3> one;
  std::array<IsaLoops, 4> row;  // by dtype; null for those that the formula is not of
};

template <std::size_t N, class F> constexpr std::array<OneLoop<N>, 3> one_loops() {
#if defined(__x86_64__)
  return {&one_baseline<F, N>, &one_avx2<F, N>, &one_avx2<F, N>};
#else
  return {&one_baseline<F, N>, &one_baseline<F, N>, &one_baseline<F, N>};
#endif
}
template <class T, std::size_t N, class F> constexpr typename Loops<N>::IsaLoops row_loops() {
#if defined(__x86_64__)
  return {&row_baseline<T, N, F>, &row_avx2<T, N, F>, &row_avx512<T, N, F>};
#else
  return {&row_baseline<T, N, F>, &row_baseline<T, N, F>, &row_baseline<T, N, F>};
#endif
}
template <bool integers, std::size_t N, class F> constexpr Loops<N> make_loops() {
  Loops<N> loops{one_loops<N, F>(), {row_loops<float, N, F>(), row_loops<double, N, F>()}};
  if constexpr (integers) loops.row[2] = row_loops<std::int64_t, N, F>(), loops.row[3] = row_loops<std::uint8_t, N, F>();
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
    if (type >= loops->row.size() || !loops->row[type][0]) [[unlikely]]
      refuse_dtype(dtype);
    return loops->row[type][static_cast<std::size_t>(active_isa())];
  }
  // Every formula has these two.
  RowLoop<N> float_loop() const { return loops->row[static_cast<std::size_t>(float32)][static_cast<std::size_t>(active_isa())]; }
  float one(std::array<float, N> x) const { return loops->one[static_cast<std::size_t>(active_isa())](captured.data(), x); }
};

template <bool integers, std::size_t N, class F> inline constexpr Formula<N, 16> formula_without_captures{&loops_of<integers, N, F>, {}};
template <bool integers, std::size_t N, class F>
  requires std::is_empty_v<F>
const Formula<N, 16>& make_formula(const F&) {
  return formula_without_captures<integers, N, F>;
}
template <bool integers, std::size_t N, class F> auto make_formula(const F& f) {
  static_assert(std::is_trivially_copyable_v<F>, "a formula captures plain data only: tensors are its arguments");
  Formula<N, (sizeof(F) + 15) / 16 * 16> formula{&loops_of<integers, N, F>, {}};
  std::memcpy(formula.captured.data(), &f, sizeof f);
  return formula;
}

template <std::size_t N> using Operands = std::array<const Array*, N>;

/// A row of the result and the operands as arrays have them: any steps, in elements, and any number of elements.
template <std::size_t N> struct Row {
  std::byte* out;
  std::array<const std::byte*, N> in;
  std::array<std::int64_t, N + 1> step;  // the result's first
  std::int64_t n;
};

/// n elements of `size` bytes, `step` apart, put side by side, and zeros after them to the end of the last pack.
void gather_row(std::byte* to, const std::byte* from, std::int64_t step, std::int64_t n, std::int64_t size);
/// The way back.
void scatter_row(std::byte* to, std::int64_t step, const std::byte* from, std::int64_t n, std::int64_t size);

/// Runs a formula's loop over a row: on whole packs where they lie, on the rest in buffers. The result may be one of the operands.
template <std::size_t N> void run_row(RowLoop<N> loop, const void* f, const Row<N>& given, std::int64_t size) {
  Row<N> row = given;
  constexpr std::int64_t room = 1024;
  bool whole = row.step[0] == 1;
  for (std::size_t k = 1; k <= N; ++k) whole = whole && (row.step[k] == 0 || row.step[k] == 1);
  const auto pass = [&](std::int64_t n) {
    row.n -= n;
    row.out += n * row.step[0] * size;
    for (std::size_t k = 0; k < N; ++k) row.in[k] += n * row.step[k + 1] * size;
  };
  Packs<N> packs;
  if (const std::int64_t n = row.n / (thresholds::pack_bytes / size) * (thresholds::pack_bytes / size); whole && n > 0) {
    packs.out = row.out;
    packs.n = n;
    for (std::size_t k = 0; k < N; ++k) packs.in[k] = row.in[k], packs.step[k] = row.step[k + 1];
    loop(f, packs);
    pass(n);
  }
  while (row.n > 0) {
    alignas(64) std::byte buffer[N + 1][room];
    packs.out = buffer[N];
    packs.n = std::min(row.n, room / size);
    for (std::size_t k = 0; k < N; ++k) {
      packs.step[k] = row.step[k + 1] != 0;
      packs.in[k] = row.in[k];
      if (row.step[k + 1] == 0) continue;
      packs.in[k] = buffer[k];
      gather_row(buffer[k], row.in[k], row.step[k + 1], packs.n, size);
    }
    loop(f, packs);
    scatter_row(row.out, row.step[0], buffer[N], packs.n, size);
    pass(packs.n);
  }
}
extern template void run_row(RowLoop<1>, const void*, const Row<1>&, std::int64_t);
extern template void run_row(RowLoop<2>, const void*, const Row<2>&, std::int64_t);
extern template void run_row(RowLoop<3>, const void*, const Row<3>&, std::int64_t);
extern template void run_row(RowLoop<4>, const void*, const Row<4>&, std::int64_t);

/// The general way: out may be one of the operands.
template <std::size_t N, std::size_t bytes> void run_rows(const Array& out, const Formula<N, bytes>& f, const Operands<N>& in) {
  const auto loop = f.loop(out.dtype());
  const auto size = static_cast<std::int64_t>(size_of(out.dtype()));
  const auto p = [&]<std::size_t... I>(std::index_sequence<I...>) { return make_plan<N + 1>({&out, in[I]...}); }(std::make_index_sequence<N>{});
  std::array<const std::byte*, N> from;
  for (std::size_t k = 0; k < N; ++k) from[k] = in[k]->bytes();
  for_each_row(p, [&](const std::array<std::int64_t, N + 1>& at, std::int64_t count) {
    Row<N> row{out.writable_bytes() + at[0] * size, {}, p.step, count};
    for (std::size_t k = 0; k < N; ++k) row.in[k] = from[k] + at[k + 1] * size;
    run_row(loop, f.captured.data(), row, size);
  });
}

/// All are one element of float32, and of one rank.
template <std::size_t N> DZ_INLINE bool are_single(const Operands<N>& in) {
  const Array& first = *in[0];
  if (!first.is_plain(float32) || first.size() != 1) return false;
  for (std::size_t k = 1; k < N; ++k)
    if (!in[k]->same_kind(first) || in[k]->size() != 1) return false;
  return true;
}

/// All are float32, short, and of one shape in row order.
template <std::size_t N> bool alike(const Operands<N>& in) {
  const Array& first = *in[0];
  if (!first.is_plain(float32) || first.size() > elementwise_grain) return false;
  for (std::size_t k = 1; k < N; ++k)
    if (!in[k]->same_layout(first)) return false;
  return true;
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
    row.in[k] = a.is_number() ? reinterpret_cast<const std::byte*>(&number[k]) : a.bytes();
    row.step[k + 1] = a.size() == 1 || !a.is_contiguous() ? 0 : 1;
  }
  run_row(f.float_loop(), f.captured.data(), row, sizeof(float));
}

/// The way of all others, and of calls that somebody listens to.
template <std::size_t N, std::size_t bytes, std::size_t... I>
[[gnu::noinline]] Array map_any(const Formula<N, bytes>& f, const Operands<N>& given, Array* spare, std::index_sequence<I...>) {
  if (spare && !dz::detail::is_heard() && is_floating(spare->dtype()) && !spare->is_number() && spare->is_spare() && (given[I]->same_layout(*spare) && ...)) {
    run_rows<N>(*spare, f, given);
    return std::move(*spare);
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

/// The way of operands that are alike.
template <std::size_t N, std::size_t bytes> [[gnu::noinline]] Array map_alike(const Formula<N, bytes>& f, const Operands<N>& given, Array* spare) {
  if (spare && spare->is_unique()) {
    run_short<N>(*spare, f, given);
    return std::move(*spare);
  }
  Array out = Array::make_like(*given[0]);
  run_short<N>(out, f, given);
  return out;
}

/// The way of those that are single.
template <std::size_t N, std::size_t bytes, std::size_t... I> DZ_INLINE Array map_single(const Formula<N, bytes>& f, const Operands<N>& given, Array* spare, std::index_sequence<I...>) {
  const float y = f.one({*reinterpret_cast<const float*>(given[I]->bytes())...});
  Array out = spare && spare->is_unique() ? std::move(*spare) : Array::make_like(*given[0]);
  *reinterpret_cast<float*>(out.writable_bytes()) = y;
  return out;
}

/// `spare`, where it is not null, is one of the operands, which the caller gives up: the result is written over it where nobody else holds it.
template <std::size_t N, std::size_t bytes> Array map_formula(const Formula<N, bytes>& f, const Operands<N>& given, Array* spare) {
  if (!dz::detail::is_heard()) [[likely]] {
    if (are_single<N>(given)) return map_single(f, given, spare, std::make_index_sequence<N>{});
    if (alike<N>(given)) return map_alike(f, given, spare);
  }
  return map_any(f, given, spare, std::make_index_sequence<N>{});
}

template <bool integers, class F, class... A> Array map(const F& f, const A&... given) {
  constexpr std::size_t n = sizeof...(A);
  return map_formula<n>(make_formula<integers, n>(f), {&given...}, nullptr);
}

// What most formulas need is compiled once.
extern template Array map_formula(const Formula<1, 16>&, const Operands<1>&, Array*);
extern template Array map_formula(const Formula<2, 16>&, const Operands<2>&, Array*);
extern template Array map_formula(const Formula<3, 16>&, const Operands<3>&, Array*);
extern template Array map_formula(const Formula<4, 16>&, const Operands<4>&, Array*);

/// f of the operands into an array that is there, of the result's shape and their dtype; it may be one of them.
template <class F, class... A> void map_into(const F& f, const Array& out, const A&... in) {
  constexpr std::size_t n = sizeof...(A);
  const auto& formula = make_formula<false, n>(f);
  if (out.is_plain(float32) && short_rows<n>({&in...})) return run_short<n>(out, formula, {&in...});
  run_rows<n>(out, formula, {&in...});
}

}  // namespace detail

/// f of the operands, element by element, broadcast; float32 and float64. f is called with packs and captures plain data only.
template <class F, class... A> Array map(const F& f, const A&... operands) { return detail::map<false>(f, operands...); }
/// The same, written over the first operand where that has the result's shape and nobody else holds it.
template <class F, class... A> Array map_over(const F& f, Array&& first, const A&... rest) {
  constexpr std::size_t n = 1 + sizeof...(A);
  return detail::map_formula<n>(detail::make_formula<false, n>(f), {&first, &rest...}, &first);
}
/// The same for int64 and uint8 too.
template <class F, class... A> Array map_numbers(const F& f, const A&... operands) { return detail::map<true>(f, operands...); }

}  // namespace kernels
}  // namespace dz
