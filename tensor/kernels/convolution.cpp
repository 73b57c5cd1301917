// Convolutions: for float32 tiles on AVX-512 and where those do not pay oneDNN; for float64, and where oneDNN has only its reference
// loops, the windows laid out as the rows of a matrix, block by block, and multiplied by BLAS. All three maps gather: no sum is scattered,
// so none depends on the threads.

#include <dz/tensor/kernels/convolution.hpp>

#include <fmt/format.h>

#include <climits>

#include <dz/tensor/kernels/gemm.hpp>
#include <dz/tensor/kernels/map.hpp>
#include <dz/tensor/launch.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels {
namespace {

using detail::Convolution;
using detail::ConvolutionMap;

// ---- sizes

std::string describe(const Conv2dOptions& o) {
  return fmt::format("(stride {}x{}, padding {}x{}, dilation {}x{}, groups {})", o.stride.rows, o.stride.columns, o.padding.rows,
                     o.padding.columns, o.dilation.rows, o.dilation.columns, o.groups);
}

/// The sizes, once all is known to fit; operands() says in an error what did not.
template <class Say> Convolution fit(const Shape& x, const Shape& w, const Conv2dOptions& o, const Say& operands) {
  const auto require = [&](bool fine, const char* reason) {
    if (!fine) throw ShapeError(fmt::format("{}: {} {}", reason, operands(), describe(o)));
  };
  require(x.rank() == 4, "an image is (samples, height, width, channels)");
  require(w.rank() == 4, "a kernel is (out, in/groups, rows, columns)");
  x.volume();
  w.volume();
  require(o.groups >= 1 && w[0] % o.groups == 0, "groups do not divide the output channels");
  require(x[3] % o.groups == 0 && x[3] / o.groups == w[1], "channels differ");
  require(w[2] >= 1 && w[3] >= 1, "the kernel's window is empty");
  try {
    const Pair output(window_places(x[1], w[2], o.stride.rows, o.padding.rows, o.dilation.rows),
                      window_places(x[2], w[3], o.stride.columns, o.padding.columns, o.dilation.columns));
    checked_product(checked_product(w[1], w[2]), w[3]);
    checked_product(checked_product(w[0], w[2]), w[3]);
    return {x[0], {x[1], x[2]}, output, {w[2], w[3]}, x[3], w[0], o.groups, o.stride, o.padding, o.dilation};
  } catch (const ShapeError& e) {
    throw ShapeError(fmt::format("{}: {} {}", e.reason(), operands(), describe(o)));
  }
}

template <class Say> void require_output(const Shape& dy, const Convolution& c, const Say& operands, const Conv2dOptions& o) {
  const Shape expected{c.samples, c.output.rows, c.output.columns, c.out};
  if (dy != expected) throw ShapeError(fmt::format("the convolution gives {}: {} {}", to_string(expected), operands(), describe(o)));
}

// ---- windows as rows

/// A map as a product: for each of `places`, the row of what it sees through the window, times the kernel. Forward, outputs see the
/// image; by input, image points see those outputs that saw them.
struct Gather {
  std::int64_t samples, channels, group;  // of what is seen; `group` channels of them at a time
  Pair seen, places, window, stride, padding, dilation;
  bool backwards;

  std::int64_t row() const { return window.rows * window.columns * group; }
  std::int64_t count() const { return samples * places.rows * places.columns; }
  /// The rows are what is seen, as it lies.
  bool plain() const { return window == Pair(1) && stride == Pair(1) && padding == Pair(0); }
  /// Rows laid out at a time.
  std::int64_t block() const {
    return std::clamp<std::int64_t>(plain() ? INT_MAX : window_elements / std::max<std::int64_t>(row(), 1), 1,
                                    std::max<std::int64_t>(count(), 1));
  }
};

/// Which row or column a place sees through element k of the window; −1 for none.
std::int64_t sees(std::int64_t place, std::int64_t k, std::int64_t stride, std::int64_t padding, std::int64_t dilation, std::int64_t size,
                  bool backwards) {
  if (!backwards) {
    const std::int64_t i = place * stride - padding + k * dilation;
    return i < size ? i : -1;  // negative in the padding before
  }
  const std::int64_t i = place + padding - k * dilation;
  return i >= 0 && i % stride == 0 && i / stride < size ? i / stride : -1;
}

/// Lays out the rows [first, first + n) of one group.
template <class T> void lay_out(T* rows, const T* from, const Gather& g, std::int64_t first, std::int64_t n, std::int64_t group) {
  const std::int64_t length = g.row();
  parallel_for(
      n, std::max<std::int64_t>(1, elementwise_grain / std::max<std::int64_t>(length, 1)), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t p = begin; p < end; ++p) {
          const std::int64_t place = first + p, column = place % g.places.columns, row = place / g.places.columns % g.places.rows,
                             sample = place / g.places.columns / g.places.rows;
          T* to = rows + p * length;
          for (std::int64_t r = 0; r < g.window.rows; ++r) {
            const std::int64_t i = sees(row, r, g.stride.rows, g.padding.rows, g.dilation.rows, g.seen.rows, g.backwards);
            for (std::int64_t s = 0; s < g.window.columns; ++s, to += g.group) {
              const std::int64_t j =
                  i < 0 ? -1 : sees(column, s, g.stride.columns, g.padding.columns, g.dilation.columns, g.seen.columns, g.backwards);
              if (j < 0) std::fill_n(to, g.group, T{});
              else std::copy_n(from + ((sample * g.seen.rows + i) * g.seen.columns + j) * g.channels + group * g.group, g.group, to);
            }
          }
        }
      });
}

/// Calls use(rows, first, n, group) for each block of each group.
template <class T, class Use> void for_each_block(const Gather& g, std::int64_t groups, const Array& scratch, const T* from, Use use) {
  for (std::int64_t first = 0, block = g.block(); first < g.count(); first += block) {
    const std::int64_t n = std::min(block, g.count() - first);
    for (std::int64_t k = 0; k < groups; ++k) {
      if (g.plain()) {
        use(detail::Operand<T>{from + first * g.channels + k * g.group, g.channels}, first, n, k);
        continue;
      }
      lay_out(scratch.writable<T>(), from, g, first, n, k);
      use(detail::Operand<T>{scratch.data<T>(), g.row()}, first, n, k);
    }
  }
}

Gather outputs_see_image(const Convolution& c) {
  return {c.samples, c.in, c.group_in(), c.image, c.output, c.window, c.stride, c.padding, c.dilation, false};
}
Gather image_sees_outputs(const Convolution& c) {
  return {c.samples, c.out, c.group_out(), c.output, c.image, c.window, c.stride, c.padding, c.dilation, true};
}

/// Room for a block of windows.
Array room(const Gather& g, Dtype dtype) { return Array::make({g.plain() ? 0 : checked_product(g.block(), g.row())}, dtype); }

// ---- kernels by windows. The weights come as (groups, row, columns): what a row of a window is multiplied by.

void products(const Array& out, const Array& from, const Array& w, const Array& bias, const Array& scratch, Gather g, std::int64_t groups,
              std::int64_t channels) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const std::int64_t n = channels / groups, k = g.row();
    T* const y = out.writable<T>();
    const T* const b = bias ? bias.data<T>() : nullptr;
    if (b || k == 0)
      for (std::int64_t i = 0; i < out.size(); ++i) y[i] = b ? b[i % channels] : T{};
    for_each_block<T>(g, groups, scratch, from.data<T>(),
                      [&](detail::Operand<T> rows, std::int64_t first, std::int64_t count, std::int64_t group) {
                        if (k > 0)
                          detail::gemm<T>(y + first * channels + group * n, channels, count, n, k, rows, {w.data<T>() + group * k * n, n},
                                          T{1}, b ? T{1} : T{0});
                      });
  });
}

/// out (out, rows, columns, in/groups) = Σ over all places of dy · window.
void kernel_gradient(const Array& out, const Array& dy, const Array& x, const Array& scratch, Convolution c) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const Gather g = outputs_see_image(c);
    const std::int64_t n = c.group_out(), k = g.row();
    T* const dw = out.writable<T>();
    std::fill_n(dw, out.size(), T{});
    for_each_block<T>(
        g, c.groups, scratch, x.data<T>(), [&](detail::Operand<T> rows, std::int64_t first, std::int64_t count, std::int64_t group) {
          if (k > 0)
            detail::gemm<T>(dw + group * n * k, k, n, k, count, {dy.data<T>() + first * c.out + group * n, c.out, true}, rows, T{1}, T{1});
        });
  });
}

void by_onednn(const Array& out, const Array& a, const Array& b, const Array& bias, Convolution c, ConvolutionMap map) {
  // oneDNN takes no pointers to const; it writes only what the map gives.
  float* const given = const_cast<float*>(a.data<float>());
  float* const other = const_cast<float*>(b.data<float>());
  float* const shift = bias ? const_cast<float*>(bias.data<float>()) : nullptr;
  if (map == ConvolutionMap::forward) detail::onednn_convolve(c, map, given, other, shift, out.writable<float>());
  else if (map == ConvolutionMap::by_input) detail::onednn_convolve(c, map, out.writable<float>(), other, shift, given);
  else detail::onednn_convolve(c, map, other, out.writable<float>(), shift, given);
}

bool is_empty(const Convolution& c) {
  return std::min({c.samples, c.image.rows, c.image.columns, c.output.rows, c.output.columns, c.group_in(), c.group_out()}) == 0;
}

/// Whether tiles compute a map: a large one, whose result has as many columns as pay, and whose windows do not reach far beyond the image.
bool tiles_serve(const Convolution& c, Dtype dtype, ConvolutionMap map) {
  if (dtype != float32 || active_isa() != Isa::avx512 || is_empty(c)) return false;
  const auto number = [](std::int64_t n) { return static_cast<double>(n); };
  const auto size = [&](std::int64_t Pair::*axis) { return number(std::max(c.image.*axis, c.output.*axis)); };
  const auto reach = [&](std::int64_t Pair::*axis) { return size(axis) + 2 * std::max(number(c.padding.*axis), number(c.window.*axis - 1) * number(c.dilation.*axis)); };
  const double products = number(c.samples * c.output.rows * c.output.columns) * number(c.out * c.group_in() * c.window.rows * c.window.columns);
  return products >= number(tile_product) && (map == ConvolutionMap::by_input ? c.group_in() : c.group_out()) >= tile_side &&
         reach(&Pair::rows) * reach(&Pair::columns) <= 16 * size(&Pair::rows) * size(&Pair::columns) + 1024;
}
/// What is asked for; but where each output meets one channel, rounding them all takes longer than it saves.
Precision precision_of(const Convolution& c, ConvolutionMap map) { return map != ConvolutionMap::by_input && c.in == 1 ? Precision::full : product_precision(); }

void by_tiles(const Array& out, const Array& a, const Array& b, const Array& bias, Convolution c, ConvolutionMap map, Precision precision, bool relu) {
  const float *const given = a.data<float>(), *const other = b.data<float>();
  if (map == ConvolutionMap::forward) detail::tiled_forward(c, precision, given, other, bias ? bias.data<float>() : nullptr, relu, out.writable<float>());
  else if (map == ConvolutionMap::by_input) detail::tiled_by_input(c, precision, given, other, out.writable<float>());
  else detail::tiled_by_kernel(c, precision, given, other, out.writable<float>());
}

/// Whether oneDNN computes the map, and fast. Its own sizes are ints.
bool onednn_serves(const Convolution& c, Dtype dtype, ConvolutionMap map, bool bias) {
  if (dtype != float32 || is_empty(c)) return false;
  const auto volume = [&](Pair p, std::int64_t channels) {
    return static_cast<double>(c.samples) * static_cast<double>(p.rows) * static_cast<double>(p.columns) * static_cast<double>(channels);
  };
  const bool fits = std::max(volume(c.image, c.in), volume(c.output, c.out)) < INT_MAX && std::max({c.padding.rows, c.padding.columns, c.stride.rows, c.stride.columns,
                                                                                                  c.dilation.rows, c.dilation.columns}) < INT_MAX / 4;
  return fits && detail::onednn_convolves(c, map, bias);
}

/// BLAS counts in ints.
void require_ints(const Convolution& c) {
  const std::int64_t area = c.window.rows * c.window.columns;
  if (std::max({area * c.group_in(), area * c.group_out(), c.in, c.out}) > INT_MAX)
    throw ShapeError(fmt::format("a kernel of {}x{} on {} and {} channels is too large", c.window.rows, c.window.columns, c.in, c.out));
}

constexpr std::array<int, 4> order(int a, int b, int c, int d) { return {a, b, c, d}; }

/// A pass of its own: oneDNN's relu of a NaN is 0.
void rectify(const Array& out) {
  detail::map_into([](auto z) { return max(z, 0); }, out, out);
}

Array forward(const Array& x, const Array& w, const Array& bias, const Conv2dOptions& o, bool relu) {
  const Dtype dtype = bias ? common_dtype({&x, &w, &bias}) : common_dtype({&x, &w});
  const auto operands = [&] {
    return fmt::format("x {}, kernel {}{}", to_string(x.shape()), to_string(w.shape()), bias ? ", bias " + to_string(bias.shape()) : "");
  };
  const Convolution c = fit(x.shape(), w.shape(), o, operands);
  if (bias && bias.shape() != Shape{c.out})
    throw ShapeError(fmt::format("a bias is ({}), one for each output channel: {} {}", c.out, operands(), describe(o)));
  visit_floating(dtype, [](auto) {});
  Array out = Array::make({c.samples, c.output.rows, c.output.columns, c.out}, dtype);
  const Array image = in_dtype(x, dtype).contiguous(), kernel = in_dtype(w, dtype),
              shift = bias ? in_dtype(bias, dtype).contiguous() : Array();
  if (tiles_serve(c, dtype, ConvolutionMap::forward)) {
    launch(by_tiles, out, image, kernel.contiguous(), shift, c, ConvolutionMap::forward, precision_of(c, ConvolutionMap::forward), relu);
    return out;
  }
  if (onednn_serves(c, dtype, ConvolutionMap::forward, static_cast<bool>(bias))) {
    launch(by_onednn, out, image, kernel.contiguous(), shift, c, ConvolutionMap::forward);
  } else {
    require_ints(c);
    const Gather g = outputs_see_image(c);
    const Array grouped = kernel.permute(order(0, 2, 3, 1)).contiguous().reshape({c.groups, c.group_out(), g.row()}).t().contiguous();
    launch(products, out, image, grouped, shift, room(g, dtype), g, c.groups, c.out);
  }
  if (relu) launch(rectify, out);
  return out;
}

}  // namespace

std::int64_t window_places(std::int64_t size, std::int64_t window, std::int64_t stride, std::int64_t padding, std::int64_t dilation) {
  if (stride < 1) throw ShapeError("a stride is at least 1");
  if (dilation < 1) throw ShapeError("a dilation is at least 1");
  if (padding < 0) throw ShapeError("padding is negative");
  std::int64_t padded, reach;
  if (__builtin_mul_overflow(padding, 2, &padded) || __builtin_add_overflow(padded, size, &padded) ||
      __builtin_mul_overflow(window - 1, dilation, &reach) || __builtin_add_overflow(reach, 1, &reach))
    throw ShapeError("sizes are beyond 2^63");
  if (padded < reach) throw ShapeError(fmt::format("a window over {} does not fit into {}", reach, padded));
  return (padded - reach) / stride + 1;
}

Array conv2d(const Array& x, const Array& w, const Conv2dOptions& options) { return forward(x, w, {}, options, false); }
Array conv2d(const Array& x, const Array& w, const Array& b, const Conv2dOptions& options, bool relu) { return forward(x, w, b, options, relu); }

Array conv2d_by_input(const Array& dy, const Array& w, Pair image, const Conv2dOptions& o) {
  const Dtype dtype = common_dtype({&dy, &w});
  visit_floating(dtype, [](auto) {});
  const auto operands = [&] {
    return fmt::format("outputs {}, kernel {}, image {}x{}", to_string(dy.shape()), to_string(w.shape()), image.rows, image.columns);
  };
  const std::int64_t channels = w.rank() == 4 ? checked_product(w.size(1), std::max<std::int64_t>(o.groups, 0)) : 0;
  const Shape x{dy.rank() > 0 ? dy.size(0) : 0, image.rows, image.columns, channels};
  const Convolution c = fit(x, w.shape(), o, operands);
  require_output(dy.shape(), c, operands, o);
  Array out = Array::make(x, dtype);
  const Array seen = in_dtype(dy, dtype).contiguous(), kernel = in_dtype(w, dtype);
  if (tiles_serve(c, dtype, ConvolutionMap::by_input)) {
    launch(by_tiles, out, seen, kernel.contiguous(), Array(), c, ConvolutionMap::by_input, precision_of(c, ConvolutionMap::by_input), false);
    return out;
  }
  if (onednn_serves(c, dtype, ConvolutionMap::by_input, false)) {
    launch(by_onednn, out, seen, kernel.contiguous(), Array(), c, ConvolutionMap::by_input);
    return out;
  }
  require_ints(c);
  const Gather g = image_sees_outputs(c);
  const Array parted = kernel.reshape({c.groups, c.group_out(), c.group_in(), c.window.rows * c.window.columns});
  const Array grouped = parted.permute(order(0, 3, 1, 2)).contiguous().reshape({c.groups, g.row(), c.group_in()});
  launch(products, out, seen, grouped, Array(), room(g, dtype), g, c.groups, c.in);
  return out;
}

Array conv2d_by_kernel(const Array& dy, const Array& x, Pair window, const Conv2dOptions& o) {
  const Dtype dtype = common_dtype({&dy, &x});
  visit_floating(dtype, [](auto) {});
  const auto operands = [&] {
    return fmt::format("outputs {}, x {}, window {}x{}", to_string(dy.shape()), to_string(x.shape()), window.rows, window.columns);
  };
  const Shape w{dy.rank() == 4 ? dy.size(3) : 0, x.rank() == 4 ? x.size(3) / std::max<std::int64_t>(o.groups, 1) : 0, window.rows,
                window.columns};
  const Convolution c = fit(x.shape(), w, o, operands);
  require_output(dy.shape(), c, operands, o);
  const Array seen = in_dtype(dy, dtype).contiguous(), image = in_dtype(x, dtype).contiguous();
  if (tiles_serve(c, dtype, ConvolutionMap::by_kernel)) {
    Array out = Array::make(w, dtype);
    launch(by_tiles, out, seen, image, Array(), c, ConvolutionMap::by_kernel, precision_of(c, ConvolutionMap::by_kernel), false);
    return out;
  }
  if (onednn_serves(c, dtype, ConvolutionMap::by_kernel, false)) {
    Array out = Array::make(w, dtype);
    launch(by_onednn, out, seen, image, Array(), c, ConvolutionMap::by_kernel);
    return out;
  }
  require_ints(c);
  Array out = Array::make({c.out, c.window.rows, c.window.columns, c.group_in()}, dtype);
  launch(kernel_gradient, out, seen, image, room(outputs_see_image(c), dtype), c);
  return out.permute(order(0, 3, 1, 2));
}

}  // namespace dz::kernels
