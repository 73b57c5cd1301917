// Gradients of tensors of which many operations read a region each: added where they belong, once.

#include <algorithm>
#include <utility>

#include <dz/calculus/gradcheck.hpp>
#include <dz/dz.hpp>
#include <dz/tensor/launch.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

/// The number of elements that kernels write while f runs: as many as the output has, or the largest input where that is smaller (what is added in
/// place to a part of a sum).
template <class F> std::int64_t elements_written(F f) {
  std::int64_t written = 0;
  const auto count = [](void* sum, Launch call) {
    std::int64_t largest = call.inputs.empty() ? call.output.size() : 0;
    for (const Array& a : call.inputs) largest = std::max(largest, a.size());
    *static_cast<std::int64_t*>(sum) += std::min(largest, call.output.size());
  };
  const auto before = std::exchange(dz::detail::listening, {count, &written});
  f();
  dz::detail::listening = before;
  return written;
}

std::vector<double> values(const Tensor& x) { return x.to_vector(); }

/// Regions of x that overlap, beside x as a whole and a broadcast of it.
Tensor mixture(const Tensor& x) {
  const Tensor i = labels({2, 0, 2}), all = tensor(std::vector<std::int64_t>{1, 0, 3, 2, 1, 1}, {2, 3});
  Tensor y = sum(square(slice(x, 1, 0, 3)) * slice(x, 1, 1, 4)) + sum(x * 0.5);
  y = y + sum(exp(slice(x, -1, -3, axis_end, 2))) + sum(square(index_select(x, i, 0)));
  y = y + sum(sin(gather(x, cast(zeros({3, 1}), int64), 1))) + sum(square(slice(slice(x, 0, 1), 1, 1, 2)));
  return y + sum(square(embedding(all, t(x)))) + sum(square(x + slice(x, 0, 1, 2)));
}

}  // namespace

TEST_CASE("regions of one tensor: their gradients add up, of both orders", "[graph]") {
  seed(4);
  const Tensor x = variable(normal({3, 4}, 0, 1, float64));
  const auto check = gradcheck(mixture, x).order(2);
  INFO(to_string(check));
  CHECK(check.passed());
  const std::vector<double> recorded = values(grad(mixture(x), x, {.create_graph = true}));
  const Tensor J = mixture(x);
  backward(J, {.retain = true});
  for (std::size_t i = 0; i < recorded.size(); ++i) CHECK(x.grad().to_vector()[i] == Approx(recorded[i]).epsilon(1e-12));
  const std::vector<double> once = values(x.grad());
  backward(J);
  for (std::size_t i = 0; i < once.size(); ++i) CHECK(x.grad().to_vector()[i] == 2 * once[i]);
}

TEST_CASE("a region is added to no array that somebody else holds", "[graph]") {
  const Tensor a = variable(ones({4}, float64)), b = variable(ones({4}, float64));
  const Tensor seed = full({4}, 3, float64);
  const Tensor first = slice(a, 0, 0, 2);  // recorded before the sum, so reversed after it: a's cotangent is by then the seed itself
  backward(concat({a + b, first}), {.seed = concat({seed, ones({2}, float64)})});
  CHECK(values(a.grad()) == std::vector<double>{4, 4, 3, 3});
  CHECK(values(b.grad()) == std::vector<double>(4, 3));
  const Tensor c = variable(ones({4}, float64)), part = slice(c, 0, 0, 2), whole = c + 0;
  const std::vector<Tensor> g = grad({whole, part}, {c, whole}, {.seeds = {seed, ones({2}, float64)}});
  CHECK(values(g[0]) == std::vector<double>{4, 4, 3, 3});
  CHECK(values(g[1]) == std::vector<double>(4, 3));
  CHECK(values(seed) == std::vector<double>(4, 3));
}

TEST_CASE("the reverse pass of n slices writes a few times their elements, not n times the tensor's", "[graph]") {
  constexpr std::int64_t n = 500;
  const Tensor x = variable(ones({n, 3})), i = variable(ones({n}));
  const auto pieces = [](std::int64_t count, auto piece) {
    Tensor y = piece(0);
    for (std::int64_t k = 1; k < count; ++k) y = y + piece(k);
    return y;
  };
  const std::vector<std::pair<const char*, Tensor>> sums{
      {"slice", pieces(n, [&](std::int64_t k) { return slice(x, 0, k, k + 1); })},
      {"slice along the last axis", pieces(n, [&](std::int64_t k) { return slice(i, 0, k, k + 1); })},
      {"slice of a slice", pieces(n - 1, [&, inner = slice(x, 0, 1)](std::int64_t k) { return slice(inner, 0, k, k + 1); })},
      {"index_select", pieces(n, [&](std::int64_t k) { return index_select(x, labels({k}), 0); })},
      {"gather", pieces(n, [&](std::int64_t k) { return gather(x, cast(full({1, 3}, static_cast<double>(k)), int64), 0); })},
      {"embedding", pieces(n, [&](std::int64_t k) { return embedding(labels({k}), x); })}};
  for (const auto& [name, y] : sums) {
    INFO(name);
    const std::int64_t written = elements_written([&, y = y] { backward(y, {.seed = ones_like(y)}); });
    CHECK(written <= 10 * 3 * n);
  }
  CHECK(values(i.grad()) == std::vector<double>(n, 1));
}
