// Random numbers: the published answers, repetition, moments.

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <thread>

#include <dz/dz.hpp>

#include "tests/ops/refusal.hpp"
#include "tests/support/support.hpp"
#include "tests/tensor/threads.hpp"

using namespace dz;
using namespace dz::test;

namespace {

using Words = std::array<std::uint32_t, 4>;

/// Philox 4x32-10, written out after Salmon et al., section 3.3.
Words philox(Words c, std::uint32_t k0, std::uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = 0xD2511F53ull * c[0], b = 0xCD9E8D57ull * c[2];
    c = {static_cast<std::uint32_t>(b >> 32) ^ c[1] ^ k0, static_cast<std::uint32_t>(b), static_cast<std::uint32_t>(a >> 32) ^ c[3] ^ k1,
         static_cast<std::uint32_t>(a)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

Generator at(std::uint64_t key, std::uint64_t position) {
  Generator g(key);
  g.position = position;
  return g;
}

struct Moments {
  double mean, variance, skewness, kurtosis;
};

Moments moments_of(const std::vector<double>& x) {
  const auto n = static_cast<double>(x.size());
  double mean = 0, m2 = 0, m3 = 0, m4 = 0;
  for (double v : x) mean += v / n;
  for (double v : x) {
    const double d = v - mean;
    m2 += d * d / n, m3 += d * d * d / n, m4 += d * d * d * d / n;
  }
  return {mean, m2, m3 / std::pow(m2, 1.5), m4 / (m2 * m2)};
}

}  // namespace

TEST_CASE("Philox gives Random123's known answers", "[tensor]") {
  // The lines "philox4x32 10" of Random123's kat_vectors.
  CHECK(philox({0, 0, 0, 0}, 0, 0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const std::uint32_t f = 0xffffffff;
  CHECK(philox({f, f, f, f}, f, f) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0xa4093822, 0x299f31d0) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});

  // A generator's numbers are these words: 24 bits of each, or 53 of two.
  for (const auto& [key, position] : {std::pair<std::uint64_t, std::uint64_t>{0, 0}, {1, 2}, {0x299f31d0a4093822, 0x85a308d3243f6a88}}) {
    Generator g = at(key, position);
    const std::vector<float> u = uniform({8}, 0, 1, float32, g).to_vector<float>();
    CHECK(g.position == position + 2);
    for (std::uint64_t block = 0; block < 2; ++block) {
      const std::uint64_t c = position + block;
      const Words w = philox({static_cast<std::uint32_t>(c), static_cast<std::uint32_t>(c >> 32), 0, 0}, static_cast<std::uint32_t>(key),
                             static_cast<std::uint32_t>(key >> 32));
      for (std::size_t i = 0; i < 4; ++i) CHECK(u[block * 4 + i] == static_cast<float>(w[i] >> 8) * 0x1p-24f);
      Generator h = at(key, c);
      const std::vector<double> d = uniform({2}, 0, 1, float64, h).to_vector();
      for (std::size_t i = 0; i < 2; ++i)
        CHECK(d[i] == static_cast<double>((static_cast<std::uint64_t>(w[2 * i]) << 32 | w[2 * i + 1]) >> 11) * 0x1p-53);
    }
  }
}

TEST_CASE("random numbers are the same on one thread and on two, and copies repeat", "[tensor]") {
  const auto all = [](int threads, Dtype dtype) {
    const LoopThreads limit(threads);
    Generator g(9);
    std::vector<double> v = uniform({100'003}, -1, 2, dtype, g).to_vector();
    for (const Tensor& t : {normal({77'777}, 0, 1, dtype, g), bernoulli({50'001}, 0.3, dtype, g), cast(permutation(1000, g), dtype)}) {
      const std::vector<double> more = t.to_vector();
      v.insert(v.end(), more.begin(), more.end());
    }
    v.push_back(static_cast<double>(g.position));
    return v;
  };
  for (const Dtype dtype : {float32, float64}) CHECK(all(1, dtype) == all(2, dtype));
  Generator g(5);
  normal({3}, 0, 1, float32, g);
  Generator copy = g, other(6);
  CHECK(normal({10}, 0, 1, float32, g).to_vector() == normal({10}, 0, 1, float32, copy).to_vector());
  CHECK(normal({10}, 0, 1, float32, g).to_vector() != normal({10}, 0, 1, float32, other).to_vector());
}

TEST_CASE("consecutive draws do not overlap, and a longer draw begins like a shorter one", "[tensor]") {
  Generator g(3), h(3);
  const std::vector<float> a = uniform({5}, 0, 1, float32, g).to_vector<float>(), b = uniform({5}, 0, 1, float32, g).to_vector<float>();
  for (float x : a) CHECK(std::find(b.begin(), b.end(), x) == b.end());
  const std::vector<float> longer = uniform({50}, 0, 1, float32, h).to_vector<float>();
  CHECK(std::equal(a.begin(), a.end(), longer.begin()));
  Generator before = g;
  uniform({0}, 0, 1, float32, g);
  CHECK(g.position == before.position);
}

TEST_CASE("seed restarts the thread's own generator", "[tensor]") {
  const Generator before = default_generator();
  seed(42);
  const std::vector<double> first = normal({4}).to_vector();
  seed(42);
  CHECK(normal({4}).to_vector() == first);
  std::vector<double> elsewhere;
  std::thread([&] {
    seed(42);
    elsewhere = normal({4}).to_vector();
  }).join();
  CHECK(elsewhere == first);
  default_generator() = before;
}

TEST_CASE("uniform: moments, range and spread", "[tensor]") {
  for (const Dtype dtype : {float32, float64}) {
    Generator g(1);
    const std::vector<double> x = uniform({400'000}, 0, 1, dtype, g).to_vector();
    const Moments m = moments_of(x);
    CHECK(std::abs(m.mean - 0.5) < 5 * std::sqrt(1.0 / 12 / 4e5));
    CHECK(std::abs(m.variance - 1.0 / 12) < 1e-3);
    CHECK(*std::min_element(x.begin(), x.end()) >= 0);
    CHECK(*std::max_element(x.begin(), x.end()) < 1);
    std::array<double, 100> bins{};
    for (double v : x) bins[static_cast<std::size_t>(v * 100)] += 1;
    double chi = 0;
    for (double b : bins) chi += (b - 4000) * (b - 4000) / 4000;
    CHECK(chi < 99 + 5 * std::sqrt(2 * 99.0));
  }
  Generator g(2);
  const float low = 1, high = std::nextafter(1.0f, 2.0f);  // two floats apart by one step: only the lower may come
  for (float v : uniform({1000}, low, high, float32, g).to_vector<float>()) CHECK(v == low);
  for (double v : uniform({10}, 3, 3, float64, g).to_vector()) CHECK(v == 3);
}

TEST_CASE("normal: moments and tails", "[tensor]") {
  for (const Dtype dtype : {float32, float64}) {
    Generator g(1);
    const std::vector<double> x = normal({400'000}, 2, 3, dtype, g).to_vector();
    const Moments m = moments_of(x);
    CHECK(std::abs(m.mean - 2) < 5 * 3 / std::sqrt(4e5));
    CHECK(std::abs(m.variance / 9 - 1) < 5 * std::sqrt(2 / 4e5));
    CHECK(std::abs(m.skewness) < 5 * std::sqrt(6 / 4e5));
    CHECK(std::abs(m.kurtosis - 3) < 5 * std::sqrt(24 / 4e5));
    double beyond = 0;
    for (double v : x) {
      CHECK_FALSE(!std::isfinite(v));
      beyond += std::abs(v - 2) > 9;
    }
    CHECK(std::abs(beyond / 4e5 - 0.0026998) < 5 * std::sqrt(0.0027 / 4e5));
  }
  Generator g(1);
  for (double v : normal({5}, 7, 0, float32, g).to_vector()) CHECK(v == 7);
}

TEST_CASE("bernoulli: certain at 0 and 1, of the right frequency between", "[tensor]") {
  Generator g(8);
  CHECK(sum(bernoulli({100'000}, 0, float32, g)).item() == 0);
  CHECK(sum(bernoulli({100'000}, 1, float32, g)).item() == 100'000);
  for (const double p : {0.01, 0.5, 0.9})
    CHECK(std::abs(mean(bernoulli({400'000}, p, float64, g)).item() - p) < 5 * std::sqrt(p * (1 - p) / 4e5));
}

TEST_CASE("a permutation is one, and all of them come", "[tensor]") {
  Generator g(4);
  for (const std::int64_t n : {0, 1, 2, 1000}) {
    std::vector<std::int64_t> p = permutation(n, g).to_vector<std::int64_t>();
    std::sort(p.begin(), p.end());
    for (std::int64_t i = 0; i < n; ++i) CHECK(p[static_cast<std::size_t>(i)] == i);
  }
  std::array<int, 27> seen{};
  for (int i = 0; i < 6000; ++i) {
    const auto p = permutation(3, g).to_vector<std::int64_t>();
    ++seen[static_cast<std::size_t>(p[0] * 9 + p[1] * 3 + p[2])];
  }
  int kinds = 0;
  for (int count : seen)
    if (count) {
      ++kinds;
      CHECK(std::abs(count - 1000) < 150);
    }
  CHECK(kinds == 6);
}

TEST_CASE("random numbers that there are not", "[tensor]") {
  CHECK(what_of<ValueError>([] { uniform({2}, 1, 0); }) == "[uniform] no uniform numbers on [1, 0)");
  CHECK_THROWS_AS(uniform({2}, 0, INFINITY), ValueError);
  CHECK_THROWS_AS(uniform({2}, std::nan(""), 1), ValueError);
  CHECK(what_of<ValueError>([] { normal({2}, 0, -1); }) == "[normal] no normal numbers of mean 0 and deviation -1");
  CHECK_THROWS_AS(normal({2}, INFINITY, 1), ValueError);
  CHECK(what_of<ValueError>([] { bernoulli({2}, 1.5); }) == "[bernoulli] 1.5 is no probability");
  CHECK_THROWS_AS(bernoulli({2}, std::nan("")), ValueError);
  CHECK(what_of<ValueError>([] { permutation(-1); }) == "[permutation] no permutation of -1 elements");
  CHECK_THROWS_AS(normal({2}, 0, 1, int64), DtypeError);
  const Generator before = default_generator();
  CHECK_THROWS_AS(uniform({-3}), ShapeError);
  CHECK(default_generator().position == before.position);
}
