#pragma once
// Counter-based random numbers (Philox 4x32-10; Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a
// generator is a key and a position, so copies repeat each other and any number of threads gives the same values.

#include <dz/tensor/array.hpp>

namespace dz {

struct Generator {
  std::uint64_t key = 0, position = 0;  ///< position counts blocks of four 32-bit words

  explicit Generator(std::uint64_t seed = 0) : key(seed) {}
};

/// The calling thread's generator, used wherever none is given.
Generator& default_generator();
/// Restarts the calling thread's generator.
void seed(std::uint64_t s);

namespace kernels {

/// Uniform on [low, high); float32 or float64. Throws ValueError where low > high or either is not finite.
Array uniform(const Shape& shape, double low, double high, Dtype dtype, Generator& g);
/// Gaussian (Box and Muller, 1958). Throws ValueError where deviation < 0 or not finite.
Array normal(const Shape& shape, double mean, double deviation, Dtype dtype, Generator& g);
/// 1 with probability p, else 0, in the given dtype. Throws ValueError outside [0, 1].
Array bernoulli(const Shape& shape, double p, Dtype dtype, Generator& g);
/// 0 … n−1 in random order, int64.
Array permutation(std::int64_t n, Generator& g);

}  // namespace kernels
}  // namespace dz
