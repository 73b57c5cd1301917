#include <dz/tensor/kernels/pooling.hpp>

#include <fmt/format.h>

#include <dz/tensor/kernels/vectorised.hpp>
#include <dz/tensor/launch.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels {
namespace {

constexpr std::int64_t strip = thresholds::pooled_channels;  // channels that are gone through together
constexpr std::int64_t at_once = 32;                         // where there are as many: a number that the compiler knows leaves no loop over channels
constexpr std::int64_t few_points = 25;                      // of a window: gone through in packs of channels

/// One window: its part [top, bottom) × [left, right) of the image, and where it would begin without its rim.
struct Window {
  std::int64_t place, top, bottom, left, right, first_row, first_column;
};

struct Span {
  std::int64_t first, begin, end;
};
Span span(const Windows& w, std::int64_t place, std::int64_t Pair::*axis) {
  const std::int64_t size = w.image.*axis, places = w.places.*axis;
  if (w.parting) {
    const std::int64_t begin = place * size / places;
    return {begin, begin, ((place + 1) * size + places - 1) / places};
  }
  const std::int64_t first = place * (w.stride.*axis) - (w.padding.*axis);
  return {first, std::max<std::int64_t>(first, 0), std::min(first + (w.window.*axis), size)};
}

/// How many windows of a row, from number j on, see the image alike: those that lie within it, or one.
DZ_INLINE std::int64_t alike_from(const Windows& w, std::int64_t j, const Span& h) {
  const bool whole = !w.parting && h.begin == h.first && h.end == h.first + w.window.columns;
  return whole ? (w.image.columns + w.padding.columns - w.window.columns) / w.stride.columns - j + 1 : 1;
}

/// Calls f(window, n) for the windows of the rows [begin, end) of places, n of them at a time that see the image alike, a stride apart; the rows go on
/// from sample to sample.
template <class F> DZ_INLINE void for_each_run(const Windows& w, std::int64_t begin, std::int64_t end, const F& f) {
  for (std::int64_t row = begin; row < end; ++row) {
    const Span v = span(w, row % w.places.rows, &Pair::rows);
    const std::int64_t above = row / w.places.rows * w.image.rows;  // rows of the samples before
    for (std::int64_t j = 0, n = 0; j < w.places.columns; j += n) {
      const Span h = span(w, j, &Pair::columns);
      n = alike_from(w, j, h);
      f(Window{row * w.places.columns + j, above + v.begin, above + v.end, h.begin, h.end, above + v.first, h.first}, n);
    }
  }
}
/// The window number i of such a run.
DZ_INLINE Window window_of(const Windows& w, const Window& first, std::int64_t i) {
  const std::int64_t on = i * w.stride.columns;
  return {first.place + i, first.top, first.bottom, first.left + on, first.right + on, first.first_row, first.first_column + on};
}
template <class F> DZ_INLINE void for_each_window(const Windows& w, std::int64_t begin, std::int64_t end, const F& f) {
  for_each_run(w, begin, end, [&](const Window& first, std::int64_t n) __attribute__((always_inline)) {
    for (std::int64_t i = 0; i < n; ++i) f(window_of(w, first, i));
  });
}

std::int64_t rows_worth_a_thread(const Windows& w, std::int64_t channels) {
  return std::max<std::int64_t>(
      1, elementwise_grain / std::max<std::int64_t>(1, w.places.columns * w.window.rows * w.window.columns * channels));
}

/// An integer as wide as T, so that loops over both vectorise.
template <class T> using Counter = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

using dz::detail::bits_to;

template <class P> DZ_INLINE P whole_pack(const typename P::Element* p) {
  typename P::V v;
  std::memcpy(&v, p, sizeof v);
  return P(v);
}

template <class F> void visit_offset(Dtype dtype, F f) {
  if (dtype == uint8) f(std::type_identity<std::uint8_t>{});
  else f(std::type_identity<std::int64_t>{});
}

/// Whether no point of the image lies in two windows, and whether each lies in one.
bool are_apart(const Windows& w, std::int64_t Pair::*axis) { return w.parting ? w.image.*axis % w.places.*axis == 0 : w.stride.*axis >= w.window.*axis; }
bool cover(const Windows& w, std::int64_t Pair::*axis) {
  return w.parting || (w.stride.*axis <= w.window.*axis && (w.places.*axis - 1) * (w.stride.*axis) + (w.window.*axis) >= (w.image.*axis) + (w.padding.*axis));
}
bool are_apart(const Windows& w) { return are_apart(w, &Pair::rows) && are_apart(w, &Pair::columns); }
bool cover(const Windows& w) { return cover(w, &Pair::rows) && cover(w, &Pair::columns); }

bool has_few_points(const Windows& w) { return w.window.rows * w.window.columns <= few_points; }

/// What of a window lies in the image: each point's way, in elements, from where the window would begin without its rim, and its number there.
struct Points {
  std::int64_t top = 0, bottom = 0, left = 0, right = 0;
  std::size_t n = 0;
  std::array<std::int64_t, few_points> way, number;

  /// Those of v, which mostly are those of the window before.
  DZ_INLINE void see(const Windows& w, const Window& v, std::int64_t channels) {
    const std::int64_t from_row = v.top - v.first_row, to_row = v.bottom - v.first_row, from = v.left - v.first_column, to = v.right - v.first_column;
    if (from_row == top && to_row == bottom && from == left && to == right) return;
    top = from_row, bottom = to_row, left = from, right = to, n = 0;
    for (std::int64_t i = top; i < bottom; ++i)
      for (std::int64_t j = left; j < right; ++j, ++n) way[n] = (i * w.image.columns + j) * channels, number[n] = i * w.window.columns + j;
  }
};
DZ_INLINE std::int64_t start(const Windows& w, const Window& v, std::int64_t channels) { return (v.first_row * w.image.columns + v.first_column) * channels; }

/// Choices for a pack of channels, one in each lane: in that of the lane's bytes where it goes to in memory, so that none of them has to be moved alone.
template <class T, int bytes> struct Choices {
  using N = Pack<Counter<T>, bytes>;
  using V = typename N::V;
  using Words = typename dz::detail::Vector<std::int64_t, 16>::Type;
  static constexpr int width = N::width, together = std::min<int>(sizeof(T), width);  // those of so many channels lie in one lane's bytes

  /// Packs of 0xff, of 0, of 1 and so on. (One made of a number at run time may be put together lane by lane.)
  static constexpr auto packs_of_numbers() {
    std::array<std::array<Counter<T>, width>, 1 + few_points> packs{};
    for (std::size_t k = 0; k < packs.size(); ++k)
      for (std::size_t l = 0; l < width; ++l) packs[k][l] = static_cast<Counter<T>>((k == 0 ? std::uint64_t{0xff} : k - 1) << 8 * (l % sizeof(T)));
    return packs;
  }
  alignas(64) static constexpr auto packs = packs_of_numbers();
  DZ_INLINE static N number(std::int64_t k) { return whole_pack<N>(packs[static_cast<std::size_t>(k + 1)].data()); }

  DZ_INLINE static N load(const std::uint8_t* from) {
    std::int64_t word = 0;
    std::memcpy(&word, from, std::min<int>(width, sizeof word));
    Words words{word, word};
    if constexpr (width == sizeof words) std::memcpy(&words, from, sizeof words);
    const V all = repeated(bits_to<typename dz::detail::Vector<Counter<T>, 16>::Type>(words));
    return [&]<int... l>(std::integer_sequence<int, l...>) __attribute__((always_inline)) {
      return N(V(__builtin_shufflevector(all, all, (l / static_cast<int>(sizeof(T)))...) & number(-1).v));
    }(std::make_integer_sequence<int, width>{});
  }
  DZ_INLINE static void store(std::uint8_t* to, const N& x) {
    const auto of = [&]<int k, int... l>(std::integral_constant<int, k>, std::integer_sequence<int, l...>) __attribute__((always_inline)) {
      return __builtin_shufflevector(x.v, x.v, (l * together + k)...);
    };
    [&]<int... k>(std::integer_sequence<int, k...>) __attribute__((always_inline)) {
      const auto all = (of(std::integral_constant<int, k>{}, std::make_integer_sequence<int, width / together>{}) | ...);
      std::memcpy(to, &all, width);
    }(std::make_integer_sequence<int, together>{});
  }

 private:
  /// Doubled until it is a pack: other ways go through memory.
  template <class W> DZ_INLINE static V repeated(const W& w) {
    if constexpr (sizeof w == bytes) return w;
    else
      return [&]<int... l>(std::integer_sequence<int, l...>) __attribute__((always_inline)) {
        return repeated(__builtin_shufflevector(w, w, l...));
      }(std::make_integer_sequence<int, 2 * sizeof(W) / sizeof(T)>{});
  }
};

/// Stays what it is: GCC 12 goes through two comparisons lane by lane if it may look at both.
template <class M> DZ_INLINE M held(M m) {
#if defined(__x86_64__) && !defined(__clang__)
  asm("" : "+v"(m.v));
#endif
  return m;
}

/// A window's largest in packs of channels that lie side by side.
template <int packs, int bytes, class T> DZ_INLINE void largest_in_packs(const Points& p, const T* x, std::int64_t at, T* y, std::uint8_t* which) {
  using P = Pack<T, bytes>;
  using C = Choices<T, bytes>;
  typename P::V best[packs];
  typename C::V chosen[packs];
  for (int i = 0; i < packs; ++i) best[i] = whole_pack<P>(x + (at + p.way[0]) + i * P::width).v, chosen[i] = C::number(p.number[0]).v;
  for (std::size_t k = 1; k < p.n; ++k)
    for (int i = 0; i < packs; ++i) {
      const P here = whole_pack<P>(x + (at + p.way[k]) + i * P::width);
      const auto larger = held(greater(here, P(best[i]))) | held(!equal_to_itself(here));
      best[i] = where(larger, here, P(best[i])).v;
      chosen[i] = where(typename C::N::Comparison(larger.v), C::number(p.number[k]), typename C::N(chosen[i])).v;
    }
  for (int i = 0; i < packs; ++i) std::memcpy(y + i * P::width, &best[i], bytes), C::store(which + i * P::width, chosen[i]);
}

/// The largest of one window of any size in up to `strip` channels; their number N may be one that the compiler knows.
template <class T, class O, class N> DZ_INLINE void largest_of(const Windows& w, const Window& v, const T* x, std::int64_t channels, N n, T* y, O* which) {
  T best[strip];
  Counter<T> at[strip];
  const auto offset = [&](std::int64_t i, std::int64_t j) __attribute__((always_inline)) {
    return (i - v.first_row) * w.window.columns + j - v.first_column;
  };
  const T* first = x + (v.top * w.image.columns + v.left) * channels;
  for (std::int64_t c = 0; c < n; ++c) best[c] = first[c];
  for (std::int64_t c = 0; c < n; ++c) at[c] = static_cast<Counter<T>>(offset(v.top, v.left));
  for (std::int64_t i = v.top; i < v.bottom; ++i)
    for (std::int64_t j = v.left; j < v.right; ++j) {
      const T* row = x + (i * w.image.columns + j) * channels;
      const auto here = static_cast<Counter<T>>(offset(i, j));
      for (std::int64_t c = 0; c < n; ++c) {
        const bool larger = (row[c] > best[c]) | (row[c] != row[c]);
        best[c] = larger ? row[c] : best[c];
        at[c] = larger ? here : at[c];
      }
    }
  for (std::int64_t c = 0; c < n; ++c) y[c] = best[c];
  for (std::int64_t c = 0; c < n; ++c) which[c] = static_cast<O>(at[c]);
}

/// Calls f(packs, c) for the packs of channels from c = `from` on: four, two or one of them, a constant, so that of each point whole stretches are read or
/// written. Gives the channel before which none is left.
template <int width, class F> DZ_INLINE std::int64_t for_each_pack(std::int64_t from, std::int64_t end, const F& f) {
  for (; from + 4 * width <= end; from += 4 * width) f(std::integral_constant<int, 4>{}, from);
  for (; from + 2 * width <= end; from += 2 * width) f(std::integral_constant<int, 2>{}, from);
  for (; from + width <= end; from += width) f(std::integral_constant<int, 1>{}, from);
  return from;
}

/// The rows [begin, end) of places, of windows of few points.
template <int bytes, class T>
DZ_INLINE void largest_of_few(const Windows& w, std::int64_t begin, std::int64_t end, const T* x, std::int64_t channels, T* y, std::uint8_t* which) {
  const std::int64_t on = w.stride.columns * channels;
  Points points;
  for_each_run(w, begin, end, [&](const Window& first, std::int64_t n) __attribute__((always_inline)) {
    points.see(w, first, channels);
    std::int64_t from = start(w, first, channels), to = first.place * channels;
    for (std::int64_t i = 0; i < n; ++i, from += on, to += channels) {
      const std::int64_t c = for_each_pack<Pack<T, bytes>::width>(0, channels, [&](auto packs, std::int64_t c) __attribute__((always_inline)) {
        largest_in_packs<packs, bytes>(points, x, from + c, y + to + c, which + to + c);
      });
      if (c < channels) largest_of(w, window_of(w, first, i), x + c, channels, channels - c, y + to + c, which + to + c);
    }
  });
}

/// Writes `which` too, its second output.
void max_kernel(const Array& out, const Array& which, const Array& in, Windows w) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    visit_offset(which.dtype(), [&]<class O>(std::type_identity<O>) {
      const T* const x = in.data<T>();
      T* const y = out.writable<T>();
      O* const o = which.writable<O>();
      const std::int64_t channels = in.size(3);
      parallel_for(out.size(0) * w.places.rows, rows_worth_a_thread(w, channels), [&](std::int64_t begin, std::int64_t end) {
        if constexpr (std::is_same_v<O, std::uint8_t>)
          if (has_few_points(w)) return detail::with_registers([&](auto bytes) __attribute__((always_inline)) { largest_of_few<bytes>(w, begin, end, x, channels, y, o); });
        detail::vectorised([&]() __attribute__((always_inline)) {
          constexpr std::integral_constant<std::int64_t, at_once> known;
          for_each_window(w, begin, end, [&](const Window& v) __attribute__((always_inline)) {
            T* const to = y + v.place * channels;
            O* const at = o + v.place * channels;
            std::int64_t c = 0;
            for (; c + at_once <= channels; c += at_once) largest_of(w, v, x + c, channels, known, to + c, at + c);
            if (c < channels) largest_of(w, v, x + c, channels, channels - c, to + c, at + c);
          });
        });
      });
    });
  });
}

/// Calls f(sample, first channel, channels, bytes of a register) so that no two calls write the same image points.
template <class F> void for_each_strip(std::int64_t samples, const Windows& w, std::int64_t channels, F f) {
  const std::int64_t strips = (channels + strip - 1) / strip, work = w.image.rows * w.image.columns * std::min(strip, channels);
  parallel_for(samples * strips, std::max<std::int64_t>(1, elementwise_grain / std::max<std::int64_t>(1, work)),
               [&](std::int64_t begin, std::int64_t end) {
                 detail::with_registers([&](auto bytes) __attribute__((always_inline)) {
                   for (std::int64_t k = begin; k < end; ++k) {
                     const std::int64_t sample = k / strips, from = k % strips * strip;
                     f(sample, from, std::min(strip, channels - from), bytes);
                   }
                 });
               });
}

template <class T>
DZ_INLINE void clear(T* dx, std::int64_t sample, const Windows& w, std::int64_t channels, std::int64_t from, std::int64_t n) {
  const std::int64_t points = w.image.rows * w.image.columns;
  for (std::int64_t p = sample * points; p < (sample + 1) * points; ++p)
    for (std::int64_t c = from; c < from + n; ++c) dx[p * channels + c] = T{};
}

/// A window's gradient in packs of channels: at the place of the largest, elsewhere 0; added to what is there, or written.
template <bool adds, int packs, int bytes, class T> DZ_INLINE void give_back(const Points& p, T* x, std::int64_t at, const T* y, const std::uint8_t* which) {
  using P = Pack<T, bytes>;
  using C = Choices<T, bytes>;
  typename P::V g[packs];
  typename C::V chosen[packs];
  for (int i = 0; i < packs; ++i) g[i] = whole_pack<P>(y + i * P::width).v, chosen[i] = C::load(which + i * P::width).v;
  for (std::size_t k = 0; k < p.n; ++k)
    for (int i = 0; i < packs; ++i) {
      T* const to = x + (at + p.way[k]) + i * P::width;
      P part = where(typename P::Comparison(equal(typename C::N(chosen[i]), C::number(p.number[k])).v), P(g[i]), P(0));
      if constexpr (adds) part = part + whole_pack<P>(to);
      std::memcpy(to, &part.v, bytes);
    }
}

void max_by_input_kernel(const Array& out, const Array& dy, const Array& which, Windows w) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    visit_offset(which.dtype(), [&]<class O>(std::type_identity<O>) {
      const T* const g = dy.data<T>();
      const O* const o = which.data<O>();
      T* const dx = out.writable<T>();
      const std::int64_t channels = out.size(3);
      const bool few = has_few_points(w);  // then every point of the window is gone through, without a branch
      const bool adds = !are_apart(w), clears = adds || !cover(w) || !few || channels % Pack<T>::width != 0;
      for_each_strip(out.size(0), w, channels, [&](std::int64_t sample, std::int64_t from, std::int64_t n, auto bytes) __attribute__((always_inline)) {
        constexpr std::int64_t width = Pack<T, bytes>::width;
        const std::int64_t on = w.stride.columns * channels, end = from + n;
        Points points;
        if (clears) clear(dx, sample, w, channels, from, n);
        for_each_run(w, sample * w.places.rows, (sample + 1) * w.places.rows, [&](const Window& v, std::int64_t n) __attribute__((always_inline)) {
          if (few) points.see(w, v, channels);
          std::int64_t first = start(w, v, channels), place = v.place * channels;
          for (std::int64_t i = 0; i < n; ++i, first += on, place += channels) {
            std::int64_t c = from;
            if constexpr (std::is_same_v<O, std::uint8_t>) {
              const auto give = [&](auto adds) __attribute__((always_inline)) {
                return for_each_pack<width>(from, end, [&](auto packs, std::int64_t c) __attribute__((always_inline)) {
                  give_back<adds, packs, bytes>(points, dx, first + c, g + place + c, o + place + c);
                });
              };
              if (few) c = adds ? give(std::true_type{}) : give(std::false_type{});
            }
            for (; c < end; ++c) {
              const auto k = static_cast<std::int64_t>(o[place + c]);
              dx[first + (k / w.window.columns * w.image.columns + k % w.window.columns) * channels + c] += g[place + c];
            }
          }
        });
      });
    });
  });
}

void pick_kernel(const Array& out, const Array& in, const Array& which, Windows w) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    visit_offset(which.dtype(), [&]<class O>(std::type_identity<O>) {
      const std::int64_t channels = out.size(3);
      const T* const x = in.data<T>();
      const O* const o = which.data<O>();
      T* const y = out.writable<T>();
      parallel_for(out.size(0) * w.places.rows, rows_worth_a_thread(w, channels), [&](std::int64_t begin, std::int64_t end) {
        for_each_window(w, begin, end, [&](const Window& v) {
          for (std::int64_t c = 0; c < channels; ++c) {
            const auto k = static_cast<std::int64_t>(o[v.place * channels + c]);
            y[v.place * channels + c] =
                x[((v.first_row + k / w.window.columns) * w.image.columns + v.first_column + k % w.window.columns) * channels + c];
          }
        });
      });
    });
  });
}

double share(const Windows& w, const Window& v, bool count_padding) {
  const std::int64_t count = count_padding ? w.window.rows * w.window.columns : (v.bottom - v.top) * (v.right - v.left);
  return 1 / static_cast<double>(count);
}

void average_kernel(const Array& out, const Array& in, Windows w, bool count_padding) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* const x = in.data<T>();
    T* const y = out.writable<T>();
    const std::int64_t channels = in.size(3);
    parallel_for(out.size(0) * w.places.rows, rows_worth_a_thread(w, channels), [&](std::int64_t begin, std::int64_t end) {
      detail::vectorised([&] {
        for_each_window(w, begin, end, [&](const Window& v) {
          const double factor = share(w, v, count_padding);
          for (std::int64_t from = 0; from < channels; from += strip) {
            double sum[strip] = {};
            const std::int64_t n = std::min(strip, channels - from);
            for (std::int64_t i = v.top; i < v.bottom; ++i)
              for (std::int64_t j = v.left; j < v.right; ++j) {
                const T* row = x + (i * w.image.columns + j) * channels + from;
                for (std::int64_t c = 0; c < n; ++c) sum[c] += static_cast<double>(row[c]);
              }
            for (std::int64_t c = 0; c < n; ++c) y[v.place * channels + from + c] = static_cast<T>(sum[c] * factor);
          }
        });
      });
    });
  });
}

void average_by_input_kernel(const Array& out, const Array& dy, Windows w, bool count_padding) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* const g = dy.data<T>();
    T* const dx = out.writable<T>();
    const std::int64_t channels = out.size(3);
    for_each_strip(out.size(0), w, channels, [&](std::int64_t sample, std::int64_t from, std::int64_t n, auto) {
      clear(dx, sample, w, channels, from, n);
      for_each_window(w, sample * w.places.rows, (sample + 1) * w.places.rows, [&](const Window& v) {
        const T factor = static_cast<T>(share(w, v, count_padding));
        const T* gv = g + v.place * channels + from;
        for (std::int64_t i = v.top; i < v.bottom; ++i)
          for (std::int64_t j = v.left; j < v.right; ++j) {
            T* to = dx + (i * w.image.columns + j) * channels + from;
            for (std::int64_t c = 0; c < n; ++c) to[c] += gv[c] * factor;
          }
      });
    });
  });
}

void require_image(const Shape& x) {
  if (x.rank() != 4) throw ShapeError(fmt::format("an image is (samples, height, width, channels), got {}", to_string(x)));
}

Shape pooled(const Shape& x, const Windows& w) { return {x[0], w.places.rows, w.places.columns, x[3]}; }
Shape unpooled(const Array& dy, const Windows& w) {
  require_image(dy.shape());
  if (dy.size(1) != w.places.rows || dy.size(2) != w.places.columns)
    throw ShapeError(fmt::format("pooling gives {}x{} places, got {}", w.places.rows, w.places.columns, to_string(dy.shape())));
  return {dy.size(0), w.image.rows, w.image.columns, dy.size(3)};
}
void require_windows_of(const Array& x, const Windows& w) {
  require_image(x.shape());
  if (x.size(1) != w.image.rows || x.size(2) != w.image.columns)
    throw ShapeError(fmt::format("the windows are of an image of {}x{}, got {}", w.image.rows, w.image.columns, to_string(x.shape())));
}
void require_same(const Shape& a, const Shape& which) {
  if (a != which) throw ShapeError(fmt::format("{} elements of windows, chosen for {}", to_string(a), to_string(which)));
}

}  // namespace

Windows sliding_windows(const Shape& x, Pair window, Pair stride, Pair padding) {
  require_image(x);
  const auto say = [&](const std::string& reason) {
    return fmt::format("{}: x {} (window {}x{}, stride {}x{}, padding {}x{})", reason, to_string(x), window.rows, window.columns,
                       stride.rows, stride.columns, padding.rows, padding.columns);
  };
  if (window.rows < 1 || window.columns < 1) throw ShapeError(say("the window is empty"));
  if (padding.rows >= window.rows || padding.columns >= window.columns) throw ShapeError(say("padding is not smaller than the window"));
  if (x[1] < 1 || x[2] < 1) throw ShapeError(say("the image has no points"));
  try {
    checked_product(window.rows, window.columns);
    const Pair places(window_places(x[1], window.rows, stride.rows, padding.rows),
                      window_places(x[2], window.columns, stride.columns, padding.columns));
    return {{x[1], x[2]}, places, window, stride, padding, false};
  } catch (const ShapeError& e) {
    throw ShapeError(say(e.reason()));
  }
}

Windows parting_windows(const Shape& x, Pair places) {
  require_image(x);
  const auto say = [&](const char* reason) { return fmt::format("{}: x {} as {}x{}", reason, to_string(x), places.rows, places.columns); };
  if (places.rows < 1 || places.columns < 1) throw ShapeError(say("a size is at least 1"));
  if (x[1] < 1 || x[2] < 1) throw ShapeError(say("the image has no points"));
  for (const auto& [size, n] : {std::pair(x[1], places.rows), std::pair(x[2], places.columns)})
    checked_product(checked_product(size, n), 2);  // of the divisions
  Windows w{{x[1], x[2]}, places, 1, 1, 0, true};
  const auto largest = [&](std::int64_t Pair::*axis) {  // ⌈(i + 1)·size/n⌉ − ⌊i·size/n⌋ is at most ⌈size/n⌉ + 1
    return std::min((w.image.*axis + places.*axis - 1) / (places.*axis) + 1, w.image.*axis);
  };
  w.window = {largest(&Pair::rows), largest(&Pair::columns)};
  return w;
}

Array choices(const Shape& x, const Windows& w) { return Array::make(pooled(x, w), w.window.rows * w.window.columns <= 256 ? uint8 : int64); }

Array max_pool2d(const Array& x, const Array& which, const Windows& w) {
  require_windows_of(x, w);
  visit_floating(x.dtype(), [](auto) {});
  Array y = Array::make(pooled(x.shape(), w), x.dtype());
  launch(max_kernel, y, which, x.contiguous(), w);
  return y;
}

Array max_pool2d_by_input(const Array& dy, const Array& which, const Windows& w) {
  const Shape image = unpooled(dy, w);
  require_same(dy.shape(), which.shape());
  visit_floating(dy.dtype(), [](auto) {});
  Array dx = Array::make(image, dy.dtype());
  launch(max_by_input_kernel, dx, dy.contiguous(), which.contiguous(), w);
  return dx;
}

Array pick_pool2d(const Array& x, const Array& which, const Windows& w) {
  require_windows_of(x, w);
  require_same(pooled(x.shape(), w), which.shape());
  visit_floating(x.dtype(), [](auto) {});
  Array y = Array::make(pooled(x.shape(), w), x.dtype());
  launch(pick_kernel, y, x.contiguous(), which.contiguous(), w);
  return y;
}

Array average_pool2d(const Array& x, const Windows& w, bool count_padding) {
  require_windows_of(x, w);
  visit_floating(x.dtype(), [](auto) {});
  Array y = Array::make(pooled(x.shape(), w), x.dtype());
  launch(average_kernel, y, x.contiguous(), w, count_padding);
  return y;
}

Array average_pool2d_by_input(const Array& dy, const Windows& w, bool count_padding) {
  const Shape image = unpooled(dy, w);
  visit_floating(dy.dtype(), [](auto) {});
  Array dx = Array::make(image, dy.dtype());
  launch(average_by_input_kernel, dx, dy.contiguous(), w, count_padding);
  return dx;
}

}  // namespace dz::kernels
