// Every sum is taken over blocks of a fixed length, and the blocks' sums are added in order, so the results do not depend on the number of
// threads.

#include <dz/tensor/kernels/normalisation.hpp>

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include <dz/tensor/kernels/vectorised.hpp>
#include <dz/tensor/launch.hpp>
#include <dz/tensor/parallel.hpp>

namespace dz::kernels {
namespace {

constexpr std::int64_t run_block = thresholds::normalised_runs;  // runs whose parts of the scale's and shift's gradients are added in the element type
constexpr std::int64_t strip = thresholds::normalised_channels;     // channels gone through together
constexpr std::int64_t few_runs = 8;                                // runs whose sums are taken one after the other

std::int64_t blocks_of(std::int64_t n, std::int64_t block) { return (n + block - 1) / block; }

// ---- runs: each group lies in one piece, small enough to be read several times

/// The sum of term(i) over [0, n): in lanes of the element type over short stretches, those in double.
template <class T, class F> DZ_INLINE double total(std::int64_t n, const F& term) {
  constexpr std::int64_t lanes = 128 / sizeof(T), stretch = 64 * lanes;
  double sum = 0, sums[lanes] = {};
  for (std::int64_t start = 0; start < n; start += stretch) {
    const std::int64_t stop = std::min(n, start + stretch);
    T lane[lanes] = {};
    std::int64_t i = start;
    for (; i + lanes <= stop; i += lanes)
      for (std::int64_t k = 0; k < lanes; ++k) lane[k] += term(i + k);
    for (; i < stop; ++i) sum += static_cast<double>(term(i));
    for (std::int64_t k = 0; k < lanes; ++k) sums[k] += static_cast<double>(lane[k]);
  }
  Pack<double, lanes * sizeof(double)> all(0);
  std::memcpy(&all.v, sums, sizeof sums);
  return sum + detail::sum_of(all);
}

template <class T> struct Statistics {
  T mean, factor;  // factor = 1/√(variance + ε)
};

/// In two passes: the deviations are squared, so no digits are lost to a large mean.
template <class T> DZ_INLINE Statistics<T> statistics_of(const T* x, const Grouping& g) {
  const double part = 1 / static_cast<double>(g.width);
  const T mean = g.centred ? static_cast<T>(part * total<T>(g.width, [x](std::int64_t i) __attribute__((always_inline)) { return x[i]; })) : T{};
  const double variance = part * total<T>(g.width, [ x, mean ](std::int64_t i) __attribute__((always_inline)) { return (x[i] - mean) * (x[i] - mean); });
  return {mean, static_cast<T>(1 / std::sqrt(variance + g.epsilon))};
}

/// Calls f(first, n) for the runs [begin, end), a few at a time: what each step gives for one of them waits for its sums, and meanwhile there are the others'.
template <class F> DZ_INLINE void for_few_runs(std::int64_t begin, std::int64_t end, const F& f) {
  for (std::int64_t r = begin; r < end; r += few_runs) f(r, std::min(few_runs, end - r));
}

void runs_kernel(const Array& out, const Array& in, const Array& scale, const Array& shift, Grouping g) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const T *const x = in.data<T>(), *const s = scale.data<T>(), *const b = shift ? shift.data<T>() : nullptr;
    T* const y = out.writable<T>();
    const std::int64_t n = g.width;
    const auto normalise = [&](std::int64_t begin, std::int64_t end) __attribute__((always_inline)) {
      for_few_runs(begin, end, [&](std::int64_t first, std::int64_t runs) __attribute__((always_inline)) {
        Statistics<T> of[few_runs];
        for (std::int64_t r = 0; r < runs; ++r) of[r] = statistics_of(x + (first + r) * n, g);
        for (std::int64_t r = 0; r < runs; ++r) {
          const auto [mean, factor] = of[r];
          const T* const row = x + (first + r) * n;
          T* const to = y + (first + r) * n;
          if (b)
            for (std::int64_t i = 0; i < n; ++i) to[i] = (row[i] - mean) * factor * s[i] + b[i];
          else
            for (std::int64_t i = 0; i < n; ++i) to[i] = (row[i] - mean) * factor * s[i];
        }
      });
    };
    parallel_for(g.samples, std::max<std::int64_t>(1, elementwise_grain / std::max<std::int64_t>(n, 1)),
                 [&](std::int64_t begin, std::int64_t end) { detail::vectorised([&] { normalise(begin, end); }); });
  });
}

/// What a run's gradient is made of: dx = factor·(dy·s − level − (x − mean)·factor·slope).
template <class T> struct RunGradient {
  Statistics<T> x;
  T level, slope;
};
template <class T> DZ_INLINE RunGradient<T> run_gradient(const T* x, const T* dy, const T* s, const Grouping& g) {
  const double part = 1 / static_cast<double>(g.width);
  const auto [mean, factor] = statistics_of(x, g);
  const T level = g.centred ? static_cast<T>(part * total<T>(g.width, [=](std::int64_t i) __attribute__((always_inline)) { return dy[i] * s[i]; })) : T{};
  const T slope = static_cast<T>(part * total<T>(g.width, [=, mean = mean, factor = factor](std::int64_t i) __attribute__((always_inline)) { return dy[i] * s[i] * ((x[i] - mean) * factor); }));
  return {{mean, factor}, level, slope};
}

/// dx; and in parts (blocks of runs, 2, width) what the gradients of scale and shift are made of.
void runs_gradient_kernel(const Array& out, const Array& parts, const Array& cotangent, const Array& in, const Array& scale, Grouping g) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    const T *const x = in.data<T>(), *const s = scale.data<T>(), *const dy = cotangent.data<T>();
    T *const dx = out.writable<T>(), *const part = parts.writable<T>();
    const std::int64_t n = g.width;
    const auto block_gradient = [&](std::int64_t block) __attribute__((always_inline)) {
      T *const ds = part + block * 2 * n, *const db = ds + n;
      for (std::int64_t i = 0; i < 2 * n; ++i) ds[i] = T{};
      for_few_runs(block * run_block, std::min(g.samples, (block + 1) * run_block), [&](std::int64_t first, std::int64_t runs) __attribute__((always_inline)) {
        RunGradient<T> of[few_runs];
        for (std::int64_t r = 0; r < runs; ++r) of[r] = run_gradient(x + (first + r) * n, dy + (first + r) * n, s, g);
        for (std::int64_t r = 0; r < runs; ++r) {
          const auto [statistics, level, slope] = of[r];
          const auto [mean, factor] = statistics;
          const T *const row = x + (first + r) * n, *const d = dy + (first + r) * n;
          T* const to = dx + (first + r) * n;
#pragma GCC ivdep  // none of the rows overlap
          for (std::int64_t i = 0; i < n; ++i) {
            const T normalised = (row[i] - mean) * factor;
            to[i] = factor * (d[i] * s[i] - level - normalised * slope);
            ds[i] += d[i] * normalised;
            db[i] += d[i];
          }
        }
      });
    };
    parallel_for(blocks_of(g.samples, run_block), std::max<std::int64_t>(1, elementwise_grain / std::max<std::int64_t>(n * run_block, 1)), [&](std::int64_t begin, std::int64_t end) {
      detail::vectorised([&] {
        for (std::int64_t block = begin; block < end; ++block) block_gradient(block);
      });
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
