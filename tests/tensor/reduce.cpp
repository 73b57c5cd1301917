// Sums, largest elements and their indices against loops, over random axes and layouts; how accurate long sums are.

#include <cmath>
#include <numeric>

#include <dz/dz.hpp>
#include <dz/tensor/kernels/kernels.hpp>

#include "tests/support/support.hpp"
#include "tests/tensor/threads.hpp"

using namespace dz;
using namespace dz::test;

namespace {

struct Reduced {
  std::vector<double> sum, size, max;
};

/// By a loop over all elements in row order.
Reduced by_loop(const Array& a, std::uint32_t mask) {
  const auto volume = static_cast<std::size_t>(reduced(a.shape(), mask, false).volume());
  Reduced r{std::vector<double>(volume), std::vector<double>(volume), std::vector<double>(volume, -INFINITY)};
  const std::vector<double> x = a.to_vector<double>();
  for (std::size_t k = 0; k < x.size(); ++k) {
    auto rest = static_cast<std::int64_t>(k);
    std::int64_t to = 0, step = 1;
    for (int i = a.rank(); i-- > 0; rest /= a.size(i))
      if (!(mask >> i & 1)) {
        to += rest % a.size(i) * step;
        step *= a.size(i);
      }
    const auto t = static_cast<std::size_t>(to);
    r.sum[t] += x[k];
    r.size[t] += std::abs(x[k]);
    r.max[t] = std::max(r.max[t], x[k]);
  }
  return r;
}

void check_reductions(const Array& a, std::uint32_t mask) {
  const Reduced right = by_loop(a, mask);
  for (const bool keepdims : {false, true}) {
    const Array s = kernels::sum(a, mask, keepdims);
    REQUIRE(s.shape() == reduced(a.shape(), mask, keepdims));
    const std::vector<double> got = s.to_vector<double>();
    bool fine = true;
    for (std::size_t i = 0; i < got.size(); ++i)
      fine &= is_floating(a.dtype()) ? std::abs(got[i] - right.sum[i]) <= (a.dtype() == float32 ? 0x1p-22 : 0x1p-48) * right.size[i]
                                     : got[i] == right.sum[i];
    REQUIRE(fine);
    if (a.size() > 0) REQUIRE(kernels::max(a, mask, keepdims).to_vector<double>() == right.max);
  }
}

}  // namespace

TEST_CASE("reductions over random axes, shapes and layouts are those of a loop", "[tensor]") {
  Generator g(41);
  const auto below = [&](std::int64_t n) { return kernels::uniform({}, 0, static_cast<double>(n), float64, g).item<std::int64_t>(); };
  for (int round = 0; round < 300; ++round) {
    Shape shape;
    for (std::int64_t rank = below(5); rank > 0; --rank) shape.append(below(12) == 0 ? 0 : 1 + below(round % 10 == 0 ? 40 : 6));
    const Dtype dtype = below(2) ? float32 : float64;
    Array a = kernels::normal(shape, 0, 1, dtype, g);
    std::vector<int> axes(static_cast<std::size_t>(a.rank()));
    std::iota(axes.begin(), axes.end(), 0);
    for (std::size_t i = axes.size(); i > 1; --i)
      std::swap(axes[i - 1], axes[static_cast<std::size_t>(below(static_cast<std::int64_t>(i)))]);
    if (below(2)) a = a.permute(axes);
    if (below(2) && a.rank() > 0 && a.size(0) > 1) a = a.slice(0, 1, a.size(0), 2);
    const auto mask = static_cast<std::uint32_t>(below(1 << a.rank()));
    INFO("round " << round << ": " << to_string(a.shape()) << ", axes " << mask);
    check_reductions(a, mask);
    if (round % 5 == 0) check_reductions(kernels::mul(a, Array::number(50)).cast(int64), mask);
    if (round % 5 == 1) check_reductions(kernels::abs(kernels::mul(a, Array::number(50))).cast(uint8), mask);
    if (round % 5 == 2) check_reductions(kernels::less(a, Array::number(0)), mask);
  }
}

TEST_CASE("reductions of expanded arrays", "[tensor]") {
  const Array a = Array::of(std::vector<double>{1, 2, 3}, {1, 3, 1}).expand({4, 3, 5});
  for (std::uint32_t mask = 0; mask < 8; ++mask) check_reductions(a, mask);
}

TEST_CASE("sum_to undoes every broadcast", "[tensor]") {
  Generator g(43);
  const Array a = kernels::normal({3, 4, 5}, 0, 1, float64, g);
  for (std::uint32_t mask = 0; mask < 8; ++mask) {
    const Shape to = reduced(a.shape(), mask, true);
    const std::vector<double> got = kernels::sum_to(a, to).to_vector<double>(), right = by_loop(a, mask).sum;
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == Approx(right[i]).margin(1e-13));
  }
  CHECK(kernels::sum_to(a, {}).item() == Approx(by_loop(a, 7).sum[0]));
  CHECK_THROWS_AS(kernels::sum_to(a, {4, 5}), ShapeError);
}

TEST_CASE("argmax against a loop, the first of equals", "[tensor]") {
  Generator g(47);
  const Array a = kernels::mul(kernels::uniform({6, 7, 8}, 0, 4, float32, g).cast(int64).cast(float32), Array::number(1));
  for (int axis = 0; axis < 3; ++axis)
    for (const Array& x : {a, a.permute(std::vector<int>{2, 0, 1})}) {
      const Array index = kernels::argmax(x, axis);
      const std::vector<double> largest = kernels::max(x, 1u << axis, false).to_vector<double>();
      std::size_t k = 0;
      std::vector<double> found, before;
      for (const std::int64_t i : index.to_vector<std::int64_t>()) {
        // Walks to the k-th of the other two axes.
        const int first = axis == 0 ? 1 : 0, second = axis == 2 ? 1 : 2;
        const auto n = static_cast<std::size_t>(x.size(second));
        const auto row = static_cast<std::int64_t>(k / n), column = static_cast<std::int64_t>(k % n);
        const Array line = x.slice(first, row, row + 1).slice(second, column, column + 1);
        const std::vector<double> v = line.to_vector<double>();
        CHECK(v[static_cast<std::size_t>(i)] == largest[k]);
        for (std::int64_t j = 0; j < i; ++j) CHECK(v[static_cast<std::size_t>(j)] < largest[k]);
        ++k;
      }
    }
}

TEST_CASE("long float32 sums are accurate", "[tensor]") {
  const std::int64_t n = 10'000'000;
  CHECK(kernels::sum(Array::full({n}, 1), 1, false).item() == 1e7);
  const double tenth = static_cast<double>(0.1f);
  CHECK(std::abs(kernels::sum(Array::full({n}, 0.1), 1, false).item() / (tenth * 1e7) - 1) < 1e-6);
  const Array rows = Array::full({2, n / 2}, 0.1);
  for (double v : kernels::sum(rows, 2, false).to_vector<double>()) CHECK(std::abs(v / (tenth * 5e6) - 1) < 1e-6);
  for (double v : kernels::sum(rows.reshape({n / 2, 2}), 1, false).to_vector<double>()) CHECK(std::abs(v / (tenth * 5e6) - 1) < 1e-6);
  CHECK(mean(full({n}, 0.1)).item() == Approx(tenth).epsilon(1e-6));
  // Large values that cancel within a block of the sum cost no more than their own rounding.
  CHECK(kernels::sum(Array::of(std::vector<float>{1e8f, 1, -1e8f, 1}, {4}), 1, false).item() == 2);
}

TEST_CASE("kernels give the same on one thread and on two", "[tensor]") {
  const auto all = [](int threads) {
    const LoopThreads limit(threads);
    Generator g(53);
    const Array a = kernels::normal({700, 301}, 0, 1, float32, g);
    std::vector<Array> results{kernels::sum(a, 3, false),
                               kernels::sum(a, 1, false),
                               kernels::sum(a, 2, false),
                               kernels::max(a, 2, false),
                               kernels::softmax(a, 1),
                               kernels::exp(a),
                               kernels::add(a, a.slice(0, 3, 4)),
                               kernels::mul(a.t(), a.t()),
                               a.t().clone(),
                               a.cast(int64),
                               kernels::less(a, Array::number(0)),
                               kernels::log_softmax(a, 0)};
    std::vector<std::vector<double>> values;
    for (const Array& r : results) values.push_back(r.to_vector<double>());
    return values;
  };
  CHECK(all(1) == all(2));
}
