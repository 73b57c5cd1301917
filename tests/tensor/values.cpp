// Conversions between all element types, writing in place, and the write clock.

#include <cmath>
#include <limits>

#include <dz/dz.hpp>

#include "tests/ops/refusal.hpp"
#include "tests/support/support.hpp"

using namespace dz;
using dz::test::what_of;

namespace {

constexpr Dtype all_dtypes[] = {float32, float64, int64, uint8, boolean};

/// What convert() is documented to do, in long double.
long double expected(long double v, Dtype to) {
  if (to == boolean) return v != 0;
  if (to == float32) return static_cast<float>(v);
  if (to == float64) return static_cast<double>(v);
  if (std::isnan(v)) return 0;
  const long double low = to == uint8 ? 0 : -0x1p63L, high = to == uint8 ? 255 : 0x1p63L - 1;
  return std::trunc(std::clamp(v, low, high));
}

}  // namespace

TEST_CASE("casts between all element types", "[tensor]") {
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<double> values{0,   -0.0, 1,     2,    200,   255,  255.5, 256, 300,  -1,          -0.5,
                                   0.5, 1e10, -1e10, 1e19, -1e19, 1e30, -1e30, inf, -inf, std::nan("")};
  for (const Dtype from : {float32, float64})
    for (const Dtype to : all_dtypes) {
      const Array a = Array::of(values, {values.size()}).cast(from), b = a.cast(to);
      CHECK(b.dtype() == to);
      visit_dtype(to, [&]<class T>(std::type_identity<T>) {
        for (std::int64_t i = 0; i < a.size(); ++i) {
          const long double given =
              from == float32 ? static_cast<long double>(a.data<float>()[i]) : static_cast<long double>(a.data<double>()[i]);
          const long double right = expected(given, to), got = static_cast<long double>(b.data<T>()[i]);
          INFO(static_cast<double>(given) << " from " << name(from) << " to " << name(to) << ": " << static_cast<double>(got));
          CHECK((got == right || (std::isnan(got) && std::isnan(right))));
        }
      });
    }
  // Integers that fit stay what they are; those that do not wrap.
  const Array i = Array::of(std::vector<std::int64_t>{0, 1, 255, 256, -1, INT64_MAX}, {6});
  CHECK(i.cast(uint8).to_vector<double>() == std::vector<double>{0, 1, 255, 0, 255, 255});
  CHECK(i.cast(boolean).to_vector<double>() == std::vector<double>{0, 1, 1, 1, 1, 1});
  CHECK(i.cast(float64).to_vector<double>()[5] == 0x1p63);
  CHECK(i.cast(uint8).cast(int64).cast(float32).to_vector<float>() == std::vector<float>{0, 1, 255, 0, 255, 255});
  for (const Dtype from : all_dtypes)
    for (const Dtype to : all_dtypes) CHECK(Array::full({3, 0}, 1, from).cast(to).shape() == Shape{3, 0});
}

TEST_CASE("filling and reading convert in the same way", "[tensor]") {
  CHECK(Array::full({2}, 300, uint8).to_vector<double>() == std::vector<double>{255, 255});
  CHECK(Array::full({1}, -1e300, int64).item<std::int64_t>() == INT64_MIN);
  CHECK(Array::scalar(std::nan(""), uint8).item() == 0);
  CHECK(Array::scalar(0.5, boolean).item() == 1);
  CHECK(Array::scalar(1e20).item<std::int64_t>() == INT64_MAX);
  CHECK(Array::scalar(-3.7).item<int>() == -3);
  CHECK(Array::scalar(1e20).item<int>() == INT32_MAX);
  CHECK(Array::scalar(-1).item<unsigned>() == 0);
}

TEST_CASE("large integers are read exactly", "[tensor]") {
  const std::int64_t n = (std::int64_t{1} << 53) + 1;
  CHECK(labels({n}).item<std::int64_t>() == n);
  CHECK(labels({n}).to_vector<std::int64_t>()[0] == n);
  CHECK(labels({INT64_MAX}).item<std::int64_t>() == INT64_MAX);
}

TEST_CASE("assign copies values, broadcast and cast, into the storage that others see", "[tensor]") {
  Tensor a = zeros({2, 3});
  const Tensor other = a, column = a.t();
  a.assign(tensor({1, 2, 3}, {1, 3}, float64));
  CHECK(other.to_vector() == std::vector<double>{1, 2, 3, 1, 2, 3});
  CHECK(column.to_vector() == std::vector<double>{1, 1, 2, 2, 3, 3});
  a.assign(full({}, 7));
  CHECK(other.to_vector() == std::vector<double>(6, 7));
  Tensor part(a.value().slice(1, 0, 3, 2));
  part.assign(tensor({1, 2, 3, 4}, {2, 2}));
  CHECK(other.to_vector() == std::vector<double>{1, 7, 2, 3, 7, 4});
  Tensor count = zeros({2}, uint8);
  count.assign(tensor({-5, 1000}, {2}));
  CHECK(count.to_vector() == std::vector<double>{0, 255});
}

TEST_CASE("assign from an overlapping view takes the old values", "[tensor]") {
  for (const std::int64_t n : {3, 64, 300}) {
    Tensor a = reshape(arange(0, static_cast<double>(n * n), 1, float64), {n, n});
    const std::vector<double> turned = a.t().to_vector();
    a.assign(a.t());
    CHECK(a.to_vector() == turned);
  }
  Tensor x = arange(0, 10);
  Tensor tail(x.value().slice(0, 1, 10)), head(x.value().slice(0, 0, 9));
  tail.assign(head);
  CHECK(x.to_vector() == std::vector<double>{0, 0, 1, 2, 3, 4, 5, 6, 7, 8});
  x.assign(x);
  CHECK(x.to_vector()[9] == 8);
  Tensor square = reshape(arange(0, 4), {2, 2});
  square.assign(Tensor(square.value().slice(0, 1, 2)));  // its own second row
  CHECK(square.to_vector() == std::vector<double>{2, 3, 2, 3});
}

TEST_CASE("assign refuses what does not fit and changes nothing, with the user's line", "[tensor]") {
  Tensor a = ones({2, 3});
  const int line = __LINE__ + 1;
  const std::string what = what_of<ShapeError>([&] { a.assign(ones({3, 2})); });
  CHECK(what == "[assign] cannot expand (3, 2) to (2, 3), at values.cpp:" + std::to_string(line));
  CHECK_THROWS_AS(a.assign(ones({6})), ShapeError);
  CHECK_THROWS_AS(a.assign(Tensor()), ValueError);
  CHECK_THROWS_AS(Tensor().assign(a), ValueError);
  Tensor wide = expand(zeros({1, 3}), {4, 3});
  CHECK(what_of<ShapeError>([&] { wide.assign(ones({4, 3})); }).starts_with("[assign] an expanded array (4, 3) repeats its elements"));
  CHECK(wide.to_vector() == std::vector<double>(12, 0));
  CHECK(a.to_vector() == std::vector<double>(6, 1));
  Tensor empty = zeros({0, 3});
  empty.assign(ones({1, 3}));
  CHECK(empty.size() == 0);
}

TEST_CASE("the write clock: a derivative reads what it saved, or throws", "[tensor]") {
  Tensor x = variable(tensor({2, 3}, {2}, float64));
  Tensor part(x.value().slice(0, 0, 1));
  const Tensor saved = square(x), unread = x + 1, result = exp(x);
  part.assign(full({1}, 9, float64));  // through a view of the same storage
  CHECK_THROWS_AS(grad(sum(saved), x), GraphError);
  CHECK(grad(sum(unread), x).to_vector() == std::vector<double>{1, 1});
  CHECK(grad(sum(result), x).to_vector()[0] == Approx(std::exp(2.0)));       // reads its output, not x
  CHECK(grad(sum(square(x)), x).to_vector() == std::vector<double>{18, 6});  // recorded after the write
  Tensor output = exp(x);
  const Tensor J = sum(output);
  output.assign(zeros({2}, float64));
  CHECK_THROWS_AS(grad(J, x), GraphError);
}

TEST_CASE("values read outside a derivative are always the present ones", "[tensor]") {
  Tensor x = variable(ones({2}));
  const Tensor y = x * x;
  x.assign(full({2}, 5));
  CHECK(x.to_vector() == std::vector<double>{5, 5});
  CHECK(y.to_vector() == std::vector<double>{1, 1});
  CHECK_THROWS_AS(backward(sum(y)), GraphError);
  CHECK(x.to_vector() == std::vector<double>{5, 5});  // the limit is gone with the pass
}

TEST_CASE("a derivative may write in place what it made itself", "[tensor]") {
  const auto shifted = [](In x) {  // x without its first element
    return record(
        "tail", [](const Array& v) { return v.slice(0, 1, v.size(0)); }, wrt(x, [n = x.size()](const Tensor& dy) {
          Tensor dx = zeros({n}, dy.dtype());
          Tensor(dx.value().slice(0, 1, n)).assign(dy);
          return dx * 1;
        }));
  };
  const Tensor x = variable(tensor({1, 2, 3}, {3}, float64));
  backward(sum(square(shifted(x))));
  CHECK(x.grad().to_vector() == std::vector<double>{0, 4, 6});
  // What others saved before is protected all the same.
  Tensor w = variable(ones({2}, float64));
  const auto meddling = [&w](In v) {
    return record(
        "meddling", [](const Array& a) { return a.clone(); }, wrt(v, [&w](const Tensor& dy) {
          w.assign(full({2}, 3, float64));
          return dy;
        }));
  };
  const Tensor J = sum(meddling(w * w));
  CHECK_THROWS_AS(backward(J), GraphError);
}
