// einsum against a loop over all indices, its gradients, and what it refuses.

#include <cmath>
#include <map>
#include <set>

#include <dz/calculus/catch.hpp>
#include <dz/dz.hpp>
#include <dz/ops/einsum.hpp>
#include <dz/ops/linear_algebra.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

using Sizes = std::map<char, std::int64_t>;

/// The sum by its definition: letters only, the output given.
std::vector<double> by_loops(const std::vector<std::string>& terms, const std::string& output, const Sizes& sizes,
                             const std::vector<Tensor>& operands) {
  std::string letters;
  for (const auto& [c, n] : sizes) letters += c;
  std::vector<std::vector<double>> values;
  for (const Tensor& x : operands) values.push_back(x.to_vector());
  std::int64_t total = 1, size = 1;
  for (const auto& [c, n] : sizes) total *= n;
  for (char c : output) size *= sizes.at(c);
  std::vector<double> out(static_cast<std::size_t>(size));
  for (std::int64_t count = 0; count < total; ++count) {
    Sizes index;
    for (std::int64_t rest = count; char c : letters) index[c] = rest % sizes.at(c), rest /= sizes.at(c);
    const auto offset = [&](const std::string& term) {
      std::int64_t at = 0;
      for (char c : term) at = at * sizes.at(c) + index.at(c);
      return static_cast<std::size_t>(at);
    };
    double product = 1;
    for (std::size_t k = 0; k < terms.size(); ++k) product *= values[k][offset(terms[k])];
    out[offset(output)] += product;
  }
  return out;
}

struct Random {
  Generator g{11};
  std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(uniform({}, 0, static_cast<double>(n), float64, g).item()); }
};

template <class E, class F> std::string refusal(F f) {
  try {
    f();
  } catch (const E& e) {
    const std::string what = e.what();
    CHECK(what.find("einsum.cpp:") != std::string::npos);
    return what.substr(0, what.rfind(", at "));
  }
  FAIL_CHECK("no exception");
  return {};
}

void check_equal(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  const std::vector<double> x = a.to_vector(), y = b.to_vector();
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::abs(x[i] - y[i]) <= 1e-12 * (1 + std::abs(y[i])));
}

}  // namespace

TEST_CASE("einsum is what its operations are", "[einsum]") {
  seed(1);
  const Tensor a = normal({3, 4}, 0, 1, float64), b = normal({4, 5}, 0, 1, float64), s = normal({4, 4}, 0, 1, float64);
  const Tensor v = normal({4}, 0, 1, float64), w = normal({4}, 0, 1, float64);
  check_equal(einsum("ij,jk->ik", a, b), matmul(a, b));
  check_equal(einsum("ij,jk", a, b), matmul(a, b));
  check_equal(einsum("ba", a), a.t());
  check_equal(einsum("ij->ji", a), a.t());
  check_equal(einsum(" i j -> ", a), sum(a));
  check_equal(einsum("ii", s), trace(s));
  check_equal(einsum("ii->i", s), diagonal(s));
  check_equal(einsum("i,j->ij", v, w), outer(v, w));
  check_equal(einsum("i,i", v, w), dot(v, w));
  check_equal(einsum("i,i->i", v, w), v * w);
  check_equal(einsum("ij->j", a), sum(a, 0));
  check_equal(einsum(",i->i", tensor({3}, {}, float64), v), v * 3);
  check_equal(einsum("i,ij,j", v, s, w), dot(v, reshape(matmul(s, reshape(w, {4, 1})), {4})));
  const Tensor x = normal({2, 3, 4}, 0, 1, float64), y = normal({2, 4, 5}, 0, 1, float64);
  check_equal(einsum("bij,bjk->bik", x, y), matmul(x, y));
  check_equal(einsum("...ij,...jk->...ik", x, y), matmul(x, y));
  check_equal(einsum("...ij,jk", x, b), matmul(x, expand(reshape(b, {1, 4, 5}), {2, 4, 5})));
  check_equal(einsum("...ij,...jk->...ik", normal({1, 3, 4}, 0, 0, float64) + reshape(a, {1, 3, 4}), y),
              matmul(expand(reshape(a, {1, 3, 4}), {2, 3, 4}), y));
  check_equal(einsum("...ij->...ji", x), x.t());
  check_equal(einsum("...", x), x);
  check_equal(einsum("i...->...", x), sum(x, 0));
}

TEST_CASE("einsum against loops over all indices, for random specs and sizes", "[einsum]") {
  seed(2);
  Random random;
  int diagonals = 0, sums = 0, empty = 0;
  for (int round = 0; round < 300; ++round) {
    Sizes sizes;
    for (char c : std::string("abcde")) sizes[c] = random.below(round % 10 == 0 ? 3 : 4) + (round % 10 != 0);
    std::vector<std::string> terms(static_cast<std::size_t>(1 + random.below(4)));
    std::set<char> used;
    for (std::string& term : terms)
      for (std::int64_t n = random.below(4); n > 0; --n) {
        const char c = static_cast<char>('a' + random.below(5));
        diagonals += term.find(c) != std::string::npos;
        term += c;
        used.insert(c);
      }
    std::string output;
    for (char c : used)
      if (random.below(2)) output.insert(static_cast<std::size_t>(random.below(static_cast<std::int64_t>(output.size()) + 1)), 1, c);
    std::erase_if(sizes, [&](const auto& known) { return !used.count(known.first); });
    sums += output.size() < used.size();
    std::string spec;
    std::vector<Tensor> operands;
    for (const std::string& term : terms) {
      spec += (spec.empty() && operands.empty() ? "" : ",") + term;
      Shape shape;
      for (char c : term) shape.append(sizes.at(c));
      operands.push_back(normal(shape, 0, 1, float64));
      if (shape.rank() >= 2 && random.below(2)) operands.back() = Tensor(operands.back().value().t().clone().t());
    }
    spec += "->" + output;
    INFO(spec);
    const Tensor y = einsum(spec, operands);
    Shape expected_shape;
    for (char c : output) expected_shape.append(sizes.at(c));
    REQUIRE(y.shape() == expected_shape);
    empty += y.size() == 0;
    const std::vector<double> found = y.to_vector(), expected = by_loops(terms, output, sizes, operands);
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - expected[i]) <= 1e-10);
  }
  CHECK(diagonals > 50);
  CHECK(sums > 100);
  CHECK(empty > 3);
}

TEST_CASE("gradients of einsum, twice", "[einsum]") {
  seed(3);
  const auto of = [](const char* spec) { return [spec](const auto&... x) { return einsum(spec, x...); }; };
  CHECK_THAT(gradcheck(of("ij,jk->ki"), normal({2, 3}), normal({3, 4})).order(2), Passes());
  CHECK_THAT(gradcheck(of("bij,bjk,bk->ib"), normal({2, 2, 3}), normal({2, 3, 2}), normal({2, 2})).order(2), Passes());
  CHECK_THAT(gradcheck(of("iij->ji"), normal({3, 3, 2})).order(1), Passes());
  CHECK_THAT(gradcheck([](In x) { return square(einsum("iij->ji", x)); }, normal({3, 3, 2})).order(2), Passes());
  CHECK_THAT(gradcheck([](In x) { return square(einsum("iiij,i->j", x, ones({2}))); }, normal({2, 2, 2, 3})).order(2), Passes());
  CHECK_THAT(gradcheck(of("...i,i...->..."), normal({2, 3}), normal({3, 2})).order(2), Passes());
  CHECK_THAT(gradcheck(of("...ij,...jk"), normal({1, 2, 3}), normal({4, 3, 2})).order(2), Passes());
  CHECK_THAT(gradcheck(of("i,j,k"), normal({2}), normal({3}), normal({2})).order(2), Passes());
}

TEST_CASE("einsum refuses a spec that is none, and operands that do not fit", "[einsum]") {
  const Tensor a = zeros({2, 3}), b = zeros({4, 5}), v = zeros({3});
  CHECK(refusal<ValueError>([&] { einsum("ij,jk->i1", a, b); }) == "[einsum] 'ij,jk->i1': at 8: '1' is no letter, ',', '->' or '...'");
  CHECK(refusal<ValueError>([&] { einsum("ij-jk", a); }) == "[einsum] 'ij-jk': at 2: '-' is no letter, ',', '->' or '...'");
  CHECK(refusal<ValueError>([&] { einsum("ij..", a); }) == "[einsum] 'ij..': at 2: '.' is no letter, ',', '->' or '...'");
  CHECK(refusal<ValueError>([&] { einsum("ij->ii", a); }) == "[einsum] 'ij->ii': at 5: 'i' is in the output already");
  CHECK(refusal<ValueError>([&] { einsum("ij->i->j", a); }) == "[einsum] 'ij->i->j': at 5: a second '->'");
  CHECK(refusal<ValueError>([&] { einsum("ij->i,j", a); }) == "[einsum] 'ij->i,j': at 5: a second output");
  CHECK(refusal<ValueError>([&] { einsum("......", a); }) == "[einsum] '......': at 3: a second ellipsis in one term");
  CHECK(refusal<ValueError>([&] { einsum("ij->ik", a); }) == "[einsum] 'ij->ik': no operand has the output's 'k'");
  CHECK(refusal<ValueError>([&] { einsum("ij->...i", a); }) == "[einsum] 'ij->...i': no operand has the output's ellipsis");
  CHECK(refusal<ValueError>([&] { einsum("...j->j", a); }) == "[einsum] '...j->j': the ellipsis is missing in the output");
  CHECK(refusal<ValueError>([&] { einsum("ij,jk", a); }) == "[einsum] 'ij,jk': 2 terms for 1 operands");
  CHECK(refusal<ValueError>([&] { einsum("", {}, At::here()); }) == "[einsum] '': 1 terms for 0 operands");
  CHECK(refusal<ShapeError>([&] { einsum("ij,jk", a, b); }) == "[einsum] index 'j' is 3 in operand 0 (2, 3) and 4 in operand 1 (4, 5)");
  CHECK(refusal<ShapeError>([&] { einsum("ii", a); }) == "[einsum] index 'i' is 2 in operand 0 (2, 3) and 3 in operand 0 (2, 3)");
  CHECK(refusal<ShapeError>([&] { einsum("ijk", a); }) == "[einsum] operand 0 is (2, 3), its term 'ijk' has 3 indices");
  CHECK(refusal<ShapeError>([&] { einsum("...ij", v); }) == "[einsum] operand 0 is (3), its term has 2 indices beside the ellipsis");
  CHECK(refusal<ShapeError>([&] { einsum("...i,...j", a, v); }) == "[einsum] the ellipsis stands for 1 axes, in operand 1 for 0");
  CHECK(refusal<ShapeError>([&] { einsum("...i,...j", a, b); }) ==
        "[einsum] axis 0 of the ellipsis is 2 in operand 0 (2, 3) and 4 in operand 1 (4, 5)");
  CHECK_THROWS_AS(einsum("ij,j", a, zeros({3}, float64)), DtypeError);
}

TEST_CASE("einsum multiplies the cheapest pair first", "[einsum]") {
  // from the left, the first product alone would have 2·10^12 elements; v·v and w·w have one each, so nothing is rounded but the last
  const Tensor v = ones({1000000}), w = ones({2000000});
  CHECK(einsum("i,j,i,j->", v, w, v, w).item() == Approx(2e12));
}
