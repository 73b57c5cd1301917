// Tensors from nothing: their values, and those made after the likeness of others.

#include <cmath>

#include <dz/dz.hpp>

#include "tests/support/support.hpp"

using namespace dz;

using Values = std::vector<double>;

TEST_CASE("sequences and the identity", "[ops]") {
  CHECK(arange(0, 1, 0.25, float64).to_vector() == Values{0, 0.25, 0.5, 0.75});
  CHECK(arange(3, 0, -1).to_vector() == Values{3, 2, 1});
  CHECK(arange(0, 0).shape() == Shape{0});
  CHECK(arange(0, -1).shape() == Shape{0});
  CHECK(arange(0, 5, 2, int64).to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 2, 4});
  CHECK(linspace(0, 1, 5, float64).to_vector() == Values{0, 0.25, 0.5, 0.75, 1});
  CHECK(linspace(2, 7, 1).to_vector() == Values{2});
  CHECK(linspace(0, 0.1, 7, float64).to_vector().back() == 0.1);  // the end itself
  CHECK(eye(3).to_vector() == Values{1, 0, 0, 0, 1, 0, 0, 0, 1});
  CHECK(eye(0).shape() == Shape{0, 0});
}

TEST_CASE("after the likeness of a tensor: its shape and dtype, not its gradient", "[ops]") {
  for (const Dtype dtype : {float32, float64}) {
    const Tensor x = variable(full({2, 3}, 7, dtype));
    Generator g(4), h(4);
    for (const Tensor& y : {zeros_like(x), ones_like(x), full_like(x, 0.5), uniform_like(x), normal_like(x), bernoulli_like(x, 0.5)}) {
      CHECK(y.shape() == x.shape());
      CHECK(y.dtype() == dtype);
      CHECK_FALSE(y.requires_grad());
    }
    CHECK(zeros_like(x).to_vector() == Values(6, 0));
    CHECK(full_like(x, 0.5).to_vector() == Values(6, 0.5));
    CHECK(uniform_like(x, -1, 2, g).to_vector() == uniform({2, 3}, -1, 2, dtype, h).to_vector());
    CHECK(normal_like(x, 3, 0.1, g).to_vector() == normal({2, 3}, 3, 0.1, dtype, h).to_vector());
    CHECK(bernoulli_like(x, 0.3, g).to_vector() == bernoulli({2, 3}, 0.3, dtype, h).to_vector());
  }
}
