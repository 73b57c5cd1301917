// Products and convolutions in bfloat16: their values and gradients, how far the guard reaches, and machines without it.

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <thread>

#include <dz/dz.hpp>
#include <dz/tensor/force.hpp>
#include <dz/tensor/kernels/kernels.hpp>

#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::test;

namespace {

#define DZ_NEEDS_BFLOAT16 \
  if (!unsupported(bfloat16).empty()) DZ_SKIP(std::string(unsupported(bfloat16)))

/// The nearest bfloat16, of two as near the even one; as float32.
Tensor rounded(const Tensor& x) {
  std::vector<float> v = x.to_vector<float>();
  for (float& f : v) {
    std::uint32_t bits;
    std::memcpy(&bits, &f, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    std::memcpy(&f, &bits, sizeof bits);
  }
  return tensor(v, x.shape());
}

std::vector<float> floats(const Tensor& x) { return x.to_vector<float>(); }

/// How far `got` is from `expected`, per root mean square of what is expected.
double distance(const Tensor& got, const Tensor& expected) {
  REQUIRE(got.shape() == expected.shape());
  REQUIRE(got.dtype() == float32);
  const std::vector<double> a = got.to_vector(), b = expected.to_vector();
  double apart = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    apart = std::max(apart, std::abs(a[i] - b[i]));
    size += b[i] * b[i];
  }
  return apart / std::sqrt(size / static_cast<double>(b.size()));
}

/// f of the operands rounded beforehand, in float32, is f of the operands under autocast, but for float32's rounding of sums; and f of the
/// operands in float32 is as near as bfloat16's 8 bits allow.
void check_rounds(const std::function<Tensor(const Tensor&, const Tensor&)>& f, const Tensor& a, const Tensor& b) {
  const Tensor full = f(a, b), expected = f(rounded(a), rounded(b));
  const auto guard = autocast(bfloat16);
  const Tensor got = f(a, b);
  CHECK(distance(got, expected) < 2e-5);
  CHECK(distance(got, full) > 1e-5);
  CHECK(distance(got, full) < 0x1p-5);
}

struct Network {
  Conv2d first{3, 16, 3, {.padding = 1}};
  Linear hidden{8 * 8 * 16, 64}, output{64, 10};
  Tensor operator()(In x) const { return output(hidden(reshape(first(x, relu), {x.size(0), 8 * 8 * 16}), relu)); }
};
BOOST_DESCRIBE_STRUCT(Network, (), (first, hidden, output))

}  // namespace

TEST_CASE("under autocast a product is that of operands rounded to bfloat16, in every layout", "[graph]") {
  DZ_NEEDS_BFLOAT16;
  Generator g(3);
  const force::Size loop(loop_product, 0), packs(pack_product, 0), tiles(tile_product, 0), side(tile_side, 0), dot(dot_terms, std::numeric_limits<std::int64_t>::max());
  for (const auto& [m, k, n] : {std::tuple{16, 16, 16}, {7, 33, 5}, {1, 65, 40}, {33, 70, 1}, {64, 47, 17}, {130, 128, 96}, {200, 1000, 30}, {20, 30, 1100}, {33, 2001, 40}}) {
    INFO("(" << m << ", " << k << ") x (" << k << ", " << n << ")");
    const auto product = [](const Tensor& a, const Tensor& b) { return matmul(a, b); };
    check_rounds(product, normal({m, k}, 0, 1, float32, g), normal({k, n}, 0, 1, float32, g));
    check_rounds([](const Tensor& a, const Tensor& b) { return matmul(a.t(), b); }, normal({k, m}, 0, 1, float32, g), normal({k, n}, 0, 1, float32, g));
    check_rounds([](const Tensor& a, const Tensor& b) { return matmul(a, b.t()); }, normal({m, k}, 0, 1, float32, g), normal({n, k}, 0, 1, float32, g));
    check_rounds([](const Tensor& a, const Tensor& b) { return matmul(slice(a, 1, 2, a.size(1) - 1), slice(b, 1, 1, b.size(1), 2)); }, normal({m, k + 3}, 0, 1, float32, g),
                 normal({k, 2 * n + 1}, 0, 1, float32, g));
    const Tensor bias = normal({n}, 0, 1, float32, g);
    check_rounds([&](const Tensor& x, const Tensor& w) { return linear(x, w, bias); }, normal({m, k}, 0, 1, float32, g), normal({n, k}, 0, 1, float32, g));
  }
  check_rounds([](const Tensor& a, const Tensor& b) { return matmul(a, b); }, normal({3, 20, 30}, 0, 1, float32, g), normal({1, 30, 40}, 0, 1, float32, g));
}

TEST_CASE("under autocast the three maps of a convolution round their operands to bfloat16", "[graph]") {
  DZ_NEEDS_BFLOAT16;
  Generator g(5);
  const force::Size tiles(tile_product, 0), side(tile_side, 0);
  for (const Conv2dOptions& o : {Conv2dOptions{.padding = 1}, Conv2dOptions{.stride = {1, 2}}, Conv2dOptions{.padding = {2, 1}, .dilation = 2}, Conv2dOptions{.stride = 2, .padding = 2, .dilation = {1, 2}},
                                 Conv2dOptions{.padding = 1, .groups = 2}}) {
    for (const auto& [in, out] : {std::pair{2, 2}, {16, 32}, {6, 10}, {2, 64}, {40, 6}}) {
      INFO(in << " to " << out << " channels, " << o.groups << " groups, stride " << o.stride.columns << ", dilation " << o.dilation.rows);
      const Tensor x = normal({3, 9, 11, in}, 0, 1, float32, g), w = normal({out, in / o.groups, 3, 3}, 0, 1, float32, g), b = normal({out}, 0, 1, float32, g);
      const Tensor dy = normal(conv2d(x, w, o).shape(), 0, 1, float32, g);
      check_rounds([&](const Tensor& x, const Tensor& w) { return conv2d(x, w, o); }, x, w);
      check_rounds([&](const Tensor& x, const Tensor& w) { return conv2d(x, w, b, o); }, x, w);
      check_rounds([&](const Tensor& dy, const Tensor& w) { return conv2d_by_input(dy, w, {9, 11}, o); }, dy, w);
      check_rounds([&](const Tensor& dy, const Tensor& x) { return conv2d_by_kernel(dy, x, {3, 3}, o); }, dy, x);
    }
  }
}

TEST_CASE("under autocast attention rounds what it multiplies to bfloat16", "[graph]") {
  DZ_NEEDS_BFLOAT16;
  Generator g(6);
  for (const auto& [t, s, d, e] : {std::tuple{1, 1, 1, 1}, {5, 7, 4, 3}, {64, 64, 32, 32}, {33, 90, 17, 5}, {20, 700, 40, 70}})
    for (const bool causal : {false, true}) {
      INFO(t << " queries, " << s << " keys, widths " << d << " and " << e << (causal ? ", causal" : ""));
      const Tensor q = variable(normal({3, t, d}, 0, 1, float32, g)), k = variable(normal({3, s, d}, 0, 1, float32, g)), v = variable(normal({3, s, e}, 0, 1, float32, g)), dy = normal({3, t, e}, 0, 1, float32, g);
      const auto run = [&](bool casts) {
        const auto guard = autocast(bfloat16, casts);
        const Tensor y = attention(q, k, v, {.causal = causal});
        std::vector<Tensor> all = grad({y}, {q, k, v}, {.seeds = {dy}});
        all.push_back(y);
        return all;
      };
      const std::vector<Tensor> full = run(false), got = run(true);
      for (std::size_t i = 0; i < full.size(); ++i) {
        if (s == 1 && i < 2) continue;  // gradients by the one score there is are 0
        const double apart = sum(square(got[i] - full[i])).item() / sum(square(full[i])).item();
        CHECK(apart > 1e-10);
        CHECK(apart < 0x1p-14);
      }
    }
}

TEST_CASE("what was recorded under autocast is reversed in bfloat16, what was not in float32, wherever backward is called", "[graph]") {
  DZ_NEEDS_BFLOAT16;
  Generator g(7);
  const force::Size packs(pack_product, 0), tiles(tile_product, 0);
  const Tensor x = variable(normal({40, 50}, 0, 1, float32, g)), w = variable(normal({50, 60}, 0, 1, float32, g)), dy = normal({40, 60}, 0, 1, float32, g);
  const auto product = [&](bool casts) {
    const auto guard = autocast(bfloat16, casts);
    return matmul(x, w);
  };
  const auto gradient = [&](bool forward, bool reverse) {
    const Tensor y = product(forward);
    const auto guard = autocast(bfloat16, reverse);
    return grad(y, w, {.seeds = {dy}});
  };
  const Tensor full = matmul(x.detach().t(), dy), cast = matmul(rounded(x.detach().t()), rounded(dy));
  for (const bool reverse : {false, true}) {
    CHECK(floats(gradient(false, reverse)) == floats(full));
    CHECK(distance(gradient(true, reverse), cast) < 2e-5);
    CHECK(distance(gradient(true, reverse), full) > 1e-5);
  }
  // A derivative's own record, for a second order, is as its operation's.
  const Tensor first = grad(product(true), x, {.create_graph = true, .seeds = {variable(dy)}});
  const Tensor second = grad(first, w, {.seeds = {x.detach()}});
  CHECK(distance(second, matmul(rounded(x.detach().t()), rounded(dy))) < 2e-5);
  // A checkpoint computes its inside again as it was computed first.
  const auto recomputed = [&] {
    const auto guard = autocast(bfloat16);
    return checkpoint([&](In v) { return matmul(v, w); }, x);
  }();
  CHECK(distance(grad(recomputed, w, {.seeds = {dy}}), cast) < 2e-5);
}

TEST_CASE("a guard reaches to its end, also by an exception, on its own thread", "[graph]") {
  DZ_NEEDS_BFLOAT16;
  const auto casts = [] { return product_precision() == Precision::bfloat16; };
  CHECK_FALSE(casts());
  {
    const auto outer = autocast(bfloat16);
    CHECK(casts());
    {
      const auto inner = autocast(bfloat16, false);
      CHECK_FALSE(casts());
      const auto again = autocast(bfloat16);
      CHECK(casts());
    }
    CHECK(casts());
    bool other = true;
    std::thread([&] { other = casts(); }).join();
    CHECK_FALSE(other);
    CHECK_THROWS_AS(
        [&] {
          const auto inner = autocast(bfloat16, false);
          matmul(zeros({2, 3}), zeros({2, 3}));
        }(),
        ShapeError);
    CHECK(casts());
    // The reverse pass of what was recorded without, and one that fails, leave it as it was.
    const Tensor z = [] {
      const auto none = autocast(bfloat16, false);
      return hook(variable(full({2}, 1)) * 2, [](const Tensor&) -> Tensor { throw ValueError("within"); });
    }();
    CHECK_THROWS_AS(backward(sum(z)), ValueError);
    CHECK(casts());
  }
  CHECK_FALSE(casts());
}

TEST_CASE("autocast leaves float64 and small products as they are", "[graph]") {
  Generator g(11);
  const Tensor a = normal({150, 150}, 0, 1, float64, g), b = normal({150, 150}, 0, 1, float64, g), c = normal({8, 8}, 0, 1, float32, g);
  const std::vector<double> large = matmul(a, b).to_vector(), small = matmul(c, c).to_vector();
  const auto guard = autocast(bfloat16);
  CHECK(matmul(a, b).to_vector() == large);
  CHECK(matmul(c, c).to_vector() == small);
}

TEST_CASE("a machine without bfloat16 says so and computes in float32", "[graph]") {
  const force::InstructionSet older(Isa::avx2);
  CHECK(unsupported(bfloat16).find("no bfloat16 instructions") != std::string_view::npos);
  Generator g(13);
  const Tensor a = variable(normal({150, 150}, 0, 1, float32, g)), b = normal({150, 150}, 0, 1, float32, g), x = normal({2, 8, 8, 16}, 0, 1, float32, g), w = normal({16, 16, 3, 3}, 0, 1, float32, g);
  const auto all = [&] {
    std::vector<float> v = floats(matmul(a, b));
    for (const Tensor& t : {conv2d(x, w), grad(sum(matmul(a, b)), a)})
      for (const float f : floats(t)) v.push_back(f);
    return v;
  };
  const std::vector<float> before = all();
  const auto guard = autocast(bfloat16);
  CHECK(all() == before);
}

TEST_CASE("a network under autocast learns as in float32, its parameters and gradients float32", "[graph]") {
  DZ_NEEDS_BFLOAT16;
  const auto train = [](bool casts) {
    seed(17);
    Network model;
    Adam adam;
    const Tensor x = normal({64, 8, 8, 3}), y = labels(std::vector<std::int64_t>(64, 3));
    double loss = 0;
    for (int i = 0; i < 10; ++i) {
      const auto guard = autocast(bfloat16, casts);
      const Tensor J = cross_entropy(model(x), y);
      backward(J);
      CHECK(J.dtype() == float32);
      CHECK(model.hidden.weight.grad().dtype() == float32);
      adam.step(model);
      loss = J.item();
    }
    return loss;
  };
  const double full = train(false), cast = train(true);
  CHECK(cast != full);
  CHECK(cast == Approx(full).epsilon(0.02));
}
