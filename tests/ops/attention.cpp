#include <dz/ops/attention.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include <dz/calculus/catch.hpp>
#include <dz/dz.hpp>
#include <dz/tensor/force.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

using Values = std::vector<double>;
constexpr double inf = std::numeric_limits<double>::infinity();

/// (heads, t, d), (heads, s, d), (heads, s, e); penalty(h, i, j) is added to a score. Plain loops for the value and the three gradients.
struct Plain {
  Values y, dq, dk, dv;
};
template <class Penalty>
Plain plain_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& dy, double scale, Penalty penalty) {
  const auto n = [](const Tensor& x, int axis) { return static_cast<std::size_t>(x.size(axis)); };
  const std::size_t heads = n(q, 0), t = n(q, 1), s = n(k, 1), d = n(q, 2), e = n(v, 2);
  const Values Q = q.to_vector(), K = k.to_vector(), V = v.to_vector(), G = dy.to_vector();
  Plain r{Values(heads * t * e), Values(Q.size()), Values(K.size()), Values(V.size())};
  for (std::size_t h = 0; h < heads; ++h)
    for (std::size_t i = 0; i < t; ++i) {
      Values p(s), g(s);
      double largest = -inf, total = 0, along = 0;
      for (std::size_t j = 0; j < s; ++j) {
        for (std::size_t c = 0; c < d; ++c) p[j] += scale * Q[(h * t + i) * d + c] * K[(h * s + j) * d + c];
        largest = std::max(largest, p[j] += penalty(h, i, j));
      }
      if (largest == -inf) continue;  // nothing is allowed
      for (double& x : p) total += x = std::exp(x - largest);
      for (std::size_t j = 0; j < s; ++j) {
        p[j] /= total;
        for (std::size_t c = 0; c < e; ++c) {
          r.y[(h * t + i) * e + c] += p[j] * V[(h * s + j) * e + c];
          r.dv[(h * s + j) * e + c] += p[j] * G[(h * t + i) * e + c];
          g[j] += V[(h * s + j) * e + c] * G[(h * t + i) * e + c];
        }
        along += p[j] * g[j];
      }
      for (std::size_t j = 0; j < s; ++j)
        for (std::size_t c = 0; c < d; ++c) {
          r.dq[(h * t + i) * d + c] += scale * p[j] * (g[j] - along) * K[(h * s + j) * d + c];
          r.dk[(h * s + j) * d + c] += scale * p[j] * (g[j] - along) * Q[(h * t + i) * d + c];
        }
    }
  return r;
}

void check_close(const Tensor& got, const Values& expected, double tolerance) {
  const Values v = got.to_vector();
  REQUIRE(v.size() == expected.size());
  double apart = 0;
  for (std::size_t i = 0; i < v.size(); ++i)
    apart = std::isnan(v[i]) ? HUGE_VAL : std::max(apart, std::abs(v[i] - expected[i]) / std::max(1.0, std::abs(expected[i])));
  CHECK(apart <= tolerance);
}

}  // namespace

TEST_CASE("attention and its gradients are the plain loops', recorded or not", "[attention]") {
  seed(41);
  struct Sizes {
    std::int64_t heads, t, s, d, e;
  };
  for (const Sizes& z : {Sizes{1, 1, 1, 1, 1}, Sizes{6, 5, 7, 4, 3}, Sizes{3, 70, 70, 8, 8}, Sizes{2, 33, 90, 16, 5}, Sizes{70, 3, 4, 2, 2},
                         Sizes{2, 20, 1100, 3, 2}})
    for (bool causal : {false, true})
      for (int masked = 0; masked < 3; ++masked)
        for (Dtype dtype : {float32, float64}) {
          INFO(z.heads << " heads, " << z.t << " queries, " << z.s << " keys, width " << z.d << " and " << z.e << (causal ? ", causal" : "")
                       << ", mask " << masked << " in " << name(dtype));
          const Tensor q = variable(normal({z.heads, z.t, z.d}, 0, 1, dtype)), k = variable(normal({z.heads, z.s, z.d}, 0, 1, dtype)),
                       v = variable(normal({z.heads, z.s, z.e}, 0, 1, dtype)), dy = normal({z.heads, z.t, z.e}, 0, 1, dtype);
          Tensor mask;
          if (masked == 1) mask = cast(bernoulli({z.heads, z.t, z.s}, 0.5), boolean);
          if (masked == 2) mask = normal({1, z.t, z.s}, 0, 1, dtype);
          const Values m = mask ? mask.to_vector() : Values();
          const AttentionOptions options{.causal = causal, .mask = mask, .scale = causal ? std::optional(0.7) : std::nullopt};
          const Plain expected = plain_attention(
              q, k, v, dy, causal ? 0.7 : 1 / std::sqrt(static_cast<double>(z.d)), [&](std::size_t h, std::size_t i, std::size_t j) {
                if (causal && static_cast<std::int64_t>(j) > static_cast<std::int64_t>(i) + z.s - z.t) return -inf;
                const std::size_t at = i * static_cast<std::size_t>(z.s) + j;
                return masked == 0 ? 0.0 : masked == 2 ? m[at] : m[h * static_cast<std::size_t>(z.t * z.s) + at] != 0 ? 0.0 : -inf;
              });
          const double tolerance = dtype == float64 ? 1e-12 : 1e-5;
          for (bool record : {false, true}) {
            const Tensor y = attention(q, k, v, options);
            check_close(y, expected.y, tolerance);
            const auto g = grad({y}, {q, k, v}, {.create_graph = record, .seeds = {dy}});
            check_close(g[0], expected.dq, tolerance);
            check_close(g[1], expected.dk, tolerance);
            check_close(g[2], expected.dv, tolerance);
          }
        }
}

TEST_CASE("gradients of attention, and theirs", "[attention][gradcheck]") {
  seed(42);
  const Tensor q = normal({2, 2, 3, 2}), k = normal({2, 2, 4, 2}), v = normal({2, 2, 4, 3}), mask = normal({1, 2, 3, 4});
  CHECK_THAT(gradcheck([](In q, In k, In v) { return attention(q, k, v); }, q, k, v).order(2), Passes());
  CHECK_THAT(gradcheck([](In q, In k, In v) { return attention(q, k, v, {.causal = true}); }, q, k, v).order(2), Passes());
  CHECK_THAT(gradcheck([&](In q, In k, In v) { return attention(q, k, v, {.mask = mask}); }, q, k, v).order(2), Passes());
  CHECK_THAT(gradcheck([](In q, In k, In v, In m) { return attention(q, k, v, {.causal = true, .mask = m}); }, q, k, v, mask).order(2),
             Passes());
  CHECK_THAT(gradcheck([](In x) { return attention(x, x, x); }, normal({3, 4})).order(2), Passes());
}

TEST_CASE("attention of tokens among themselves is that of their queries, keys and values, by heads", "[attention]") {
  seed(44);
  const auto by_heads = [](const Tensor& x, int i, std::int64_t heads) {
    const std::int64_t width = x.size(2) / 3;
    return permute(reshape(slice(x, 2, i * width, (i + 1) * width), {x.size(0), x.size(1), heads, width / heads}), {0, 2, 1, 3});
  };
  struct Sizes {
    std::int64_t m, t, heads, width;
  };
  for (const Sizes& z : {Sizes{1, 1, 1, 1}, Sizes{2, 5, 3, 4}, Sizes{3, 70, 2, 8}, Sizes{2, 33, 1, 40}})
    for (const bool causal : {false, true})
      for (const Dtype dtype : {float32, float64}) {
        INFO(z.m << " samples of " << z.t << " tokens, " << z.heads << " heads of " << z.width << (causal ? ", causal, in " : ", in ") << name(dtype));
        const Tensor x = variable(normal({z.m, z.t, 3 * z.heads * z.width}, 0, 1, dtype)), dy = normal({z.m, z.t, z.heads * z.width}, 0, 1, dtype), mask = variable(normal({1, z.heads, z.t, z.t}, 0, 1, dtype));
        const auto parts = [&](const Tensor& mask) {
          const Tensor y = attention(by_heads(x, 0, z.heads), by_heads(x, 1, z.heads), by_heads(x, 2, z.heads), {.causal = causal, .mask = mask, .scale = 0.6});
          return reshape(permute(y, {0, 2, 1, 3}), {z.m, z.t, z.heads * z.width});
        };
        const auto at_once = [&](const Tensor& mask) { return self_attention(x, z.heads, {.causal = causal, .mask = mask, .scale = 0.6}); };
        for (const Tensor& given : {Tensor(), mask.detach()}) {
          CHECK(at_once(given).to_vector() == parts(given).to_vector());
          CHECK(grad(at_once(given), x, {.seeds = {dy}}).to_vector() == grad(parts(given), x, {.seeds = {dy}}).to_vector());
        }
        const auto of_both = grad({at_once(mask)}, {x, mask}, {.seeds = {dy}}), expected = grad({parts(mask)}, {x, mask}, {.seeds = {dy}});
        for (std::size_t i = 0; i < 2; ++i) check_close(of_both[i], expected[i].to_vector(), dtype == float64 ? 1e-12 : 1e-5);
      }
  CHECK(self_attention(zeros({0, 3, 12}), 2).shape() == Shape{0, 3, 4});
  CHECK(self_attention(zeros({2, 0, 12}), 2).shape() == Shape{2, 0, 4});
  const Tensor x = normal({2, 3, 12}), mask = normal({2, 2, 3, 3});
  CHECK_THAT(gradcheck([](In x) { return self_attention(x, 2, {.causal = true}); }, x).order(2), Passes());
  CHECK_THAT(gradcheck([](In x, In m) { return self_attention(x, 2, {.mask = m}); }, x, mask).order(2), Passes());
}

TEST_CASE("a query that may attend to nothing gives zeros, and its gradients are zeros", "[attention]") {
  const Tensor none = tensor({0, 0, 1, 0}, {2, 2}), boolean_mask = cast(none, boolean), added = where(boolean_mask, 0, full({2, 2}, -inf));
  for (const Tensor& mask : {boolean_mask, added})
    for (bool record : {false, true}) {
      const Tensor q = variable(normal({2, 3})), k = variable(normal({2, 3})), v = variable(normal({2, 3}));
      const Tensor y = attention(q, k, v, {.mask = mask});
      const Values rows = y.to_vector(), first = v.to_vector();
      CHECK(rows == Values{0, 0, 0, first[0], first[1], first[2]});
      for (const Tensor& g : grad({sum(y)}, {q, k}, {.create_graph = record}))
        for (double x : g.to_vector()) CHECK(x == 0);
    }
}

TEST_CASE("keys far below the highest score weigh what exp gives them, down to the least normal number, and then nothing", "[attention]") {
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    const force::InstructionSet forced(isa);
    for (const Dtype dtype : {float32, float64}) {
      const double low = dtype == float32 ? -87.2 : -708.2;
      Values scores(33, 10 * low);
      scores[0] = 0, scores[3] = low, scores[17] = low - 0.5;
      const Tensor k = cast(tensor(scores, {33, 1}), dtype);
      const Values y = attention(ones({1, 1}, dtype), k, eye(33, dtype), {.scale = 1}).to_vector();
      CHECK(std::abs(y[3] / std::exp(k.to_vector()[3]) - 1) < (dtype == float32 ? 1e-6 : 1e-14));
      CHECK(y[17] == 0);
      CHECK(y[32] == 0);
      CHECK(y[0] == 1);
    }
  }
}

TEST_CASE("attention of views, of nothing, and in one axis less or more", "[attention]") {
  seed(43);
  for (Dtype dtype : {float32, float64}) {
    const Tensor qkv = normal({2, 5, 3, 4, 8}, 0, 1, dtype);  // (m, tokens, 3, heads, width), as one dense layer gives them
    const auto part = [&](int i) { return Tensor(qkv.value().slice(2, i, i + 1).reshape({2, 5, 4, 8}).permute(std::array{0, 2, 1, 3})); };
    const auto view = [&](int i) { return Tensor(qkv.value().permute(std::array{2, 0, 3, 1, 4}).slice(0, i, i + 1)); };
    const Tensor plain = attention(part(0), part(1), part(2), {.causal = true});
    CHECK(attention(view(0), view(1), view(2), {.causal = true}).to_vector() == plain.to_vector());
    const Tensor odd(normal({2, 4, 8, 5}, 0, 1, dtype).value().t()), copy(odd.value().clone());
    CHECK(attention(odd, odd, odd).to_vector() == attention(copy, copy, copy).to_vector());
    const Tensor repeated(normal({1, 1, 5, 8}, 0, 1, dtype).value().expand({2, 4, 5, 8}));
    CHECK(attention(part(0), repeated, repeated).to_vector() ==
          attention(part(0), Tensor(repeated.value().clone()), Tensor(repeated.value().clone())).to_vector());
  }
  const auto shape_of = [](const Shape& q, const Shape& k, const Shape& v) { return attention(zeros(q), zeros(k), zeros(v)).shape(); };
  CHECK(shape_of({0, 3, 2}, {0, 4, 2}, {0, 4, 5}) == Shape{0, 3, 5});
  CHECK(shape_of({2, 0, 2}, {2, 4, 2}, {2, 4, 5}) == Shape{2, 0, 5});
  CHECK(shape_of({2, 3, 2}, {2, 4, 2}, {2, 4, 0}) == Shape{2, 3, 0});
  CHECK(attention(zeros({3, 2}), zeros({0, 2}), zeros({0, 5})).to_vector() == Values(15, 0));
  CHECK(attention(zeros({1, 0}), zeros({2, 0}), tensor({1, 3}, {2, 1})).item() == 2);
  const Tensor q = variable(zeros({2, 3})), k = variable(zeros({0, 3}));
  CHECK(grad(sum(attention(q, k, k)), q).to_vector() == Values(6, 0));
}

TEST_CASE("a NaN among the scores stays one", "[attention]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (Dtype dtype : {float32, float64}) {
    const Values y = attention(tensor({nan, 1}, {2, 1}, dtype), ones({40, 1}, dtype), ones({40, 1}, dtype)).to_vector();
    CHECK(std::isnan(y[0]));
    CHECK(y[1] == Approx(1));
  }
}

TEST_CASE("a graph with attention can be examined", "[attention]") {
  const auto guard = checked();
  const Tensor x = variable(normal({2, 3, 4}));
  CHECK_THAT(check_graph(sum(square(attention(x, x, x, {.causal = true})))), Passes());
}

TEST_CASE("attention that does not fit is refused with shapes and line", "[attention]") {
  const auto message = [](auto f) -> std::string {
    try {
      f();
    } catch (const ShapeError& e) {
      return e.what();
    }
    return "no ShapeError";
  };
  const Tensor q = zeros({2, 3, 4}), k = zeros({2, 5, 4}), v = zeros({2, 5, 6});
  const int line = __LINE__ + 1;
  const std::string narrow = message([&] { return attention(q, zeros({2, 5, 3}), v); });
  CHECK(narrow ==
        "[attention] queries and keys differ in width: q (2, 3, 4), k (2, 5, 3), v (2, 5, 6), at attention.cpp:" + std::to_string(line));
  const auto refuses = [&](auto f, const char* reason) {
    const std::string what = message(f);
    INFO(what);
    CHECK(what.find(reason) != std::string::npos);
    CHECK(what.find("at attention.cpp:") != std::string::npos);
  };
  refuses([&] { return attention(zeros({4}), k, v); }, "of one rank");
  refuses([&] { return attention(zeros({3, 3, 4}), k, v); }, "the axes before the last two differ");
  refuses([&] { return attention(q, k, zeros({2, 4, 6})); }, "keys and values differ in number");
  refuses([&] { return attention(k, q, zeros({2, 3, 6}), {.causal = true}); }, "at least as many keys as queries");
  refuses(
      [&] {
        return attention(q, k, v, {.mask = cast(zeros({3, 5}), boolean)});
      },
      "the mask does not broadcast to (…, t, s): q (2, 3, 4), k (2, 5, 4), v (2, 5, 6), mask (3, 5)");
  refuses([&] { return attention(q, k, v, {.mask = variable(zeros({2, 3, 4}))}); }, "the mask does not broadcast");
  refuses([&] { return self_attention(zeros({2, 3, 12}), 3); }, "their width one of 3 equal heads: got (2, 3, 12)");
  refuses([&] { return self_attention(zeros({2, 3, 12}), 0); }, "their width one of 0 equal heads");
  refuses([&] { return self_attention(zeros({3, 12}), 2); }, "got (3, 12)");
  refuses([&] { return self_attention(zeros({2, 3, 12}), 2, {.mask = zeros({2, 1, 3, 4})}); }, "the mask does not broadcast");
  CHECK_THROWS_AS(attention(q, cast(k, float64), v), DtypeError);
  CHECK_THROWS_AS(attention(q, k, v, {.mask = cast(zeros({1, 3, 5}), int64)}), DtypeError);
}
