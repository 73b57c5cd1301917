// Each (sample, head) is one unit of work, gone through in blocks of queries: their scores against all keys (with a causal mask, against
// those keys only that the block's last query sees), softmax in place, and the products by BLAS. The reverse pass computes the scores
// again instead of keeping them.

#include <dz/tensor/kernels/attention.hpp>

#include <fmt/format.h>

#include <climits>
#include <cmath>
#include <limits>

#include <dz/tensor/kernels/gemm.hpp>
#include <dz/tensor/kernels/vectorised.hpp>
#include <dz/tensor/launch.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels {
namespace {

using detail::gemm;
using detail::Operand;

constexpr std::int64_t most_slots = 64;  // rooms for scores: more threads than this do not help

/// The sizes of one head, and how many heads there are.
struct Heads {
  std::int64_t count, queries, keys, width, value_width;
  double scale;
  bool causal;

  std::int64_t slots() const { return std::min(count, most_slots); }
  std::int64_t block() const { return std::min(queries, std::clamp<std::int64_t>(16384 / std::max<std::int64_t>(keys, 1), 16, 64)); }
  std::int64_t room() const { return checked_product(block(), keys); }
  /// The keys that query i attends to: [0, seen(i)).
  std::int64_t seen(std::int64_t i) const { return causal ? keys - queries + i + 1 : keys; }
};

/// Where head number h begins, in elements.
std::int64_t offset_of(const Array& a, std::int64_t h) {
  std::int64_t offset = 0;
  for (int i = a.rank() - 2; i-- > 0;) {
    offset += h % a.size(i) * a.stride(i);
    h /= a.size(i);
  }
  return offset;
}

/// Where each head's matrix lies within an array; its rows lie in one piece each. Reads the array's address once, outside parallel loops.
template <class T> auto heads_of(const Array& a) {
  return [base = a.data<T>(), &a](std::int64_t h) { return Operand<T>{base + offset_of(a, h), a.stride(a.rank() - 2)}; };
}

template <class T> struct MaskRows {
  const bool* allowed = nullptr;
  const T* added = nullptr;
  std::int64_t row_step = 0, step = 0;
};

template <class T> auto masks_of(const Array& mask) {
  MaskRows<T> all;
  if (mask) {
    all.row_step = mask.stride(mask.rank() - 2);
    all.step = mask.stride(mask.rank() - 1);
    if (mask.dtype() == boolean) all.allowed = mask.data<bool>();
    else all.added = mask.data<T>();
  }
  return [all, &mask](std::int64_t h) {
    MaskRows<T> m = all;
    if (m.allowed) m.allowed += offset_of(mask, h);
    if (m.added) m.added += offset_of(mask, h);
    return m;
  };
}

/// Scores (already scaled) of one query as its weights; those beyond `seen` are 0, as are all where none is allowed.
template <class T> DZ_INLINE void weigh(T* p, std::int64_t seen, std::int64_t keys, const MaskRows<T>& mask, std::int64_t query) {
  constexpr T nothing = -std::numeric_limits<T>::infinity();
  constexpr std::int64_t lanes = 64 / sizeof(T);
  if (mask.allowed)
    for (std::int64_t j = 0; j < seen; ++j) p[j] = mask.allowed[query * mask.row_step + j * mask.step] ? p[j] : nothing;
  if (mask.added)
    for (std::int64_t j = 0; j < seen; ++j) p[j] += mask.added[query * mask.row_step + j * mask.step];
  // The largest, passing over a NaN: it makes the sum a NaN, and so all weights. Alone it counts as the largest.
  Pack<T> top(nothing);
  T part[lanes], largest = nothing;
  std::int64_t j = 0;
  for (; j + lanes <= seen; j += lanes) {
    const Pack<T> x = detail::load<T>(p + j, 1, lanes);
    top = where(less(top, x), x, top);
  }
  detail::store<T>(part, 1, lanes, top);
  for (T x : part) largest = std::max(largest, x);
  for (; j < seen; ++j) largest = std::max(largest, p[j]);
  if (largest == nothing) {
    bool broken = false;
    for (j = 0; j < seen; ++j) broken |= p[j] != p[j];
    for (j = 0; j < keys; ++j) p[j] = broken ? std::numeric_limits<T>::quiet_NaN() : T{};
    return;
  }
  Pack<T> sum(0);
  for (j = 0; j < seen; j += lanes) {
    const Pack<T> e = exp(detail::load<T>(p + j, 1, seen - j) - Pack<T>(largest));
    detail::store<T>(p + j, 1, seen - j, e);
    if (j + lanes <= seen) sum = sum + e;
  }
  detail::store<T>(part, 1, lanes, sum);
  double total = 0;
  for (T v : part) total += static_cast<double>(v);
  for (j = seen / lanes * lanes; j < seen; ++j) total += static_cast<double>(p[j]);
  const T factor = static_cast<T>(1 / total);
  for (j = 0; j < seen; ++j) p[j] *= factor;
  for (j = seen; j < keys; ++j) p[j] = T{};
}

/// Weights of the queries [first, first + n) to the keys [0, reach), in rows of `reach`.
template <class T>
void weights(T* p, const Heads& s, Operand<T> q, Operand<T> k, const MaskRows<T>& mask, std::int64_t first, std::int64_t n,
             std::int64_t reach) {
  q.data += first * q.step;
  gemm<T>(p, reach, n, reach, s.width, q, {k.data, k.step, true}, static_cast<T>(s.scale));
  detail::vectorised([&]() __attribute__((always_inline)) {
    for (std::int64_t i = 0; i < n; ++i) weigh(p + i * reach, std::min(reach, s.seen(first + i)), reach, mask, first + i);
  });
}

/// Calls f(head, slot): slot number i has the heads i, i + slots, …
template <class F> void for_each_head(const Heads& s, F f) {
  const std::int64_t slots = s.slots(), work = s.queries * s.keys * (s.width + s.value_width);
  const std::int64_t grain =
      std::max<std::int64_t>(1, elementwise_grain / std::max<std::int64_t>(1, work * (s.count / std::max<std::int64_t>(slots, 1))));
  parallel_for(slots, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t slot = begin; slot < end; ++slot)
      for (std::int64_t h = slot; h < s.count; h += slots) f(h, slot);
  });
}

/// room (slots, block·keys).
void attention_kernel(const Array& out, const Array& q, const Array& k, const Array& v, const Array& mask, const Array& room, Heads s) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto q_of = heads_of<T>(q), k_of = heads_of<T>(k), v_of = heads_of<T>(v);
    const auto mask_of = masks_of<T>(mask);
    for_each_head(s, [&](std::int64_t h, std::int64_t slot) {
      T* const p = room.writable<T>() + slot * s.room();
      const Operand<T> queries = q_of(h), keys = k_of(h), values = v_of(h);
      const MaskRows<T> m = mask_of(h);
      T* const y = out.writable<T>() + offset_of(out, h);
      const std::int64_t step = out.stride(out.rank() - 2);
      for (std::int64_t first = 0; first < s.queries; first += s.block()) {
        const std::int64_t n = std::min(s.block(), s.queries - first), reach = s.seen(first + n - 1);
        weights(p, s, queries, keys, m, first, n, reach);
        gemm<T>(y + first * step, step, n, s.value_width, reach, {p, reach}, values);
      }
    });
  });
}

/// dq; dk and dv are written too. room (slots, 2·block·keys). With P the weights and dP = dy·vᵀ: dv = Pᵀ·dy, and the scores' gradient is
/// S = P∘(dP − Σ P∘dP), of which dq = scale·S·k and dk = scale·Sᵀ·q.
void gradient_kernel(const Array& dq, const Array& dk, const Array& dv, const Array& dy, const Array& q, const Array& k, const Array& v,
                     const Array& mask, const Array& room, Heads s) {
  visit_floating(dq.dtype(), [&]<class T>(std::type_identity<T>) {
    const T scale = static_cast<T>(s.scale);
    const auto q_of = heads_of<T>(q), k_of = heads_of<T>(k), v_of = heads_of<T>(v), dy_of = heads_of<T>(dy);
    const auto mask_of = masks_of<T>(mask);
    for_each_head(s, [&](std::int64_t h, std::int64_t slot) {
      T *const p = room.writable<T>() + slot * 2 * s.room(), *const dp = p + s.room();
      const Operand<T> queries = q_of(h), keys = k_of(h), values = v_of(h), cotangent = dy_of(h);
      const MaskRows<T> m = mask_of(h);
      T *const by_q = dq.writable<T>() + offset_of(dq, h), *const by_k = dk.writable<T>() + offset_of(dk, h),
               *const by_v = dv.writable<T>() + offset_of(dv, h);
      const std::int64_t q_step = dq.stride(dq.rank() - 2), k_step = dk.stride(dk.rank() - 2), v_step = dv.stride(dv.rank() - 2);
      for (std::int64_t j = 0; j < s.keys; ++j) {
        std::fill_n(by_k + j * k_step, s.width, T{});
        std::fill_n(by_v + j * v_step, s.value_width, T{});
      }
      for (std::int64_t first = 0; first < s.queries; first += s.block()) {
        const std::int64_t n = std::min(s.block(), s.queries - first), reach = s.seen(first + n - 1);
        weights(p, s, queries, keys, m, first, n, reach);
        const Operand<T> d{cotangent.data + first * cotangent.step, cotangent.step};
        gemm<T>(dp, reach, n, reach, s.value_width, d, {values.data, values.step, true});
        gemm<T>(by_v, v_step, reach, s.value_width, n, {p, reach, true}, d, T{1}, T{1});
        detail::vectorised([&] {
          constexpr std::int64_t lanes = 64 / sizeof(T);
          for (std::int64_t i = 0; i < n; ++i) {
            const T* w = p + i * reach;
            T *const g = dp + i * reach, lane[lanes] = {};
            std::int64_t j = 0;
            for (; j + lanes <= reach; j += lanes)
              for (std::int64_t c = 0; c < lanes; ++c) lane[c] += w[j + c] * g[j + c];
            double along = 0;
            for (; j < reach; ++j) along += static_cast<double>(w[j] * g[j]);
            for (std::int64_t c = 0; c < lanes; ++c) along += static_cast<double>(lane[c]);
            const T level = static_cast<T>(along);
            for (j = 0; j < reach; ++j) g[j] = w[j] * (g[j] - level);
          }
        });
        gemm<T>(by_q + first * q_step, q_step, n, s.width, reach, {dp, reach}, keys, scale);
        gemm<T>(by_k, k_step, reach, s.width, n, {dp, reach, true}, {queries.data + first * queries.step, queries.step}, scale, T{1});
      }
    });
  });
}

// ---- operands

struct Operands {
  Array q, k, v, mask;
  Heads heads;
  Dtype dtype;
};

/// The array itself where BLAS can read its heads, else a copy.
Array readable(const Array& a) {
  const int r = a.rank();
  const std::int64_t width = a.size(r - 1), step = a.stride(r - 2);
  const bool fine = (width <= 1 || a.stride(r - 1) == 1) && step >= std::max<std::int64_t>(width, 1) && step <= INT_MAX;
  return fine ? a : a.clone();
}

Operands operands(const Array& q, const Array& k, const Array& v, const Array& mask, const AttentionOptions& o) {
  const std::string shapes = fmt::format("q {}, k {}, v {}{}", to_string(q.shape()), to_string(k.shape()), to_string(v.shape()),
                                         mask ? ", mask " + to_string(mask.shape()) : "");
  const auto require = [&](bool fine, const char* reason) {
    if (!fine) throw ShapeError(fmt::format("{}: {}", reason, shapes));
  };
  const int r = q.rank();
  require(r >= 2 && k.rank() == r && v.rank() == r, "q is (…, t, d), k (…, s, d) and v (…, s, e), of one rank");
  bool leading = true;
  for (int i = 0; i < r - 2; ++i) leading &= q.size(i) == k.size(i) && k.size(i) == v.size(i);
  require(leading, "the axes before the last two differ");
  require(q.size(r - 1) == k.size(r - 1), "queries and keys differ in width");
  require(k.size(r - 2) == v.size(r - 2), "keys and values differ in number");
  require(!o.causal || q.size(r - 2) <= k.size(r - 2), "a causal mask needs at least as many keys as queries");
  for (int i = r - 2; i < r; ++i) require(std::max({q.size(i), k.size(i), v.size(i)}) <= INT_MAX, "a matrix is too large to multiply");
  Operands a;
  a.dtype = common_dtype({&q, &k, &v});
  visit_floating(a.dtype, [](auto) {});
  const auto plain = [&](const Array& x) { return readable(in_dtype(x, a.dtype)); };
  a.q = plain(q), a.k = plain(k), a.v = plain(v);
  a.heads = {1, q.size(r - 2), k.size(r - 2), q.size(r - 1), v.size(r - 1), o.scale, o.causal};
  for (int i = 0; i < r - 2; ++i) a.heads.count *= q.size(i);
  if (!mask) return a;
  if (mask.dtype() != boolean) common_dtype({&q, &mask});  // refuses others
  Shape all = q.shape();
  all[r - 1] = k.size(r - 2);
  bool fits = mask.rank() == r;
  for (int i = 0; fits && i < r; ++i) fits = mask.size(i) == all[i] || mask.size(i) == 1;
  require(fits, "the mask does not broadcast to (…, t, s)");
  a.mask = (mask.dtype() == boolean ? mask : in_dtype(mask, a.dtype)).expand(all);
  return a;
}

/// An array (…, n, width) whose heads lie beside each other, row by row: joining the heads of each token copies nothing.
Array beside(const Shape& shape, Dtype dtype) {
  const int r = shape.rank();
  if (r < 3) return Array::make(shape, dtype);
  Shape rows = shape;
  std::swap(rows[r - 2], rows[r - 3]);
  std::array<int, max_rank> order{};
  for (int i = 0; i < r; ++i) order[static_cast<std::size_t>(i)] = i;
  std::swap(order[static_cast<std::size_t>(r - 2)], order[static_cast<std::size_t>(r - 3)]);
  return Array::make(rows, dtype).permute(std::span(order).first(static_cast<std::size_t>(r)));
}

}  // namespace

Array attention(const Array& q, const Array& k, const Array& v, const Array& mask, const AttentionOptions& options) {
  const Operands a = operands(q, k, v, mask, options);
  Shape shape = q.shape();
  shape[q.rank() - 1] = a.heads.value_width;
  Array y = beside(shape, a.dtype);
  if (y.size() == 0) return y;
  if (a.heads.keys == 0) return Array::full(shape, 0, a.dtype);
  launch(attention_kernel, y, a.q, a.k, a.v, a.mask, Array::make({checked_product(a.heads.slots(), a.heads.room())}, a.dtype), a.heads);
  return y;
}

std::vector<Array> attention_gradient(const Array& dy, const Array& q, const Array& k, const Array& v, const Array& mask,
                                      const AttentionOptions& options) {
  const Operands a = operands(q, k, v, mask, options);
  const Array along = readable(in_dtype(dy, a.dtype));
  const Heads& s = a.heads;
  if (s.count == 0 || s.queries == 0 || s.keys == 0)
    return {Array::full(q.shape(), 0, a.dtype), Array::full(k.shape(), 0, a.dtype), Array::full(v.shape(), 0, a.dtype)};
  const Array dq = beside(q.shape(), a.dtype), dk = beside(k.shape(), a.dtype), dv = beside(v.shape(), a.dtype);
  launch(gradient_kernel, dq, dk, dv, along, a.q, a.k, a.v, a.mask, Array::make({checked_product(s.slots(), 2 * s.room())}, a.dtype), s);
  return {dq, dk, dv};
}

}  // namespace dz::kernels
