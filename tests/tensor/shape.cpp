// Sizes, strides and axes: their limits and their checked arithmetic.

#include <dz/tensor/array.hpp>
#include <dz/tensor/kernels/kernels.hpp>

#include <cstdint>
#include <vector>

#include "tests/ops/refusal.hpp"
#include "tests/support/support.hpp"

using namespace dz;
using dz::test::what_of;

namespace {
constexpr std::int64_t large = std::int64_t{1} << 40;
}

TEST_CASE("a shape is built from any integers", "[tensor]") {
  const std::vector<int> v(3);
  const Shape s{v.size(), 2u, 3L, static_cast<short>(4)};
  CHECK(s.rank() == 4);
  CHECK(s.volume() == 72);
  CHECK(to_string(s) == "(3, 2, 3, 4)");
  CHECK(to_string(Shape{}) == "()");
  CHECK(Shape{}.volume() == 1);
  CHECK_FALSE(Shape{2, 3} == Shape{2, 3, 1});
  CHECK_THROWS_AS((Shape{UINT64_MAX}), ShapeError);
}

TEST_CASE("eight axes and no more", "[tensor]") {
  const Shape eight{1, 2, 1, 2, 1, 2, 1, 2};
  const Array a = Array::full(eight, 3);
  CHECK(a.to_vector<float>() == std::vector<float>(16, 3));
  CHECK(kernels::sum(a, (1u << 8) - 1, false).item() == 48);
  CHECK(kernels::add(a, a.t().t()).shape() == eight);
  CHECK(what_of<ShapeError>([] { Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}; }) == "more than 8 axes");
  CHECK_THROWS_AS(Axes({0, 1, 2, 3, 4, 5, 6, 7, 8}), ShapeError);
}

TEST_CASE("sizes below 0 and beyond 2^63 are refused", "[tensor]") {
  CHECK(what_of<ShapeError>([] { Array::make({2, -1}); }) == "negative size in (2, -1)");
  CHECK_THROWS_AS(Array::make({large, large}), ShapeError);
  CHECK_THROWS_AS(Array::make({std::int64_t{1} << 61}, float64), ShapeError);  // of which the bytes are
  CHECK_THROWS_AS(Array::make({INT64_MIN}), ShapeError);
  CHECK(checked_product(large, 1 << 22) == std::int64_t{1} << 62);
  CHECK_THROWS_AS(checked_product(large, 1 << 23), ShapeError);
}

TEST_CASE("strides are as checked as sizes, where there are no elements too", "[tensor]") {
  // Without elements, strides over the other axes would still be beyond 2^63.
  CHECK_THROWS_AS(Array::make({large, large, 0}), ShapeError);
  CHECK_THROWS_AS(Array::make({0, large, large}), ShapeError);
  const Array a = Array::make({large, 0, 1 << 20});
  CHECK(a.size() == 0);
  CHECK(a.permute(std::vector<int>{2, 1, 0}).size() == 0);
  CHECK(a.reshape({0, 5}).shape() == Shape{0, 5});
  CHECK_THROWS_AS(a.reshape({0, large, large}), ShapeError);
  CHECK_THROWS_AS(kernels::add(Array::make({large, 1, 0}), Array::make({1, large, 0})), ShapeError);
}

TEST_CASE("expanded sizes are checked, and a copy of one is refused before it is made", "[tensor]") {
  const Array one = Array::scalar(1);
  CHECK_THROWS_AS(one.expand({large, large}), ShapeError);
  CHECK_THROWS_AS(one.expand({-2}), ShapeError);
  const Array wide = one.expand({large, 1 << 20});
  CHECK(wide.size() == std::int64_t{1} << 60);
  CHECK_THROWS_AS(wide.clone(), MemoryError);
  CHECK_THROWS_AS(wide.cast(float64), ShapeError);
}

TEST_CASE("memory that the system does not give is an error", "[tensor]") {
  CHECK_THROWS_AS(Array::make({std::int64_t{1} << 60}), MemoryError);
  CHECK_THROWS_AS(Array::make({(std::int64_t{1} << 61) - 1}), MemoryError);
  CHECK_THROWS_AS(Array::make({INT64_MAX}, uint8), MemoryError);
  CHECK_THROWS_AS(Array::make({INT64_MAX - 5000}, uint8), MemoryError);
  CHECK_THROWS_AS(Array::make({std::int64_t{1} << 46}), MemoryError);
  CHECK(Array::full({3}, 1).to_vector<float>() == std::vector<float>(3, 1));  // and all goes on
}

TEST_CASE("the number of values is compared with the shape before memory is asked for", "[tensor]") {
  const std::vector<float> three(3);
  CHECK_THROWS_AS(Array::of(three, {std::int64_t{1} << 60}), ShapeError);
  CHECK(what_of<ShapeError>([&] { Array::of(three, {2, 2}); }) == "3 values for the shape (2, 2)");
}

TEST_CASE("axes count from both ends, and reduced shapes", "[tensor]") {
  CHECK(Axes().mask(3) == 7);
  CHECK(Axes({0, -1}).mask(3) == 5);
  CHECK(Axes(-2).mask(3) == 2);
  CHECK(Axes().mask(0) == 0);
  CHECK_THROWS_AS(Axes(3).mask(3), ShapeError);
  CHECK_THROWS_AS(Axes(-4).mask(3), ShapeError);
  CHECK_THROWS_AS(Axes({1, -2}).mask(3), ShapeError);
  CHECK(reduced({2, 3, 4}, 5, true) == Shape{1, 3, 1});
  CHECK(reduced({2, 3, 4}, 5, false) == Shape{3});
  const Shape s{5, 6};
  CHECK(s.axis(-1) == 1);
  CHECK_THROWS_AS(s.axis(2), ShapeError);
  CHECK_THROWS_AS(s.axis(INT64_MIN), ShapeError);
}

TEST_CASE("shapes broadcast only at equal ranks, or with a scalar", "[tensor]") {
  CHECK(broadcast({2, 1}, {1, 3}) == Shape{2, 3});
  CHECK(broadcast({}, {4, 0}) == Shape{4, 0});
  CHECK(broadcast({4, 1}, {1, 0}) == Shape{4, 0});
  CHECK_THROWS_AS(broadcast({5}, {5, 1}), ShapeError);
  CHECK_THROWS_AS(broadcast({2, 3}, {3, 2}), ShapeError);
  CHECK_THROWS_AS(broadcast({0, 3}, {2, 3}), ShapeError);
}
