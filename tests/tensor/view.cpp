// Views and copies of them against plain index loops, over random shapes.

#include <dz/tensor/array.hpp>
#include <dz/tensor/random.hpp>

#include <algorithm>
#include <numeric>
#include <vector>

#include "tests/ops/refusal.hpp"
#include "tests/support/support.hpp"

using namespace dz;
using dz::test::what_of;

namespace {

using Index = std::vector<std::int64_t>;

/// An array as an index loop sees it: sizes, and a function from an index to the value.
struct Model {
  Index sizes;
  std::vector<double> values;  // in row order

  double at(const Index& index) const {
    std::int64_t k = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) k = k * sizes[i] + index[i];
    return values[static_cast<std::size_t>(k)];
  }
};

/// Calls f with every index of these sizes, in row order.
template <class F> void each_index(const Index& sizes, F f) {
  std::int64_t n = 1;
  for (std::int64_t s : sizes) n *= s;
  Index index(sizes.size());
  for (std::int64_t k = 0; k < n; ++k) {
    std::int64_t rest = k;
    for (std::size_t i = sizes.size(); i-- > 0;) {
      index[i] = rest % sizes[i];
      rest /= sizes[i];
    }
    f(index);
  }
}

template <class F> Model made(const Index& sizes, F value) {
  Model m{sizes, {}};
  each_index(sizes, [&](const Index& i) { m.values.push_back(value(i)); });
  return m;
}

void check_same(const Array& a, const Model& m) {
  REQUIRE(Index(a.sizes().begin(), a.sizes().end()) == m.sizes);
  REQUIRE(a.to_vector<double>() == m.values);
  REQUIRE(a.contiguous().is_contiguous());
  REQUIRE(a.clone().to_vector<double>() == m.values);
}

/// Small random numbers.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : g_(seed) {}
  std::int64_t operator()(std::int64_t low, std::int64_t high) {  // both included
    return low + kernels::uniform({}, 0, static_cast<double>(high - low + 1), float64, g_).item<std::int64_t>();
  }

 private:
  Generator g_;
};

/// One random view of both.
void step(Draw& draw, Array& a, Model& m) {
  const auto rank = static_cast<std::int64_t>(m.sizes.size());
  const std::int64_t kind = draw(0, 4);
  const Model before = m;
  if (kind == 0 && rank >= 2) {
    a = a.t();
    Index sizes = m.sizes;
    std::swap(sizes[sizes.size() - 1], sizes[sizes.size() - 2]);
    m = made(sizes, [&](Index i) {
      std::swap(i[i.size() - 1], i[i.size() - 2]);
      return before.at(i);
    });
  } else if (kind == 1) {
    std::vector<int> axes(static_cast<std::size_t>(rank));
    std::iota(axes.begin(), axes.end(), 0);
    for (std::size_t i = axes.size(); i > 1; --i)
      std::swap(axes[i - 1], axes[static_cast<std::size_t>(draw(0, static_cast<std::int64_t>(i) - 1))]);
    a = a.permute(axes);
    Index sizes;
    for (int axis : axes) sizes.push_back(m.sizes[static_cast<std::size_t>(axis)]);
    m = made(sizes, [&](const Index& i) {
      Index from(i.size());
      for (std::size_t k = 0; k < i.size(); ++k) from[static_cast<std::size_t>(axes[k])] = i[k];
      return before.at(from);
    });
  } else if (kind == 2 && rank >= 1) {
    const std::int64_t axis = draw(0, rank - 1), n = m.sizes[static_cast<std::size_t>(axis)];
    const std::int64_t start = draw(0, n), stop = draw(start, n), by = draw(1, 3);
    a = draw(0, 1) && stop < n && start < n ? a.slice(static_cast<int>(axis - rank), start - n, stop - n, by)
                                            : a.slice(static_cast<int>(axis), start, stop, by);
    Index sizes = m.sizes;
    sizes[static_cast<std::size_t>(axis)] = (stop - start + by - 1) / by;
    m = made(sizes, [&](Index i) {
      i[static_cast<std::size_t>(axis)] = start + i[static_cast<std::size_t>(axis)] * by;
      return before.at(i);
    });
  } else if (kind == 3) {
    Index sizes = m.sizes;
    for (std::int64_t& s : sizes)
      if (s == 1) s = draw(0, 3);
    if (rank == 0) sizes = {draw(0, 2), draw(1, 2)};
    a = a.expand(Shape(std::span<const std::int64_t>(sizes)));
    m = made(sizes, [&](Index i) {
      i.resize(before.sizes.size());
      for (std::size_t k = 0; k < i.size(); ++k)
        if (before.sizes[k] == 1) i[k] = 0;
      return before.at(i);
    });
  } else if (kind == 4) {  // another split of the same elements
    std::int64_t rest = a.size();
    Index sizes;
    for (const std::int64_t p : {2, 3, 2, 5})
      if (rest > 0 && rest % p == 0 && draw(0, 1)) sizes.push_back(p), rest /= p;
    sizes.insert(sizes.begin() + draw(0, static_cast<std::int64_t>(sizes.size())), rest);
    Index asked = sizes;
    if (a.size() > 0) asked[static_cast<std::size_t>(draw(0, static_cast<std::int64_t>(asked.size()) - 1))] = -1;
    a = a.reshape(Shape(std::span<const std::int64_t>(asked)));
    m = Model{sizes, before.values};
  }
}

}  // namespace

TEST_CASE("random views of random views are those of an index loop", "[tensor]") {
  Draw draw(17);
  for (int round = 0; round < 400; ++round) {
    Index sizes;
    for (std::int64_t rank = draw(0, 4); rank > 0; --rank) sizes.push_back(draw(0, 9) == 0 ? 0 : draw(1, 5));
    double next = 0;
    Model m = made(sizes, [&](const Index&) { return next++; });
    Array a = Array::of(m.values, Shape(std::span<const std::int64_t>(sizes)));
    check_same(a, m);
    for (int k = 0; k < 5; ++k) {
      INFO("round " << round << ", step " << k << ", " << to_string(a.shape()));
      step(draw, a, m);
      check_same(a, m);
    }
  }
}

TEST_CASE("a view shares its storage, a copy does not", "[tensor]") {
  const Array a = Array::of(std::vector<float>{0, 1, 2, 3, 4, 5}, {2, 3});
  CHECK(a.t().shares_storage(a));
  CHECK(a.reshape({3, -1}).shares_storage(a));
  CHECK(a.slice(1, 0, 2).shares_storage(a));
  CHECK_FALSE(a.t().reshape({6}).shares_storage(a));
  const Array wide = Array::full({4, 12}, 1), columns = wide.slice(1, 6, 12);
  CHECK(columns.reshape({4, 3, 1, 2}).shares_storage(wide));  // an axis is split where it lies
  CHECK(columns.reshape({2, 2, 6}).shares_storage(wide));
  CHECK_FALSE(columns.reshape({8, 3}).shares_storage(wide));
  CHECK(a.contiguous().same_handle(a));
  CHECK_FALSE(a.clone().shares_storage(a));
  CHECK(a.cast(float32).same_handle(a));
  CHECK(a.is_unique());
  const Array row = a.slice(0, 1, 2);
  CHECK_FALSE(a.is_unique());
  CHECK_FALSE(row.is_unique());
}

TEST_CASE("a view outlives what it is a view of", "[tensor]") {
  Array column;
  {
    const Array a = Array::of(std::vector<float>{0, 1, 2, 3, 4, 5}, {2, 3});
    column = a.t().slice(0, 1, 2);
  }
  CHECK(column.to_vector<double>() == std::vector<double>{1, 4});
}

TEST_CASE("views that are not there", "[tensor]") {
  const Array a = Array::full({4, 3}, 0);
  CHECK(what_of<ShapeError>([&] { a.slice(0, 3, 5); }) == "slice [3, 5) of (4, 3) along axis 0");
  CHECK_THROWS_AS(a.slice(0, 3, 2), ShapeError);
  CHECK_THROWS_AS(a.slice(0, -5, 2), ShapeError);
  CHECK_THROWS_AS(a.slice(2, 0, 1), ShapeError);
  CHECK_THROWS_AS(a.slice(0, 0, 4, 0), ShapeError);
  CHECK_THROWS_AS(a.slice(0, 0, 4, -1), ShapeError);
  CHECK_THROWS_AS(a.slice(0, INT64_MIN, INT64_MAX), ShapeError);
  CHECK(a.slice(0, 0, 4, INT64_MAX).shape() == Shape{1, 3});
  CHECK(a.slice(0, 4, 4).shape() == Shape{0, 3});
  CHECK_THROWS_AS(a.permute(std::vector<int>{0}), ShapeError);
  CHECK_THROWS_AS(a.permute(std::vector<int>{0, 0}), ShapeError);
  CHECK_THROWS_AS(a.permute(std::vector<int>{0, 2}), ShapeError);
  CHECK_THROWS_AS(a.reshape({5, -1}), ShapeError);
  CHECK_THROWS_AS(a.reshape({-1, -1}), ShapeError);
  CHECK_THROWS_AS(a.reshape({0, -1}), ShapeError);
  CHECK_THROWS_AS(Array::make({0, 3}).reshape({0, -1}), ShapeError);  // any size would do
  CHECK(Array::make({0, 3}).reshape({-1, 3}).shape() == Shape{0, 3});
  CHECK_THROWS_AS(a.expand({4}), ShapeError);
  CHECK_THROWS_AS(a.expand({4, 6}), ShapeError);
}

TEST_CASE("an empty handle is refused by whatever is asked of it", "[tensor]") {
  const Array none;
  CHECK_FALSE(none);
  for (const auto& use :
       {+[](const Array& a) { a.shape(); }, +[](const Array& a) { a.clone(); }, +[](const Array& a) { a.t(); },
        +[](const Array& a) { a.data<float>(); }, +[](const Array& a) { a.item(); }, +[](const Array& a) { a.cast(int64); }})
    CHECK_THROWS_AS(use(none), ValueError);
  Array a = Array::scalar(1), b = std::move(a);
  CHECK_THROWS_AS(a.size(), ValueError);  // NOLINT: moved from
  a = b;
  Array& same = a;
  a = same;
  a = std::move(same);
  CHECK(a.item() == 1);
}

TEST_CASE("elements are read in their own type only", "[tensor]") {
  const Array a = Array::full({2}, 1);
  CHECK(what_of<DtypeError>([&] { a.data<double>(); }) == "an array of float32 is read as float64");
  CHECK_THROWS_AS(a.writable<std::int64_t>(), DtypeError);
  CHECK(what_of<ShapeError>([&] { a.item(); }) == "one element is asked for, (2) has 2");
  CHECK_THROWS_AS(Array::make({0}).item(), ShapeError);
}
