// What a gradient check says beyond slopes: each function here is right in value and breaks one thing; its right twin passes.

#include <dz/dz.hpp>

#include "tests/calculus/finds.hpp"
#include "tests/support/support.hpp"

#include <dz/tensor/kernels/kernels.hpp>

#include <dz/calculus/catch.hpp>

using namespace dz;

namespace {

const auto square_value = [](const Array& v) { return kernels::square(v); };

}  // namespace

TEST_CASE("a derivative that reads what an earlier pass left is found", "[gradcheck]") {
  const auto reads = [](In x) {
    return record("reads_grad", square_value, wrt(x, [x](const Tensor& dy) { return x.is_leaf() && x.grad() ? dy * x * 2 + x.grad() : dy * x * 2; }));
  };
  check_finds(gradcheck(reads, normal({4})), "an earlier pass");
}

TEST_CASE("a derivative that is not linear in the cotangent is found", "[gradcheck]") {
  const auto squares = [](In x) { return record("squares_dy", square_value, wrt(x, [x](const Tensor& dy) { return dy * dy * x * 2; })); };
  check_finds(gradcheck(squares, normal({4})), "dy used more than once");
  const auto forgets = [](In x) { return record("forgets_dy", square_value, wrt(x, [x](const Tensor&) { return x * 2; })); };
  check_finds(gradcheck(forgets, normal({4})), "is dy left out");
}

TEST_CASE("a derivative that changes what it is given is found", "[gradcheck]") {
  const auto spoils = [](In x) {
    return record("spoils_dy", square_value, wrt(x, [x](const Tensor& dy) {
                    const Tensor dx = dy * x * 2;
                    dy.value().writable<double>()[0] = 0;
                    return dx;
                  }));
  };
  check_finds(gradcheck(spoils, normal({4})), "changes the cotangent");
  const auto overwrites = [](In x) {
    return record(
        "overwrites_x",
        [](const Array& v) {
          const Array y = kernels::square(v);
          if (v.dtype() == float64) v.writable<double>()[1] = 0.25;
          return y;
        },
        wrt(x, [x](const Tensor& dy) { return dy * x * 2; }));
  };
  CHECK_FALSE(gradcheck(overwrites, normal({4})).passed());
}

TEST_CASE("a derivative that remembers the newest call is found", "[gradcheck]") {
  Tensor newest;
  const auto stale = [&](In x) {
    newest = x.detach();
    return record("stale", square_value, wrt(x, [&newest](const Tensor& dy) { return dy * newest * 2; }));
  };
  check_finds(gradcheck(stale, normal({4})), "later call");
  Tensor oldest;
  const auto frozen = [&](In x) {
    if (!oldest) oldest = Tensor(x.value().clone());
    return record("frozen", [](const Array& v) { return kernels::matmul(v, v); },
                  wrt(x, [kept = oldest](const Tensor& dy) { return matmul(dy, kept.t()) + matmul(kept.t(), dy); }));
  };
  check_finds(gradcheck(frozen, normal({3, 3})), "with other values");
}

TEST_CASE("a loop that takes its input for contiguous is found", "[gradcheck]") {
  const auto loop = [](bool careful) {
    return [careful](In x) {
      return record(
          "cube_loop",
          [careful](const Array& v) {
            const Array in = careful ? v.contiguous() : v, out = Array::make(v.shape(), v.dtype());
            visit_floating(v.dtype(), [&]<class T>(std::type_identity<T>) {
              for (std::int64_t i = 0; i < v.size(); ++i) out.writable<T>()[i] = in.data<T>()[i] * in.data<T>()[i] * in.data<T>()[i];
            });
            return out;
          },
          wrt(x, [x](const Tensor& dy) { return dy * x * x * 3; }));
    };
  };
  CHECK_THAT(gradcheck(loop(true), normal({3, 4})), Passes());
  check_finds(gradcheck(loop(false), normal({3, 4})), "contiguous");
}

TEST_CASE("a kernel of float32 alone owes the same", "[gradcheck]") {
  const auto triple = [](bool careful) {
    return [careful](In x) {
      return record(
          "triple",
          [careful](const Array& v) {
            const Array in = careful ? v.contiguous() : v, out = Array::make(v.shape());
            for (std::int64_t i = 0; i < v.size(); ++i) out.writable<float>()[i] = in.data<float>()[i] * 3;
            return out;
          },
          wrt(x, [](const Tensor& dy) { return dy * 3; }));
    };
  };
  CHECK_THAT(gradcheck(triple(true), normal({3, 4})), Passes());
  check_finds(gradcheck(triple(false), normal({3, 4})), "contiguous");
}

TEST_CASE("an axis of size 1 or 0 that breaks a derivative is found", "[gradcheck]") {
  const auto rows = [](In x) {
    return record(
        "row_sums", [](const Array& v) { return sum(Tensor(v), 1, true).value(); },
        wrt(x, [x](const Tensor& dy) { return x.size(1) == 1 ? dy * 0.5 : Tensor(dy + zeros_like(x)); }));
  };
  check_finds(gradcheck(rows, normal({3, 4})), "size 1");
  const auto throws = [](In x) {
    if (x.size() == 0) throw std::out_of_range("no first element");
    return x * 2;
  };
  check_finds(gradcheck(throws, normal({3, 4})), "not a dz::Error");
}

TEST_CASE("one of several outputs without a cotangent is asked for", "[gradcheck]") {
  const auto pair = [](bool right) {
    return [right](In x) {
      return record_many(
          "pair", [](std::span<const Array> in) { return std::vector<Array>{kernels::square(in[0]), kernels::exp(in[0])}; },
          wrt_all({x}, [x, right](std::span<const Tensor> dy, std::span<const Tensor> y, Wanted) {
            const Tensor none = zeros_like(x), first = dy[0] ? dy[0] : none, second = dy[1] ? dy[1] : none;
            if (!right && !dy[1]) return std::vector<Tensor>{first * x};
            return std::vector<Tensor>{first * x * 2 + second * y[1]};
          }));
    };
  };
  CHECK_THAT(gradcheck(pair(true), normal({3})).order(2), Passes());
  CHECK(gradcheck(pair(false), normal({3})).result().verdict() == Verdict::wrong);
}

TEST_CASE("one tensor given twice gets the sum of both gradients", "[gradcheck]") {
  const auto product = [](bool right) {
    return [right](In a, In b) {
      if (!right && a.from() == b.from()) return record("product", [](const Array& v) { return kernels::square(v); }, wrt(a, [b](const Tensor& dy) { return dy * b; }));
      return a * b;
    };
  };
  CHECK_THAT(gradcheck(product(true), normal({3}), normal({3})), Passes());
  check_finds(gradcheck(product(false), normal({3}), normal({3})), "given one tensor");
}

TEST_CASE("the float32 code is compared with float64: one element of a tail, a threshold", "[gradcheck]") {
  const auto kernel = [](auto wrong_at) {
    return [wrong_at](In x) {
      return record(
          "double_loop",
          [wrong_at](const Array& v) {
            const Array out = kernels::add(v, v);
            if (v.dtype() == float32 && v.size() > 0)
              if (const auto k = wrong_at(v.size()); k >= 0) out.writable<float>()[k] *= 1.001f;
            return out;
          },
          wrt(x, [wrong_at](const Tensor& dy) {
            const Tensor dx = dy * 2;
            if (dx.dtype() == float32 && dx.size() > 0)
              if (const auto k = wrong_at(dx.size()); k >= 0) dx.value().writable<float>()[k] *= 1.001f;
            return dx;
          }));
    };
  };
  CHECK_THAT(gradcheck(kernel([](std::int64_t) { return std::int64_t{-1}; }), normal({37})), Passes());
  check_finds(gradcheck(kernel([](std::int64_t n) { return n % 16 ? n - 1 : -1; }), normal({37})), "in float32 output 0 (37) is wrong at element [36]");
  check_finds(gradcheck(kernel([](std::int64_t n) { return n > 16384 ? n / 2 : -1; }), normal({20000})), "in float32");
  CHECK_THAT(gradcheck(kernel([](std::int64_t n) { return n > 16384 ? n / 2 : -1; }), normal({20000}, 0, 1, float64)), Passes());  // no float32 is asked for
}

TEST_CASE("rounding of float32 alone is no finding", "[gradcheck]") {
  seed(6);
  CHECK_THAT(gradcheck([](In a, In b) { return matmul(a, b); }, normal({40, 300}), normal({300, 50})), Passes());
  CHECK_THAT(gradcheck([](In x) { return softmax(x * 30); }, normal({20, 30})), Passes());
  CHECK_THAT(gradcheck([](In x) { return sum(x); }, uniform({50000})), Passes());
  CHECK_THAT(gradcheck([](In x) { return sum(exp(x) / (1 + exp(x))); }, normal({1000}, 0, 10)), Passes());
  CHECK_THAT(gradcheck([](In x) { return sigmoid(x); }, uniform({100}, 10, 12)), Passes());
  const Tensor w = normal({30, 30});
  CHECK_THAT(gradcheck([&](In x) { return relu(matmul(relu(matmul(x, w)), w)); }, normal({30, 30})), Passes());
}

TEST_CASE("an element among a hundred thousand is found, and named", "[gradcheck]") {
  const std::int64_t n = 100000, bad = 71234;
  const auto almost = [&](double factor) {
    return [&, factor](In x) {
      return record("almost", square_value, wrt(x, [x, factor](const Tensor& dy) {
                      const Tensor dx = dy * x * 2;
                      if (dx.size() == n) visit_floating(dx.dtype(), [&]<class T>(std::type_identity<T>) { dx.value().writable<T>()[bad] *= static_cast<T>(factor); });
                      return dx;
                    }));
    };
  };
  const Tensor x = uniform({n}, 1, 2);
  CHECK_THAT(gradcheck(almost(1), x), Passes());
  for (const double factor : {0.0, 1.0001}) {
    const auto check = gradcheck(almost(factor), x);
    CHECK(check.result().verdict() == Verdict::wrong);
    REQUIRE(!check.result().inputs.empty());
    CHECK(check.result().inputs[0].element == bad);
  }
}

TEST_CASE("a derivative that is wrong only in the second order is found there", "[gradcheck]") {
  const auto cut = [](In x) { return record("cut", square_value, wrt(x, [x](const Tensor& dy) { return dy * x.detach() * 2; })); };
  CHECK_THAT(gradcheck(cut, normal({4})), Passes());
  CHECK(gradcheck(cut, normal({4})).order(2).result().verdict() == Verdict::wrong);
  CHECK_THAT(gradcheck(relu, tensor({0, 1, -1}, {3})).order(2), Passes());
}

TEST_CASE("check_graph finds what is wrong in float32 alone", "[check_graph]") {
  const auto tail = [](In x) {
    return record("tail", square_value, wrt(x, [x](const Tensor& dy) {
                    const Tensor dx = dy * x * 2;
                    if (dx.dtype() == float32) dx.value().writable<float>()[dx.size() - 1] *= 1.5f;
                    return dx;
                  }));
  };
  seed(3);
  const Tensor x = variable(uniform({6, 7}, 1, 2)), w = variable(normal({7, 7}));
  const auto guard = checked();
  const GraphCheck check = check_graph(sum(tanh(matmul(tail(sigmoid(x)), w))));
  INFO(to_string(check));
  CHECK(check.operations[0].operation == "tail");
  CHECK(check.operations[0].verdict == Verdict::wrong);
  CHECK(check.operations[1].verdict == Verdict::right);
}

TEST_CASE("gradcheck takes a model and tensors beside it", "[gradcheck]") {
  const Linear layer(3, 2);
  const auto check = gradcheck([](Linear& l, In x) { return tanh(l(x)); }, layer, normal({4, 3}));
  CHECK_THAT(check, Passes());
  CHECK(check.result().inputs.size() == 3);
}

namespace {

struct Normalised {
  Linear hidden{3, 4};
  BatchNorm scale{4};
  Linear output{4, 2};
};
BOOST_DESCRIBE_STRUCT(Normalised, (), (hidden, scale, output))

}  // namespace

TEST_CASE("a gradient that is 0 up to rounding is no finding: a bias before a normalisation", "[gradcheck]") {
  const auto on = training();
  for (const int s : {1, 2, 3, 4, 5}) {
    seed(static_cast<std::uint64_t>(s));
    const Normalised net;
    const auto cost = [](Normalised& n, In x) { return mean(square(n.output(tanh(n.scale(n.hidden(x)))))); };
    CHECK_THAT(gradcheck(cost, net, normal({8, 3})).order(2).seed(static_cast<std::uint64_t>(s)), Passes());
    const Tensor x = normal({6, 4}) * 100;
    CHECK_THAT(gradcheck([&](In b) { return softmax(x + sum(b), 1); }, normal({5})).seed(static_cast<std::uint64_t>(s)), Passes());  // shifts each row
  }
}
