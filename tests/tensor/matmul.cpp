// Products of matrices against a triple loop, over random shapes and layouts, through every path (loop, packs, BLAS, tiles, dot products).

#include <cmath>
#include <limits>

#include <dz/dz.hpp>
#include <dz/tensor/force.hpp>
#include <dz/tensor/kernels/kernels.hpp>

#include "tests/support/support.hpp"
#include "tests/tensor/threads.hpp"

using namespace dz;

namespace {

/// The same matrix in memory in another way.
Array laid_out(const Array& a, int layout) {
  const std::int64_t rows = a.size(0), columns = a.size(1);
  if (layout == 1) return a.t().clone().t();
  if (layout == 2 || layout == 3) {  // a part of a larger one; every second column of it
    const int step = layout == 2 ? 1 : 2;
    Array large = Array::full({rows + 2, columns * step + 3}, std::numeric_limits<double>::quiet_NaN(), a.dtype());
    Array part = large.slice(0, 1, rows + 1).slice(1, 2, 2 + columns * step, step);
    part.assign(a);
    return part;
  }
  if (layout == 4) return laid_out(a.t().clone(), 3).t();
  return a;
}

/// c = a·b in double, and what rounding may add up to.
void check_product(const Array& a, const Array& b, const Array& c) {
  const std::int64_t m = a.size(0), k = a.size(1), n = b.size(1);
  REQUIRE(c.shape() == Shape{m, n});
  REQUIRE(c.dtype() == a.dtype());
  const std::vector<double> x = a.to_vector<double>(), y = b.to_vector<double>(), z = c.to_vector<double>();
  const double unit = a.dtype() == float32 ? 0x1p-23 : 0x1p-52;
  bool right = true;
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0, size = 0;
      for (std::int64_t l = 0; l < k; ++l) {
        const double p = x[static_cast<std::size_t>(i * k + l)] * y[static_cast<std::size_t>(l * n + j)];
        sum += p;
        size += std::abs(p);
      }
      right &= std::abs(z[static_cast<std::size_t>(i * n + j)] - sum) <= unit * (std::sqrt(static_cast<double>(k)) + 2) * size;
    }
  REQUIRE(right);
}

Array random_matrix(std::int64_t rows, std::int64_t columns, Dtype dtype, Generator& g) {
  return kernels::uniform({rows, columns}, -1, 1, dtype, g);
}

}  // namespace

TEST_CASE("products of random shapes and layouts are those of a triple loop", "[tensor]") {
  Generator g(23);
  const auto pick = [&](std::initializer_list<std::int64_t> of) {
    const auto i = kernels::uniform({}, 0, static_cast<double>(of.size()), float64, g).item<std::int64_t>();
    return of.begin()[i];
  };
  for (int round = 0; round < 300; ++round) {
    const std::int64_t m = pick({0, 1, 1, 2, 3, 8, 17, 33, 64}), n = pick({0, 1, 1, 2, 5, 8, 19, 40, 70}),
                       k = pick({0, 1, 1, 3, 4, 16, 31, 50, 65});
    const int la = static_cast<int>(pick({0, 1, 2, 3, 4})), lb = static_cast<int>(pick({0, 1, 2, 3, 4}));
    const Dtype dtype = pick({0, 1}) ? float32 : float64;
    INFO("(" << m << ", " << k << ") layout " << la << " x (" << k << ", " << n << ") layout " << lb << " " << name(dtype));
    const Array a = laid_out(random_matrix(m, k, dtype, g), la), b = laid_out(random_matrix(k, n, dtype, g), lb);
    check_product(a, b, kernels::matmul(a, b));
  }
}

TEST_CASE("large products, in all layouts", "[tensor]") {
  Generator g(29);
  const std::int64_t shapes[][3] = {{120, 100, 110}, {1, 2000, 700}, {2000, 700, 1}, {1500, 1, 900}, {300, 5, 1200}, {7, 3000, 60}};
  for (const auto& [m, k, n] : shapes)
    for (int la = 0; la < 5; ++la)
      for (const Dtype dtype : {float32, float64}) {
        INFO("(" << m << ", " << k << ") layout " << la << " x (" << k << ", " << n << ") layout " << 4 - la << " " << name(dtype));
        const Array a = laid_out(random_matrix(m, k, dtype, g), la), b = laid_out(random_matrix(k, n, dtype, g), 4 - la);
        check_product(a, b, kernels::matmul(a, b));
      }
}

TEST_CASE("every way of a large float32 product, at sizes around its tiles", "[tensor]") {
  Generator g(43);
  const force::Size loop(loop_product, 0), packs(pack_product, 0), tiles(tile_product, 0), side(tile_side, 0), grain(elementwise_grain, 8);
  for (const std::int64_t terms : {std::int64_t{1}, std::int64_t{1} << 40})
    for (const int count : {1, 2, 3, 4}) {
      const force::Size dot(dot_terms, terms);
      const force::Threads threads(count);
      for (const auto& [m, k, n] : {std::tuple{1, 1, 1}, {4, 16, 5}, {3, 15, 4}, {5, 17, 6}, {9, 4095, 24}, {2, 4097, 7}, {70, 8200, 21}, {64, 40, 64}, {17, 300, 1100}, {300, 257, 33}, {33, 2001, 40}})
        for (const int layout : {0, 1, 2}) {
          INFO("(" << m << ", " << k << ") layout " << layout << " x (" << k << ", " << n << "), dot from " << terms << ", " << count << " threads");
          const Array a = laid_out(random_matrix(m, k, float32, g), layout), b = laid_out(random_matrix(n, k, float32, g), layout).t();
          check_product(a, b, kernels::matmul(a, b));
        }
    }
}

TEST_CASE("a product over no terms is 0 at any size", "[tensor]") {
  for (const Dtype dtype : {float32, float64})
    for (const std::int64_t m : {1, 5, 700, 1500}) {
      { const Array dirty = Array::full({m, 900}, std::numeric_limits<double>::quiet_NaN(), dtype); }  // what its memory may hold
      const Array c = kernels::matmul(Array::make({m, 0}, dtype), Array::make({0, 900}, dtype));
      CHECK(c.shape() == Shape{m, 900});
      bool zero = true;
      for (double v : c.to_vector<double>()) zero &= v == 0;
      CHECK(zero);
    }
}

TEST_CASE("operands with steps of 0 (expanded) multiply", "[tensor]") {
  Generator g(31);
  for (const std::int64_t size : {3, 40, 200}) {
    const Array b = random_matrix(size, size, float32, g);
    for (const Array& a : {random_matrix(1, size, float32, g).expand({size, size}), random_matrix(size, 1, float32, g).expand({size, size}),
                           kernels::uniform({}, 0, 1, float32, g).expand({size, size})}) {
      check_product(a, b, kernels::matmul(a, b));
      check_product(b, a, kernels::matmul(b, a));
    }
    const Array column = random_matrix(1, 1, float32, g).expand({size, 1}), row = random_matrix(1, size, float32, g);
    check_product(column, row, kernels::matmul(column, row));
  }
}

TEST_CASE("batches multiply one by one, broadcast", "[tensor]") {
  Generator g(37);
  for (const Dtype dtype : {float32, float64})
    for (const auto& [left, right] :
         {std::pair<Shape, Shape>{{4, 2, 3}, {4, 3, 5}}, {{1, 2, 3}, {4, 3, 5}}, {{4, 20, 30}, {1, 30, 25}}, {{0, 2, 3}, {1, 3, 5}}}) {
      const Array a = kernels::uniform(left, -1, 1, dtype, g), b = kernels::uniform(right, -1, 1, dtype, g);
      for (const bool turned : {false, true}) {
        const Array x = turned ? a.t().clone().t() : a;
        const Array c = kernels::matmul(x, b);
        for (std::int64_t i = 0; i < c.size(0); ++i) {
          const auto of = [&](const Array& v) {
            return v.slice(0, v.size(0) == 1 ? 0 : i, v.size(0) == 1 ? 1 : i + 1).reshape({v.size(1), v.size(2)});
          };
          check_product(of(x), of(b), of(c));
        }
      }
    }
  const Array a = kernels::uniform({2, 1, 3, 4}, -1, 1, float64, g), b = kernels::uniform({1, 5, 4, 2}, -1, 1, float64, g);
  const Array c = kernels::matmul(a, b);
  CHECK(c.shape() == Shape{2, 5, 3, 2});
  check_product(a.slice(0, 1, 2).reshape({3, 4}), b.slice(1, 3, 4).reshape({4, 2}), c.slice(0, 1, 2).slice(1, 3, 4).reshape({3, 2}));
}

TEST_CASE("an infinity or a NaN in an operand reaches its row and column only", "[tensor]") {
  for (const std::int64_t size : {4, 40, 130})
    for (const Dtype dtype : {float32, float64}) {
      Array a = Array::full({size, size}, 1, dtype);
      a.slice(0, 2, 3).slice(1, 1, 2).assign(Array::scalar(std::numeric_limits<double>::quiet_NaN()));
      const Array b = Array::full({size, size}, 1, dtype);
      const std::vector<double> c = kernels::matmul(a, b).to_vector<double>();
      bool right = true;
      for (std::int64_t i = 0; i < size * size; ++i) right &= std::isnan(c[static_cast<std::size_t>(i)]) == (i / size == 2);
      CHECK(right);
    }
}
