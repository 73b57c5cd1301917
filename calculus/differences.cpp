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

bool bears_out(const Slope& closer, const Slope& wider) { return std::abs(closer.value - wider.value) <= 3 * (closer.bar + wider.bar); }

/// The bar where kinks may lie within the step: they fool one quotient, one step by chance, but hardly four. A smooth function bends
/// 64 times less at the next look.
double bar_among(const std::vector<Slope>& looks, std::size_t k) {
  double bent = looks[k].bent;
  if (k > 0) bent = std::max(bent, looks[k - 1].bent / 16);
  for (std::size_t next = k + 1; next < std::min(looks.size(), k + 4); ++next) {
    const double change = std::abs(looks[next].value - looks[k].value), noise = looks[next].noise + looks[k].noise;
    bent = std::max({bent, looks[next].bent, next == k + 1 || change > noise ? change : 0});
  }
  return std::max(looks[k].bar, bent + looks[k].noise);
}

/// The slope with the smallest bar among those that all closer ones bear out; looks come closer one by one. Where kinks lie within the steps,
/// no slope is known better than to a millionth of the largest.
Slope best_of(const std::vector<Slope>& looks, double largest) {
  std::vector<Slope> barred = looks;
  bool rough = false;
  for (std::size_t k = 0; k + 1 < std::min<std::size_t>(looks.size(), 3); ++k) rough |= looks[k + 1].bent > looks[k].bent / 8;
  for (std::size_t k = 0; k < looks.size(); ++k) barred[k].bar = std::max(bar_among(looks, k), rough ? 1e-6 * largest : 0);
  Slope best;
  for (auto look = barred.begin(); look != barred.end(); ++look) {
    const bool holds = look->finite && std::all_of(look + 1, barred.end(), [&](const Slope& closer) { return !closer.finite || bears_out(closer, *look); });
    if (holds && (!best.finite || look->bar < best.bar)) best = *look;
  }
  return best;
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

std::vector<double> Differences::moved(const std::vector<Way>& ways, double t, const std::function<std::vector<double>()>& compute) const {
  for (const Way& w : ways) write(probe_.inputs[w.input], x_[w.input], w, t);
  std::vector<double> values = compute();
  for (const Way& w : ways) write(probe_.inputs[w.input], x_[w.input], w, 0);
  return values;
}
std::vector<double> Differences::moved(const std::vector<Way>& ways, double t) const { return moved(ways, t, probe_.rows); }
std::vector<double> Differences::terms_moved(const std::vector<Way>& ways, double t) const {
  if (probe_.terms) return moved(ways, t, probe_.terms);
  return {moved(ways, t)[0]};
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
      const double lost = rounded / h + 2 * std::pow(probe_.rounding, 0.8) * std::abs(narrow) / shrink;
      // Of the even part a₂h² + a₄h⁴ of a smooth function |a₄|h³ is left, of a kink half its jump.
      const double sides = std::abs(std::abs(c[r] - 2 * at_rest_[r] + e[r]) * 2 - std::abs(a[r] - 2 * at_rest_[r] + b[r]) / 2) / h;
      const double bent = std::max(0.0, std::abs(narrow - wide) / 3 - lost) + std::max(0.0, sides - 2 * lost);
      found[r] = {narrow + (narrow - wide) / 3, std::abs(narrow - wide) / 3 + lost + saved, true, lost, bent};
      --missing;
    }
  }
  return found;
}

std::vector<Slope> Differences::settled(const std::vector<Way>& ways, double largest) const {
  constexpr int most_looks = 24;  // each a quarter of the one before
  std::vector<std::vector<Slope>> looks(rows());
  const auto is_open = [&](const std::vector<Slope>& row) {
    const Slope& last = row.back();
    const double size = std::max(std::abs(last.value), largest);
    if (!last.finite || last.noise > 1e-2 * size) return false;
    const auto smooth = [&](const Slope& s) { return s.finite && s.bar <= 1e-7 * size && bears_out(s, row[0]); };
    return row.size() != 3 || !std::ranges::all_of(row, smooth);  // three alike, and the function is smooth here
  };
  std::vector<std::uint8_t> open(rows(), true);
  double shrink = 1;
  for (int k = 0; k < most_looks && std::ranges::count(open, true) > 0; ++k, shrink /= 4) {
    const std::vector<Slope> found = slopes(ways, shrink, largest);
    for (std::size_t r = 0; r < rows(); ++r) {
      if (!open[r]) continue;
      looks[r].push_back(found[r]);
      open[r] = is_open(looks[r]);
    }
  }
  std::vector<Slope> best;
  for (const auto& row : looks) best.push_back(best_of(row, largest));
  return best;
}

}  // namespace dz::detail
