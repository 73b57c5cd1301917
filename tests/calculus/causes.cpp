// What a gradient check says of a wrong derivative beyond its values: each statement for a mistake that it fits, and not for another.

#include <fmt/format.h>

#include <dz/dz.hpp>

#include "tests/calculus/finds.hpp"
#include "tests/support/support.hpp"

#include <dz/calculus/check_graph.hpp>
#include <dz/tensor/kernels/kernels.hpp>

using namespace dz;

namespace {

const auto square_value = [](const Array& v) { return kernels::square(v); };

}  // namespace

TEST_CASE("the likely cause is named", "[gradcheck]") {
  const auto square_matrix = normal({3, 3}, 0, 1, float64);
  const auto swapped = [](In a) { return record("swapped", [](const Array& v) { return v.t().clone(); }, wrt(a, [](const Tensor& dy) { return dy * 1; })); };
  check_finds(gradcheck(swapped, square_matrix), "transposed");
  const auto averages = [](In x) {
    return record("averages", [](const Array& v) { return sum(Tensor(v), 0).value(); }, wrt(x, [x](const Tensor& dy) { return expand(reshape(dy / 5, {1, 4}), x.shape()); }));
  };
  check_finds(gradcheck(averages, normal({5, 4}, 0, 1, float64)), "one over the size of axis 0");
  const auto adds = [](In x, In b) {
    return record("adds", kernels::add, wrt(x, [](const Tensor& dy) { return dy; }),
                  wrt(b, [](const Tensor& dy) { return Tensor(dy.value().slice(0, 0, 1)); }));
  };
  check_finds(gradcheck(adds, normal({5, 4}, 0, 1, float64), normal({1, 4}, 0, 1, float64)), "axis 0 depend on it too, and their cotangents do not reach it: is the sum over a broadcast axis missing?");
  const auto half = [](In x) { return record("half", square_value, wrt(x, [x](const Tensor& dy) { return dy * x; })); };
  check_finds(gradcheck(half, normal({5})), "0.5 times");
  const auto bare = [](In x) { return record("bare", square_value, wrt(x, [](const Tensor& dy) { return dy * 2; })); };
  check_finds(gradcheck(bare, normal({5})), "times input 0 it would be right: is that factor missing");
  const auto shifted = [](In x) {
    return record("shifted", square_value, wrt(x, [x](const Tensor& dy) {
                    const Array right = (dy * x * 2).value(), out = Array::full(right.shape(), 0, right.dtype());
                    visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) { std::copy_n(right.data<T>(), right.size() - 1, out.writable<T>() + 1); });
                    return Tensor(out);
                  }));
  };
  check_finds(gradcheck(shifted, normal({6})), "shifted by one");
  const auto product = [](const char* how) {
    return [how = std::string(how)](In a, In b) {
      return record("product", kernels::matmul, wrt(a, [b](const Tensor& dy) { return matmul(dy, b.t()); }),
                    wrt(b, [a, how](const Tensor& dy) { return how == "a t() less" ? matmul(a, dy) : how == "swapped" ? matmul(dy, a.t()) : matmul(a.t(), dy.t()); }));
    };
  };
  check_finds(gradcheck(product("a t() less"), square_matrix, square_matrix * 2), "what dy is multiplied by is transposed");
  check_finds(gradcheck(product("dy.t()"), square_matrix, square_matrix * 2), "what dy transposed should give");
  check_finds(gradcheck(product("swapped"), square_matrix, square_matrix * 2), "in another order");
  const auto distribution = [](In x) {
    return record("distribution", [](const Array& v) { return softmax(Tensor(v), 1).value(); }, wrt(x, [](const Tensor& dy, const Tensor& y) { return y * (dy - sum(dy * y, 0, true)); }));
  };
  check_finds(gradcheck(distribution, normal({3, 4})), "outputs elsewhere along axis 0 do not depend on it, yet their cotangents reach it; those along axis 1 do, and theirs do not: is a sum over the wrong axis?");
  const auto centred = [](In x) {
    return record("centred", [](const Array& v) { return (Tensor(v) - mean(Tensor(v), 1, true)).value(); }, wrt(x, [](const Tensor& dy) { return dy - mean(dy, 0, true); }));
  };
  check_finds(gradcheck(centred, square_matrix), "with axes 0 and 1 exchanged: is it along the wrong axis");
  const auto similarity = [](bool of_dy) {
    return [of_dy](In a, In b) {
      return record("similarity", [](const Array& a, const Array& b) { return exp(-matmul(Tensor(a), Tensor(b).t())).value(); },
                    wrt_all({a, b}, [a, b, of_dy](const Tensor& dy, const Tensor& y, Wanted) {
                      const Tensor g = -dy * y;  // right: g · b and gᵀ · a
                      return std::vector<Tensor>{matmul(g, of_dy ? Tensor(b) : b.t()), matmul(of_dy ? g : g.t(), a)};
                    }));
    };
  };
  check_finds(gradcheck(similarity(true), square_matrix, normal({3, 3})), "are axes or indices mixed up, or a t() missing?");
  check_finds(gradcheck(similarity(false), square_matrix, normal({3, 3})), "it is right where the elements of input 1 are equal: are they, or axes, mixed up? Is a t() missing");
  const auto powers = [](In z) {
    return record("powers", [](const Array& v) { return exp(square(Tensor(v))).value(); }, wrt(z, [z](const Tensor& dy) { return dy * z * 2; }));
  };
  check_finds(gradcheck(powers, normal({3, 4})), "times the output it would be right: is that factor missing");
  const auto swish = [](In z) {
    return record("swish", [](const Array& v) { return (Tensor(v) * sigmoid(Tensor(v))).value(); }, wrt(z, [z](const Tensor& dy) {
                    const Tensor a = sigmoid(z);
                    return dy * (a + a * (1 - a));  // should be a + z · a · (1 − a)
                  }));
  };
  check_finds(gradcheck(swish, normal({3, 4})), "it is right where input 0 is 1: is a factor of it missing in one of the terms");
}

TEST_CASE("a report gives the values at the element it speaks of", "[gradcheck]") {
  const auto scaled = [](In x, In s) {  // x (2, 2), s (1, 2)
    return record("scaled", kernels::mul, wrt(x, [s](const Tensor& dy) { return dy * s; }), wrt(s, [x](const Tensor& dy) { return sum(dy * x, 0, true) * 3; }));
  };
  const auto check = gradcheck(scaled, tensor({1, 2, 3, 4}, {2, 2}), tensor({10, 20}, {1, 2}));
  REQUIRE_FALSE(check.passed());
  const InputCheck& s = check.result().inputs[1];
  const std::string places[] = {"input 0 = 1, input 1 = 10, the output = 10", "input 0 = 2, input 1 = 20, the output = 40", "input 0 = 3, input 1 = 10, the output = 30",
                                "input 0 = 4, input 1 = 20, the output = 80"};
  INFO(s.there);
  CHECK(std::count(std::begin(places), std::end(places), s.there) == 1);
  const int column = s.element == 0 ? 1 : 2;
  CHECK(s.there.find(fmt::format("input 1 = {}0", column)) != std::string::npos);
  check_finds(check, fmt::format("your derivative gives {:.9g}, by differences it is {:.9g}", s.derivative, s.difference));
  check_finds(check, "there " + s.there);
  const auto product = [](In a, In b) {  // an input of another shape is left out
    return record("product", kernels::matmul, wrt(a, [b](const Tensor& dy) { return matmul(dy, b.t()) * 2; }), wrt(b, [a](const Tensor& dy) { return matmul(a.t(), dy); }));
  };
  CHECK(gradcheck(product, normal({2, 3}), normal({3, 4})).result().inputs[0].there.find("input 1") == std::string::npos);
}

TEST_CASE("where few elements are wrong they are listed, with their values", "[gradcheck]") {
  const auto squares = [](std::vector<std::int64_t> bad) {
    return [bad](In x) {
      return record("squares", square_value, wrt(x, [x, bad](const Tensor& dy) {
                      const Tensor right = dy * x * 2;
                      visit_floating(right.dtype(), [&]<class T>(std::type_identity<T>) {
                        for (const std::int64_t k : bad)
                          if (k < right.size()) right.value().writable<T>()[k] *= T(1.5);
                      });
                      return right;
                    }));
    };
  };
  const Tensor x = tensor({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, {3, 4});
  const auto two = gradcheck(squares({1, 6}), x);
  check_finds(two, "(2 of 12 compared differ)");
  check_finds(two, two.result().inputs[0].element == 1 ? "it is wrong at [1, 2] (input 0 = 7), too" : "it is wrong at [0, 1] (input 0 = 2), too");
  CHECK(two.result().inputs[0].wrong == std::vector<std::int64_t>{1, 6});
  check_leaves_out(two, "these are the");
  check_finds(gradcheck(squares({5}), x), "all others are right");
  check_finds(gradcheck(squares({11}), x), "it is the last: does a loop end too early?");
  check_finds(gradcheck(squares({3, 7, 11}), x), "these are the elements with index 3 along axis 1, the last: does a loop end too early?");
  check_finds(gradcheck(squares({4, 5, 6, 7}), x), "these are the elements with index 1 along axis 0");
  check_finds(gradcheck(squares({10, 11}), x), "these are the last 2 elements: does a loop end too early?");
  check_finds(gradcheck(squares({0, 1, 2, 3, 6}), x), "and 1 more, too");
  check_leaves_out(gradcheck(squares({0, 1, 2, 3, 4, 5, 6, 8, 9, 11}), x), "too");
}

TEST_CASE("an input that is wrong as an earlier one is says no more than that", "[gradcheck]") {
  const auto distance = [](double first, double second) {
    return [first, second](In a, In b) {
      return record("distance", [](const Array& a, const Array& b) { return square(Tensor(a) - Tensor(b)).value(); }, wrt(a, [a, b, first](const Tensor& dy) { return dy * (a - b) * first; }),
                    wrt(b, [a, b, second](const Tensor& dy) { return dy * (b - a) * second; }));
    };
  };
  const Tensor a = normal({2, 3}), b = normal({2, 3});
  check_finds(gradcheck(distance(1, 1), a, b), "input 1 (2, 3): wrong as input 0, negated: at element [");
  check_leaves_out(gradcheck(distance(1, 1.5), a, b), "wrong as input");
  const auto both = [](In a, In b) {
    const auto wrong = [a, b](const Tensor& dy) { return dy * exp(a + b) * 2; };
    return record("both", [](const Array& a, const Array& b) { return exp(Tensor(a) + Tensor(b)).value(); }, wrt(a, wrong), wrt(b, wrong));
  };
  check_finds(gradcheck(both, a, b), "input 1 (2, 3): wrong as input 0: at element [");
}

TEST_CASE("outputs that contribute, or do not, are told by their axes", "[gradcheck]") {
  const auto table = normal({6, 4}), square_matrix = normal({4, 4});
  const auto standardised = [](int axis) {  // the mean of dy · y is to be taken over axis 0
    return [axis](In x) {
      return record("standardised", [](const Array& v) {
                      const Tensor c = Tensor(v) - mean(Tensor(v), 0, true);
                      return (c / sqrt(mean(square(c), 0, true) + 1e-3)).value();
                    }, wrt(x, [x, axis](const Tensor& dy, const Tensor& y) {
                      const Tensor c = x - mean(x, 0, true);
                      return (dy - mean(dy, 0, true) - y * mean(dy * y, axis, true)) / sqrt(mean(square(c), 0, true) + 1e-3);
                    }));
    };
  };
  check_finds(gradcheck(standardised(1), table), "outputs elsewhere along axis 1 do not depend on it, yet their cotangents reach it (those along axis 0 it does depend on): is a sum or a mean taken over axis 1, where axis 0 is meant?");
  CHECK_THAT(gradcheck(standardised(0), table), Passes());
  const auto distribution = [](In x) {  // forgets the sum
    return record("distribution", [](const Array& v) { return softmax(Tensor(v), 1).value(); }, wrt(x, [](const Tensor& dy, const Tensor& y) { return dy * y * (1 - y); }));
  };
  check_finds(gradcheck(distribution, table), "outputs elsewhere along axis 1 depend on it too, and their cotangents do not reach it: is one of its terms missing?");
  check_finds(gradcheck(distribution, square_matrix), "is one of its terms missing, or a t() or an index in it wrong?");
}

TEST_CASE("a t() that one of several terms lacks is found by what is symmetric", "[gradcheck]") {
  const auto sandwich = [](const char* how) {  // A · X · Aᵀ
    return [how = std::string(how)](In a, In x) {
      return record("sandwich", [](const Array& a, const Array& x) { return matmul(matmul(Tensor(a), Tensor(x)), Tensor(a).t()).value(); },
                    wrt(a, [a, x, how](const Tensor& dy) { return matmul(dy, matmul(a, x.t())) + matmul(how == "dy" ? Tensor(dy) : dy.t(), matmul(a, how == "x" ? x.t() : Tensor(x))); }),
                    wrt(x, [a, how](const Tensor& dy) { return matmul(a.t(), matmul(dy, a)) + (how == "term" ? matmul(a, dy) - matmul(a, dy).t() : zeros_like(dy)); }));
    };
  };
  const auto a = normal({4, 4}), x = normal({4, 4});
  const std::string of_dy = "it is right for every dy that is symmetric in axes 0 and 1: is a t() of dy missing";
  check_finds(gradcheck(sandwich("dy"), a, x), of_dy);
  check_leaves_out(gradcheck(sandwich("x"), a, x), of_dy);
  check_finds(gradcheck(sandwich("term"), a, x), "added to its own transposed in axes 0 and 1 it is right: is a t() missing, or one too many, around one of its terms?");
  CHECK_THAT(gradcheck(sandwich(""), a, x), Passes());
}

TEST_CASE("a factor or a term that would put it right is named", "[gradcheck]") {
  const auto pooled = [](bool right) {  // the mean of v, weighted by softmax(s)
    return [right](In s, In v) {
      return record("pooled", [](const Array& s, const Array& v) { return sum(softmax(Tensor(s), 1) * Tensor(v), 1, true).value(); },
                    wrt(s, [s, v, right](const Tensor& dy, const Tensor& y) { return dy * softmax(s, 1) * (right ? v - y : Tensor(v)); }), wrt(v, [s](const Tensor& dy) { return dy * softmax(s, 1); }));
    };
  };
  const Tensor a = normal({4, 5}), b = normal({4, 5});
  const std::string shift = "adding a number to input 0 along axis 1 changes no output, by your derivative it does: is a term lost?";
  check_finds(gradcheck(pooled(false), a, b), "with (input 1 − the output) for a factor input 1 it would be right: is a term of it lost?");
  check_finds(gradcheck(pooled(false), a, b), shift);
  CHECK_THAT(gradcheck(pooled(true), a, b), Passes());

  const auto wave = [](int which) {  // x · sin(x)
    return [which](In x) {
      return record("wave", [](const Array& v) { return (Tensor(v) * sin(Tensor(v))).value(); },
                    wrt(x, [x, which](const Tensor& dy) { return which == 0 ? dy * sin(x) : which == 1 ? dy * x * cos(x) : which == 2 ? dy * (sin(x) + 2 * x * cos(x)) : dy * (sin(x) + x * cos(x)); }));
    };
  };
  check_finds(gradcheck(wave(0), a), "with dy · input 0 · cos(input 0) added it would be right: is that term missing?");
  check_finds(gradcheck(wave(1), a), "with dy · sin(input 0) added it would be right: is that term missing?");
  check_finds(gradcheck(wave(2), a), "with dy · input 0 · cos(input 0) taken away it would be right: is that term one too many?");
  check_leaves_out(gradcheck(wave(0), a), "changes no output");
  CHECK_THAT(gradcheck(wave(3), a), Passes());

  const auto hasty = [](In z) { return record("hasty", [](const Array& v) { return tanh(Tensor(v)).value(); }, wrt(z, [](const Tensor& dy, const Tensor& y) { return dy * (1 - y); })); };
  check_finds(gradcheck(hasty, a), "times (1 + the output) it would be right: is that factor missing?");
}

TEST_CASE("the neighbour of a value in its place is found", "[gradcheck]") {
  const auto staggered = [](int by) {  // x[i] · w[i + 1]
    return [by](In x, In w) {
      return record("staggered", [](const Array& x, const Array& w) { return (Tensor(x) * roll(Tensor(w), -1, 1)).value(); },
                    wrt(x, [w, by](const Tensor& dy) { return dy * roll(w, by, 1); }), wrt(w, [x](const Tensor& dy) { return roll(dy * x, 1, 1); }));
    };
  };
  const Tensor x = normal({3, 5}), w = normal({3, 5});
  check_finds(gradcheck(staggered(0), x, w), "with input 1 one after along axis 1 for input 1 itself, as a factor, it would be right: is an index off by one?");
  check_finds(gradcheck(staggered(-2), x, w), "input 0 (3, 5): wrong");
  check_leaves_out(gradcheck(staggered(-2), x, w), "off by one");
  CHECK_THAT(gradcheck(staggered(-1), x, w), Passes());
  const auto relative = [](int by) {  // the slope of exp(x[i] · (w[i + 1] − x[i] / 2)) by x has (w[i + 1] − x[i])
    return [by](In x, In w) {
      return record("relative", [](const Array& x, const Array& w) { return exp(Tensor(x) * (roll(Tensor(w), -1, 1) - Tensor(x) / 2)).value(); },
                    wrt(x, [x, w, by](const Tensor& dy, const Tensor& y) { return dy * y * (roll(w, by, 1) - x); }), wrt(w, [x](const Tensor& dy, const Tensor& y) { return roll(dy * y * x, 1, 1); }));
    };
  };
  check_finds(gradcheck(relative(0), x, w), "with input 1 one after along axis 1 for input 1 itself, in (input 1 − input 0), it would be right");
  CHECK_THAT(gradcheck(relative(-1), x, w), Passes());
}

TEST_CASE("a derivative that is right at some values only says at which", "[gradcheck]") {
  const auto learned = [](In x, In beta) {  // x · σ(beta · x); by x the factor beta lacks in one term
    return record("learned", [](const Array& x, const Array& b) { return (Tensor(x) * sigmoid(Tensor(b) * Tensor(x))).value(); },
                  wrt(x, [x, beta](const Tensor& dy) { const Tensor s = sigmoid(beta * x); return dy * (s + x * s * (1 - s)); }),
                  wrt(beta, [x, beta](const Tensor& dy) { const Tensor s = sigmoid(beta * x); return dy * square(x) * s * (1 - s); }));
  };
  const Tensor x = normal({3, 4});
  const auto apart = gradcheck(learned, x, normal({1, 4}));
  check_finds(apart, "it is right where input 1 is 1: is a factor of it missing in one of the terms");
  check_finds(apart, "it is right where input 0 is 0: is the term that has it as a factor wrong?");
  check_leaves_out(apart, "at 0.875 of them");
  const auto ones_given = gradcheck(learned, x, ones({1, 4}));
  check_finds(ones_given, "it is right at the values given, but not at 0.875 of them: does a factor lack that is 1 here");
  check_finds(ones_given, "it is right where input 1 is 1");
  check_leaves_out(ones_given, "every operation is right by itself");
}

TEST_CASE("a derivative that reads what the newest forward has left is wrong, whatever its shapes do to the search for the cause", "[gradcheck]") {
  static Array newest;
  const auto forgetful = [](In x) {
    return record("forgetful", [](const Array& v) { newest = v; return square_value(v); }, wrt(x, [](const Tensor& dy) { return dy * 2 * Tensor(newest); }));
  };
  check_finds(gradcheck(forgetful, normal({3, 4})), "the derivative reads what the newest forward has left");
  newest = {};
}
