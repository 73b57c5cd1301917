#include <dz/ops/convolution.hpp>

#include <fmt/format.h>

#include <dz/graph/record.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/reduce.hpp>
#include <dz/ops/relu_gradient.hpp>
#include <dz/ops/shape.hpp>
#include <dz/tensor/kernels/kernels.hpp>

namespace dz {
namespace {

/// Height and width, the second and third size of an image, or rows and columns, the last two of a kernel; where there are none the
/// forward refuses.
Pair image_of(const In& x) { return x.rank() == 4 ? Pair(x.size(1), x.size(2)) : Pair(0); }
Pair window_of(const In& w) { return w.rank() == 4 ? Pair(w.size(2), w.size(3)) : Pair(0); }

}  // namespace

// Three bilinear maps, each one's derivatives the other two.

Tensor conv2d(In x, In w, const Conv2dOptions& o) {
  return record("conv2d", [o](const Array& x, const Array& w) { return kernels::conv2d(x, w, o); },
                wrt(x, [w, o, image = image_of(x)](const Tensor& dy) { return conv2d_by_input(dy, w, image, o); }),
                wrt(w, [x, o, window = window_of(w)](const Tensor& dy) { return conv2d_by_kernel(dy, x, window, o); }));
}

Tensor conv2d(In x, In w, In b, const Conv2dOptions& o) {
  return record("conv2d", [o](const Array& x, const Array& w, const Array& b) { return kernels::conv2d(x, w, b, o); },
                wrt(x, [w, o, image = image_of(x)](const Tensor& dy) { return conv2d_by_input(dy, w, image, o); }),
                wrt(w, [x, o, window = window_of(w)](const Tensor& dy) { return conv2d_by_kernel(dy, x, window, o); }),
                wrt(b, [](const Tensor& dy) { return sum(dy, {0, 1, 2}); }));
}

Tensor conv2d(In x, In w, In b, const Conv2dOptions& o, Activation activation) {
  const CallSite site(x.at());
  if (activation != relu) return activation ? activation(conv2d(x, w, b, o)) : conv2d(x, w, b, o);
  return record("conv2d_relu", [o](const Array& x, const Array& w, const Array& b) { return kernels::conv2d(x, w, b, o, true); },
                wrt_all(std::array{x, w, b}, [x, w, o, image = image_of(x), window = window_of(w)](Tensor&& da, const Tensor& a, Wanted wanted) {
                  const auto [dz, db] = detail::relu_gradient(std::move(da), a, {0, 1, 2}, wanted[2]);
                  return std::array{wanted[0] ? conv2d_by_input(dz, w, image, o) : Tensor(), wanted[1] ? conv2d_by_kernel(dz, x, window, o) : Tensor(), db};
                }));
}

Tensor conv2d_by_input(In dy, In w, Pair image, const Conv2dOptions& o) {
  return record("conv2d_by_input", [=](const Array& dy, const Array& w) { return kernels::conv2d_by_input(dy, w, image, o); },
                wrt(dy, [w, o](const Tensor& dx) { return conv2d(dx, w, o); }),
                wrt(w, [dy, o, window = window_of(w)](const Tensor& dx) { return conv2d_by_kernel(dy, dx, window, o); }));
}

Tensor conv2d_by_kernel(In dy, In x, Pair window, const Conv2dOptions& o) {
  return record("conv2d_by_kernel", [=](const Array& dy, const Array& x) { return kernels::conv2d_by_kernel(dy, x, window, o); },
                wrt(dy, [x, o](const Tensor& dw) { return conv2d(x, dw, o); }),
                wrt(x, [dy, o, image = image_of(x)](const Tensor& dw) { return conv2d_by_input(dy, dw, image, o); }));
}

namespace {

struct Stretch {
  std::int64_t stride, padding, dilation, output_padding;
};

/// The size along one axis that a window of `window` elements shrinks to `size`.
std::int64_t enlarged(std::int64_t size, std::int64_t window, Stretch s) {
  if (s.output_padding < 0 || s.output_padding >= s.stride)
    throw ShapeError(fmt::format("output_padding {} is outside [0, stride {})", s.output_padding, s.stride));
  if (size < 1 || window < 1) throw ShapeError("the image or the kernel's window is empty");
  std::int64_t grown, reach, padded;
  if (__builtin_mul_overflow(size - 1, s.stride, &grown) || __builtin_mul_overflow(window - 1, s.dilation, &reach) || __builtin_add_overflow(grown, reach, &grown) ||
      __builtin_add_overflow(grown, 1 + s.output_padding, &grown) || __builtin_mul_overflow(s.padding, 2, &padded) || __builtin_sub_overflow(grown, padded, &grown))
    throw ShapeError("sizes are beyond 2^63");
  if (grown < 1) throw ShapeError(fmt::format("padding {} leaves nothing", s.padding));
  return grown;
}

Pair enlarged(const In& x, const In& w, const TransposedConv2dOptions& o) {
  const auto say = [&](const std::string& reason) {
    return fmt::format("{}: x {}, kernel {} (stride {}x{}, padding {}x{}, dilation {}x{}, groups {}, output_padding {}x{})", reason, to_string(x.shape()), to_string(w.shape()),
                       o.stride.rows, o.stride.columns, o.padding.rows, o.padding.columns, o.dilation.rows, o.dilation.columns, o.groups, o.output_padding.rows, o.output_padding.columns);
  };
  if (x.rank() != 4 || w.rank() != 4) throw ShapeError(say("x is (samples, height, width, in), the kernel (in, out/groups, rows, columns)"));
  try {
    return {enlarged(x.size(1), w.size(2), {o.stride.rows, o.padding.rows, o.dilation.rows, o.output_padding.rows}),
            enlarged(x.size(2), w.size(3), {o.stride.columns, o.padding.columns, o.dilation.columns, o.output_padding.columns})};
  } catch (const ShapeError& e) {
    throw ShapeError(say(e.reason()));
  }
}

}  // namespace

Tensor transposed_conv2d(In x, In w, const TransposedConv2dOptions& o) {
  const CallSite site(x.at());
  const Pair image = detail::run_forward("transposed_conv2d", detail::call_site(x.at()), [&] { return enlarged(x, w, o); });
  return conv2d_by_input(x, w, image, {o.stride, o.padding, o.dilation, o.groups});
}

Tensor transposed_conv2d(In x, In w, In b, const TransposedConv2dOptions& o) {
  const CallSite site(x.at());
  const Tensor y = transposed_conv2d(x, w, o);
  if (b.shape() != Shape{y.size(3)})
    throw ShapeError(fmt::format("a bias is ({}), one for each output channel: x {}, kernel {}, bias {}", y.size(3), to_string(x.shape()), to_string(w.shape()), to_string(b.shape())),
                     "transposed_conv2d", detail::call_site(x.at()));
  return y + reshape(b, {1, 1, 1, b.size()});
}

// Sequences are images of one row.

namespace {

void require_sequence(const In& x, const In& w, const char* name) {
  if (x.rank() != 3 || w.rank() != 3)
    throw ShapeError(fmt::format("a sequence is (samples, length, channels), its kernel has three axes: x {}, kernel {}", to_string(x.shape()), to_string(w.shape())), name, detail::call_site(x.at()));
}
Tensor as_image(const In& x) { return reshape(x, {x.size(0), 1, x.size(1), x.size(2)}); }
Tensor as_kernel(const In& w) { return reshape(w, {w.size(0), w.size(1), 1, w.size(2)}); }
Tensor as_sequence(const Tensor& y) { return reshape(y, {y.size(0), y.size(2), y.size(3)}); }
Conv2dOptions in_a_row(const Conv1dOptions& o) { return {{1, o.stride}, {0, o.padding}, {1, o.dilation}, o.groups}; }
TransposedConv2dOptions in_a_row(const TransposedConv1dOptions& o) { return {{1, o.stride}, {0, o.padding}, {1, o.dilation}, o.groups, {0, o.output_padding}}; }

}  // namespace

Tensor conv1d(In x, In w, const Conv1dOptions& o) {
  const CallSite site(x.at());
  require_sequence(x, w, "conv1d");
  return as_sequence(conv2d(as_image(x), as_kernel(w), in_a_row(o)));
}

Tensor conv1d(In x, In w, In b, const Conv1dOptions& o) {
  const CallSite site(x.at());
  require_sequence(x, w, "conv1d");
  return as_sequence(conv2d(as_image(x), as_kernel(w), b, in_a_row(o)));
}

Tensor transposed_conv1d(In x, In w, const TransposedConv1dOptions& o) {
  const CallSite site(x.at());
  require_sequence(x, w, "transposed_conv1d");
  return as_sequence(transposed_conv2d(as_image(x), as_kernel(w), in_a_row(o)));
}

Tensor transposed_conv1d(In x, In w, In b, const TransposedConv1dOptions& o) {
  const CallSite site(x.at());
  require_sequence(x, w, "transposed_conv1d");
  return as_sequence(transposed_conv2d(as_image(x), as_kernel(w), b, in_a_row(o)));
}

}  // namespace dz
