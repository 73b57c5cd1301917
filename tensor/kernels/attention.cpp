// Each (sample, head) is one unit of work, gone through in blocks of queries: their scores against all keys (with a causal mask, against
// those keys only that the block's last query sees), a row for each key, so that softmax goes down packs of queries; softmax in place, and the
// products in a core's registers. The reverse pass computes the scores again instead of keeping them.

#include <dz/tensor/kernels/attention.hpp>

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include <dz/tensor/kernels/copy.hpp>
#include <dz/tensor/kernels/small_product.hpp>
#include <dz/tensor/kernels/vectorised.hpp>
#include <dz/tensor/launch.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels {
namespace {

using detail::copied_to_packs;
using detail::in_packed_rows;
using detail::in_packs;
using detail::Matrix;
using detail::small_product;

/// The sizes of one head, how many heads there are, and in how many rooms they are worked at.
struct Heads {
  std::int64_t count, queries, keys, width, value_width, slots;
  double scale;
  bool causal;

  std::int64_t block() const { return std::min(queries, causal ? 16 : std::clamp<std::int64_t>(16384 / std::max<std::int64_t>(keys, 1), 16, 64)); }
  /// A block's queries in whole packs.
  template <class T> std::int64_t lanes() const { return in_packs<T>(block()); }
  /// Elements of the scores of a block.
  template <class T> std::int64_t scores() const { return checked_product(keys, lanes<T>()); }
  /// Elements of the scores, of qᵀ and of v in packed rows.
  template <class T> std::int64_t forward_room() const { return scores<T>() + checked_product(width, lanes<T>()) + checked_product(keys, in_packs<T>(value_width)); }
  /// Of the scores and their gradients, qᵀ, dyᵀ, k, q and dy.
  template <class T> std::int64_t reverse_room() const {
    return 2 * scores<T>() + checked_product(width + value_width, lanes<T>()) + checked_product(keys + queries, in_packs<T>(width)) + checked_product(queries, in_packs<T>(value_width));
  }
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

/// Each head's matrix within an array. Reads the array's address once, outside parallel loops.
template <class T> auto heads_of(const Array& a) {
  return [base = a.data<T>(), &a, r = a.rank()](std::int64_t h) { return Matrix<const T>{base + offset_of(a, h), a.size(r - 2), a.size(r - 1), a.stride(r - 2), a.stride(r - 1)}; };
}
template <class T> auto heads_to_write(const Array& a) {
  return [base = a.writable<T>(), &a, r = a.rank()](std::int64_t h) { return Matrix<T>{base + offset_of(a, h), a.size(r - 2), a.size(r - 1), a.stride(r - 2), 1}; };
}

/// Rows [first, first + n).
template <class T> Matrix<T> rows_of(const Matrix<T>& m, std::int64_t first, std::int64_t n) { return {m.data + first * m.row_stride, n, m.columns, m.row_stride, m.column_stride}; }
/// A block's weights as a left operand: a row for each of n queries.
template <class T> Matrix<const T> by_query(const Matrix<T>& p, std::int64_t n) { return {p.data, n, p.rows, p.column_stride, p.row_stride}; }
/// A row for each key.
template <class T> Matrix<const T> by_key(const Matrix<T>& p, std::int64_t n) { return {p.data, p.rows, n, p.row_stride, p.column_stride}; }

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

/// A pack's elements in double.
template <class T> using Wide = typename dz::detail::Vector<double, 8 * Pack<T>::width>::Type;
template <class T> DZ_INLINE Pack<T> narrow(const Wide<T>& x) { return Pack<T>(__builtin_convertvector(x, typename Pack<T>::V)); }

/// Σ over the rows [0, n) of term(row), packs, in double: what is taken of the sum later may be far smaller.
template <class T, class Term> DZ_INLINE Wide<T> total(std::int64_t n, const Term& term) {
  Wide<T> sum{};
  for (std::int64_t j = 0; j < n; ++j) sum += __builtin_convertvector(term(j).v, Wide<T>);
  return sum;
}

/// Whether key j is seen by each of the queries from number `first` on.
template <class T> DZ_INLINE auto sees(const Heads& s, std::int64_t first, std::int64_t j) {
  typename Pack<T>::V lane;
  for (int i = 0; i < Pack<T>::width; ++i) lane[i] = static_cast<T>(i);
  return less(Pack<T>(static_cast<T>(j - s.seen(first))), Pack<T>(lane));
}

/// Scores (already scaled) of a pack of queries, a row for each key, as their weights; those beyond what a query sees are 0, as are all where none is
/// allowed. A NaN makes all of its query's a NaN.
template <class T> DZ_INLINE void weigh(const Matrix<T>& p, const Heads& s, std::int64_t first) {
  constexpr std::int64_t lanes = Pack<T>::width;
  const Pack<T> nothing(-std::numeric_limits<T>::infinity());
  const std::int64_t by_all = std::min(p.rows, s.seen(first));
  const auto row = [&](std::int64_t j) __attribute__((always_inline)) { return p.data + j * p.row_stride; };
  for (std::int64_t j = by_all; j < p.rows; ++j) detail::store<T>(row(j), 1, lanes, where(sees<T>(s, first, j), detail::load<T>(row(j), 1, lanes), nothing));
  Pack<T> top = nothing;  // passing over a NaN
  for (std::int64_t j = 0; j < p.rows; ++j) {
    const Pack<T> x = detail::load<T>(row(j), 1, lanes);
    top = where(less(top, x), x, top);
  }
  top = where(equal(top, nothing), Pack<T>(0), top);
  const Wide<T> sum = total<T>(p.rows, [&](std::int64_t j) __attribute__((always_inline)) {
    const Pack<T> e = exp(detail::load<T>(row(j), 1, lanes) - top);
    detail::store<T>(row(j), 1, lanes, e);
    return e;
  });
  const Pack<T> factor = where(equal(narrow<T>(sum), Pack<T>(0)), Pack<T>(0), narrow<T>(1 / sum));
  for (std::int64_t j = 0; j < p.rows; ++j) detail::store<T>(row(j), 1, lanes, detail::load<T>(row(j), 1, lanes) * factor);
}

/// Scores of n queries from number `first` on, as the mask lets them be.
template <class T> void apply(const MaskRows<T>& mask, const Matrix<T>& p, std::int64_t first, std::int64_t n) {
  for (std::int64_t j = 0; j < p.rows; ++j)
    for (std::int64_t i = 0; i < n; ++i) {
      T& score = p.data[j * p.row_stride + i];
      const std::int64_t at = (first + i) * mask.row_step + j * mask.step;
      if (mask.allowed && !mask.allowed[at]) score = -std::numeric_limits<T>::infinity();
      if (mask.added) score += mask.added[at];
    }
}

/// A block of queries, and their transposed matrix in whole packs.
template <class T> struct Block {
  std::int64_t first, n;
  Matrix<const T> queries_in_columns;
};

/// p gets the weights of the block's queries, in its columns, to the first keys, of which it has a row each.
template <class T> void weights(const Matrix<T>& p, const Heads& s, const Block<T>& block, const Matrix<const T>& keys, const MaskRows<T>& mask) {
  small_product(p, rows_of(keys, 0, p.rows), block.queries_in_columns, {.factor = static_cast<T>(s.scale)});
  if (mask.allowed || mask.added) apply(mask, p, block.first, block.n);
  detail::vectorised([&]() __attribute__((always_inline)) {
    for (std::int64_t i = 0; i < block.n; i += Pack<T>::width) weigh(Matrix<T>{p.data + i, p.rows, p.columns, p.row_stride, p.column_stride}, s, block.first + i);
  });
}

/// Calls f(head, room). The heads of a slot are neighbours: those of one token lie side by side.
template <class T, class F> void for_each_head(const Heads& s, const Array& rooms, F f) {
  const std::int64_t work = s.queries * s.keys * (s.width + s.value_width), size = rooms.size() / s.slots;
  const std::int64_t share = (s.count + s.slots - 1) / s.slots, grain = std::max<std::int64_t>(1, elementwise_grain / std::max<std::int64_t>(1, work * share));
  T* const first = rooms.writable<T>();
  parallel_for(s.slots, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t slot = begin; slot < end; ++slot)
      for (std::int64_t h = slot * share; h < std::min((slot + 1) * share, s.count); ++h) f(h, first + slot * size);
  });
}

/// Calls f(first query, number of queries, number of keys that they see).
template <class F> void for_each_block(const Heads& s, F f) {
  for (std::int64_t first = 0; first < s.queries; first += s.block()) {
    const std::int64_t n = std::min(s.block(), s.queries - first);
    f(first, n, s.seen(first + n - 1));
  }
}

/// rooms (slots · forward_room).
void attention_kernel(const Array& out, const Array& q, const Array& k, const Array& v, const Array& mask, const Array& rooms, Heads s) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto q_of = heads_of<T>(q), k_of = heads_of<T>(k), v_of = heads_of<T>(v);
    const auto y_of = heads_to_write<T>(out);
    const auto mask_of = masks_of<T>(mask);
    for_each_head<T>(s, rooms, [&](std::int64_t h, T* room) {
      T* const p = std::exchange(room, room + s.scores<T>());
      const Matrix<const T> queries = q_of(h), keys = k_of(h), values = in_packed_rows(v_of(h), room);
      const MaskRows<T> m = mask_of(h);
      const Matrix<T> y = y_of(h);
      for_each_block(s, [&](std::int64_t first, std::int64_t n, std::int64_t reach) {
        T* next = room;
        const Block<T> block{first, n, copied_to_packs(transposed(rows_of(queries, first, n)), next)};
        const Matrix<T> w{p, reach, block.queries_in_columns.row_stride, block.queries_in_columns.row_stride, 1};
        weights(w, s, block, keys, m);
        small_product(rows_of(y, first, n), by_query(w, n), rows_of(values, 0, reach));
      });
    });
  });
}

/// g = w∘(g − Σ w∘g), the sum over the keys, for each query of a pack.
template <class T> DZ_INLINE void through_softmax(const Matrix<T>& g, const Matrix<T>& w, std::int64_t from) {
  constexpr std::int64_t lanes = Pack<T>::width;
  const auto at = [&](const Matrix<T>& m, std::int64_t j) __attribute__((always_inline)) { return detail::load<T>(m.data + j * m.row_stride + from, 1, lanes); };
  const Pack<T> level = narrow<T>(total<T>(g.rows, [&](std::int64_t j) __attribute__((always_inline)) { return at(w, j) * at(g, j); }));
  for (std::int64_t j = 0; j < g.rows; ++j) detail::store<T>(g.data + j * g.row_stride + from, 1, lanes, at(w, j) * (at(g, j) - level));
}

/// dq; dk and dv are written too. rooms (slots · reverse_room). With P the weights and dP = dy·vᵀ: dv = Pᵀ·dy, and the scores' gradient is
/// S = P∘(dP − Σ P∘dP), of which dq = scale·S·k and dk = scale·Sᵀ·q.
void gradient_kernel(const Array& dq, const Array& dk, const Array& dv, const Array& dy, const Array& q, const Array& k, const Array& v,
                     const Array& mask, const Array& rooms, Heads s) {
  visit_floating(dq.dtype(), [&]<class T>(std::type_identity<T>) {
    const T scale = static_cast<T>(s.scale);
    const auto q_of = heads_of<T>(q), k_of = heads_of<T>(k), v_of = heads_of<T>(v), dy_of = heads_of<T>(dy);
    const auto dq_of = heads_to_write<T>(dq), dk_of = heads_to_write<T>(dk), dv_of = heads_to_write<T>(dv);
    const auto mask_of = masks_of<T>(mask);
    for_each_head<T>(s, rooms, [&](std::int64_t h, T* room) {
      T *const p = std::exchange(room, room + s.scores<T>()), *const dp = std::exchange(room, room + s.scores<T>());
      const Matrix<const T> given_queries = q_of(h), given_keys = k_of(h), given_values = v_of(h), given_cotangents = dy_of(h);
      const Matrix<const T> keys = in_packed_rows(given_keys, room), queries = in_packed_rows(given_queries, room), cotangents = in_packed_rows(given_cotangents, room);
      const MaskRows<T> m = mask_of(h);
      const Matrix<T> by_q = dq_of(h), by_k = dk_of(h), by_v = dv_of(h);
      for (std::int64_t j = 0; j < s.keys; ++j) {
        std::fill_n(by_k.data + j * by_k.row_stride, s.width, T{});
        std::fill_n(by_v.data + j * by_v.row_stride, s.value_width, T{});
      }
      for_each_block(s, [&](std::int64_t first, std::int64_t n, std::int64_t reach) {
        T* next = room;
        const Block<T> block{first, n, copied_to_packs(transposed(rows_of(given_queries, first, n)), next)};
        const Matrix<const T> cotangents_in_columns = copied_to_packs(transposed(rows_of(given_cotangents, first, n)), next), d = rows_of(cotangents, first, n);
        const std::int64_t lanes = block.queries_in_columns.row_stride;
        const Matrix<T> w{p, reach, lanes, lanes, 1}, g{dp, reach, lanes, lanes, 1};
        weights(w, s, block, given_keys, m);
        small_product(g, rows_of(given_values, 0, reach), cotangents_in_columns);
        small_product(rows_of(by_v, 0, reach), by_key(w, n), d, {.adds = true});
        detail::vectorised([&]() __attribute__((always_inline)) {
          for (std::int64_t i = 0; i < n; i += Pack<T>::width) through_softmax(g, w, i);
        });
        small_product(rows_of(by_q, first, n), by_query(g, n), rows_of(keys, 0, reach), {.factor = scale});
        small_product(rows_of(by_k, 0, reach), by_key(g, n), rows_of(queries, first, n), {.factor = scale, .adds = true});
      });
    });
  });
}

// ---- operands

struct Operands {
  Array q, k, v, mask;
  Heads heads;
  Dtype dtype;
};

Operands operands(const Array& q, const Array& k, const Array& v, const Array& mask, const AttentionOptions& o) {
  const auto require = [&](bool fine, const char* reason) {
    if (fine) return;
    throw ShapeError(fmt::format("{}: q {}, k {}, v {}{}", reason, to_string(q.shape()), to_string(k.shape()), to_string(v.shape()), mask ? ", mask " + to_string(mask.shape()) : ""));
  };
  const int r = q.rank();
  require(r >= 2 && k.rank() == r && v.rank() == r, "q is (…, t, d), k (…, s, d) and v (…, s, e), of one rank");
  bool leading = true;
  for (int i = 0; i < r - 2; ++i) leading &= q.size(i) == k.size(i) && k.size(i) == v.size(i);
  require(leading, "the axes before the last two differ");
  require(q.size(r - 1) == k.size(r - 1), "queries and keys differ in width");
  require(k.size(r - 2) == v.size(r - 2), "keys and values differ in number");
  require(!o.causal || q.size(r - 2) <= k.size(r - 2), "a causal mask needs at least as many keys as queries");
  Operands a;
  a.dtype = common_dtype({&q, &k, &v});
  visit_floating(a.dtype, [](auto) {});
  a.q = in_dtype(q, a.dtype), a.k = in_dtype(k, a.dtype), a.v = in_dtype(v, a.dtype);
  a.heads = {1, q.size(r - 2), k.size(r - 2), q.size(r - 1), v.size(r - 1), 1, o.scale, o.causal};
  for (int i = 0; i < r - 2; ++i) a.heads.count *= q.size(i);
  a.heads.slots = std::clamp<std::int64_t>(a.heads.count, 1, loop_threads());
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

/// A room for each slot.
template <class Room> Array rooms(const Operands& a, Room room) {
  return visit_floating(a.dtype, [&](auto type) { return Array::make({checked_product(a.heads.slots, room(type))}, a.dtype); });
}

/// d gets the gradients by q, k and v.
void write_gradient(const std::array<Array, 3>& d, const Array& dy, const Operands& a) {
  const Heads& s = a.heads;
  if (s.count == 0 || s.queries == 0 || s.keys == 0) {
    for (const Array& by : d) launch(fill, by, 0);
    return;
  }
  launch(gradient_kernel, d[0], d[1], d[2], in_dtype(dy, a.dtype), a.q, a.k, a.v, a.mask, rooms(a, [&]<class T>(std::type_identity<T>) { return s.reverse_room<T>(); }), s);
}

/// Queries, keys and values, each (m, heads, t, width), of tokens that have them side by side: views, if the tokens lie in row order.
std::array<Array, 3> parted(const Array& x, std::int64_t heads) {
  if (x.rank() != 3 || heads < 1 || x.size(2) % checked_product(3, heads) != 0)
    throw ShapeError(fmt::format("queries, keys and values are (m, t, 3·width), their width one of {} equal heads: got {}", heads, to_string(x.shape())));
  const std::int64_t m = x.size(0), t = x.size(1), width = x.size(2) / (3 * heads);
  const Array all = x.reshape({m, t, 3, heads, width}).permute(std::array{2, 0, 3, 1, 4});
  const auto part = [&](std::int64_t i) { return all.slice(0, i, i + 1).reshape({m, heads, t, width}); };
  return {part(0), part(1), part(2)};
}

}  // namespace

Array attention(const Array& q, const Array& k, const Array& v, const Array& mask, const AttentionOptions& options) {
  const Operands a = operands(q, k, v, mask, options);
  Shape shape = q.shape();
  shape[q.rank() - 1] = a.heads.value_width;
  Array y = beside(shape, a.dtype);
  if (y.size() == 0) return y;
  if (a.heads.keys == 0) return Array::full(shape, 0, a.dtype);
  launch(attention_kernel, y, a.q, a.k, a.v, a.mask, rooms(a, [&]<class T>(std::type_identity<T>) { return a.heads.forward_room<T>(); }), a.heads);
  return y;
}

std::array<Array, 3> attention_gradient(const Array& dy, const Array& q, const Array& k, const Array& v, const Array& mask,
                                      const AttentionOptions& options) {
  const Operands a = operands(q, k, v, mask, options);
  const std::array d{beside(q.shape(), a.dtype), beside(k.shape(), a.dtype), beside(v.shape(), a.dtype)};
  write_gradient(d, dy, a);
  return d;
}

Array self_attention(const Array& x, std::int64_t heads, const Array& mask, const AttentionOptions& options) {
  const auto [q, k, v] = parted(x, heads);
  return attention(q, k, v, mask, options).permute(std::array{0, 2, 1, 3}).reshape({x.size(0), x.size(1), x.size(2) / 3});
}

Array self_attention_gradient(const Array& dy, const Array& x, std::int64_t heads, const Array& mask, const AttentionOptions& options) {
  const auto [q, k, v] = parted(x, heads);
  const Operands a = operands(q, k, v, mask, options);
  const Array dx = Array::make(x.shape(), a.dtype);
  write_gradient(parted(dx, heads), dy.reshape({x.size(0), x.size(1), heads, q.size(3)}).permute(std::array{0, 2, 1, 3}), a);
  return dx;
}

}  // namespace dz::kernels
