#include <dz/tensor/kernels/pooling.hpp>

#include <fmt/format.h>

#include <dz/tensor/kernels/vectorised.hpp>
#include <dz/tensor/launch.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels {
namespace {

constexpr std::int64_t strip = thresholds::pooled_channels;  // channels that are gone through together
constexpr std::int64_t at_once = 32;                         // where there are as many: a number that the compiler knows leaves no loop over channels

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

/// The window number j of a row of places; the rows go on from sample to sample.
DZ_INLINE Window window_at(const Windows& w, std::int64_t row, const Span& v, std::int64_t j) {
  const std::int64_t above = row / w.places.rows * w.image.rows;  // rows of the samples before
  const Span h = span(w, j, &Pair::columns);
  return {row * w.places.columns + j, above + v.begin, above + v.end, h.begin, h.end, above + v.first, h.first};
}

/// Calls f(window) for the windows of the rows [begin, end) of places.
template <class F> DZ_INLINE void for_each_window(const Windows& w, std::int64_t begin, std::int64_t end, const F& f) {
  for (std::int64_t row = begin; row < end; ++row) {
    const Span v = span(w, row % w.places.rows, &Pair::rows);
    for (std::int64_t j = 0; j < w.places.columns; ++j) f(window_at(w, row, v, j));
  }
}

std::int64_t rows_worth_a_thread(const Windows& w, std::int64_t channels) {
  return std::max<std::int64_t>(
      1, elementwise_grain / std::max<std::int64_t>(1, w.places.columns * w.window.rows * w.window.columns * channels));
}

/// An integer as wide as T, so that loops over both vectorise.
template <class T> using Counter = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

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

/// The largest of one window in up to `strip` channels; their number N may be one that the compiler knows. (In packs it would be slower: GCC 12 takes
/// conditions apart that may be unordered.)
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

/// Writes `which` too, its second output.
void max_kernel(const Array& out, const Array& which, const Array& in, Windows w) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    visit_offset(which.dtype(), [&]<class O>(std::type_identity<O>) {
      const T* const x = in.data<T>();
      T* const y = out.writable<T>();
      O* const o = which.writable<O>();
      const std::int64_t channels = in.size(3);
      parallel_for(out.size(0) * w.places.rows, rows_worth_a_thread(w, channels), [&](std::int64_t begin, std::int64_t end) {
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

/// Calls f(sample's first row of places, sample's last, first channel, channels) so that no two calls write the same image points.
template <class F> void for_each_strip(std::int64_t samples, const Windows& w, std::int64_t channels, F f) {
  const std::int64_t strips = (channels + strip - 1) / strip, work = w.image.rows * w.image.columns * std::min(strip, channels);
  parallel_for(samples * strips, std::max<std::int64_t>(1, elementwise_grain / std::max<std::int64_t>(1, work)),
               [&](std::int64_t begin, std::int64_t end) {
                 detail::vectorised([&]() __attribute__((always_inline)) {
                   for (std::int64_t k = begin; k < end; ++k) {
                     const std::int64_t sample = k / strips, from = k % strips * strip;
                     f(sample, from, std::min(strip, channels - from));
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

/// One window's gradient in `at_once` channels: at the place of the largest, elsewhere 0; added to what is there, or written.
template <bool adds, class T, class O> DZ_INLINE void give_back(const Windows& w, const Window& v, T* x, std::int64_t channels, const T* y, const O* which) {
  T g[at_once];
  Counter<T> at[at_once];
  for (std::int64_t c = 0; c < at_once; ++c) g[c] = y[c];
  for (std::int64_t c = 0; c < at_once; ++c) at[c] = static_cast<Counter<T>>(which[c]);
  for (std::int64_t i = v.top; i < v.bottom; ++i)
    for (std::int64_t j = v.left; j < v.right; ++j) {
      T* const to = x + (i * w.image.columns + j) * channels;
      const auto here = static_cast<Counter<T>>((i - v.first_row) * w.window.columns + j - v.first_column);
      for (std::int64_t c = 0; c < at_once; ++c) {
        const T part = at[c] == here ? g[c] : T{};
        if constexpr (adds) to[c] += part;
        else to[c] = part;
      }
    }
}

void max_by_input_kernel(const Array& out, const Array& dy, const Array& which, Windows w) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    visit_offset(which.dtype(), [&]<class O>(std::type_identity<O>) {
      const T* const g = dy.data<T>();
      const O* const o = which.data<O>();
      T* const dx = out.writable<T>();
      const std::int64_t channels = out.size(3);
      const bool few = w.window.rows * w.window.columns <= 16;  // then every point of the window is gone through, without a branch
      const bool adds = !are_apart(w), clears = adds || !cover(w) || !few || channels % at_once != 0;
      for_each_strip(out.size(0), w, channels, [&](std::int64_t sample, std::int64_t from, std::int64_t n) __attribute__((always_inline)) {
        if (clears) clear(dx, sample, w, channels, from, n);
        for_each_window(w, sample * w.places.rows, (sample + 1) * w.places.rows, [&](const Window& v) __attribute__((always_inline)) {
          std::int64_t c = from, end = from + n;
          const std::int64_t place = v.place * channels;
          if (few && adds)
            for (; c + at_once <= end; c += at_once) give_back<true>(w, v, dx + c, channels, g + place + c, o + place + c);
          else if (few)
            for (; c + at_once <= end; c += at_once) give_back<false>(w, v, dx + c, channels, g + place + c, o + place + c);
          for (; c < end; ++c) {
            const auto k = static_cast<std::int64_t>(o[place + c]);
            dx[((v.first_row + k / w.window.columns) * w.image.columns + v.first_column + k % w.window.columns) * channels + c] += g[place + c];
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
    for_each_strip(out.size(0), w, channels, [&](std::int64_t sample, std::int64_t from, std::int64_t n) {
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
