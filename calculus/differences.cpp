#include <dz/calculus/differences.hpp>

#include <algorithm>
#include <cmath>

#include <dz/tensor/random.hpp>

namespace dz::detail {
namespace {

void write(const Array& input, const std::vector<double>& x, const Way& way, double t) {
  visit_floating(input.dtype(), [&]<class T>(std::type_identity<T>) {
    T* to = input.writable<T>();
    for (std::int64_t k = way.first; k < way.last; ++k) to[k] = static_cast<T>(x[static_cast<std::size_t>(k)] + t * way.at(k));
  });
}

/// A row's noise σ from its values at equal small steps: the third difference of the smooth part is nothing, of the noise it has the
/// deviation √20·σ (Hamming's table of differences; Moré and Wild, SIAM J. Sci. Comput. 33(3), 2011). `part` of them are below what is
/// taken.
double noise_of(const std::vector<std::vector<double>>& table, std::size_t row, double part) {
  std::vector<double> thirds;
  for (std::size_t k = 0; k + 3 < table.size(); ++k)
    thirds.push_back(std::abs(table[k + 3][row] - 3 * table[k + 2][row] + 3 * table[k + 1][row] - table[k][row]));
  const auto taken = thirds.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(thirds.size() - 1));
  std::nth_element(thirds.begin(), taken, thirds.end());
  return *taken / std::sqrt(20.);
}

}  // namespace

Differences::Differences(const Probe& probe) : probe_(probe) {
  for (const Array& a : probe.inputs) x_.push_back(a.to_vector<double>());
  at_rest_ = probe.rows();
  measure_noise();
}

std::vector<NamedValues> Differences::named() const {
  std::vector<NamedValues> all;
  for (std::size_t i = 0; i < probe_.names.size(); ++i) all.push_back({probe_.names[i], probe_.inputs[i].shape(), &x_[i]});
  return all;
}

void Differences::measure_noise() {
  Generator g(12345);
  std::vector<std::vector<double>> steps;
  std::vector<Way> ways;
  for (std::size_t i = 0; i < x_.size(); ++i) {
    if (!is_floating(probe_.inputs[i].dtype())) continue;
    const auto n = static_cast<std::int64_t>(x_[i].size());
    steps.push_back(kernels::uniform({n}, 0.5, 1, float64, g).to_vector<double>());
    for (std::size_t k = 0; k < steps.back().size(); ++k) steps.back()[k] *= std::max(std::abs(x_[i][k]), 1e-3);
    ways.push_back({i, 0, n, nullptr});
  }
  for (std::size_t w = 0; w < ways.size(); ++w) ways[w].steps = steps[w].data();
  double spacing = std::pow(probe_.rounding, 0.2) / 4096;
  const auto wide = table(ways, spacing, -6, 13);
  for (std::size_t r = 0; r < rows(); ++r) noise_.push_back(noise_of(wide, r, 2. / 3));  // a kink among the points spoils three of them

  // Kinks at every point (a network of many relus) look like noise too, but fall with the spacing, and noise does not. The finer table is
  // long enough to show the steps of a function that rounds to float32 inside, and what is largest in it counts.
  const auto is_more_than_rounding = [&] {
    for (std::size_t r = 0; r < rows(); ++r)
      if (noise_[r] > 64 * probe_.rounding * std::abs(at_rest_[r])) return true;
    return false;
  };
  for (bool fell = true; fell && spacing / 16 > 8 * probe_.rounding && is_more_than_rounding();) {
    spacing /= 16, fell = false;
    const auto fine = table(ways, spacing, -20, 41);
    for (std::size_t r = 0; r < rows(); ++r)
      if (const double finer = noise_of(fine, r, 1); finer < noise_[r] / 4) noise_[r] = finer, fell = true;
  }
  for (std::size_t r = 0; r < rows(); ++r) noise_[r] = std::max(noise_[r], probe_.rounding * std::abs(at_rest_[r]));
}

std::vector<std::vector<double>> Differences::table(const std::vector<Way>& ways, double spacing, int first, int count) const {
  std::vector<std::vector<double>> points;
  for (int k = first; k < first + count; ++k) points.push_back(moved(ways, k * spacing));
  return points;
}

std::vector<double> Differences::moved(const std::vector<Way>& ways, double t) const {
  for (const Way& w : ways) write(probe_.inputs[w.input], x_[w.input], w, t);
  std::vector<double> values = probe_.rows();
  for (const Way& w : ways) write(probe_.inputs[w.input], x_[w.input], w, 0);
  return values;
}

double Differences::step(const std::vector<Way>& ways) const {
  const Way& w = ways.front();
  const bool single = ways.size() == 1 && w.last - w.first == 1 && !w.steps;
  const double scale = single ? std::max(1.0, std::abs(x_[w.input][static_cast<std::size_t>(w.first)])) : 1;
  return scale * std::pow(probe_.rounding, 0.2);
}

std::vector<Slope> Differences::slopes(const std::vector<Way>& ways, double shrink, double largest) const {
  std::vector<Slope> found(rows());
  double h = shrink * step(ways);
  std::size_t missing = rows();
  for (int attempt = 0; attempt < 4 && missing > 0; ++attempt, h /= 16) {  // it may not be defined far from here
    const std::vector<double> a = moved(ways, h), b = moved(ways, -h), c = moved(ways, h / 2), e = moved(ways, -h / 2);
    for (std::size_t r = 0; r < rows(); ++r) {
      if (found[r].finite || !std::isfinite(a[r] + b[r] + c[r] + e[r])) continue;
      const double wide = (a[r] - b[r]) / (2 * h), narrow = (c[r] - e[r]) / h;
      const double noise = std::isfinite(noise_[r]) ? noise_[r] : 0;
      const double saved = probe_.captured_rounding * 100 * (std::abs(narrow) + largest);
      const double size = std::max({std::abs(a[r]), std::abs(b[r]), std::abs(at_rest_[r]), 1e-3 * largest});
      const double rounded = 8 * noise + 4 * probe_.rounding * size;
      found[r] = {narrow + (narrow - wide) / 3, std::abs(narrow - wide) / 3 + rounded / h + 2 * std::pow(probe_.rounding, 0.8) * std::abs(narrow) / shrink + saved, true};
      --missing;
    }
  }
  return found;
}

}  // namespace dz::detail
