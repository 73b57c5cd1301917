#include <dz/ops/convolution.hpp>

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>

#include <dz/calculus/catch.hpp>
#include <dz/dz.hpp>
#include <dz/tensor/force.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

using Values = std::vector<double>;

/// A convolution's sizes and options, with its three maps as plain loops over everything.
struct Example {
  std::int64_t samples, height, width, in, out, rows, columns;
  Conv2dOptions options;

  Shape x() const { return {samples, height, width, in}; }
  Shape w() const { return {out, in / options.groups, rows, columns}; }
  std::int64_t out_height() const {
    return (height + 2 * options.padding.rows - options.dilation.rows * (rows - 1) - 1) / options.stride.rows + 1;
  }
  std::int64_t out_width() const {
    return (width + 2 * options.padding.columns - options.dilation.columns * (columns - 1) - 1) / options.stride.columns + 1;
  }
  Shape y() const { return {samples, out_height(), out_width(), out}; }

  /// term(x index, w index, y index) for each product in the sum.
  template <class F> void for_each_product(F term) const {
    const std::int64_t group_in = in / options.groups, group_out = out / options.groups;
    for (std::int64_t m = 0; m < samples; ++m)
      for (std::int64_t i = 0; i < out_height(); ++i)
        for (std::int64_t j = 0; j < out_width(); ++j)
          for (std::int64_t o = 0; o < out; ++o)
            for (std::int64_t c = 0; c < group_in; ++c)
              for (std::int64_t r = 0; r < rows; ++r)
                for (std::int64_t s = 0; s < columns; ++s) {
                  const std::int64_t y = i * options.stride.rows - options.padding.rows + r * options.dilation.rows;
                  const std::int64_t z = j * options.stride.columns - options.padding.columns + s * options.dilation.columns;
                  if (y < 0 || y >= height || z < 0 || z >= width) continue;
                  term(static_cast<std::size_t>(((m * height + y) * width + z) * in + o / group_out * group_in + c),
                       static_cast<std::size_t>(((o * group_in + c) * rows + r) * columns + s),
                       static_cast<std::size_t>(((m * out_height() + i) * out_width() + j) * out + o));
                }
  }
};

std::ostream& operator<<(std::ostream& s, const Example& e) {
  const auto& o = e.options;
  return s << to_string(e.x()) << " by " << to_string(e.w()) << ", stride " << o.stride.rows << "x" << o.stride.columns << ", padding "
           << o.padding.rows << "x" << o.padding.columns << ", dilation " << o.dilation.rows << "x" << o.dilation.columns << ", groups "
           << o.groups;
}

Values zeros_of(const Shape& s) { return Values(static_cast<std::size_t>(s.volume())); }

void check_close(const Tensor& got, const Values& expected, const Shape& shape, double tolerance) {
  REQUIRE(got.shape() == shape);
  const Values v = got.to_vector();
  double size = 1, apart = 0;
  for (double e : expected) size = std::max(size, std::abs(e));
  for (std::size_t i = 0; i < v.size(); ++i) apart = std::isnan(v[i]) ? HUGE_VAL : std::max(apart, std::abs(v[i] - expected[i]));
  CHECK(apart <= tolerance * size);
}

/// All three maps, and the bias, against the plain loops.
void check_values(const Example& e, Dtype dtype) {
  INFO(e << " in " << name(dtype));
  const double tolerance = dtype == float64 ? 1e-13 : 3e-6;
  const Tensor x = normal(e.x(), 0, 1, dtype), w = normal(e.w(), 0, 1, dtype), b = normal({e.out}, 0, 1, dtype),
               dy = normal(e.y(), 0, 1, dtype);
  const Values xs = x.to_vector(), ws = w.to_vector(), bs = b.to_vector(), dys = dy.to_vector();
  Values y = zeros_of(e.y()), dx = zeros_of(e.x()), dw = zeros_of(e.w());
  e.for_each_product([&](std::size_t i, std::size_t k, std::size_t o) {
    y[o] += xs[i] * ws[k];
    dx[i] += dys[o] * ws[k];
    dw[k] += dys[o] * xs[i];
  });
  check_close(conv2d(x, w, e.options), y, e.y(), tolerance);
  check_close(conv2d_by_input(dy, w, {e.height, e.width}, e.options), dx, e.x(), tolerance);
  check_close(conv2d_by_kernel(dy, x, {e.rows, e.columns}, e.options), dw, e.w(), tolerance);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += bs[i % bs.size()];
  check_close(conv2d(x, w, b, e.options), y, e.y(), tolerance);
}

const std::vector<Example> examples{
    {1, 1, 1, 1, 1, 1, 1, {}},
    {2, 5, 6, 3, 4, 3, 3, {.padding = 1}},
    {2, 7, 5, 2, 3, 2, 2, {.stride = 3}},  // strides over elements
    {1, 9, 8, 2, 2, 3, 2, {.stride = {2, 1}, .padding = {0, 2}, .dilation = {2, 3}}},
    {3, 4, 4, 6, 4, 3, 3, {.padding = 3, .groups = 2}},     // more padding than the kernel reaches
    {2, 6, 6, 16, 16, 3, 3, {.padding = 1, .groups = 16}},  // a channel at a time
    {2, 6, 5, 32, 48, 1, 1, {}},
    {2, 6, 5, 5, 7, 1, 1, {.stride = 2, .padding = 1}},
    {2, 12, 12, 16, 32, 3, 3, {.padding = 1}},
    {2, 12, 12, 16, 32, 3, 3, {.stride = 2, .padding = 2, .dilation = 2, .groups = 4}},
    {1, 1, 20, 3, 5, 1, 7, {.stride = 2, .padding = {0, 3}}},
    {4, 2, 2, 1, 8, 2, 2, {}},
    {2, 3, 3, 2, 2, 5, 5, {.padding = 1}},
    {1, 40, 40, 8, 8, 5, 5, {.padding = 2}},  // more than one block of windows in float64
};

}  // namespace

TEST_CASE("convolutions and their two gradients are the plain loops' sums", "[convolution]") {
  seed(11);
  for (const Example& e : examples)
    for (Dtype dtype : {float32, float64}) check_values(e, dtype);
}

TEST_CASE("convolutions of random shapes and options are the plain loops' sums", "[convolution]") {
  seed(12);
  std::mt19937 random(12);
  const auto below = [&](int n) { return static_cast<std::int64_t>(random() % static_cast<unsigned>(n)); };
  for (int round = 0; round < 60; ++round) {
    const std::int64_t groups = 1 + below(3);
    Example e{below(4), 1 + below(9), 1 + below(9), groups * (1 + below(6)), groups * (1 + below(6)), 1 + below(4), 1 + below(4), {}};
    e.options = {.stride = {1 + below(4), 1 + below(4)},
                 .padding = {below(5), below(5)},
                 .dilation = {1 + below(2), 1 + below(2)},
                 .groups = groups};
    if (e.height + 2 * e.options.padding.rows <= e.options.dilation.rows * (e.rows - 1)) continue;
    if (e.width + 2 * e.options.padding.columns <= e.options.dilation.columns * (e.columns - 1)) continue;
    check_values(e, round % 2 ? float32 : float64);
  }
}

namespace {

/// Convolutions of every size go through tiles while one lives.
struct ByTiles {
  force::Size product{tile_product, 0}, side{tile_side, 0};
};

/// Of random sizes and options, up to `channels` in each group.
std::optional<Example> random_example(std::mt19937& random, int channels) {
  const auto below = [&](int n) { return static_cast<std::int64_t>(random() % static_cast<unsigned>(n)); };
  const std::int64_t groups = below(3) ? 1 : 1 + below(3);
  Example e{1 + below(4), 1 + below(9), 1 + below(20), groups * (1 + below(channels)), groups * (1 + below(channels)), 1 + below(4), 1 + below(4), {}};
  e.options = {.stride = {1 + below(4), 1 + below(4)}, .padding = {below(5), below(5)}, .dilation = {1 + below(3), 1 + below(3)}, .groups = groups};
  const bool fits = e.height + 2 * e.options.padding.rows > e.options.dilation.rows * (e.rows - 1) && e.width + 2 * e.options.padding.columns > e.options.dilation.columns * (e.columns - 1);
  return fits ? std::optional(e) : std::nullopt;
}

}  // namespace

TEST_CASE("convolutions in tiles are the plain loops' sums", "[convolution]") {
  if (active_isa() != Isa::avx512) DZ_SKIP("this processor has no AVX-512");
  seed(18);
  const ByTiles tiles;
  for (const Example& e : examples) check_values(e, float32);
  check_values({3, 14, 14, 32, 64, 3, 3, {.padding = 1}}, float32);  // several units of places, several parts
  check_values({1, 60, 70, 16, 40, 3, 3, {.padding = 1}}, float32);  // units of some rows of a sample
  check_values({2, 5, 5, 300, 33, 2, 2, {}}, float32);               // a long common axis
  std::mt19937 random(18);
  for (int round = 0; round < 80; ++round)
    if (const auto e = random_example(random, round % 2 ? 5 : 40)) check_values(*e, float32);
}

TEST_CASE("convolutions in tiles are the same on any number of threads, relu or not, and keep what is no number", "[convolution]") {
  if (active_isa() != Isa::avx512) DZ_SKIP("this processor has no AVX-512");
  seed(19);
  const ByTiles tiles;
  const force::Size grain(elementwise_grain, 8);
  const bool rounds = unsupported(bfloat16).empty();
  for (const Example& e : {Example{5, 14, 14, 32, 64, 3, 3, {.padding = 1}}, Example{1, 40, 50, 1, 20, 3, 3, {}}, Example{3, 9, 8, 12, 18, 3, 2, {.stride = 2, .padding = 1, .groups = 2}}})
    for (const bool casts : {false, true}) {
      if (casts && !rounds) continue;
      const auto guard = autocast(bfloat16, casts);
      const Tensor x = normal(e.x()), w = normal(e.w()), b = normal({e.out}), dy = normal(e.y());
      const auto maps = [&](int count) {
        const force::Threads threads(count);
        return std::vector{conv2d(x, w, b, e.options, relu).to_vector(), conv2d_by_input(dy, w, {e.height, e.width}, e.options).to_vector(),
                           conv2d_by_kernel(dy, x, {e.rows, e.columns}, e.options).to_vector()};
      };
      const auto one = maps(1);
      for (const int count : {2, 3, 5}) CHECK(maps(count) == one);
      CHECK(one[0] == dz::relu(conv2d(x, w, b, e.options)).to_vector());
    }
  const Tensor x = full({1, 4, 4, 2}, NAN), y = conv2d(x, normal({3, 2, 3, 3}), zeros({3}), {.padding = 1}, relu);
  for (const double v : y.to_vector()) CHECK(std::isnan(v));
}

TEST_CASE("convolutions of nothing", "[convolution]") {
  for (Dtype dtype : {float32, float64}) {
    check_values({0, 5, 5, 2, 3, 3, 3, {}}, dtype);
    check_values({2, 0, 3, 2, 3, 2, 2, {.padding = 1}}, dtype);  // padding alone
    check_values({2, 4, 4, 0, 3, 2, 2, {}}, dtype);
    check_values({2, 4, 4, 2, 0, 2, 2, {}}, dtype);
  }
}

TEST_CASE("gradients of convolutions, and theirs", "[convolution][gradcheck]") {
  seed(13);
  for (const Example& e : {Example{2, 4, 5, 2, 3, 3, 2, {.stride = {2, 1}, .padding = 1}},
                           Example{1, 5, 5, 4, 2, 2, 2, {.dilation = 2, .groups = 2}}, Example{2, 3, 3, 2, 2, 1, 1, {}}}) {
    INFO(e);
    const auto& o = e.options;
    const Tensor x = normal(e.x()), w = normal(e.w()), b = normal({e.out}), dy = normal(e.y());
    CHECK_THAT(gradcheck([&](In x, In w) { return conv2d(x, w, o); }, x, w).order(2), Passes());
    CHECK_THAT(gradcheck([&](In x, In w, In b) { return conv2d(x, w, b, o); }, x, w, b).order(2), Passes());
    CHECK_THAT(gradcheck([&](In dy, In w) { return conv2d_by_input(dy, w, {e.height, e.width}, o); }, dy, w).order(2), Passes());
    CHECK_THAT(gradcheck([&](In dy, In x) { return conv2d_by_kernel(dy, x, {e.rows, e.columns}, o); }, dy, x).order(2), Passes());
  }
}

TEST_CASE("a third derivative of a convolution", "[convolution]") {
  const Tensor x = variable(full({1, 1, 1, 1}, 1.5, float64)), w = full({1, 1, 1, 1}, 2, float64);
  Tensor y = reshape(conv2d(square(x) * x, w), {});  // 2·x³
  for (int n = 0; n < 3; ++n) y = reshape(grad(y, x, {.create_graph = true}), {});
  CHECK(y.item() == Approx(12));
}

TEST_CASE("float32 gradients of convolutions agree with float64 ones", "[convolution]") {
  seed(14);
  for (const Example& e : examples) {
    INFO(e);
    const auto gradients = [&](Dtype dtype) {
      Generator g(3);
      const Tensor x = variable(cast(normal(e.x(), 0, 1, float32, g), dtype)), w = variable(cast(normal(e.w(), 0, 1, float32, g), dtype)),
                   b = variable(cast(normal({e.out}, 0, 1, float32, g), dtype)), dy = cast(normal(e.y(), 0, 1, float32, g), dtype);
      return grad({conv2d(x, w, b, e.options)}, {x, w, b}, {.seeds = {dy}});
    };
    const auto narrow = gradients(float32), wide = gradients(float64);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(narrow[i].dtype() == float32);
      check_close(narrow[i], wide[i].to_vector(), wide[i].shape(), 3e-6);
    }
  }
}

TEST_CASE("convolutions of views", "[convolution]") {
  seed(15);
  for (Dtype dtype : {float32, float64}) {
    const Tensor channels_first = normal({2, 3, 6, 5}, 0, 1, dtype), wide = normal({4, 6, 3, 3}, 0, 1, dtype);
    const Tensor x(channels_first.value().permute(std::array{0, 2, 3, 1})), w(wide.value().slice(1, 0, 6, 2).t()),
        b(normal({1, 1}, 0, 1, dtype).value().expand({1, 4}).reshape({4}));
    const Tensor plain_x(x.value().clone()), plain_w(w.value().clone());
    const Conv2dOptions o{.padding = 1};
    CHECK(conv2d(x, w, b, o).to_vector() == conv2d(plain_x, plain_w, b, o).to_vector());
    const Tensor dy(normal({2, 5, 6, 4}, 0, 1, dtype).value().permute(std::array{0, 2, 1, 3})), plain_dy(dy.value().clone());
    CHECK(conv2d_by_input(dy, w, {6, 5}, o).to_vector() == conv2d_by_input(plain_dy, plain_w, {6, 5}, o).to_vector());
    CHECK(conv2d_by_kernel(dy, x, 3, o).to_vector() == conv2d_by_kernel(plain_dy, plain_x, 3, o).to_vector());
  }
}

TEST_CASE("a transposed convolution is the convolution's gradient by its input", "[convolution]") {
  seed(16);
  const Tensor y = normal({2, 3, 4, 4}, 0, 1, float64), w = normal({4, 3, 3, 2}, 0, 1, float64), b = normal({6}, 0, 1, float64);
  const TransposedConv2dOptions o{.stride = {2, 3}, .padding = {1, 0}, .dilation = {1, 2}, .groups = 2, .output_padding = {1, 2}};
  const Tensor big = transposed_conv2d(y, w, b, o);
  REQUIRE(big.shape() == Shape{2, 6, 14, 6});  // (3 − 1)·2 − 2 + 2 + 1 + 1 and (4 − 1)·3 + 2 + 1 + 2
  const Tensor x = variable(zeros({2, 6, 14, 6}, float64));
  const Tensor small = conv2d(x, w, {o.stride, o.padding, o.dilation, o.groups});
  REQUIRE(small.shape() == y.shape());
  const Tensor expected = grad(small, x, {.seeds = {y}}) + reshape(b, {1, 1, 1, 6});
  CHECK(big.to_vector() == expected.to_vector());
  CHECK_THAT(gradcheck([&](In y, In w, In b) { return transposed_conv2d(y, w, b, o); }, y, w, b).order(2), Passes());
  CHECK(transposed_conv2d(zeros({0, 3, 4, 4}), w.value().size() ? cast(w, float32) : w, o).shape() == Shape{0, 6, 14, 6});
}

TEST_CASE("convolutions along sequences", "[convolution]") {
  seed(17);
  const Tensor x = normal({2, 9, 4}, 0, 1, float64), w = normal({6, 2, 3}, 0, 1, float64), b = normal({6}, 0, 1, float64);
  const Tensor y = conv1d(x, w, b, {.stride = 2, .padding = 2, .dilation = 2, .groups = 2});
  REQUIRE(y.shape() == Shape{2, 5, 6});
  const Values xs = x.to_vector(), ws = w.to_vector(), bs = b.to_vector(), ys = y.to_vector();
  for (int m = 0; m < 2; ++m)
    for (int i = 0; i < 5; ++i)
      for (int o = 0; o < 6; ++o) {
        double sum = bs[static_cast<std::size_t>(o)];
        for (int c = 0; c < 2; ++c)
          for (int k = 0; k < 3; ++k) {
            const int at = 2 * i - 2 + 2 * k;
            if (at >= 0 && at < 9)
              sum += xs[static_cast<std::size_t>((m * 9 + at) * 4 + o / 3 * 2 + c)] * ws[static_cast<std::size_t>((o * 2 + c) * 3 + k)];
          }
        CHECK(ys[static_cast<std::size_t>((m * 5 + i) * 6 + o)] == Approx(sum).epsilon(1e-12).margin(1e-12));
      }
  CHECK_THAT(gradcheck([](In x, In w, In b) { return conv1d(x, w, b, {.stride = 2, .padding = 1}); }, normal({2, 5, 2}), normal({3, 2, 3}),
                       normal({3}))
                 .order(2),
             Passes());
  CHECK_THAT(gradcheck([](In x, In w, In b) { return transposed_conv1d(x, w, b, {.stride = 2, .output_padding = 1}); }, normal({2, 3, 2}),
                       normal({2, 3, 3}), normal({3}))
                 .order(2),
             Passes());
  CHECK(transposed_conv1d(normal({2, 3, 2}), normal({2, 3, 3})).shape() == Shape{2, 5, 3});
}

TEST_CASE("convolutions that do not fit are refused with shapes, options and line", "[convolution]") {
  const auto message = [](auto f) -> std::string {
    try {
      f();
    } catch (const ShapeError& e) {
      return e.what();
    }
    return "no ShapeError";
  };
  const Tensor x = zeros({2, 5, 5, 4}), w = zeros({6, 4, 3, 3});
  int line = __LINE__ + 1;
  const std::string channels = message([&] { return conv2d(x, zeros({6, 3, 3, 3}), {.padding = {1, 0}}); });
  CHECK(channels ==
        "[conv2d] channels differ: x (2, 5, 5, 4), kernel (6, 3, 3, 3) (stride 1x1, padding 1x0, dilation 1x1, groups 1), at "
        "convolution.cpp:" +
            std::to_string(line));
  const auto refuses = [&](auto f, const char* reason) {
    const std::string what = message(f);
    INFO(what);
    CHECK(what.find(reason) != std::string::npos);
    CHECK(what.find("at convolution.cpp:") != std::string::npos);
  };
  refuses([&] { return conv2d(zeros({5, 5, 4}), w); }, "an image is (samples, height, width, channels): x (5, 5, 4), kernel (6, 4, 3, 3)");
  refuses([&] { return conv2d(x, zeros({6, 4, 3})); }, "a kernel is (out, in/groups, rows, columns)");
  refuses([&] { return conv2d(x, zeros({6, 4, 0, 3})); }, "the kernel's window is empty");
  refuses([&] { return conv2d(x, w, {.groups = 4}); }, "groups do not divide the output channels");
  refuses([&] { return conv2d(x, w, {.groups = 0}); }, "groups do not divide");
  refuses([&] { return conv2d(x, w, {.stride = {1, 0}}); }, "a stride is at least 1: x (2, 5, 5, 4), kernel (6, 4, 3, 3) (stride 1x0");
  refuses([&] { return conv2d(x, w, {.dilation = 0}); }, "a dilation is at least 1");
  refuses([&] { return conv2d(x, w, {.padding = -1}); }, "padding is negative");
  refuses([&] { return conv2d(x, w, {.dilation = 3}); }, "a window over 7 does not fit into 5");
  refuses([&] { return conv2d(x, w, {.padding = INT64_MAX / 2}); }, "beyond 2^63");
  refuses([&] { return conv2d(x, w, {.dilation = INT64_MAX}); }, "beyond 2^63");
  refuses([&] { return conv2d(x, w, zeros({5})); },
          "a bias is (6), one for each output channel: x (2, 5, 5, 4), kernel (6, 4, 3, 3), bias (5)");
  refuses(
      [&] {
        return conv2d_by_input(zeros({2, 3, 3, 6}), w, {6, 5});
      },
      "the convolution gives (2, 4, 3, 6): outputs (2, 3, 3, 6), kernel (6, 4, 3, 3), image 6x5");
  refuses(
      [&] {
        return conv2d_by_kernel(zeros({2, 3, 3, 6}), x, 2);
      },
      "the convolution gives (2, 4, 4, 6): outputs (2, 3, 3, 6), x (2, 5, 5, 4), window 2x2");
  refuses(
      [&] {
        return transposed_conv2d(x, zeros({4, 2, 3, 3}), {.stride = 2, .output_padding = 2});
      },
      "[transposed_conv2d] output_padding 2 is outside [0, stride 2): x (2, 5, 5, 4)");
  refuses([&] { return transposed_conv2d(x, zeros({4, 2, 3, 3}), zeros({3})); }, "a bias is (2)");
  refuses([&] { return transposed_conv2d(x, zeros({4, 2, 1, 1}), {.padding = 3}); }, "padding 3 leaves nothing");
  refuses([&] { return conv1d(x, w); },
          "[conv1d] a sequence is (samples, length, channels), its kernel has three axes: x (2, 5, 5, 4), kernel (6, 4, 3, 3)");
  CHECK_THROWS_AS(conv2d(x, cast(w, float64)), DtypeError);
  CHECK_THROWS_AS(conv2d(cast(x, int64), cast(w, int64)), DtypeError);
}
