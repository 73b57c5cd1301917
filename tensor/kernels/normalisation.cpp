// Every sum is taken over blocks of a fixed length, and the blocks' sums are added in order, so the results do not depend on the number of
// threads.

#include <dz/tensor/kernels/normalisation.hpp>

#include <fmt/format.h>

#include <cmath>

#include <dz/tensor/kernels/registers.hpp>
#include <dz/tensor/launch.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels {
namespace {

constexpr std::int64_t run_block = thresholds::normalised_runs;  // runs whose parts of the scale's and shift's gradients are added in the element type
constexpr std::int64_t strip = thresholds::normalised_channels;  // channels gone through together

std::int64_t blocks_of(std::int64_t n, std::int64_t block) { return (n + block - 1) / block; }

// ---- runs: each group lies in one piece, read several times. A few of them are gone through side by side: while one waits for its sums there are the
// others', and what the runs share is loaded once for them.

constexpr int few_runs = 4;              // whose sums, and what they take, stay within AVX-512's 32 registers
constexpr std::int64_t long_run = 2048;  // longer ones are gone through one by one: of a few the first would have left the cache
constexpr std::int64_t stretch = 32;     // packs added in the element type before their sum goes over into double

/// Which runs keep company depends on the sizes alone: one by itself is added up in another order.
std::int64_t runs_together(std::int64_t n) { return n > long_run ? 1 : few_runs; }

/// For each run one number, in all elements of a pack.
template <class R, int runs> class Everywhere {
 public:
  template <class N> DZ_INLINE explicit Everywhere(const N (&x)[runs]) {
    for (int r = 0; r < runs; ++r) packs_[r] = R::everywhere(static_cast<typename R::Element>(x[r]));
  }
  DZ_INLINE const typename R::V& operator[](int r) const { return packs_[r]; }

 private:
  typename R::V packs_[runs];
};

/// sums[k][run] = what add(lanes, i, keep) adds to lanes[k][run] for all packs of [0, n).
template <class R, int runs, int count, class F> DZ_INLINE void find_sums(double (&sums)[count][runs], std::int64_t n, const F& add) {
  constexpr int ways = runs == 1 ? 2 : 1;  // sums that do not wait for each other
  for (auto& sum : sums) std::fill_n(sum, runs, 0.0);
  for (std::int64_t start = 0; start < n; start += stretch * R::width) {
    typename R::V lanes[ways][count][runs] = {};
    detail::for_each_pack<R, ways>(start, std::min(n, start + stretch * R::width),
                                   [&](std::int64_t i, const auto& keep, auto way) __attribute__((always_inline)) { add(lanes[way], i, keep); });
    for (int k = 0; k < count; ++k) {
      if constexpr (ways == 2) lanes[0][k][0] += lanes[1][k][0];
      const typename R::V all = R::template sums<runs>(lanes[0][k]);
      for (int r = 0; r < runs; ++r) sums[k][r] += static_cast<double>(R::element(all, r * (R::width / runs)));
    }
  }
}

/// Means as the element type has them.
template <class R, int runs> DZ_INLINE Everywhere<R, runs> means(const typename R::Element* x, const Grouping& g) {
  double sums[1][runs] = {};
  if (g.centred)
    find_sums<R>(sums, g.width, [&](auto& lanes, std::int64_t i, const auto& keep) __attribute__((always_inline)) {
      for (int r = 0; r < runs; ++r) lanes[0][r] += keep(R::load(x + r * g.width + i));
    });
  const double part = 1 / static_cast<double>(g.width);
  for (double& sum : sums[0]) sum *= part;
  return Everywhere<R, runs>(sums[0]);
}

/// x̂ = (x − mean)·factor − rest: a mean that is rounded leaves deviations whose own mean is not 0, rest/factor.
template <int runs> struct Statistics {
  double factor[runs], rest[runs];  // factor = 1/√(variance + ε)
};

/// From the sums of the deviations and of their squares, found in a second pass: no digits are lost to a large mean.
template <int runs> DZ_INLINE Statistics<runs> statistics(const double (&deviations)[runs], const double (&squares)[runs], const Grouping& g) {
  const double part = 1 / static_cast<double>(g.width);
  Statistics<runs> of;
  for (int r = 0; r < runs; ++r) {
    const double deviation = g.centred ? deviations[r] * part : 0;  // a variance below 0 is 0 and a rounding
    of.factor[r] = 1 / std::sqrt(std::abs(squares[r] * part - deviation * deviation) + g.epsilon);
    of.rest[r] = deviation * of.factor[r];
  }
  return of;
}

/// y of `runs` runs side by side.
template <class R, int runs, class T = typename R::Element> DZ_INLINE void normalise(T* y, const T* x, const T* s, const T* b, const Grouping& g) {
  using V = typename R::V;
  const std::int64_t n = g.width;
  const Everywhere<R, runs> mean = means<R, runs>(x, g);
  double sums[2][runs];
  find_sums<R>(sums, n, [&](auto& lanes, std::int64_t i, const auto& keep) __attribute__((always_inline)) {
    for (int r = 0; r < runs; ++r) {
      const V d = keep(R::load(x + r * n + i) - mean[r]);
      lanes[0][r] += d;
      lanes[1][r] += d * d;
    }
  });
  const Statistics<runs> of = statistics(sums[0], sums[1], g);
  const Everywhere<R, runs> factor(of.factor), rest(of.rest);
  detail::for_each_pack<R, 1>(0, n, [&](std::int64_t i, const auto&, auto) __attribute__((always_inline)) {
    const V scale = R::load(s + i), shift = b ? R::load(b + i) : V{};
    for (int r = 0; r < runs; ++r) R::store(y + r * n + i, ((R::load(x + r * n + i) - mean[r]) * factor[r] - rest[r]) * scale + shift);
  });
}

/// dx = factor·(dy·s − level − x̂·slope) of `runs` runs side by side; to ds and db is added what the gradients of scale and shift are made of.
template <class R, int runs, class T = typename R::Element> DZ_INLINE void gradient(T* dx, T* ds, T* db, const T* dy, const T* x, const T* s, const Grouping& g) {
  using V = typename R::V;
  const std::int64_t n = g.width;
  const Everywhere<R, runs> mean = means<R, runs>(x, g);
  double sums[4][runs];
  find_sums<R>(sums, n, [&](auto& lanes, std::int64_t i, const auto& keep) __attribute__((always_inline)) {
    const V scale = keep(R::load(s + i));
    for (int r = 0; r < runs; ++r) {
      const V d = keep(R::load(x + r * n + i) - mean[r]), u = R::load(dy + r * n + i) * scale;
      lanes[0][r] += d;
      lanes[1][r] += d * d;
      lanes[2][r] += u;
      lanes[3][r] += u * d;
    }
  });
  const Statistics<runs> of = statistics(sums[0], sums[1], g);
  const double part = 1 / static_cast<double>(n);
  double levels[runs], slopes[runs];
  for (int r = 0; r < runs; ++r) {
    slopes[r] = (sums[3][r] * of.factor[r] - sums[2][r] * of.rest[r]) * part;
    levels[r] = g.centred ? sums[2][r] * part : 0;
  }
  const Everywhere<R, runs> factor(of.factor), rest(of.rest), level(levels), slope(slopes);
  detail::for_each_pack<R, 1>(0, n, [&](std::int64_t i, const auto& keep, auto) __attribute__((always_inline)) {
    const V scale = R::load(s + i);
    V by_scale = R::load(ds + i), by_shift = R::load(db + i);
    for (int r = 0; r < runs; ++r) {
      const V d = R::load(dy + r * n + i), normalised = (R::load(x + r * n + i) - mean[r]) * factor[r] - rest[r];
      R::store(dx + r * n + i, factor[r] * (d * scale - level[r] - normalised * slope[r]));
      by_scale += keep(d * normalised);
      by_shift += keep(d);
    }
    R::store(ds + i, by_scale);
    R::store(db + i, by_shift);
  });
}

/// Calls f(first run, R, runs) for the runs [begin, end) of n elements, R a register of the instruction set's or, where a run is shorter, of one element.
template <class T, class F> void for_runs(std::int64_t begin, std::int64_t end, std::int64_t n, const F& f) {
  detail::with_registers([&](auto bytes) __attribute__((always_inline)) {
    using R = detail::Register<T, bytes>;
    using One = detail::Register<T, static_cast<int>(sizeof(T))>;
    constexpr int few = std::min(few_runs, R::width);
    std::int64_t r = begin;
    if (n < R::width)
      for (; r < end; ++r) f(r, One{}, std::integral_constant<int, 1>{});
    for (; n <= long_run && r + few <= end; r += few) f(r, R{}, std::integral_constant<int, few>{});
    for (; r < end; ++r) f(r, R{}, std::integral_constant<int, 1>{});
  });
}

void runs_kernel(const Array& out, const Array& in, const Array& scale, const Array& shift, Grouping g) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const T *const x = in.data<T>(), *const s = scale.data<T>(), *const b = shift ? shift.data<T>() : nullptr;
    T* const y = out.writable<T>();
    const std::int64_t n = g.width, together = runs_together(n);
    parallel_for(blocks_of(g.samples, together), std::max<std::int64_t>(1, elementwise_grain / std::max<std::int64_t>(n * together, 1)), [&](std::int64_t begin, std::int64_t end) {
      for_runs<T>(begin * together, std::min(g.samples, end * together), n,
                  [&]<class R, class N>(std::int64_t r, R, N) __attribute__((always_inline)) { normalise<R, N::value>(y + r * n, x + r * n, s, b, g); });
    });
  });
}

/// dx; and in parts (blocks of runs, 2, width) what the gradients of scale and shift are made of.
void runs_gradient_kernel(const Array& out, const Array& parts, const Array& cotangent, const Array& in, const Array& scale, Grouping g) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const T *const x = in.data<T>(), *const s = scale.data<T>(), *const dy = cotangent.data<T>();
    T *const dx = out.writable<T>(), *const part = parts.writable<T>();
    const std::int64_t n = g.width;
    parallel_for(blocks_of(g.samples, run_block), std::max<std::int64_t>(1, elementwise_grain / std::max<std::int64_t>(n * run_block, 1)), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t block = begin; block < end; ++block) {
        T *const ds = part + block * 2 * n, *const db = ds + n;
        std::fill_n(ds, 2 * n, T{});
        for_runs<T>(block * run_block, std::min(g.samples, (block + 1) * run_block), n,
                    [&]<class R, class N>(std::int64_t r, R, N) __attribute__((always_inline)) { gradient<R, N::value>(dx + r * n, ds, db, dy + r * n, x + r * n, s, g); });
      }
    });
  });
}

/// out (width) = the sum of parts' rows `which`, of each block.
void add_parts(const Array& out, const Array& parts, std::int64_t which) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const std::int64_t n = out.size(), blocks = parts.size(0);
    const T* const part = parts.data<T>() + which * n;
    T* const y = out.writable<T>();
    parallel_for(blocks_of(n, strip), std::max<std::int64_t>(1, elementwise_grain / (strip * std::max<std::int64_t>(blocks, 1))),
                 [&](std::int64_t begin, std::int64_t end) {
                   detail::vectorised([&] {
                     for (std::int64_t from = begin * strip; from < std::min(n, end * strip); from += strip) {
                       double sum[strip] = {};
                       const std::int64_t m = std::min(strip, n - from);
                       for (std::int64_t b = 0; b < blocks; ++b)
                         for (std::int64_t i = 0; i < m; ++i) sum[i] += static_cast<double>(part[b * 2 * n + from + i]);
                       for (std::int64_t i = 0; i < m; ++i) y[from + i] = static_cast<T>(sum[i]);
                     }
                   });
                 });
  });
}

// ---- groups: sums down the columns first, then over the groups' channels

/// Rows of a sample whose sums are taken together.
std::int64_t rows_together(const Grouping& g) {
  return std::clamp<std::int64_t>(32768 / std::max<std::int64_t>(g.channels(), 1), 16, 1024);
}

/// Calls f(sample, block, first row, last row, first channel, channels) for all blocks of rows, strip by strip.
template <class F> void for_each_block(const Grouping& g, F f) {
  const std::int64_t together = rows_together(g), blocks = blocks_of(g.rows, together), work = std::min(together, g.rows) * g.channels();
  parallel_for(g.samples * blocks, std::max<std::int64_t>(1, elementwise_grain / std::max<std::int64_t>(work, 1)),
               [&](std::int64_t begin, std::int64_t end) {
                 detail::vectorised([&] {
                   for (std::int64_t k = begin; k < end; ++k) {
                     const std::int64_t sample = k / blocks, block = k % blocks, first = sample * g.rows + block * together,
                                        last = std::min(first + together, (sample + 1) * g.rows);
                     for (std::int64_t from = 0; from < g.channels(); from += strip)
                       f(sample, k, first, last, from, std::min(strip, g.channels() - from));
                   }
                 });
               });
}

/// parts (samples·blocks, 2, channels), float64: the sums of x and of its square, both less the sample's first row. The origin is one of
/// the values, so at most as many digits are lost as there are rows.
void moments_kernel(const Array& parts, const Array& in, Grouping g) {
  visit_floating(in.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* const x = in.data<T>();
    double* const part = parts.writable<double>();
    const std::int64_t channels = g.channels();
    for_each_block(
        g, [&](std::int64_t sample, std::int64_t block, std::int64_t first, std::int64_t last, std::int64_t from, std::int64_t n)
               __attribute__((always_inline)) {
                 double sum[strip] = {}, squares[strip] = {}, origin[strip];
                 for (std::int64_t i = 0; i < n; ++i) origin[i] = static_cast<double>(x[sample * g.rows * channels + from + i]);
                 for (std::int64_t r = first; r < last; ++r) {
                   const T* row = x + r * channels + from;
                   for (std::int64_t i = 0; i < n; ++i) {
                     const double d = static_cast<double>(row[i]) - origin[i];
                     sum[i] += d;
                     squares[i] += d * d;
                   }
                 }
                 for (std::int64_t i = 0; i < n; ++i) part[block * 2 * channels + from + i] = sum[i];
                 for (std::int64_t i = 0; i < n; ++i) part[(block * 2 + 1) * channels + from + i] = squares[i];
               });
  });
}

/// Mean and variance (samples, groups) from the parts; writes the variance too.
void statistics_kernel(const Array& mean, const Array& variance, const Array& parts, const Array& in, Grouping g) {
  visit_floating(in.dtype(), [&]<class T>(std::type_identity<T>) {
    const std::int64_t channels = g.channels(), blocks = blocks_of(g.rows, rows_together(g));
    const double* const part = parts.data<double>();
    const double rows = static_cast<double>(g.rows), width = static_cast<double>(g.width);
    for (std::int64_t k = 0; k < g.samples * g.groups; ++k) {
      const std::int64_t sample = k / g.groups, from = k % g.groups * g.width;
      const T* const origin = in.data<T>() + sample * g.rows * channels + from;
      const auto channel = [&](std::int64_t i) {  // its mean and variance
        double sum = 0, squares = 0;
        for (std::int64_t b = sample * blocks; b < (sample + 1) * blocks; ++b) {
          sum += part[b * 2 * channels + from + i];
          squares += part[(b * 2 + 1) * channels + from + i];
        }
        sum /= rows;
        return std::pair(static_cast<double>(origin[i]) + sum, std::max(squares / rows - sum * sum, 0.0));
      };
      double centre = 0, spread = 0;
      for (std::int64_t i = 0; i < g.width; ++i) centre += channel(i).first / width;
      for (std::int64_t i = 0; i < g.width; ++i) {
        const auto [m, v] = channel(i);
        spread += (v + (m - centre) * (m - centre)) / width;
      }
      mean.writable<T>()[k] = static_cast<T>(centre);
      variance.writable<T>()[k] = static_cast<T>(spread);
    }
  });
}

template <class T> DZ_INLINE T factor_of(T variance, const Grouping& g) {
  return static_cast<T>(1 / std::sqrt(static_cast<double>(variance) + g.epsilon));
}

void groups_kernel(const Array& out, const Array& in, const Array& scale, const Array& shift, const Array& mean, const Array& variance,
                   Grouping g) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const T *const x = in.data<T>(), *const s = scale.data<T>(), *const b = shift.data<T>(), *const m = mean.data<T>(),
                   *const v = variance.data<T>();
    T* const y = out.writable<T>();
    for_each_block(
        g, [&](std::int64_t sample, std::int64_t, std::int64_t first, std::int64_t last, std::int64_t from, std::int64_t n)
               __attribute__((always_inline)) {
                 T centre[strip], factor[strip], level[strip];
                 for (std::int64_t i = 0; i < n; ++i) {
                   const std::int64_t group = sample * g.groups + (from + i) / g.width;
                   centre[i] = m[group];
                   factor[i] = factor_of(v[group], g) * s[from + i];
                   level[i] = b[from + i];
                 }
                 for (std::int64_t r = first; r < last; ++r) {
                   const T* row = x + r * g.channels() + from;
                   T* to = y + r * g.channels() + from;
                   for (std::int64_t i = 0; i < n; ++i) to[i] = (row[i] - centre[i]) * factor[i] + level[i];
                 }
               });
  });
}

/// parts (samples·blocks, 2, channels), float64: the sums of dy·x̂ and of dy.
void gradient_parts_kernel(const Array& parts, const Array& cotangent, const Array& in, const Array& mean, const Array& variance,
                           Grouping g) {
  visit_floating(in.dtype(), [&]<class T>(std::type_identity<T>) {
    const T *const x = in.data<T>(), *const dy = cotangent.data<T>(), *const m = mean.data<T>(), *const v = variance.data<T>();
    double* const part = parts.writable<double>();
    const std::int64_t channels = g.channels();
    for_each_block(
        g, [&](std::int64_t sample, std::int64_t block, std::int64_t first, std::int64_t last, std::int64_t from, std::int64_t n)
               __attribute__((always_inline)) {
                 double products[strip] = {}, sum[strip] = {};
                 T centre[strip], factor[strip];
                 for (std::int64_t i = 0; i < n; ++i) {
                   const std::int64_t group = sample * g.groups + (from + i) / g.width;
                   centre[i] = m[group];
                   factor[i] = factor_of(v[group], g);
                 }
                 for (std::int64_t r = first; r < last; ++r) {
                   const T *row = x + r * channels + from, *d = dy + r * channels + from;
                   for (std::int64_t i = 0; i < n; ++i) {
                     products[i] += static_cast<double>(d[i] * ((row[i] - centre[i]) * factor[i]));
                     sum[i] += static_cast<double>(d[i]);
                   }
                 }
                 for (std::int64_t i = 0; i < n; ++i) part[block * 2 * channels + from + i] = products[i];
                 for (std::int64_t i = 0; i < n; ++i) part[(block * 2 + 1) * channels + from + i] = sum[i];
               });
  });
}

/// The gradients of scale and shift, and the means (samples, groups, 2), float64, over each group of scale·dy·x̂ and scale·dy.
void gradient_sums_kernel(const Array& by_scale, const Array& by_shift, const Array& means, const Array& parts, const Array& scale,
                          Grouping g) {
  visit_floating(scale.dtype(), [&]<class T>(std::type_identity<T>) {
    const std::int64_t channels = g.channels(), blocks = blocks_of(g.rows, rows_together(g));
    const double* const part = parts.data<double>();
    double* const mean = means.writable<double>();
    const double count = static_cast<double>(g.rows) * static_cast<double>(g.width);
    std::fill_n(mean, means.size(), 0.0);
    for (std::int64_t c = 0; c < channels; ++c) {
      double total[2] = {};
      for (std::int64_t sample = 0; sample < g.samples; ++sample) {
        double sum[2] = {};
        for (std::int64_t b = sample * blocks; b < (sample + 1) * blocks; ++b)
          for (int k = 0; k < 2; ++k) sum[k] += part[(b * 2 + k) * channels + c];
        for (int k = 0; k < 2; ++k) {
          total[k] += sum[k];
          mean[(sample * g.groups + c / g.width) * 2 + k] += sum[k] * static_cast<double>(scale.data<T>()[c]) / count;
        }
      }
      by_scale.writable<T>()[c] = static_cast<T>(total[0]);
      by_shift.writable<T>()[c] = static_cast<T>(total[1]);
    }
  });
}

void groups_gradient_kernel(const Array& out, const Array& cotangent, const Array& in, const Array& scale, const Array& mean,
                            const Array& variance, const Array& means, Grouping g) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const T *const x = in.data<T>(), *const dy = cotangent.data<T>(), *const s = scale.data<T>(), *const m = mean.data<T>(),
                   *const v = variance.data<T>();
    const double* const sums = means.data<double>();
    T* const dx = out.writable<T>();
    for_each_block(
        g, [&](std::int64_t sample, std::int64_t, std::int64_t first, std::int64_t last, std::int64_t from, std::int64_t n)
               __attribute__((always_inline)) {
                 T centre[strip], factor[strip], slope[strip], level[strip];
                 for (std::int64_t i = 0; i < n; ++i) {
                   const std::int64_t group = sample * g.groups + (from + i) / g.width;
                   centre[i] = m[group];
                   factor[i] = factor_of(v[group], g);
                   slope[i] = static_cast<T>(sums[group * 2]);
                   level[i] = static_cast<T>(sums[group * 2 + 1]);
                 }
                 for (std::int64_t r = first; r < last; ++r) {
                   const T *row = x + r * g.channels() + from, *d = dy + r * g.channels() + from;
                   T* to = dx + r * g.channels() + from;
                   for (std::int64_t i = 0; i < n; ++i)
                     to[i] = factor[i] * (d[i] * s[from + i] - level[i] - (row[i] - centre[i]) * factor[i] * slope[i]);
                 }
               });
  });
}

// ---- operands

struct Operands {
  Array x, scale, shift;
  Dtype dtype;
};

Operands operands(const Array& x, const Array& scale, const Array& shift, const Grouping& g) {
  const Dtype dtype = shift ? common_dtype({&x, &scale, &shift}) : common_dtype({&x, &scale});
  const Shape expected{g.channels()};
  if (scale.shape() != expected || (shift && shift.shape() != expected))
    throw ShapeError(fmt::format("scale {}{} are not {}, one for each channel of x {}", to_string(scale.shape()),
                                 shift ? " and shift " + to_string(shift.shape()) : "", to_string(expected), to_string(x.shape())));
  visit_floating(dtype, [](auto) {});
  return {in_dtype(x, dtype).contiguous(), in_dtype(scale, dtype).contiguous(), shift ? in_dtype(shift, dtype).contiguous() : Array(),
          dtype};
}

}  // namespace

Array normalise_runs(const Array& x, const Array& scale, const Array& shift, const Grouping& g) {
  const Operands o = operands(x, scale, shift, g);
  Array y = Array::make(x.shape(), o.dtype);
  launch(runs_kernel, y, o.x, o.scale, o.shift, g);
  return y;
}

std::array<Array, 3> normalise_runs_gradient(const Array& dy, const Array& x, const Array& scale, const Grouping& g) {
  const Dtype dtype = common_dtype({&dy, &x, &scale});
  const Array d = in_dtype(dy, dtype).contiguous(), v = in_dtype(x, dtype).contiguous(), s = in_dtype(scale, dtype).contiguous();
  const Array dx = Array::make(x.shape(), dtype), parts = Array::make({blocks_of(g.samples, run_block), 2, g.width}, dtype);
  const Array by_scale = Array::make({g.width}, dtype), by_shift = Array::make({g.width}, dtype);
  launch(runs_gradient_kernel, dx, parts, d, v, s, g);
  launch(add_parts, by_scale, parts, std::int64_t{0});
  launch(add_parts, by_shift, parts, std::int64_t{1});
  return {dx, by_scale, by_shift};
}

std::vector<Array> normalise_groups(const Array& x, const Array& scale, const Array& shift, const Grouping& g) {
  const Operands o = operands(x, scale, shift, g);
  const Array y = Array::make(x.shape(), o.dtype), mean = Array::make({g.samples, g.groups}, o.dtype),
              variance = Array::make({g.samples, g.groups}, o.dtype);
  const Array parts = Array::make({g.samples * blocks_of(g.rows, rows_together(g)), 2, g.channels()}, float64);
  if (x.size() == 0) return {y, Array::full(mean.shape(), 0, o.dtype), Array::full(mean.shape(), 0, o.dtype)};
  launch(moments_kernel, parts, o.x, g);
  launch(statistics_kernel, mean, variance, parts, o.x, g);
  launch(groups_kernel, y, o.x, o.scale, o.shift, mean, variance, g);
  return {y, mean, variance};
}

std::array<Array, 3> normalise_groups_gradient(const Array& dy, const Array& x, const Array& scale, const Array& mean, const Array& variance,
                                             const Grouping& g) {
  const Dtype dtype = common_dtype({&dy, &x, &scale, &mean, &variance});
  const auto plain = [&](const Array& a) { return in_dtype(a, dtype).contiguous(); };
  const Array d = plain(dy), v = plain(x), s = plain(scale), m = plain(mean), spread = plain(variance);
  const Array dx = Array::make(x.shape(), dtype), by_scale = Array::make({g.channels()}, dtype),
              by_shift = Array::make({g.channels()}, dtype);
  const Array parts = Array::make({g.samples * blocks_of(g.rows, rows_together(g)), 2, g.channels()}, float64),
              means = Array::make({g.samples, g.groups, 2}, float64);
  launch(gradient_parts_kernel, parts, d, v, m, spread, g);
  launch(gradient_sums_kernel, by_scale, by_shift, means, parts, s, g);
  launch(groups_gradient_kernel, dx, d, v, s, m, spread, means, g);
  return {dx, by_scale, by_shift};
}

}  // namespace dz::kernels
