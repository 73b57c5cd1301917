// Each (sample, head) is one unit of work, gone through in blocks of queries, and these in bands of 16: their scores against all keys (with a causal
// mask, against those keys only that the band's last query sees), a row for each key, so that softmax goes down packs of queries; softmax in place.
// The reverse pass computes the scores again instead of keeping them.

#include <dz/tensor/kernels/attention.hpp>

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include <dz/tensor/autocast.hpp>
#include <dz/tensor/kernels/attention_products.hpp>
#include <dz/tensor/kernels/copy.hpp>
#include <dz/tensor/kernels/vectorised.hpp>
#include <dz/tensor/launch.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels {
namespace {

using detail::Matrix;
using detail::rounded_up;

constexpr std::int64_t band = detail::band_rows;  // of queries, or keys, that are gone through together

/// The sizes of one head, how many heads there are, and in how many rooms they are worked at.
struct Heads {
  std::int64_t count, queries, keys, width, value_width, slots;
  double scale;
  bool causal;
  Precision precision;

  /// Queries of a block, in whole bands; a row of their scores.
  std::int64_t block() const { return std::min(rounded_up(queries, band), std::clamp<std::int64_t>(16384 / std::max<std::int64_t>(keys, 1), band, 64) / band * band); }
  std::int64_t scores() const { return checked_product(rounded_up(keys, band), block()); }
  /// Elements of all that is laid out for a head.
  template <class Products> std::int64_t forward_room(const Products& p) const {
    return scores() + p.left_size(keys, width) + p.right_size(keys, value_width) + p.right_size(width, block()) + p.left_size(band, keys);
  }
  template <class Products> std::int64_t reverse_room(const Products& p) const {
    return 2 * scores() + p.left_size(keys, width + value_width) + p.right_size(keys, width) + p.right_size(width + value_width, block()) + p.right_size(block(), width) +
           p.right_size(block(), value_width) + p.left_size(band, keys) + 2 * p.left_size(keys, block());
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
/// From a row for each key to a row for each of n queries.
template <class T> Matrix<const T> by_query(const Matrix<T>& p, std::int64_t n) { return {p.data, n, p.rows, p.column_stride, p.row_stride}; }

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

/// A sum of packs and what was lost of it, in float32 together as exact as one in double: what is taken of it later may be far smaller.
template <class T> class CompensatedSum {
 public:
  DZ_INLINE void add(const Pack<T>& x) {
    Pack<T> lost(0);
    sum_ = dz::detail::two_sum(sum_, x, lost);
    lost_ = lost_ + lost;
  }
  DZ_INLINE Pack<T> sum() const { return sum_ + lost_; }
  /// 1/sum, 0 of 0.
  DZ_INLINE Pack<T> inverse() const {
    const Pack<T> first = Pack<T>(1) / sum_;
    return where(equal(sum_, Pack<T>(0)), Pack<T>(0), first + first * ((Pack<T>(1) - first * sum_) - first * lost_));
  }

 private:
  Pack<T> sum_{0}, lost_{0};
};

/// The larger, passing over a NaN in x.
template <class T> DZ_INLINE Pack<T> raised(const Pack<T>& top, const Pack<T>& x) { return where(less(top, x), x, top); }

/// The largest of term(i) for i in [first, last), in two sequences, neither of which waits for the other.
template <class T, class F> DZ_INLINE Pack<T> largest(std::int64_t first, std::int64_t last, const F& term) {
  Pack<T> a(-std::numeric_limits<T>::infinity()), b = a;
  std::int64_t i = first;
  for (; i + 2 <= last; i += 2) a = raised(a, term(i)), b = raised(b, term(i + 1));
  return raised(i < last ? raised(a, term(i)) : a, b);
}

/// A number in every element of a pack, to be loaded: made of a variable in a loop, a pack would be put together element by element.
template <class T> struct Everywhere {
  alignas(64) T elements[Pack<T>::width];
  explicit Everywhere(double x) { std::fill_n(elements, Pack<T>::width, static_cast<T>(x)); }
  DZ_INLINE Pack<T> operator()() const { return detail::load<T>(elements, 1, Pack<T>::width); }
};

/// The numbers of a pack's elements.
template <class T> DZ_INLINE Pack<T> numbers() {
  alignas(64) static constexpr auto all = [] {
    std::array<T, Pack<T>::width> a{};
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<T>(i);
    return a;
  }();
  return detail::load<T>(all.data(), 1, Pack<T>::width);
}

/// Scores of a pack of queries, a row for each key, as their weights; those beyond what a query sees are 0, as are all where none is allowed. A NaN makes
/// all of its query's a NaN.
template <class T> DZ_INLINE void weigh(const Matrix<T>& p, std::int64_t seen_by_all, const Everywhere<T>& scale) {
  constexpr std::int64_t lanes = Pack<T>::width;
  const Pack<T> nothing(-std::numeric_limits<T>::infinity()), query = numbers<T>();
  const std::int64_t by_all = std::min(p.rows, seen_by_all);
  const auto row = [&](std::int64_t j) __attribute__((always_inline)) { return p.data + j * p.row_stride; };
  const auto score = [&](std::int64_t j) __attribute__((always_inline)) { return detail::load<T>(row(j), 1, lanes) * scale(); };
  Pack<T> hidden(0);  // so many queries do not see the key
  const Pack<T> of_some = largest<T>(by_all, p.rows, [&](std::int64_t j) __attribute__((always_inline)) {
    const Pack<T> x = where(less(hidden, query), score(j), nothing);
    detail::store<T>(row(j), 1, lanes, x);
    hidden = hidden + Pack<T>(1);
    return x;
  });
  Pack<T> top = raised(of_some, largest<T>(0, by_all, score));
  top = where(equal(top, nothing), Pack<T>(0), top);
  CompensatedSum<T> sum;
  const auto keep = [&](std::int64_t j, const Pack<T>& x) __attribute__((always_inline)) {
    const Pack<T> e = dz::detail::exp_or_nothing(x - top);
    detail::store<T>(row(j), 1, lanes, e);
    sum.add(e);
  };
  for (std::int64_t j = 0; j < by_all; ++j) keep(j, score(j));
  for (std::int64_t j = by_all; j < p.rows; ++j) keep(j, detail::load<T>(row(j), 1, lanes));
  const Pack<T> factor = sum.inverse();
  for (std::int64_t j = 0; j < p.rows; ++j) detail::store<T>(row(j), 1, lanes, detail::load<T>(row(j), 1, lanes) * factor);
}

/// Scores of n queries from number `first` on, scaled, and as the mask lets them be.
template <class T> void apply(const MaskRows<T>& mask, const Matrix<T>& p, std::int64_t first, std::int64_t n, T scale) {
  for (std::int64_t j = 0; j < p.rows; ++j)
    for (std::int64_t i = 0; i < n; ++i) {
      T& score = p.data[j * p.row_stride + i];
      const std::int64_t at = (first + i) * mask.row_step + j * mask.step;
      score *= scale;
      if (mask.allowed && !mask.allowed[at]) score = -std::numeric_limits<T>::infinity();
      if (mask.added) score += mask.added[at];
    }
}

/// p, scores of a band's n queries from number `first` on, a row for each key, becomes their weights.
template <class T> void weights(const Matrix<T>& p, const Heads& s, std::int64_t first, std::int64_t n, const MaskRows<T>& mask) {
  const bool masked = mask.allowed || mask.added;
  if (masked) apply(mask, p, first, n, static_cast<T>(s.scale));
  const Everywhere<T> scale(masked ? 1 : s.scale);
  detail::vectorised([&]() __attribute__((always_inline)) {
    for (std::int64_t i = 0; i < n; i += Pack<T>::width) weigh(Matrix<T>{p.data + i, p.rows, p.columns, p.row_stride, p.column_stride}, s.seen(first + i), scale);
  });
}

/// g, the gradient by a band's weights w, becomes the one by its scores: scale·w∘(g − Σ w∘g), the sum over the keys.
template <class T> void through_softmax(const Matrix<T>& g, const Matrix<T>& w, std::int64_t n, double by) {
  const Everywhere<T> scale(by);
  detail::vectorised([&, g = g, w = w]() __attribute__((always_inline)) {
    constexpr std::int64_t lanes = Pack<T>::width;
    for (std::int64_t i = 0; i < n; i += lanes) {
      const auto at = [&](const Matrix<T>& m, std::int64_t j) __attribute__((always_inline)) { return detail::load<T>(m.data + j * m.row_stride + i, 1, lanes); };
      CompensatedSum<T> sum;
      for (std::int64_t j = 0; j < g.rows; ++j) sum.add(at(w, j) * at(g, j));
      const Pack<T> level = sum.sum();
      for (std::int64_t j = 0; j < g.rows; ++j) detail::store<T>(g.data + j * g.row_stride + i, 1, lanes, scale() * at(w, j) * (at(g, j) - level));
    }
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

/// Calls f(first query, number of queries) for each block.
template <class F> void for_each_block(const Heads& s, F f) {
  for (std::int64_t first = 0; first < s.queries; first += s.block()) f(first, std::min(s.block(), s.queries - first));
}

/// Scores of a block, in packs of queries; calls f(i, n, scores) for each band of them: n from number i of the block on, a row for each key they see.
template <class T, class F> void for_each_band(const Heads& s, std::int64_t first, std::int64_t count, T* scores, F f) {
  for (std::int64_t i = 0; i < count; i += band) {
    const std::int64_t n = std::min(band, count - i);
    f(i, n, Matrix<T>{scores + i, s.seen(first + i + n - 1), detail::in_packs<T>(n), s.block(), 1});
  }
}

/// Calls f(products) with what multiplies matrices of T.
template <class T, class F> decltype(auto) with_products(const Heads& s, F f) {
  if constexpr (std::is_same_v<T, float>)
    if (active_isa() == Isa::avx512) return f(detail::InTiles{s.precision});
  return f(detail::InPacks<T>{});
}

/// rooms (slots · forward_room).
void attention_kernel(const Array& out, const Array& q, const Array& k, const Array& v, const Array& mask, const Array& rooms, Heads s) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto q_of = heads_of<T>(q), k_of = heads_of<T>(k), v_of = heads_of<T>(v);
    const auto y_of = heads_to_write<T>(out);
    const auto mask_of = masks_of<T>(mask);
    with_products<T>(s, [&](const auto& products) {
      for_each_head<T>(s, rooms, [&](std::int64_t h, T* room) {
        T* const scores = std::exchange(room, room + s.scores());
        const auto keys = products.left(k_of(h), room);
        const auto values = products.right(v_of(h), room);
        const Matrix<const T> all_queries = q_of(h);
        const Matrix<T> y = y_of(h);
        const MaskRows<T> m = mask_of(h);
        for_each_block(s, [&](std::int64_t first, std::int64_t count) {
          T* in_block = room;
          const auto queries = products.right(transposed(rows_of(all_queries, first, count)), in_block);
          for_each_band(s, first, count, scores, [&](std::int64_t i, std::int64_t n, const Matrix<T>& w) {
            T* in_band = in_block;
            products.multiply(w, keys, queries.columns_from(i), s.width);
            weights(w, s, first + i, n, m);
            products.multiply(rows_of(y, first + i, n), products.left(by_query(w, n), in_band), values, w.rows);
          });
        });
      });
    });
  });
}

/// For a block of queries: a key's row of `to` becomes the sum over those that see it of their rows, weighed by w, or grows by it.
template <class T, class Products> void weighed_rows(const Matrix<T>& to, const Heads& s, std::int64_t first, std::int64_t count, const Products& products, const typename Products::Left& w, const typename Products::Right& rows, bool adds) {
  for (std::int64_t j = 0; j < s.keys; j += band) {
    std::int64_t from = 0;  // bands before this one see none of these keys
    while (from < count && s.seen(first + std::min(from + band, count) - 1) <= j) from += band;
    const Matrix<T> part = rows_of(to, j, std::min(band, s.keys - j));
    if (from < count) products.multiply(part, w.rows_from(j).along(from), rows.along(from), count - from, adds);
    else if (!adds)
      for (std::int64_t i = 0; i < part.rows; ++i) std::fill_n(part.data + i * part.row_stride, part.columns, T{});
  }
}

/// dq; dk and dv are written too. rooms (slots · reverse_room). With P the weights and dP = dy·vᵀ: dv = Pᵀ·dy, and with the scores' gradient
/// S = scale·P∘(dP − Σ P∘dP), dq = S·k and dk = Sᵀ·q.
void gradient_kernel(const Array& dq, const Array& dk, const Array& dv, const Array& dy, const Array& q, const Array& k, const Array& v,
                     const Array& mask, const Array& rooms, Heads s) {
  visit_floating(dq.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto q_of = heads_of<T>(q), k_of = heads_of<T>(k), v_of = heads_of<T>(v), dy_of = heads_of<T>(dy);
    const auto dq_of = heads_to_write<T>(dq), dk_of = heads_to_write<T>(dk), dv_of = heads_to_write<T>(dv);
    const auto mask_of = masks_of<T>(mask);
    with_products<T>(s, [&](const auto& products) {
      for_each_head<T>(s, rooms, [&](std::int64_t h, T* room) {
        T *const scores = std::exchange(room, room + s.scores()), *const gradients = std::exchange(room, room + s.scores());
        const Matrix<const T> all_queries = q_of(h), all_keys = k_of(h), all_cotangents = dy_of(h);
        const Matrix<T> by_q = dq_of(h), by_k = dk_of(h), by_v = dv_of(h);
        const auto keys = products.left(all_keys, room), values = products.left(v_of(h), room);
        const auto key_rows = products.right(all_keys, room);
        const MaskRows<T> m = mask_of(h);
        for_each_block(s, [&](std::int64_t first, std::int64_t count) {
          T* in_block = room;
          const Matrix<const T> q_rows = rows_of(all_queries, first, count), dy_rows = rows_of(all_cotangents, first, count);
          const auto queries = products.right(transposed(q_rows), in_block), cotangents = products.right(transposed(dy_rows), in_block);
          for_each_band(s, first, count, scores, [&](std::int64_t i, std::int64_t n, const Matrix<T>& w) {
            T* in_band = in_block;
            const Matrix<T> g{gradients + i, w.rows, w.columns, w.row_stride, 1};
            products.multiply(w, keys, queries.columns_from(i), s.width);
            weights(w, s, first + i, n, m);
            products.multiply(g, values, cotangents.columns_from(i), s.value_width);
            through_softmax(g, w, n, s.scale);
            for (std::int64_t j = w.rows; j < std::min(rounded_up(w.rows, band), s.keys); ++j)
              for (const Matrix<T>& unseen : {w, g}) std::fill_n(unseen.data + j * unseen.row_stride, n, T{});
            products.multiply(rows_of(by_q, first + i, n), products.left(by_query(g, n), in_band), key_rows, w.rows);
          });
          const auto by_key = [&](T* p) { return products.left(Matrix<const T>{p, s.keys, count, s.block(), 1}, in_block); };
          weighed_rows(by_v, s, first, count, products, by_key(scores), products.right(dy_rows, in_block), first > 0);
          weighed_rows(by_k, s, first, count, products, by_key(gradients), products.right(q_rows, in_block), first > 0);
        });
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

/// The elements of each row follow each other.
Array in_rows(const Array& a) { return a.stride(a.rank() - 1) == 1 || a.size(a.rank() - 1) == 1 ? a : a.clone(); }

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
  a.q = in_rows(in_dtype(q, a.dtype)), a.k = in_rows(in_dtype(k, a.dtype)), a.v = in_rows(in_dtype(v, a.dtype));
  a.heads = {1, q.size(r - 2), k.size(r - 2), q.size(r - 1), v.size(r - 1), 1, o.scale, o.causal, product_precision()};
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

/// A room for each slot; room(products) is the size of one.
template <class Room> Array rooms(const Operands& a, Room room) {
  const std::int64_t size = visit_floating(a.dtype, [&]<class T>(std::type_identity<T>) { return with_products<T>(a.heads, room); });
  return Array::make({checked_product(a.heads.slots, size)}, a.dtype);
}

/// d gets the gradients by q, k and v.
void write_gradient(const std::array<Array, 3>& d, const Array& dy, const Operands& a) {
  const Heads& s = a.heads;
  if (s.count == 0 || s.queries == 0 || s.keys == 0) {
    for (const Array& by : d) launch(fill, by, 0);
    return;
  }
  launch(gradient_kernel, d[0], d[1], d[2], in_rows(in_dtype(dy, a.dtype)), a.q, a.k, a.v, a.mask, rooms(a, [&](const auto& products) { return s.reverse_room(products); }), s);
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
  launch(attention_kernel, y, a.q, a.k, a.v, a.mask, rooms(a, [&](const auto& products) { return a.heads.forward_room(products); }), a.heads);
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
