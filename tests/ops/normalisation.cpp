#include <dz/ops/normalisation.hpp>

#include <algorithm>
#include <cmath>

#include <dz/calculus/catch.hpp>
#include <dz/dz.hpp>
#include <dz/tensor/force.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

using Values = std::vector<double>;

double apart(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  const Values x = a.to_vector(), y = b.to_vector();
  double size = 1, worst = 0;
  for (double v : y) size = std::max(size, std::abs(v));
  for (std::size_t i = 0; i < x.size(); ++i) worst = std::isnan(x[i]) ? HUGE_VAL : std::max(worst, std::abs(x[i] - y[i]) / size);
  return worst;
}

/// Any of the four, by plain operations: statistics over the axes, scale and shift as shaped.
Tensor by_operations(const Tensor& x, const Axes& axes, const Tensor& scale, const Tensor& shift, double epsilon, bool centred = true) {
  const Tensor deviation = centred ? x - mean(x, axes, true) : x;
  const Tensor y = deviation / sqrt(mean(square(deviation), axes, true) + epsilon) * scale;
  return shift ? y + shift : y;
}

struct Case {
  const char* name;
  Shape x;
  std::function<Tensor(In, In, In)> fused, plain;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Shape& shape : {Shape{5, 7}, Shape{300, 70}, Shape{3, 4, 1}, Shape{2, 3, 200}, Shape{1, 1000}, Shape{1, 1}, Shape{70, 5000}}) {
    const int last = shape.rank() - 1;
    const auto row = [=](const Tensor& s) {
      Shape r = shape;
      for (int i = 0; i < last; ++i) r[i] = 1;
      return reshape(s, r);
    };
    all.push_back({"layer_norm", shape, [](In x, In s, In b) { return layer_norm(x, s, b); },
                   [=](In x, In s, In b) { return by_operations(x, last, row(s), row(b), 1e-5); }});
    all.push_back({"rms_norm", shape, [](In x, In s, In b) { return rms_norm(x, s, 0.1) + sum(b) * 0; },
                   [=](In x, In s, In b) { return by_operations(x, last, row(s), {}, 0.1, false) + sum(b) * 0; }});
  }
  for (const Shape& shape : {Shape{5, 7}, Shape{3, 4, 5, 6}, Shape{3000, 3}, Shape{2, 9, 300}, Shape{1, 1}, Shape{40, 30, 20, 2}}) {
    const Shape flat{shape.volume() / shape[shape.rank() - 1], shape[shape.rank() - 1]};
    all.push_back({"batch_norm", shape, [](In x, In s, In b) { return batch_norm(x, s, b, 1e-3).y; },
                   [=](In x, In s, In b) {
                     return reshape(by_operations(reshape(x, flat), 0, reshape(s, {1, flat[1]}), reshape(b, {1, flat[1]}), 1e-3), shape);
                   }});
  }
  for (const auto& [shape, groups] : std::vector<std::pair<Shape, std::int64_t>>{
           {{5, 6}, 2}, {{3, 4, 5, 6}, 3}, {{2, 9, 300}, 1}, {{2, 2000, 4}, 4}, {{1, 1, 1}, 1}, {{3, 7, 260}, 130}}) {
    const std::int64_t channels = shape[shape.rank() - 1];
    const Shape view{shape[0], shape.volume() / shape[0] / channels, groups, channels / groups}, row{1, 1, groups, channels / groups};
    all.push_back({"group_norm", shape, [g = groups](In x, In s, In b) { return group_norm(x, g, s, b); },
                   [=, s0 = shape](In x, In s, In b) {
                     return reshape(by_operations(reshape(x, view), {1, 3}, reshape(s, row), reshape(b, row), 1e-5), s0);
                   }});
  }
  return all;
}

}  // namespace

TEST_CASE("fused normalisation is its composition: values, gradients, and those of the recorded reverse pass", "[normalisation]") {
  seed(31);
  for (const Case& c : cases())
    for (Dtype dtype : {float32, float64}) {
      INFO(c.name << " of " << to_string(c.x) << " in " << name(dtype));
      const std::int64_t channels = c.x[c.x.rank() - 1];
      const Tensor x = normal(c.x, 0.5, 2, float64), scale = normal({channels}, 1, 0.5, float64), shift = normal({channels}, 0, 1, float64),
                   dy = normal(c.x, 0, 1, float64);
      const auto run = [&](const auto& f, Dtype d, bool record) {
        const Tensor leaves[] = {variable(cast(x, d)), variable(cast(scale, d)), variable(cast(shift, d))};
        const Tensor y = f(leaves[0], leaves[1], leaves[2]);
        std::vector<Tensor> all = grad({y}, {leaves[0], leaves[1], leaves[2]}, {.create_graph = record, .seeds = {cast(dy, d)}});
        all.push_back(y);
        for (Tensor& t : all) t = t.detach();
        return all;
      };
      // In float32 the operands are rounded too; on a few elements a division by a small variance magnifies that.
      const auto expected = run(c.plain, dtype, false);
      const double tolerance = dtype == float64 ? 1e-11 : 2e-5;
      for (bool record : {false, true}) {
        const auto got = run(c.fused, dtype, record);
        for (std::size_t i = 0; i < 4; ++i) {
          INFO((i == 3 ? std::string("value") : "gradient by input " + std::to_string(i)) << (record ? ", recorded" : ""));
          CHECK(apart(got[i], expected[i]) <= tolerance);
        }
      }
    }
}

TEST_CASE("layer_norm and rms_norm of runs of any length, on each instruction set; any number of threads gives the same bits", "[normalisation]") {
  seed(34);
  const force::Size grain(elementwise_grain, 64);  // threads share a few runs
  for (std::int64_t n : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 127, 1030, 2047, 2049, 5001}) {
    const Tensor x = normal({71, n}, 3, 2, float64), scale = normal({n}, 1, 0.5, float64), shift = normal({n}, 0, 1, float64), dy = normal({71, n}, 0, 1, float64);
    const auto run = [&](bool centred, bool fused, Dtype dtype) {
      const Tensor a = variable(cast(x, dtype)), s = variable(cast(scale, dtype));
      const Tensor y = fused ? (centred ? layer_norm(a, s, cast(shift, dtype)) : rms_norm(a, s, 0.1))
                             : by_operations(a, 1, reshape(s, {1, n}), centred ? reshape(cast(shift, dtype), {1, n}) : Tensor(), centred ? 1e-5 : 0.1, centred);
      std::vector<Tensor> all = grad({y}, {a, s}, {.seeds = {cast(dy, dtype)}});
      all.push_back(y.detach());
      return all;
    };
    for (bool centred : {false, true}) {
      const auto expected = run(centred, false, float64);
      for (Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512})
        for (Dtype dtype : {float32, float64}) {
          const force::InstructionSet forced(isa);
          INFO(n << (centred ? ", centred, " : ", ") << name(dtype) << ", instruction set " << static_cast<int>(isa));
          const auto several = run(centred, true, dtype), alone = [&] {
            const force::Threads one(1);
            return run(centred, true, dtype);
          }();
          for (std::size_t i = 0; i < 3; ++i) {
            CHECK(several[i].to_vector() == alone[i].to_vector());
            if (n > 2) CHECK(apart(cast(several[i], float64), expected[i]) <= (dtype == float64 ? 1e-11 : 2e-5));  // of two or one the variance may be next to 0
          }
        }
    }
  }
}

TEST_CASE("gradients of normalisation, and theirs", "[normalisation][gradcheck]") {
  seed(32);
  const Tensor scale = normal({4}, 1, 0.5), shift = normal({4});
  CHECK_THAT(gradcheck([](In x, In s, In b) { return layer_norm(x, s, b); }, normal({3, 2, 4}), scale, shift).order(2), Passes());
  CHECK_THAT(gradcheck([](In x, In s) { return rms_norm(x, s); }, normal({3, 4}), scale).order(2), Passes());
  CHECK_THAT(gradcheck([](In x, In s, In b) { return group_norm(x, 2, s, b); }, normal({2, 3, 4}), scale, shift).order(2), Passes());
  CHECK_THAT(gradcheck([](In x, In s, In b) { return batch_norm(x, s, b).y; }, normal({5, 4}), scale, shift).order(2), Passes());
  CHECK_THAT(gradcheck(
                 [](In x, In s, In b) {
                   const BatchNormed n = batch_norm(x, s, b);
                   return std::vector<Tensor>{n.y, n.mean, n.variance};
                 },
                 normal({3, 2, 4}), scale, shift)
                 .order(2),
             Passes());
  CHECK_THAT(gradcheck([](In x, In s, In b) { return batch_norm(x, s, b).variance; }, normal({5, 4}), scale, shift).order(2), Passes());
  CHECK_THAT(gradcheck([](In x, In s, In b, In m, In v) { return batch_norm(x, s, b, m, v); }, normal({3, 2, 4}), scale, shift, normal({4}),
                       uniform({4}, 0.5, 2))
                 .order(2),
             Passes());
}

TEST_CASE("graphs with normalisation can be examined", "[normalisation]") {
  const auto guard = checked();
  const Tensor x = variable(normal({4, 3, 6})), scale = variable(normal({6})), shift = variable(normal({6}));
  const Tensor y = group_norm(batch_norm(layer_norm(x, scale, shift), scale, shift).y, 2, scale, shift);
  CHECK_THAT(check_graph(sum(square(rms_norm(y, scale)))), Passes());
}

TEST_CASE("batch_norm gives the batch's statistics, and evaluation uses those it is given", "[normalisation]") {
  const Tensor x = tensor({1, 10, 3, 30, 5, 20}, {3, 2}, float64), one = ones({2}, float64), zero = zeros({2}, float64);
  const BatchNormed n = batch_norm(x, one, zero);
  CHECK(n.mean.to_vector() == Values{3, 20});
  CHECK(n.variance.to_vector()[0] == Approx(8.0 / 3));
  CHECK(n.variance.to_vector()[1] == Approx(200.0 / 3));
  CHECK(apart(batch_norm(x, one, zero, n.mean, n.variance), n.y) < 1e-15);
  CHECK(apart(batch_norm(reshape(x, {3, 1, 1, 2}), one, zero, n.mean, n.variance), reshape(n.y, {3, 1, 1, 2})) < 1e-15);
}

TEST_CASE("normalisation keeps its digits beside a large mean", "[normalisation]") {
  seed(33);
  const Tensor x = normal({4096, 8}), far = cast(cast(x, float64) + 4096, float32);  // at 4096 a float32 has steps of 2⁻¹¹
  const Tensor scale = ones({8}), shift = zeros({8}), wide = cast(far, float64);
  const Tensor exact = by_operations(wide, 0, ones({1, 8}, float64), zeros({1, 8}, float64), 1e-5);
  const double half_a_step = 0x1p-12;  // what the mean itself is rounded by; the deviations are about 1
  CHECK(apart(batch_norm(far, scale, shift).y, exact) < half_a_step);
  const Tensor rows(far.value().t().clone());
  CHECK(apart(layer_norm(rows, ones({4096}), zeros({4096})), Tensor(exact.value().t().clone())) < 2e-6);  // what the mean is rounded by is made good
  const Tensor constant = full({3, 100}, 123456789.0, float32);
  CHECK(apart(layer_norm(constant, ones({100}), zeros({100})), zeros({3, 100})) == 0);
  const Tensor huge = normal({1000, 1}, 1e8, 1, float64);
  CHECK(apart(batch_norm(huge, ones({1}, float64), zeros({1}, float64)).y,
              by_operations(huge - huge.to_vector()[0], 0, ones({1, 1}, float64), {}, 1e-5)) < 1e-7);
}

TEST_CASE("normalisation of views, constants and nothing", "[normalisation]") {
  seed(34);
  const Tensor x(normal({6, 4}).value().t()), plain(x.value().clone()), scale(normal({12}).value().slice(0, 0, 12, 2)), shift = normal({6});
  CHECK(layer_norm(x, scale, shift).to_vector() == layer_norm(plain, Tensor(scale.value().clone()), shift).to_vector());
  CHECK(batch_norm(x, scale, shift).y.to_vector() == batch_norm(plain, scale, shift).y.to_vector());
  CHECK(layer_norm(full({2, 3}, 7), ones({3}), full({3}, 5)).to_vector() == Values(6, 5));
  CHECK(batch_norm(full({2, 3}, 7), ones({3}), full({3}, 5)).y.to_vector() == Values(6, 5));
  for (const Shape& empty : {Shape{0, 3}, Shape{2, 0, 3}, Shape{2, 3, 0}}) {
    const std::int64_t channels = empty[empty.rank() - 1];
    const Tensor e = variable(zeros(empty)), s = variable(ones({channels})), b = variable(zeros({channels}));
    for (const Tensor& y : {layer_norm(e, s, b), rms_norm(e, s), group_norm(e, 1, s, b)}) {
      CHECK(y.shape() == empty);
      CHECK(grad(y, s, {.seeds = {y.detach()}}).to_vector() == Values(static_cast<std::size_t>(channels), 0));
    }
  }
}

TEST_CASE("normalisation that does not fit is refused with shapes and line", "[normalisation]") {
  const auto message = [](auto f) -> std::string {
    try {
      f();
    } catch (const ShapeError& e) {
      return e.what();
    }
    return "no ShapeError";
  };
  const Tensor x = zeros({2, 6}), s = ones({6}), b = zeros({6});
  const int line = __LINE__ + 1;
  const std::string scaled = message([&] { return layer_norm(x, ones({5}), b); });
  CHECK(scaled ==
        "[layer_norm] scale (5) and shift (6) are not (6), one for each channel of x (2, 6), at normalisation.cpp:" + std::to_string(line));
  const auto refuses = [&](auto f, const char* reason) {
    const std::string what = message(f);
    INFO(what);
    CHECK(what.find(reason) != std::string::npos);
    CHECK(what.find("at normalisation.cpp:") != std::string::npos);
  };
  refuses([&] { return rms_norm(x, ones({1, 6})); }, "[rms_norm] scale (1, 6) are not (6)");
  refuses([&] { return layer_norm(ones({}), s, b); }, "[layer_norm] a scalar has no features");
  refuses([&] { return batch_norm(zeros({0, 6}), s, b).y; }, "[batch_norm] x is (m, …, channels), none of them 0, got (0, 6)");
  refuses([&] { return batch_norm(x, s, ones({5})).y; }, "[batch_norm] scale (6) and shift (5)");
  refuses([&] { return batch_norm(x, s, b, ones({5}), s); }, "mean (5) and variance (6)");
  refuses([&] { return group_norm(x, 4, s, b); }, "[group_norm] x is (m, …, channels) with channels in 4 equal groups, got (2, 6)");
  CHECK_THROWS_AS(layer_norm(x, cast(s, float64), b), DtypeError);
  CHECK_THROWS_AS(layer_norm(cast(x, int64), cast(s, int64), cast(b, int64)), DtypeError);
}
