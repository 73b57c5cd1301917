// exp, erf and tanh in float32 against double, over bit patterns of every sign, exponent and fraction.

#include <bit>
#include <cmath>
#include <limits>

#include <dz/dz.hpp>
#include <dz/tensor/force.hpp>
#include <dz/tensor/parallel.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

/// The distance of y from the exact value in units of the last place of that value as a float; 0 for two NaNs.
double ulp_between(float y, double exact) {
  const float rounded = static_cast<float>(exact);
  if (std::isnan(y) || std::isnan(rounded)) return std::isnan(y) && std::isnan(rounded) ? 0 : HUGE_VAL;
  if (y == rounded) return 0.5;
  if (std::isinf(y) || std::isinf(rounded)) return HUGE_VAL;
  const float size = std::abs(rounded);
  return std::abs(static_cast<double>(y) - exact) / static_cast<double>(std::nextafter(size, std::numeric_limits<float>::infinity()) - size);
}

struct Worst {
  double ulp = 0;
  float at = 0;
};

/// Over every step-th bit pattern of a float, in blocks.
Worst worst(Tensor (*f)(In), double (*exact)(double), std::int64_t step) {
  constexpr std::int64_t patterns = std::int64_t{1} << 32, block = 1 << 20;
  Worst all;
  for (std::int64_t from = 0; from < patterns; from += block * step) {
    const std::int64_t n = std::min(block, (patterns - from + step - 1) / step);
    std::vector<float> in(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < n; ++i) in[static_cast<std::size_t>(i)] = std::bit_cast<float>(static_cast<std::uint32_t>(from + i * step));
    const Tensor y = f(tensor(in, {n}));
    const float* out = y.value().data<float>();
    std::vector<double> ulp(in.size());
    parallel_for(n, 4096, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const auto k = static_cast<std::size_t>(i);
        ulp[k] = ulp_between(out[i], exact(static_cast<double>(in[k])));
      }
    });
    const auto most = std::max_element(ulp.begin(), ulp.end());
    if (*most > all.ulp) all = {*most, in[static_cast<std::size_t>(most - ulp.begin())]};
  }
  return all;
}

void check_all(std::int64_t step) {
  struct Function {
    const char* name;
    Tensor (*f)(In);
    double (*exact)(double);
  };
  for (const auto& [name, f, exact] : {Function{"exp", exp, std::exp}, Function{"erf", erf, std::erf}, Function{"tanh", tanh, std::tanh}}) {
    const Worst w = worst(f, exact, step);
    INFO(name << " up to instruction set " << static_cast<int>(active_isa()) << ": " << w.ulp << " ulp at " << w.at);
    CHECK(w.ulp <= 2);
  }
}

}  // namespace

TEST_CASE("exp, erf and tanh lie within 2 ulp of double in every instruction set", "[ops]") {
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    const force::InstructionSet limit(isa);
    check_all(4093);
  }
  const auto at = [](Tensor (*f)(In), double x) { return f(full({1}, x)).item(); };
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(at(erf, inf) == 1);
  CHECK(at(erf, -inf) == -1);
  CHECK(std::signbit(at(erf, -0.0)));
  CHECK(at(erf, 1e-30) == Approx(1.1283791670955126e-30));
}

TEST_CASE("exp, erf and tanh lie within 2 ulp of double at every float", "[ops][long][.]") {
  if (test::sanitized) DZ_SKIP("a sanitizer takes hours for so many; every 4093rd float is tried in the test above");
  check_all(1);
}
