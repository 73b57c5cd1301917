#include <dz/tensor/random.hpp>

#include <Random123/philox.h>
#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include <dz/tensor/launch.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz {

Generator& default_generator() {
  static thread_local Generator g;
  return g;
}
void seed(std::uint64_t s) { default_generator() = Generator(s); }

namespace kernels {
namespace {

using Words = std::array<std::uint32_t, 4>;

/// The four words at a position.
Words words(const Generator& g, std::uint64_t block) {
  const std::uint64_t at = g.position + block;
  const r123::Philox4x32::ctr_type counter{{static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at >> 32), 0, 0}};
  const r123::Philox4x32::key_type key{{static_cast<std::uint32_t>(g.key), static_cast<std::uint32_t>(g.key >> 32)}};
  const auto r = r123::Philox4x32{}(counter, key);
  return {r[0], r[1], r[2], r[3]};
}

/// [0, 1) in steps of 2^-24 or 2^-53, of a block's element i: four float32 or two float64 in a block.
template <class T> T unit(const Words& w, std::size_t i) {
  if constexpr (std::is_same_v<T, float>) return static_cast<float>(w[i] >> 8) * 0x1p-24f;
  else return static_cast<double>((static_cast<std::uint64_t>(w[2 * i]) << 32 | w[2 * i + 1]) >> 11) * 0x1p-53;
}
template <class T> inline constexpr std::int64_t per_block = std::is_same_v<T, float> ? 4 : 2;

/// Fills out with values(words) of consecutive blocks and moves the generator on. All blocks are independent.
template <class T, class F> void fill_blocks(T* out, std::int64_t n, const Generator& g, F values) {
  constexpr std::int64_t per = per_block<T>;
  parallel_for((n + per - 1) / per, std::max<std::int64_t>(1, elementwise_grain / 32), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const std::array<T, per> v = values(words(g, static_cast<std::uint64_t>(b)));
      for (std::int64_t i = 0; i < per && b * per + i < n; ++i) out[b * per + i] = v[static_cast<std::size_t>(i)];
    }
  });
}

struct Range {
  double a, b;
};

void uniform_kernel(const Array& out, Generator g, Range range) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const T low = static_cast<T>(range.a), high = static_cast<T>(range.b), width = high - low;
    fill_blocks(out.writable<T>(), out.size(), g, [&](const Words& w) {
      std::array<T, per_block<T>> v;
      for (std::size_t i = 0; i < v.size(); ++i)
        v[i] = std::min(low + unit<T>(w, i) * width, high > low ? std::nextafter(high, low) : high);
      return v;
    });
  });
}

void normal_kernel(const Array& out, Generator g, Range range) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    fill_blocks(out.writable<T>(), out.size(), g, [&](const Words& w) {
      std::array<T, per_block<T>> v;
      for (std::size_t i = 0; i < v.size(); i += 2) {
        const double radius = std::sqrt(-2 * std::log1p(-static_cast<double>(unit<T>(w, i)))),
                     angle = 2 * std::numbers::pi * static_cast<double>(unit<T>(w, i + 1));
        v[i] = static_cast<T>(range.a + range.b * radius * std::cos(angle));
        v[i + 1] = static_cast<T>(range.a + range.b * radius * std::sin(angle));
      }
      return v;
    });
  });
}

void bernoulli_kernel(const Array& out, Generator g, double p) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    fill_blocks(out.writable<T>(), out.size(), g, [&](const Words& w) {
      std::array<T, per_block<T>> v;
      for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<T>(static_cast<double>(unit<T>(w, i)) < p);
      return v;
    });
  });
}

template <class Kernel, class Attribute> Array draw(Kernel kernel, const Shape& shape, Dtype dtype, Generator& g, Attribute attribute) {
  if (!is_floating(dtype)) throw DtypeError(fmt::format("random numbers are float32 or float64, not {}", name(dtype)));
  Array out = Array::make(shape, dtype);
  launch(kernel, out, g, attribute);
  const std::int64_t per = dtype == float32 ? per_block<float> : per_block<double>;
  g.position += static_cast<std::uint64_t>((out.size() + per - 1) / per);
  return out;
}

}  // namespace

Array uniform(const Shape& shape, double low, double high, Dtype dtype, Generator& g) {
  if (!(low <= high) || !std::isfinite(low) || !std::isfinite(high))
    throw ValueError(fmt::format("no uniform numbers on [{}, {})", low, high), "uniform");
  return draw(uniform_kernel, shape, dtype, g, Range{low, high});
}

Array normal(const Shape& shape, double mean, double deviation, Dtype dtype, Generator& g) {
  if (!(deviation >= 0) || !std::isfinite(deviation) || !std::isfinite(mean))
    throw ValueError(fmt::format("no normal numbers of mean {} and deviation {}", mean, deviation), "normal");
  return draw(normal_kernel, shape, dtype, g, Range{mean, deviation});
}

Array bernoulli(const Shape& shape, double p, Dtype dtype, Generator& g) {
  if (!(p >= 0 && p <= 1)) throw ValueError(fmt::format("{} is no probability", p), "bernoulli");
  return draw(bernoulli_kernel, shape, dtype, g, p);
}

Array permutation(std::int64_t n, Generator& g) {
  if (n < 0) throw ValueError(fmt::format("no permutation of {} elements", n), "permutation");
  Array out = Array::make({n}, int64);
  std::int64_t* p = out.writable<std::int64_t>();
  for (std::int64_t i = 0; i < n; ++i) p[i] = i;
  for (std::int64_t i = n; i > 1; --i) {  // Fisher and Yates; the bias of a 64-bit remainder is below 2^-40 for any n that fits in memory
    const Words w = words(g, static_cast<std::uint64_t>(n - i));
    const std::uint64_t r = static_cast<std::uint64_t>(w[0]) << 32 | w[1];
    std::swap(p[i - 1], p[r % static_cast<std::uint64_t>(i)]);
  }
  g.position += static_cast<std::uint64_t>(n > 1 ? n - 1 : 0);
  return out;
}

}  // namespace kernels
}  // namespace dz
