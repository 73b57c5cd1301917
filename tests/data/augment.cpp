#include <dz/data/augment.hpp>

#include <dz/dz.hpp>

#include <set>

#include "tests/data/fixtures.hpp"

using namespace dz;
using namespace dz::test;

namespace {

using Bytes = std::vector<std::uint8_t>;

Array picture(const Bytes& bytes, std::int64_t rows, std::int64_t columns, std::int64_t channels = 1) {
  return Array::of(bytes, {1, rows, columns, channels});
}

/// A picture in many versions.
std::vector<Bytes> versions(const Array& image, const Augmentation& a, int count = 200) {
  Generator g(1);
  std::vector<Bytes> all;
  for (int i = 0; i < count; ++i) all.push_back(augment(image, a, g).to_vector<std::uint8_t>());
  return all;
}

const Bytes nine = {10, 20, 30, 40, 50, 60, 70, 80, 90};

}  // namespace

TEST_CASE("augmentation at rest changes nothing", "[data][augment]") {
  Generator g(1);
  const Array images = kernels::uniform({5, 7, 6, 3}, 0, 255, float32, g).cast(uint8);
  CHECK(identical(augment(images, {}, g), images));
}

TEST_CASE("a flip exchanges left and right, with its probability", "[data][augment]") {
  const Bytes mirrored = {30, 20, 10, 60, 50, 40, 90, 80, 70};
  int flipped = 0;
  for (const Bytes& v : versions(picture(nine, 3, 3), {.flip = 0.25}, 1000)) {
    CHECK((v == nine || v == mirrored));
    flipped += v == mirrored;
  }
  CHECK(std::abs(flipped - 250) < 5 * 14);  // five deviations, sqrt(1000·0.25·0.75)
  for (const Bytes& v : versions(picture({1, 2, 3, 4, 5, 6}, 1, 2, 3), {.flip = 1}, 3)) CHECK(v == Bytes{4, 5, 6, 1, 2, 3});  // channels stay
}

TEST_CASE("a shift is by whole pixels, every way, and repeats the edge", "[data][augment]") {
  std::set<Bytes> seen;
  for (const Bytes& v : versions(picture(nine, 3, 3), {.shift = 1}, 400)) seen.insert(v);
  CHECK(seen.size() == 9);
  CHECK(seen.contains(nine));
  CHECK(seen.contains({10, 10, 20, 40, 40, 50, 70, 70, 80}));  // to the right
  CHECK(seen.contains({40, 50, 60, 70, 80, 90, 70, 80, 90}));  // up
}

TEST_CASE("a crop shows a part of the picture, enlarged", "[data][augment]") {
  Bytes ramp;
  for (int i = 0; i < 81; ++i) ramp.push_back(static_cast<std::uint8_t>(20 * (i % 9) + 20));
  std::set<int> lefts;
  for (const Bytes& v : versions(picture(ramp, 9, 9), {.crop = 0.5})) {
    CHECK(std::is_sorted(v.begin(), v.begin() + 9));
    CHECK(v[8] - v[0] >= 80 - 1);  // at least half of the width of 160
    CHECK(v[8] - v[0] <= 160);
    CHECK(v[0] >= 20);
    CHECK(v[8] <= 180);
    lefts.insert(v[0]);
  }
  CHECK(lefts.size() > 10);
}

TEST_CASE("a rotation turns about the centre, at most so far", "[data][augment]") {
  for (const Bytes& v : versions(picture(nine, 3, 3), {.rotate = 180})) CHECK(v[4] == 50);
  // A pixel three to the right of the centre goes at most 3·sin 30° = 1.5 rows up or down, both ways.
  Bytes dot(49, 0);
  dot[3 * 7 + 6] = 240;
  double above = 0, below = 0;
  for (const Bytes& v : versions(picture(dot, 7, 7), {.rotate = 30})) {
    for (int row : {0, 6})
      for (int x = 0; x < 7; ++x) CHECK(v[static_cast<std::size_t>(row * 7 + x)] == 0);
    for (int x = 4; x < 7; ++x) above += v[static_cast<std::size_t>(2 * 7 + x)], below += v[static_cast<std::size_t>(4 * 7 + x)];
  }
  CHECK(above > 0);
  CHECK(below > 0);
}

TEST_CASE("brightness multiplies, and stays within a byte", "[data][augment]") {
  int darker = 0, brighter = 0;
  for (const Bytes& v : versions(picture({0, 100, 200}, 1, 3), {.brightness = 0.5})) {
    CHECK(v[0] == 0);
    CHECK(v[1] >= 50);
    CHECK(v[1] <= 150);
    CHECK(std::abs(v[2] - std::min(255, 2 * v[1])) <= 1);
    darker += v[1] < 100, brighter += v[1] > 100;
  }
  CHECK(darker > 60);
  CHECK(brighter > 60);
}

TEST_CASE("a picture's version does not depend on its neighbours", "[data][augment]") {
  const Augmentation a{.flip = 0.5, .shift = 2, .crop = 0.8, .rotate = 15, .brightness = 0.2};
  Generator g(3), pixels(4);
  const Array many = kernels::uniform({6, 8, 8, 3}, 0, 255, float32, pixels).cast(uint8), all = augment(many, a, g);
  for (std::int64_t i = 0; i < 6; ++i) {
    Generator own(3);
    own.position = static_cast<std::uint64_t>(4 * i);
    CHECK(identical(augment(many.slice(0, i, i + 1), a, own), all.slice(0, i, i + 1)));
  }
  CHECK(g.position == 24);
}

TEST_CASE("pictures are resized by the areas that their pixels cover", "[data][augment]") {
  CHECK(resize(picture(nine, 3, 3), 3, 3).to_vector<std::uint8_t>() == nine);
  CHECK(resize(picture(nine, 3, 3), 1, 1).to_vector<std::uint8_t>() == Bytes{50});
  CHECK(resize(picture({0, 90, 180}, 1, 3), 1, 2).to_vector<std::uint8_t>() == Bytes{30, 150});  // (0 + 90/2)/1.5, (90/2 + 180)/1.5
  CHECK(resize(picture({10, 20}, 1, 2), 2, 4).to_vector<std::uint8_t>() == Bytes{10, 10, 20, 20, 10, 10, 20, 20});
  CHECK(resize(picture({1, 2, 3, 5, 6, 7}, 2, 1, 3), 1, 1).to_vector<std::uint8_t>() == Bytes{3, 4, 5});
  for (const std::int64_t side : {1, 7, 64, 97}) {  // an even picture stays even
    const Array grey = resize(Array::full({1, 31, 17, 1}, 77, uint8), side, side);
    CHECK(identical(grey, Array::full({1, side, side, 1}, 77, uint8)));
  }
}

TEST_CASE("augmentation that makes no sense is refused", "[data][augment]") {
  const Array image = picture(nine, 3, 3);
  for (const auto& [a, word] : {std::pair(Augmentation{.flip = 1.5}, "flip"), {{.flip = std::nan("")}, "flip"}, {{.shift = -1}, "shift"},
                                {{.crop = 0}, "crop"}, {{.crop = 1.1}, "crop"}, {{.rotate = HUGE_VAL}, "rotate"}, {{.brightness = -0.1}, "brightness"}})
    check_refused<ValueError>([&, a = a] { augment(image, a); }, {"[augment]", word});
  check_refused<ShapeError>([&] { augment(image.reshape({3, 3}), {}); }, {"[augment]", "(3, 3)"});
  check_refused<DtypeError>([&] { augment(image.cast(float32), {}); }, {"[augment]", "float32"});
  check_refused<ShapeError>([&] { resize(image, 0, 3); }, {"[resize]", "0 by 3"});
}
