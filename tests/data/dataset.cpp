#include <dz/data/dataset.hpp>

#include <dz/data/planar.hpp>
#include <dz/dz.hpp>

#include <cmath>
#include <numeric>

#include "tests/data/fixtures.hpp"

using namespace dz;
using namespace dz::test;

namespace {

std::int64_t ones_among(const Tensor& y) {
  const std::vector<double> v = y.to_vector();
  return static_cast<std::int64_t>(std::accumulate(v.begin(), v.end(), 0.0));
}

/// The accuracy on (x, y) of a network trained there by full-batch descent.
double trained_accuracy(const std::vector<std::int64_t>& sizes, const Tensor& x, const Tensor& y, const Tensor& x_test,
                        const Tensor& y_test, double rate, int steps) {
  Generator g(1);
  Mlp net = mlp(sizes, tanh, initialise::xavier, float32, g);
  for (int i = 0; i < steps; ++i) {
    backward(binary_cross_entropy_with_logits(net(x), y));
    GradientDescent{.learning_rate = rate}.step(net);
  }
  const std::vector<double> logits = net(x_test).to_vector(), labels = y_test.to_vector();
  double right = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) right += (logits[i] > 0) == (labels[i] == 1);
  return right / static_cast<double>(logits.size());
}

}  // namespace

TEST_CASE("pixels are bytes divided by 255 in each dtype, row by row", "[data][dataset]") {
  Array images = Array::make({2, 2, 64, 1}, uint8);
  for (int i = 0; i < 256; ++i) images.writable<std::uint8_t>()[i] = static_cast<std::uint8_t>(i);
  const Tensor single = pixels(images), wide = pixels(images, float64);
  CHECK(single.shape() == Shape{2, 128});
  for (int i = 0; i < 256; ++i) {
    CHECK(single.value().data<float>()[i] == static_cast<float>(i) / 255.f);
    CHECK(wide.value().data<double>()[i] == i / 255.0);
  }
  const int axes[] = {0, 3, 1, 2};
  const Array turned = images.reshape({2, 2, 32, 2}).permute(axes);  // (2, 2, 2, 32), not contiguous
  CHECK(pixels(turned, float64).to_vector()[1] == 2 / 255.0);
  CHECK(pixels(Array::make({0, 2, 2, 3}, uint8)).shape() == Shape{0, 12});
  check_refused<ShapeError>([&] { pixels(images.reshape({2, 128})); }, {"[pixels]", "(2, 128)"});
  check_refused<DtypeError>([&] { pixels(images.cast(float32)); }, {"[pixels]", "float32"});
  check_refused<DtypeError>([&] { pixels(images, uint8); }, {"[pixels]", "uint8"});
}

TEST_CASE("planar sets are balanced, finite, within a few units and repeatable", "[data][planar]") {
  CHECK(planar_names() == std::vector<std::string_view>{"flower", "circles", "moons", "blobs", "spirals", "stretched"});
  for (const std::string_view name : planar_names()) {
    INFO(name);
    for (const std::int64_t m : {2, 3, 4, 401}) {
      Generator g(5), again(5), other(6);
      const Dataset d = planar(name, m, g), same = planar(name, m, again), wide = planar(name, m, *std::make_unique<Generator>(5), float64);
      CHECK(d.size() == m);
      CHECK(d.x.shape() == Shape{m, 2});
      CHECK(d.y.shape() == Shape{m, 1});
      CHECK(d.x.dtype() == float32);
      CHECK(d.y.dtype() == float32);
      CHECK_FALSE(d.images);
      CHECK(ones_among(d.y) == m / 2);
      for (const double v : d.x.to_vector()) CHECK((std::abs(v) < (name == "stretched" ? 60 : 6)));
      CHECK(identical(d.x.value(), same.x.value()));
      CHECK(identical(d.y.value(), same.y.value()));
      CHECK(identical(d.x.value(), wide.x.value().cast(float32)));
      CHECK(g.position == again.position);
      CHECK(planar(name, m, other).x.to_vector() != d.x.to_vector());
      CHECK(planar(name, m, g).x.to_vector() != d.x.to_vector());  // the generator has moved on
    }
  }
  Generator g;
  check_refused<ValueError>([&] { planar("cats", 10, g); }, {"'cats'", "flower, circles, moons, blobs, spirals, stretched"});
  check_refused<ShapeError>([&] { planar("flower", 1, g); }, {"[flower]", "1 samples"});
  check_refused<ShapeError>([&] { spirals(-1, g); }, {"[spirals]"});
  check_refused<DtypeError>([&] { moons(10, g, int64); }, {"[moons]", "int64"});
  CHECK(g.position == 0);
}

TEST_CASE("labels are in random order", "[data][planar]") {
  Generator g(1);
  const std::vector<double> y = blobs(400, g).y.to_vector();
  const double first_half = std::accumulate(y.begin(), y.begin() + 200, 0.0);
  CHECK(first_half > 70);
  CHECK(first_half < 130);
}

TEST_CASE("the flower has petals of radius 4, its classes on either side", "[data][planar]") {
  Generator g(2);
  const Dataset d = flower(4000, g, float64);
  const std::vector<double> x = d.x.to_vector(), y = d.y.to_vector();
  double longest = 0, on_side = 0, error = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    longest = std::max(longest, std::hypot(x[2 * i], x[2 * i + 1]));
    on_side += y[i] == 0;
    // The radius is |4·sin(4·angle)| but for 0.2·normal, whatever the angle is.
    const double angle = std::atan2(x[2 * i], x[2 * i + 1]);
    error += std::pow(std::hypot(x[2 * i], x[2 * i + 1]) - std::abs(4 * std::sin(4 * angle)), 2);
  }
  CHECK(longest > 4);
  CHECK(longest < 5);
  CHECK(on_side == 2000);
  CHECK(std::sqrt(error / 4000) == Approx(0.2).margin(0.03));
}

TEST_CASE("a network learns what a line cannot part", "[data][planar]") {
  for (const std::string_view name : {"flower", "circles", "moons"}) {
    INFO(name);
    Generator g(3);
    const Dataset d = planar(name, 400, g);
    CHECK(trained_accuracy({2, 1}, d.x, d.y, d.x, d.y, 0.5, 200) < 0.9);
    CHECK(trained_accuracy({2, 16, 1}, d.x, d.y, d.x, d.y, 1.0, 1000) > 0.85);
  }
  Generator g(3);
  const Dataset easy = blobs(400, g);
  CHECK(trained_accuracy({2, 1}, easy.x, easy.y, easy.x, easy.y, 0.5, 200) > 0.97);
}

TEST_CASE("synthetic pictures are of two classes that their mean colour does not tell apart", "[data][images]") {
  Generator g(4), again(4);
  const Dataset d = synthetic_images(500, 12, 12, g), same = synthetic_images(500, 12, 12, again);
  CHECK(d.images.shape() == Shape{500, 12, 12, 3});
  CHECK(d.images.dtype() == uint8);
  CHECK(d.x.shape() == Shape{500, 432});
  CHECK(identical(d.x.value(), pixels(d.images).value()));
  CHECK(identical(d.images, same.images));
  CHECK(ones_among(d.y) == 250);
  const Dataset fresh = synthetic_images(500, 12, 12, g);
  CHECK_FALSE(identical(d.images, fresh.images));

  const auto mean_colours = [](const Tensor& x) { return mean(reshape(x, {500, 144, 3}), 1); };
  CHECK(trained_accuracy({3, 8, 1}, mean_colours(d.x), d.y, mean_colours(fresh.x), fresh.y, 1.0, 200) < 0.6);
  CHECK(trained_accuracy({432, 16, 1}, d.x, d.y, fresh.x, fresh.y, 0.1, 500) > 0.85);

  const Dataset tall = synthetic_images(3, 20, 8, g, float64);
  CHECK(tall.x.shape() == Shape{3, 480});
  CHECK(tall.y.dtype() == float64);
  check_refused<ShapeError>([&] { synthetic_images(1, 8, 8, g); }, {"[synthetic_images]", "1 samples"});
  check_refused<ShapeError>([&] { synthetic_images(2, 8, 7, g); }, {"8 x 7"});
  CHECK_THROWS_AS(synthetic_images(2, 8, 8, g, uint8), DtypeError);
}
