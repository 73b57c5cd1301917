// Shapes, joining and indexing against values written out, and what they refuse.

#include <cmath>
#include <limits>

#include <dz/dz.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

using Values = std::vector<double>;

Tensor counted(const Shape& shape) { return reshape(arange(0, static_cast<double>(shape.volume())), shape); }

template <class F> void check_says(F f, const std::string& words) {
  try {
    f();
    FAIL_CHECK("no exception");
  } catch (const Error& e) {
    INFO(e.what());
    CHECK(std::string(e.what()).find(words) != std::string::npos);
    CHECK(std::string(e.what()).find("indexing.cpp:") != std::string::npos);
  }
}

}  // namespace

TEST_CASE("views: permuted, sliced, squeezed", "[ops][shape]") {
  const Tensor x = counted({2, 3, 2});
  CHECK(permute(x, {2, 0, 1}).to_vector() == Values{0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11});
  CHECK(permute(x, {-1, 0, 1}).shape() == Shape{2, 2, 3});
  CHECK(permute(x, {2, 0, 1}).value().shares_storage(x.value()));
  CHECK(slice(x, 1, 1).to_vector() == Values{2, 3, 4, 5, 8, 9, 10, 11});
  CHECK(slice(x, 1, 0, axis_end, 2).to_vector() == Values{0, 1, 4, 5, 6, 7, 10, 11});
  CHECK(slice(x, -2, -2, -1).to_vector() == Values{2, 3, 8, 9});
  CHECK(slice(x, 0, 1, 1).shape() == Shape{0, 3, 2});
  CHECK(slice(x, 1, 1).value().shares_storage(x.value()));
  CHECK(squeeze(counted({1, 3, 1})).shape() == Shape{3});
  CHECK(squeeze(counted({1, 3, 1}), 0).shape() == Shape{3, 1});
  CHECK(unsqueeze(counted({3}), 0).shape() == Shape{1, 3});
  CHECK(unsqueeze(counted({3}), -1).shape() == Shape{3, 1});
  CHECK(unsqueeze(full({}, 2), 0).shape() == Shape{1});
  CHECK(flip(x, 1).to_vector() == Values{4, 5, 2, 3, 0, 1, 10, 11, 8, 9, 6, 7});
  CHECK(flip(counted({2, 2})).to_vector() == Values{3, 2, 1, 0});
  CHECK(place(counted({2, 2}), {2, 4}, 1, 1, 2).to_vector() == Values{0, 0, 0, 1, 0, 2, 0, 3});
  check_says([&] { slice(x, 1, 2, 5); }, "[slice] slice [2, 5) of (2, 3, 2) along axis 1");
  check_says([&] { squeeze(x, 1); }, "axis 1 of (2, 3, 2) is not of size 1");
  check_says([&] { permute(x, {0, 0, 1}); }, "axis 0 given twice");
}

TEST_CASE("joining: concat, stack, split, pad, roll, repeat, triangles", "[ops][shape]") {
  const Tensor a = counted({2, 2}), b = counted({2, 1});
  CHECK(concat({a, b}, 1).to_vector() == Values{0, 1, 0, 2, 3, 1});
  CHECK(concat({a, a}).shape() == Shape{4, 2});
  CHECK(concat({labels({1, 2}), labels({3})}).to_vector() == Values{1, 2, 3});
  CHECK(stack({a, a * 10}, -1).to_vector() == Values{0, 0, 1, 10, 2, 20, 3, 30});
  CHECK(stack({a, a}).shape() == Shape{2, 2, 2});
  const auto parts = split(counted({2, 5}), {2, 0, 3}, -1);
  CHECK(parts[0].to_vector() == Values{0, 1, 5, 6});
  CHECK(parts[1].shape() == Shape{2, 0});
  CHECK(parts[2].to_vector() == Values{2, 3, 4, 7, 8, 9});
  CHECK(chunk(counted({6}), 3)[1].to_vector() == Values{2, 3});
  CHECK(pad(a, {{.axis = 1, .before = 1, .after = 2}}, 9).to_vector() == Values{9, 0, 1, 9, 9, 9, 2, 3, 9, 9});
  CHECK(roll(counted({5}), 2, 0).to_vector() == Values{3, 4, 0, 1, 2});
  CHECK(roll(counted({5}), -1, 0).to_vector() == Values{1, 2, 3, 4, 0});
  CHECK(roll(counted({5}), 10, 0).to_vector() == Values{0, 1, 2, 3, 4});
  CHECK(repeat(counted({2, 2}), 2, 1).to_vector() == Values{0, 1, 0, 1, 2, 3, 2, 3});
  CHECK(repeat(counted({2}), 0, 0).shape() == Shape{0});
  CHECK(tril(ones({2, 3})).to_vector() == Values{1, 0, 0, 1, 1, 0});
  CHECK(triu(ones({2, 3}), 1).to_vector() == Values{0, 1, 1, 0, 0, 1});
  CHECK(tril(full({2, 2}, std::nan(""))).to_vector()[1] == 0);
  CHECK(diag(counted({2})).to_vector() == Values{0, 0, 0, 1});
  CHECK(diag(counted({2, 3})).to_vector() == Values{0, 4});
  check_says([&] { concat({}); }, "nothing to put together");
  check_says([&] { concat({a, counted({3, 3})}, 1); }, "the other sizes differ");
  check_says([&] { concat({a, cast(a, float64)}); }, "float32 meets float64");
  check_says([&] { split(a, {1, 2}, 1); }, "pieces of 1, 2 do not fill axis 1 of (2, 2)");
  check_says([&] { chunk(a, 3); }, "in 3 equal pieces");
  check_says([&] { pad(a, {{.axis = 1, .before = -1}}); }, "a border of -1 and 0");
  check_says([&] { pad(a, {{.axis = 1, .before = std::numeric_limits<std::int64_t>::max()}}); }, "beyond 2^63");
}

TEST_CASE("pieces of a split give their cotangents back in place", "[ops][shape]") {
  const Tensor x = variable(counted({2, 4}));
  const auto parts = split(x, {1, 3}, 1);
  backward(sum(parts[1] * 2));  // nothing arrives for the first
  CHECK(x.grad().to_vector() == Values{0, 2, 2, 2, 0, 2, 2, 2});
}

TEST_CASE("indexing: rows, elements, repeated indices add up", "[ops][indexing]") {
  const Tensor x = counted({2, 3});
  CHECK(index_select(x, labels({2, 0, 2}), 1).to_vector() == Values{2, 0, 2, 5, 3, 5});
  CHECK(index_scatter(x, labels({1, 1, 0}), 2, 1).to_vector() == Values{2, 1, 5, 7});
  CHECK(gather(x, reshape(labels({2, 0}), {2, 1}), 1).to_vector() == Values{2, 3});
  CHECK(take_along(x, reshape(labels({1, 1, 0}), {3, 1}), 0).to_vector() == Values{3, 4, 5, 3, 4, 5, 0, 1, 2});
  CHECK(scatter(x, reshape(labels({0, 0, 1, 1, 0, 1}), {2, 3}), 2, 1).to_vector() == Values{1, 2, 4, 8});
  CHECK(scatter_add(ones({2, 2}), reshape(labels({0, 0}), {2, 1}), full({2, 1}, 5), 1).to_vector() == Values{6, 1, 6, 1});
  CHECK(masked_fill(x, equal(x, 4), -1).to_vector() == Values{0, 1, 2, 3, -1, 5});
  CHECK(one_hot(labels({1, 0}), 3).to_vector() == Values{0, 1, 0, 1, 0, 0});
  const Tensor table = variable(counted({4, 2}));
  const Tensor rows = embedding(reshape(labels({3, 1, 3, 3}), {2, 2}), table);
  CHECK(rows.shape() == Shape{2, 2, 2});
  CHECK(rows.to_vector() == Values{6, 7, 2, 3, 6, 7, 6, 7});
  backward(sum(rows));
  CHECK(table.grad().to_vector() == Values{0, 0, 1, 1, 0, 0, 3, 3});
  check_says([&] { index_select(x, labels({0, 3}), 1); }, "[index_select] index 3 (element 1 of (2)) is outside [0, 3)");
  check_says([&] { index_select(x, labels({-1}), 1); }, "index -1");
  check_says([&] { embedding(labels({4}), table); }, "index 4");
  check_says([&] { gather(x, ones({2, 1}), 1); }, "indices are int64, got float32");
}

TEST_CASE("sorting: stable, a NaN last, gradients go where the values came from", "[ops][indexing]") {
  const double nan = std::nan("");
  const Tensor x = tensor({3, 1, nan, 1, 2}, {5});
  CHECK(argsort(x).to_vector() == Values{1, 3, 4, 0, 2});
  CHECK(argsort(x, 0, true).to_vector() == Values{2, 0, 4, 1, 3});
  CHECK(sort(labels({3, 1, 2})).values.to_vector() == Values{1, 2, 3});
  const Sorted two = topk(tensor({3, 1, 4, 1, 5, 9}, {2, 3}), 2);
  CHECK(two.values.to_vector() == Values{4, 3, 9, 5});
  CHECK(two.indices.to_vector() == Values{2, 0, 2, 1});
  CHECK(topk(tensor({3, 1, 4}, {3}), 2, 0, false).values.to_vector() == Values{1, 3});
  const Tensor v = variable(tensor({3, 1, 2}, {3}));
  backward(sum(sort(v).values * tensor({1, 10, 100}, {3})));
  CHECK(v.grad().to_vector() == Values{100, 1, 10});
  check_says([&] { topk(x, 6); }, "[topk] 6 of 5 elements along axis 0 of (5)");
}

TEST_CASE("large selections are the same on every path", "[ops][indexing]") {
  seed(8);
  const Tensor table = normal({300, 70}), at = Tensor(kernels::permutation(300, default_generator()));
  const Tensor picked = index_select(table, at), back = index_scatter(picked, at, 300);
  CHECK(back.to_vector() == table.to_vector());
  const Tensor wide = normal({3, 40000});
  const Tensor order = argsort(wide, 1);
  const Values sorted = gather(wide, order, 1).to_vector();
  for (std::size_t r = 0; r < 3; ++r) CHECK(std::is_sorted(sorted.begin() + static_cast<std::ptrdiff_t>(r * 40000), sorted.begin() + static_cast<std::ptrdiff_t>((r + 1) * 40000)));
  CHECK(scatter(gather(wide, order, 1), order, 40000, 1).to_vector() == wide.to_vector());
}
