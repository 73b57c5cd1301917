// Linear algebra against plain loops and identities, its gradients against differences, and what it refuses.

#include <cmath>

#include <dz/calculus/catch.hpp>
#include <dz/dz.hpp>
#include <dz/ops/linear_algebra.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

const std::vector<Shape> batches{{}, {3}, {2, 1}, {2, 3}};

Shape with(Shape batch, std::initializer_list<std::int64_t> sizes) {
  for (const std::int64_t s : sizes) batch.append(s);
  return batch;
}

Tensor identity_like(const Tensor& a) {
  return diagonal_matrix(ones(Shape(a.value().sizes().first(static_cast<std::size_t>(a.rank() - 1))), a.dtype()));
}

/// Matrices of moderate condition: noise and a multiple of the identity.
Tensor well_conditioned(const Shape& shape, Dtype dtype = float64) {
  const Tensor noise = normal(shape, 0, 1, dtype);
  return noise + 2 * std::sqrt(static_cast<double>(noise.size(-1)) + 1) * identity_like(noise);
}

Tensor positive_definite(const Shape& shape, Dtype dtype = float64) {
  const Tensor x = normal(shape, 0, 1, dtype);
  return matmul(x, x.t()) + identity_like(x);
}

/// The rows moved round by one: every pivot stands elsewhere.
Tensor turned(const Tensor& a) {
  const Array out = Array::make(a.shape(), a.dtype());
  const std::int64_t n = a.size(-1);
  const std::vector<double> v = a.to_vector();
  for (std::int64_t k = 0; k < a.size(); ++k) {
    const double element = v[static_cast<std::size_t>(k - k % (n * n) + (k + n) % (n * n))];
    if (a.dtype() == float32) out.writable<float>()[k] = static_cast<float>(element);
    else out.writable<double>()[k] = element;
  }
  return Tensor(out);
}

Tensor transposed_layout(const Tensor& x) { return Tensor(x.value().t().clone().t()); }
Tensor sliced_layout(const Tensor& x) {
  Shape wide = x.shape();
  wide[x.rank() - 1] *= 2;
  const Array room = Array::full(wide, 7, x.dtype());
  Array view = room.slice(-1, 0, wide[x.rank() - 1], 2);
  if (x.size() > 0) view.assign(x.value());
  return Tensor(view);
}

double largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  const std::vector<double> x = a.to_vector(), y = b.to_vector();
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) largest = std::isnan(x[i] - y[i]) ? HUGE_VAL : std::max(largest, std::abs(x[i] - y[i]));
  return largest;
}

/// By rounding errors of n-term sums of numbers of moderate size.
double tolerance(Dtype dtype, std::int64_t n) { return (dtype == float32 ? 0x1p-24 : 0x1p-53) * 64 * static_cast<double>(n + 1); }

/// Whole message up to the place, which has to be in this file.
template <class E, class F> std::string refusal(F f) {
  try {
    f();
  } catch (const E& e) {
    const std::string what = e.what();
    INFO(what);
    CHECK(what.find("linear_algebra.cpp:") != std::string::npos);
    return what.substr(0, what.rfind(", at "));
  }
  FAIL_CHECK("no exception");
  return {};
}

}  // namespace

TEST_CASE("outer, dot, trace and the diagonal against loops", "[linear_algebra]") {
  seed(1);
  for (const Dtype dtype : {float32, float64})
    for (const Shape& batch : batches)
      for (const std::int64_t n : {0, 1, 3, 7}) {
        INFO(to_string(batch) << " of " << n);
        const std::int64_t m = 4, count = batch.volume();
        const Tensor v = normal(with(batch, {n}), 0, 1, dtype), w = normal(with(batch, {n}), 0, 1, dtype),
                     u = normal(with(batch, {m}), 0, 1, dtype), a = sliced_layout(normal(with(batch, {n, n}), 0, 1, dtype));
        const auto V = v.to_vector(), W = w.to_vector(), U = u.to_vector(), A = a.to_vector(), D = diagonal(a).to_vector();
        REQUIRE(outer(v, u).shape() == with(batch, {n, m}));
        REQUIRE(dot(v, w).shape() == batch);
        REQUIRE(trace(a).shape() == batch);
        REQUIRE(diagonal_matrix(v).shape() == with(batch, {n, n}));
        const auto VU = outer(v, u).to_vector(), VW = dot(v, w).to_vector(), T = trace(a).to_vector(), M = diagonal_matrix(v).to_vector();
        for (std::int64_t b = 0; b < count; ++b) {
          double product = 0, sum = 0;
          for (std::int64_t i = 0; i < n; ++i) {
            const auto at = [](std::int64_t k) { return static_cast<std::size_t>(k); };
            product += V[at(b * n + i)] * W[at(b * n + i)];
            sum += A[at((b * n + i) * n + i)];
            CHECK(D[at(b * n + i)] == A[at((b * n + i) * n + i)]);
            for (std::int64_t j = 0; j < m; ++j)
              CHECK(VU[at((b * n + i) * m + j)] == Approx(V[at(b * n + i)] * U[at(b * m + j)]).epsilon(1e-6));
            for (std::int64_t j = 0; j < n; ++j) CHECK(M[at((b * n + i) * n + j)] == (i == j ? V[at(b * n + i)] : 0));
          }
          CHECK(std::abs(VW[static_cast<std::size_t>(b)] - product) <= 8 * tolerance(dtype, n));
          CHECK(std::abs(T[static_cast<std::size_t>(b)] - sum) <= 8 * tolerance(dtype, n));
        }
      }
  const Tensor wide = reshape(arange(0, 12), {2, 6});
  CHECK(diagonal(wide).to_vector() == std::vector<double>{0, 7});
  CHECK(diagonal(wide.t()).to_vector() == std::vector<double>{0, 7});
}

TEST_CASE("factorisations and solutions satisfy their equations", "[linear_algebra]") {
  seed(2);
  for (const Dtype dtype : {float32, float64})
    for (const Shape& batch : batches)
      for (const std::int64_t n : {0, 1, 2, 5, 33, 70}) {
        INFO(to_string(batch) << " of " << n << " in " << name(dtype));
        const double bar = tolerance(dtype, n);
        const Tensor a = well_conditioned(with(batch, {n, n}), dtype), b = normal(with(batch, {n, 3}), 0, 1, dtype);
        const Tensor c = positive_definite(with(batch, {n, n}), dtype), l = cholesky(c);
        for (const Tensor& m : {a, turned(a), turned(turned(a)), turned(a).t()}) {
          CHECK(largest_difference(matmul(m, inverse(m)), identity_like(m)) <= bar);
          CHECK(largest_difference(matmul(m, solve(m, b)), b) <= bar);
        }
        CHECK(largest_difference(matmul(a, solve(transposed_layout(a), sliced_layout(b))), b) <= bar);
        CHECK(largest_difference(matmul(l, l.t()), c) <= bar * static_cast<double>(n + 1));
        CHECK(largest_difference(cholesky(sliced_layout(c)), l) == 0);
        if (n > 0) {
          const Tensor doubled = 2 * sum(log(diagonal(l)), -1);
          CHECK(largest_difference(logdet(c), doubled) <= bar * static_cast<double>(n + 1));
        } else {
          CHECK(logdet(c).to_vector() == std::vector<double>(static_cast<std::size_t>(batch.volume()), 0.0));
        }
        CHECK(logdet(c).shape() == batch);
      }
}

TEST_CASE("cholesky and triangular_solve read one triangle", "[linear_algebra]") {
  seed(3);
  const auto nan_at = [](const Tensor& a, bool above, bool below, bool on) {
    const Tensor copy = Tensor(a.value().clone());
    const std::int64_t n = a.size(-1);
    for (std::int64_t k = 0; k < a.size(); ++k) {
      const std::int64_t i = k / n % n, j = k % n;
      if ((j > i && above) || (j < i && below) || (i == j && on)) copy.value().writable<double>()[k] = std::nan("");
    }
    return copy;
  };
  const Tensor c = positive_definite({2, 5, 5});
  CHECK(largest_difference(cholesky(nan_at(c, true, false, false)), cholesky(c)) == 0);
  const std::vector<double> l = cholesky(nan_at(c, true, false, false)).to_vector();
  for (std::size_t k = 0; k < l.size(); ++k)
    if (k % 5 > k / 5 % 5) CHECK(l[k] == 0);
  const Tensor a = well_conditioned({2, 5, 5}), b = normal({2, 5, 4}, 0, 1, float64);
  for (int way = 0; way < 8; ++way)
    for (const bool other_layout : {false, true}) {
      const Triangle t{.upper = (way & 1) != 0, .transposed = (way & 2) != 0, .unit = (way & 4) != 0};
      const Tensor blind = nan_at(a, !t.upper, t.upper, t.unit);
      // the triangle in full, by hand
      Tensor full = Tensor(a.value().clone());
      for (std::int64_t k = 0; k < a.size(); ++k) {
        const std::int64_t i = k / 5 % 5, j = k % 5;
        double& element = full.value().writable<double>()[k];
        if (i == j && t.unit) element = 1;
        if (t.upper ? j < i : j > i) element = 0;
      }
      if (t.transposed) full = full.t();
      const Tensor x = triangular_solve(other_layout ? transposed_layout(blind) : blind, b, t);
      INFO("way " << way);
      CHECK(largest_difference(matmul(full, x), b) <= 1e-11);
    }
}

TEST_CASE("determinants of (3, 3) by cofactors, with their sign", "[linear_algebra]") {
  seed(4);
  const Tensor a = normal({40, 3, 3}, 0, 1, float64);
  const SignLogdet found = slogdet(a);
  const std::vector<double> v = a.to_vector(), sign = found.sign.to_vector(), logarithm = found.logarithm.to_vector();
  int negative = 0;
  for (std::size_t i = 0; i < 40; ++i) {
    const double* m = v.data() + 9 * i;
    const double det = m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) + m[2] * (m[3] * m[7] - m[4] * m[6]);
    CHECK(sign[i] * std::exp(logarithm[i]) == Approx(det).epsilon(1e-11));
    negative += det < 0;
  }
  CHECK(negative > 5);
  CHECK(negative < 35);
  CHECK_FALSE(found.sign.requires_grad());
  CHECK(slogdet(tensor({0, 1, 1, 0}, {2, 2})).sign.item() == -1);  // one row exchange
}

TEST_CASE("batches broadcast, and many small matrices are as each alone", "[linear_algebra]") {
  seed(5);
  const Tensor a = well_conditioned({2, 1, 4, 4}), b = normal({1, 3, 4, 2}, 0, 1, float64);
  const Tensor x = solve(a, b), y = triangular_solve(a, b);
  REQUIRE(x.shape() == Shape{2, 3, 4, 2});
  REQUIRE(y.shape() == Shape{2, 3, 4, 2});
  for (std::int64_t i = 0; i < 2; ++i)
    for (std::int64_t j = 0; j < 3; ++j) {
      const auto at = [](const Tensor& t, std::int64_t p, std::int64_t q) {
        return Tensor(t.value().slice(0, p, p + 1).slice(1, q, q + 1).reshape({t.size(2), t.size(3)}));
      };
      CHECK(largest_difference(at(x, i, j), solve(at(a, i, 0), at(b, 0, j))) == 0);
      CHECK(largest_difference(at(y, i, j), triangular_solve(at(a, i, 0), at(b, 0, j))) == 0);
    }
  const Tensor many = positive_definite({3000, 6, 6}, float32), l = cholesky(many), inverses = inverse(many);
  for (const std::int64_t i : {0, 1, 1499, 2999}) {
    const auto one = [&](const Tensor& t) { return Tensor(t.value().slice(0, i, i + 1).reshape({6, 6})); };
    CHECK(largest_difference(one(l), cholesky(one(many))) == 0);
    CHECK(largest_difference(one(inverses), inverse(one(many))) == 0);
  }
}

TEST_CASE("gradients of linear algebra, twice", "[linear_algebra]") {
  seed(6);
  for (const Shape& batch : {Shape{}, Shape{2}}) {
    const Tensor a = well_conditioned(with(batch, {4, 4})), b = normal(with(batch, {4, 3}), 0, 1, float64);
    const Tensor c = positive_definite(with(batch, {4, 4})), v = normal(with(batch, {4}), 0, 1, float64);
    CHECK_THAT(gradcheck([](In x, In y) { return outer(x, y); }, v, normal(with(batch, {3}))).order(2), Passes());
    CHECK_THAT(gradcheck([](In x, In y) { return dot(x, y); }, v, normal(with(batch, {4}))).order(2), Passes());
    CHECK_THAT(gradcheck([](In x) { return square(trace(x)); }, a).order(2), Passes());
    CHECK_THAT(gradcheck([](In x) { return square(diagonal(x)); }, normal(with(batch, {3, 5}))).order(2), Passes());
    CHECK_THAT(gradcheck([](In x) { return square(diagonal_matrix(x)); }, v).order(2), Passes());
    CHECK_THAT(gradcheck(cholesky, c).order(2), Passes());
    CHECK_THAT(gradcheck(inverse, a).order(2), Passes());
    CHECK_THAT(gradcheck(solve, a, b).order(2), Passes());
    CHECK_THAT(gradcheck(logdet, c).order(2), Passes());
    CHECK_THAT(gradcheck([](In x) { return slogdet(x).logarithm; }, a).order(2), Passes());
    for (int way = 0; way < 8; ++way) {
      const Triangle t{.upper = (way & 1) != 0, .transposed = (way & 2) != 0, .unit = (way & 4) != 0};
      INFO("way " << way);
      CHECK_THAT(gradcheck([t](In x, In y) { return triangular_solve(x, y, t); }, a, b).order(2), Passes());
    }
  }
  CHECK_THAT(gradcheck(solve, well_conditioned({2, 1, 3, 3}), normal({1, 3, 3, 2})).order(2), Passes());
  CHECK_THAT(gradcheck([](In x, In y) { return triangular_solve(x, y); }, well_conditioned({1, 3, 3}), normal({2, 3, 2})).order(2),
             Passes());
  CHECK_THAT(gradcheck([](In x, In y) { return outer(x, y); }, normal({2, 1, 3}), normal({1, 2, 2})), Passes());
  CHECK_THAT(gradcheck(cholesky, positive_definite({1, 1})).order(2), Passes());
  CHECK_THAT(gradcheck([](In x) { return logdet(matmul(x, x.t())); }, normal({3, 5})).order(2), Passes());
}

TEST_CASE("every recorded operation of linear algebra is right by itself, in both precisions", "[linear_algebra]") {
  seed(7);
  for (const Dtype dtype : {float32, float64}) {
    const Tensor x = variable(normal({2, 4, 4}, 0, 1, dtype)), b = variable(normal({2, 4, 2}, 0, 1, dtype));
    const auto guard = checked();
    const Tensor c = matmul(x, x.t()) + 2 * identity_like(x), l = cholesky(c);
    const Tensor J =
        sum(solve(c, b)) + sum(triangular_solve(l, b)) + sum(inverse(c)) + sum(logdet(c)) + sum(slogdet(c).logarithm) + sum(trace(l));
    CHECK_THAT(check_graph(J), Passes());
  }
}

TEST_CASE("the gradient of cholesky is that of a function of the lower triangle", "[linear_algebra]") {
  seed(8);
  const Tensor a = variable(positive_definite({4, 4}));
  const std::vector<double> g = grad(sum(cholesky(a)), a).to_vector();
  for (std::size_t k = 0; k < 16; ++k) CHECK((k % 4 <= k / 4 || g[k] == 0));
  // along a symmetric path the upper triangle's share is there all the same
  const Tensor x = normal({4, 4}, 0, 1, float64);
  CHECK_THAT(gradcheck([](In v) { return cholesky(matmul(v, v.t())); }, x), Passes());
}

TEST_CASE("linear algebra refuses what does not fit", "[linear_algebra]") {
  const Tensor a = zeros({2, 3}), s = diagonal_matrix(ones({3})), v = ones({3});
  CHECK(refusal<ShapeError>([&] { cholesky(a); }) == "[cholesky] needs square matrices, got (2, 3)");
  CHECK(refusal<ShapeError>([&] { inverse(v); }) == "[inverse] needs square matrices, got (3)");
  CHECK(refusal<ShapeError>([&] { logdet(a); }) == "[logdet] needs square matrices, got (2, 3)");
  CHECK(refusal<ShapeError>([&] { slogdet(a); }) == "[slogdet] needs square matrices, got (2, 3)");
  CHECK(refusal<ShapeError>([&] { trace(a); }) == "[trace] needs square matrices, got (2, 3)");
  CHECK(refusal<ShapeError>([&] { diagonal(v); }) == "[diagonal] needs matrices, got (3)");
  CHECK(refusal<ShapeError>([&] { diagonal_matrix(ones({})); }) == "[diagonal_matrix] a scalar is no diagonal");
  CHECK(refusal<ShapeError>([&] { solve(s, v); }) == "[solve] the sides (3, 3) and (3) are not (…, n, n) and (…, n, k) of equal rank");
  CHECK(refusal<ShapeError>([&] {
          triangular_solve(s, zeros({2, 3}));
        }) == "[triangular_solve] the sides (3, 3) and (2, 3) are not (…, n, n) and (…, n, k) of equal rank");
  CHECK_THROWS_AS(solve(zeros({2, 3, 3}), zeros({4, 3, 1})), ShapeError);
  CHECK(refusal<ShapeError>([&] { dot(v, ones({4})); }) == "[dot] lengths differ: (3) and (4)");
  CHECK(refusal<ShapeError>([&] { dot(v, ones({1, 3})); }) == "[dot] vectors are of equal rank, got (3) and (1, 3)");
  CHECK(refusal<ShapeError>([&] { outer(v, ones({})); }) == "[outer] vectors are of equal rank, got (3) and ()");
  CHECK(refusal<ShapeError>([&] { outer(ones({2, 3}), ones({3, 3})); }) == "[outer] shapes do not broadcast: (2) and (3)");
  CHECK(refusal<DtypeError>([&] { inverse(cast(s, int64)); }) == "[inverse] needs float32 or float64, got int64");
  CHECK_THROWS_AS(solve(s, ones({3, 1}, float64)), DtypeError);
}

TEST_CASE("a factorisation that breaks off names the matrix and the pivot", "[linear_algebra]") {
  const Tensor good = diagonal_matrix(ones({3}, float64));
  const Tensor rank_two = tensor({1, 2, 3, 4, 5, 6, 5, 7, 9}, {3, 3}, float64), zero = zeros({3, 3}, float64);
  CHECK(refusal<ValueError>([&] { inverse(zero); }) == "[inverse] the matrix is singular: pivot 0");
  CHECK(refusal<ValueError>([&] {
          logdet(rank_two * 0 + diagonal_matrix(tensor({1, 2, 0}, {3}, float64)));
        }) == "[logdet] the matrix is singular: pivot 2");
  Array batch = Array::full({2, 2, 3, 3}, 0, float64);
  batch.assign(good.value().reshape({1, 1, 3, 3}));
  batch.slice(0, 1, 2).slice(1, 0, 1).slice(2, 1, 2).assign(Array::full({1, 1, 1, 3}, 0, float64));
  const Tensor b(batch);
  CHECK(refusal<ValueError>([&] { solve(b, ones({1, 1, 3, 1}, float64)); }) == "[solve] matrix [1, 0] of the batch is singular: pivot 1");
  CHECK(refusal<ValueError>([&] {
          triangular_solve(b, ones({1, 1, 3, 1}, float64));
        }) == "[triangular_solve] matrix [1, 0] of the batch is singular: pivot 1");
  CHECK_NOTHROW(triangular_solve(b, ones({1, 1, 3, 1}, float64), {.unit = true}));
  CHECK(refusal<ValueError>([&] { cholesky(b); }) == "[cholesky] matrix [1, 0] of the batch is not positive definite: pivot 1");
  CHECK(refusal<ValueError>([&] { cholesky(tensor({1, 0, 2, 1}, {2, 2})); }) == "[cholesky] the matrix is not positive definite: pivot 1");
  CHECK(refusal<ValueError>([&] {
          logdet(tensor({1, 0, 0, -2}, {1, 2, 2}));
        }) == "[logdet] matrix [0] of the batch has a negative determinant; slogdet gives its sign");
  // of many, the first
  const Tensor many(Array::full({4000, 2, 2}, 0, float32));
  CHECK(refusal<ValueError>([&] { inverse(many); }) == "[inverse] matrix [0] of the batch is singular: pivot 0");
  // a large one
  CHECK(refusal<ValueError>([&] { cholesky(diagonal_matrix(linspace(5, -5, 200))); }) ==
        "[cholesky] the matrix is not positive definite: pivot 100");
}

TEST_CASE("a NaN or an infinity in a matrix gives NaNs, in that matrix alone", "[linear_algebra]") {
  seed(9);
  for (const double special : {std::nan(""), HUGE_VAL})
    for (const std::int64_t n : {1, 3, 40}) {
      const Tensor a = positive_definite({2, n, n}), b = ones({2, n, 2}, float64);
      const Tensor spoilt(a.value().clone());
      spoilt.value().writable<double>()[n * n - 1] = special;
      const auto check = [&](const Tensor& y, const Tensor& expected, bool lower = false) {
        const std::vector<double> v = y.to_vector(), e = expected.to_vector();
        const std::size_t half = v.size() / 2, width = static_cast<std::size_t>(n);
        for (std::size_t k = 0; k < half; ++k)
          if (!lower || k % width <= k / width) CHECK(std::isnan(v[k]));
        for (std::size_t k = half; k < v.size(); ++k) CHECK(v[k] == e[k]);
      };
      check(inverse(spoilt), inverse(a));
      check(solve(spoilt, b), solve(a, b));
      check(cholesky(spoilt), cholesky(a), true);
      check(logdet(spoilt), logdet(a));
      check(slogdet(spoilt).sign, slogdet(a).sign);
    }
}
