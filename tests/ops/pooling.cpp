#include <dz/ops/pooling.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include <dz/calculus/catch.hpp>
#include <dz/dz.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

using Values = std::vector<double>;
struct Range {
  std::int64_t begin, end;
};

/// A pooling with its windows' ranges, and the plain loops over them.
struct Example {
  Shape x;
  Pair window, stride, padding;

  Pair places() const {
    return {(x[1] + 2 * padding.rows - window.rows) / stride.rows + 1, (x[2] + 2 * padding.columns - window.columns) / stride.columns + 1};
  }
  Range rows(std::int64_t i) const { return {i * stride.rows - padding.rows, i * stride.rows - padding.rows + window.rows}; }
  Range columns(std::int64_t j) const {
    return {j * stride.columns - padding.columns, j * stride.columns - padding.columns + window.columns};
  }
};

/// each(values in the image, their indices): what a window gives; back(value, indices) spreads its cotangent.
template <class Rows, class Columns, class Each> void for_each_window(const Shape& x, Pair places, Rows rows, Columns columns, Each each) {
  for (std::int64_t m = 0; m < x[0]; ++m)
    for (std::int64_t i = 0; i < places.rows; ++i)
      for (std::int64_t j = 0; j < places.columns; ++j)
        for (std::int64_t c = 0; c < x[3]; ++c) {
          std::vector<std::size_t> points;
          for (std::int64_t r = rows(i).begin; r < rows(i).end; ++r)
            for (std::int64_t s = columns(j).begin; s < columns(j).end; ++s)
              if (r >= 0 && r < x[1] && s >= 0 && s < x[2])
                points.push_back(static_cast<std::size_t>(((m * x[1] + r) * x[2] + s) * x[3] + c));
          each(points, static_cast<std::size_t>(((m * places.rows + i) * places.columns + j) * x[3] + c));
        }
}

void check_close(const Tensor& got, const Values& expected, const Shape& shape, double tolerance) {
  REQUIRE(got.shape() == shape);
  const Values v = got.to_vector();
  for (std::size_t i = 0; i < v.size(); ++i)
    if (!(std::abs(v[i] - expected[i]) <= tolerance * std::max(1.0, std::abs(expected[i]))))
      FAIL_CHECK("element " << i << ": " << v[i] << ", by plain loops " << expected[i]);
  CHECK(v.size() == expected.size());
}

/// Value and gradient of f against plain loops: the maximum, or the sum over `count` (0: over the points in the image).
template <class F, class Rows, class Columns>
void check(F f, const Shape& shape, Pair places, Rows rows, Columns columns, bool largest, std::int64_t count, Dtype dtype) {
  const Tensor x = variable(normal(shape, 0, 1, dtype));
  const Tensor y = f(x);
  const Tensor dy = normal(y.shape(), 0, 1, dtype);
  const Values xs = x.to_vector(), dys = dy.to_vector();
  Values ys(static_cast<std::size_t>(y.size())), dx(xs.size());
  for_each_window(shape, places, rows, columns, [&](const std::vector<std::size_t>& points, std::size_t to) {
    if (largest) {
      const std::size_t best = *std::max_element(points.begin(), points.end(), [&](std::size_t a, std::size_t b) { return xs[a] < xs[b]; });
      ys[to] = xs[best];
      dx[best] += dys[to];
      return;
    }
    const double n = static_cast<double>(count ? count : static_cast<std::int64_t>(points.size()));
    for (std::size_t p : points) {
      ys[to] += xs[p] / n;
      dx[p] += dys[to] / n;
    }
  });
  const double tolerance = dtype == float64 ? 1e-14 : 1e-6;
  check_close(y, ys, {shape[0], places.rows, places.columns, shape[3]}, tolerance);
  check_close(grad(y, x, {.seeds = {dy}}), dx, shape, tolerance);
}

}  // namespace

TEST_CASE("pooling by windows gives the plain loops' values and gradients", "[pooling]") {
  seed(21);
  std::mt19937 random(21);
  const auto below = [&](std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<unsigned>(n)); };
  std::vector<Example> examples{{{1, 1, 1, 1}, 1, 1, 0},
                                {{2, 6, 6, 3}, 2, 2, 0},
                                {{2, 7, 5, 70}, 3, 2, 1},
                                {{2, 6, 8, 64}, 2, 2, 0},  // each point in one window
                                {{2, 7, 9, 32}, 2, 2, 0},  // some in none
                                {{1, 9, 8, 96}, 2, 3, 0},
                                {{2, 5, 7, 32}, 2, 2, 1},
                                {{2, 9, 9, 4}, 2, 3, 0},
                                {{1, 40, 3, 2}, {20, 1}, {7, 2}, {19, 0}},
                                {{0, 4, 4, 2}, 2, 2, 0},
                                {{2, 4, 4, 0}, 2, 2, 0}};
  for (int round = 0; round < 40; ++round) {
    const Pair window(1 + below(4), 1 + below(5));
    examples.push_back({{below(4), window.rows + below(6), window.columns + below(6), round % 4 ? 1 + below(9) : 32 + 32 * below(2)},
                        window,
                        {1 + below(5), 1 + below(5)},
                        {below(window.rows), below(window.columns)}});
  }
  for (const Example& e : examples)
    for (Dtype dtype : {float32, float64}) {
      INFO(to_string(e.x) << ", window " << e.window.rows << "x" << e.window.columns << ", stride " << e.stride.rows << "x"
                          << e.stride.columns << ", padding " << e.padding.rows << "x" << e.padding.columns << " in " << name(dtype));
      const auto rows = [&](std::int64_t i) { return e.rows(i); };
      const auto columns = [&](std::int64_t j) { return e.columns(j); };
      check([&](In x) { return max_pool2d(x, {e.window, e.stride, e.padding}); }, e.x, e.places(), rows, columns, true, 0, dtype);
      check(
          [&](In x) {
            return average_pool2d(x, {e.window, e.stride, e.padding});
          },
          e.x, e.places(), rows, columns, false, e.window.rows * e.window.columns, dtype);
      check(
          [&](In x) {
            return average_pool2d(x, {e.window, e.stride, e.padding, false});
          },
          e.x, e.places(), rows, columns, false, 0, dtype);
    }
}

TEST_CASE("adaptive pooling parts the image as it says", "[pooling]") {
  seed(22);
  for (const auto& [shape, size] : std::vector<std::pair<Shape, Pair>>{
           {{2, 7, 5, 3}, {3, 2}}, {{2, 6, 6, 2}, 3}, {{1, 4, 9, 80}, 1}, {{2, 3, 2, 2}, {5, 4}}, {{1, 30, 30, 2}, 1}, {{0, 3, 3, 1}, 2}})
    for (Dtype dtype : {float32, float64}) {
      INFO(to_string(shape) << " as " << size.rows << "x" << size.columns);
      const auto part = [](std::int64_t i, std::int64_t n, std::int64_t of) {
        return Range{static_cast<std::int64_t>(std::floor(static_cast<double>(i * of) / static_cast<double>(n))),
                     static_cast<std::int64_t>(std::ceil(static_cast<double>((i + 1) * of) / static_cast<double>(n)))};
      };
      const auto rows = [&, n = size.rows, of = shape[1]](std::int64_t i) { return part(i, n, of); };
      const auto columns = [&, n = size.columns, of = shape[2]](std::int64_t j) { return part(j, n, of); };
      check([&, s = size](In x) { return adaptive_max_pool2d(x, s); }, shape, size, rows, columns, true, 0, dtype);
      check([&, s = size](In x) { return adaptive_average_pool2d(x, s); }, shape, size, rows, columns, false, 0, dtype);
    }
}

TEST_CASE("gradients of pooling, and theirs", "[pooling][gradcheck]") {
  seed(23);
  const Tensor x = normal({2, 5, 4, 3});
  CHECK_THAT(gradcheck([](In x) { return max_pool2d(x, {.window = 3, .stride = 2, .padding = 1}); }, x).order(2), Passes());
  CHECK_THAT(gradcheck([](In x) { return square(max_pool2d(x * x, {.window = 2, .stride = 1})); }, x).order(2), Passes());
  CHECK_THAT(gradcheck(
                 [](In x) {
                   return average_pool2d(x * x, {.window = {2, 3}, .stride = 1, .padding = {1, 0}, .count_padding = false});
                 },
                 x)
                 .order(2),
             Passes());
  CHECK_THAT(gradcheck([](In x) { return adaptive_average_pool2d(x * x, {3, 1}); }, x).order(2), Passes());
  CHECK_THAT(gradcheck([](In x) { return adaptive_max_pool2d(x * x, {2, 3}); }, x).order(2), Passes());
  CHECK_THAT(gradcheck([](In x) { return max_pool1d(x, {.window = 2}); }, normal({2, 7, 3})).order(2), Passes());
  CHECK_THAT(gradcheck([](In x) { return average_pool1d(x, {.window = 3, .stride = 2, .padding = 1}); }, normal({2, 7, 3})).order(2),
             Passes());
  CHECK_THAT(gradcheck([](In x) { return max_pool2d(x, {.window = 2}); }, zeros({1, 2, 2, 1})), Passes());  // any subgradient at a kink
}

TEST_CASE("a graph with max-pooling can be examined", "[pooling]") {
  const auto guard = checked();
  const Tensor x = variable(normal({2, 4, 4, 3}));
  CHECK_THAT(check_graph(sum(square(max_pool2d(x, {.window = 2})))), Passes());
}

TEST_CASE("max-pooling: equals, NaN, infinities and padding", "[pooling]") {
  const Tensor x = variable(tensor({1, 3, 3, 2}, {1, 2, 2, 1}));
  CHECK(grad(max_pool2d(x, {.window = 2}), x).to_vector() == Values{0, 1, 0, 0});  // the first of the equals
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  CHECK(std::isnan(max_pool2d(tensor({1, nan, 3, 2}, {1, 2, 2, 1}), {.window = 2}).item()));
  CHECK(max_pool2d(tensor({-inf, -inf, -inf, -inf}, {1, 2, 2, 1}), {.window = 2}).item() == -inf);
  CHECK(max_pool2d(full({1, 1, 1, 1}, -5), {.window = 3, .padding = 1}).item() == -5);  // not the padding's 0
  CHECK(average_pool2d(full({1, 1, 1, 1}, 9), {.window = 3, .padding = 1}).item() == 1);
  CHECK(average_pool2d(full({1, 1, 1, 1}, 9), {.window = 3, .padding = 1, .count_padding = false}).item() == 9);
}

TEST_CASE("pooling of views, and sequences", "[pooling]") {
  seed(24);
  const Tensor first = normal({2, 3, 6, 5});
  const Tensor x(first.value().permute(std::array{0, 2, 3, 1})), plain(x.value().clone());
  CHECK(max_pool2d(x, {.window = 2}).to_vector() == max_pool2d(plain, {.window = 2}).to_vector());
  CHECK(average_pool2d(x, {.window = 2}).to_vector() == average_pool2d(plain, {.window = 2}).to_vector());
  CHECK(max_pool1d(tensor({1, 5, 2, 4, 3}, {1, 5, 1}), {.window = 2}).to_vector() == Values{5, 4});
  CHECK(max_pool1d(tensor({1, 5, 2, 4, 3}, {1, 5, 1}), {.window = 3, .stride = 2, .padding = 1}).to_vector() == Values{5, 5, 4});
  CHECK(average_pool1d(tensor({1, 5, 2, 4, 3}, {1, 5, 1}), {.window = 2, .stride = 3}).to_vector() == Values{3, 3.5});
}

TEST_CASE("pooling that does not fit is refused with shapes, options and line", "[pooling]") {
  const auto message = [](auto f) -> std::string {
    try {
      f();
    } catch (const ShapeError& e) {
      return e.what();
    }
    return "no ShapeError";
  };
  const Tensor x = zeros({2, 4, 4, 3});
  const int line = __LINE__ + 1;
  const std::string wide = message([&] { return max_pool2d(x, {.window = 5}); });
  CHECK(wide ==
        "[max_pool2d] a window over 5 does not fit into 4: x (2, 4, 4, 3) (window 5x5, stride 5x5, padding 0x0), at pooling.cpp:" +
            std::to_string(line));
  const auto refuses = [&](auto f, const char* reason) {
    const std::string what = message(f);
    INFO(what);
    CHECK(what.find(reason) != std::string::npos);
    CHECK(what.find("at pooling.cpp:") != std::string::npos);
  };
  refuses(
      [&] {
        return max_pool2d(zeros({4, 4, 3}), {.window = 2});
      },
      "[max_pool2d] an image is (samples, height, width, channels), got (4, 4, 3)");
  refuses([&] { return average_pool2d(x, {.window = {2, 0}}); }, "[average_pool2d] the window is empty");
  refuses([&] { return max_pool2d(x, {.window = 2, .padding = 2}); }, "padding is not smaller than the window");
  refuses([&] { return max_pool2d(x, {.window = 2, .padding = -1}); }, "padding is negative");
  refuses([&] { return max_pool2d(x, {.window = 2, .stride = -1}); }, "a stride is at least 1");
  refuses([&] { return max_pool2d(zeros({2, 0, 4, 3}), {.window = 2}); }, "the image has no points");
  refuses([&] { return adaptive_max_pool2d(x, {2, 0}); }, "[adaptive_max_pool2d] a size is at least 1");
  refuses([&] { return adaptive_average_pool2d(x, INT64_MAX / 2); }, "beyond 2^63");
  refuses([&] { return max_pool1d(x, {.window = 2}); }, "[max_pool1d] a sequence is");
  CHECK_THROWS_AS(max_pool2d(cast(x, int64), {.window = 2}), DtypeError);
}
