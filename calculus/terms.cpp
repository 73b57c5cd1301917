#include <dz/calculus/terms.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

namespace dz::detail {
namespace {

using Values = std::vector<double>;

constexpr std::size_t decisive = 3;  // entries that must be known well, and explained, before anything is said

/// An entry of the Jacobian: the output's row, the input's element.
struct Entry {
  std::size_t row, element;
  double derivative, slope, tolerance;
  bool inside;  // output and element stand at one place

  bool is_wrong() const { return std::abs(derivative - slope) > tolerance; }
};

/// A value that each entry has.
struct Atom {
  std::string name;
  Values at;
  const Values* all;  // where it is an array of the input's shape, taken at the element: that array
};

/// The entries that count, and the values that a derivative may be made of.
class Table {
 public:
  explicit Table(const Explanation& e) : e_(e), same_shape_(e.output && *e.output == e.shape) {
    collect();
    restrict();
    for (std::size_t j = 0; j < e.inputs.size(); ++j)
      if (j == e.own || e.inputs.size() <= 4) add_input(e.inputs[j]);
    if (e.slopes.size() > 1) add_output();
  }

  const std::vector<Entry>& entries() const { return entries_; }
  const std::vector<Atom>& atoms() const { return atoms_; }
  /// What is said before, where the entries are not all.
  const std::string& where() const { return where_; }
  bool alone() const { return e_.slopes.size() > 1; }  ///< entries are of single outputs
  bool tells() const { return static_cast<std::size_t>(std::ranges::count_if(entries_, [](const Entry& e) { return e.is_wrong(); })) >= decisive; }

 private:
  Index output_index(const Entry& n) const { return unravelled(static_cast<std::int64_t>(n.row) - 1, *e_.output); }
  Index element_index(const Entry& n) const { return unravelled(static_cast<std::int64_t>(n.element), e_.shape); }

  void collect() {
    for (std::size_t r = e_.slopes.size() > 1 ? 1 : 0; r < e_.slopes.size(); ++r)
      for (std::size_t k = 0; k < e_.x.size(); ++k) {
        const double d = e_.derivatives[r][k], s = e_.slopes[r][k];
        if (std::abs(d) + std::abs(s) <= 1e-3 * e_.small) continue;
        entries_.push_back({r, k, d, s, 3 * e_.bars[r][k] + 1e-7 * (std::abs(d) + std::abs(s)), r == 0 || (same_shape_ && r == k + 1)});
      }
  }

  /// Where all that is wrong stands at one place with its output, or nothing of it does, the others are left out.
  void restrict() {
    std::size_t count[2] = {0, 0}, wrong[2] = {0, 0};
    for (const Entry& n : entries_) ++count[n.inside], wrong[n.inside] += n.is_wrong();
    if (!same_shape_ || !count[0] || !count[1] || (wrong[0] && wrong[1])) return;
    const bool inside = wrong[1] > 0;
    std::erase_if(entries_, [inside](const Entry& n) { return n.inside != inside; });
    where_ = inside ? "what other outputs contribute is right; of the one at its own place: " : "what the output at its own place contributes is right; of the others: ";
  }

  void add(std::string name, const std::function<std::optional<double>(const Entry&)>& value, const Values* all = nullptr) {
    Atom atom{std::move(name), {}, all};
    for (const Entry& n : entries_) {
      const auto v = value(n);
      if (!v) return;
      atom.at.push_back(*v);
    }
    atoms_.push_back(std::move(atom));
  }

  bool apart() const { return std::ranges::any_of(entries_, [](const Entry& n) { return !n.inside; }); }

  void add_input(const NamedValues& input) {
    const auto taken = [&](std::optional<std::size_t> at) { return at ? std::optional((*input.values)[*at]) : std::nullopt; };
    const std::size_t before = atoms_.size();
    add(input.name, [&](const Entry& n) { return taken(element_at(input.shape, e_.shape, element_index(n))); }, input.shape == e_.shape ? input.values : nullptr);
    if (!e_.output || !apart() || !alone()) return;
    if (atoms_.size() == before) add(input.name, [&](const Entry& n) { return taken(element_at(input.shape, *e_.output, output_index(n))); });
    else if (same_shape_) add(input.name + " at the output's place", [&](const Entry& n) { return taken(element_at(input.shape, *e_.output, output_index(n))); });
  }

  void add_output() {
    add("the output", [&](const Entry& n) { return e_.values[n.row]; });
    if (!same_shape_) return;
    outputs_.assign(e_.values.begin() + 1, e_.values.end());
    if (apart()) add("the output there", [&](const Entry& n) { return outputs_[n.element]; }, &outputs_);
    else atoms_.back().all = &outputs_;
  }

  const Explanation& e_;
  bool same_shape_;
  Values outputs_;
  std::vector<Entry> entries_;
  std::vector<Atom> atoms_;
  std::string where_;
};

/// A constant times powers of at most two atoms, times a function of one.
struct Product {
  double constant = 1;
  std::vector<std::pair<std::size_t, int>> powers;
  std::string function = {};
  double complexity = 0;
};

std::string number(double c) {
  for (const double n : {2., 3., 4., 5., 6., 7., 8., 9., 10., 12., 16.})
    if (std::abs(c * n - 1) < 1e-6) return fmt::format("1/{}", n);
  return fmt::format("{:.4g}", c);
}

class Dictionary {
 public:
  explicit Dictionary(const Table& table) : table_(table) {
    for (std::size_t a = 0; a < atoms().size(); ++a) {
      for (const int p : {1, -1, 2, -2}) powers_.push_back({{{a, p}}, cost(p)});
      for (std::size_t b = 0; b < a; ++b)
        for (const auto& [p, q] : {std::pair{1, 1}, {1, -1}, {-1, 1}, {-1, -1}, {2, 1}, {1, 2}, {-1, 2}, {2, -1}, {1, -2}, {-2, 1}}) powers_.push_back({{{b, p}, {a, q}}, cost(p) + cost(q)});
    }
    powers_.push_back({{}, 0});
    std::ranges::stable_sort(powers_, {}, &Powers::cost);
  }

  /// The simplest product that, times `base`, is the target in every entry.
  std::optional<Product> fit(const Values& target, const Values& tolerance, const Values* base, bool functions) const {
    struct Function {
      const char* name;
      double (*f)(double);
    };
    static constexpr Function all[] = {{"", nullptr}, {"exp", [](double v) { return std::exp(v); }}, {"sin", [](double v) { return std::sin(v); }}, {"cos", [](double v) { return std::cos(v); }},
                                       {"tanh", [](double v) { return std::tanh(v); }}, {"sigmoid", [](double v) { return 1 / (1 + std::exp(-v)); }}, {"log", [](double v) { return std::log(v); }}};
    std::optional<Product> best;
    for (const Function& f : all) {
      if (f.f && !functions) break;
      for (std::size_t a = 0; a < (f.f ? atoms().size() : 1); ++a) {
        Values values = base ? *base : Values(target.size(), 1.0);
        if (f.f)
          for (std::size_t n = 0; n < values.size(); ++n) values[n] *= f.f(atoms()[a].at[n]);
        for (const Powers& powers : powers_) {
          const double least = powers.cost + (f.f ? 1.5 : 0);
          if (best && least >= best->complexity) continue;
          const auto c = constant(target, tolerance, values, powers);
          if (!c) continue;
          const double plain = std::abs(std::abs(*c) - 1) < 1e-6 ? 0 : std::abs(std::abs(*c) - 2) < 1e-6 || std::abs(std::abs(*c) - 0.5) < 1e-6 ? 0.5 : 1;
          if (!best || least + plain < best->complexity) best = Product{*c, powers.of, f.f ? fmt::format("{}({})", f.name, atoms()[a].name) : "", least + plain};
        }
      }
    }
    return best;
  }

  /// "2 · input 0² · cos(input 0)", of the powers with this sign; without its sign.
  std::string text(const Product& p, bool numerator = true) const {
    std::string t = numerator && std::abs(std::abs(p.constant) - 1) > 1e-6 ? number(std::abs(p.constant)) : "";
    const auto append = [&](const std::string& part) { t += (t.empty() ? "" : " · ") + part; };
    for (const auto& [a, power] : p.powers)
      if ((power > 0) == numerator) append(atoms()[a].name + (std::abs(power) == 2 ? "²" : ""));
    if (numerator && !p.function.empty()) append(p.function);
    return t;
  }
  std::string quotient(const Product& p) const {
    const std::string up = text(p), down = text(p, false);
    if (down.empty()) return up.empty() ? "1" : up;
    return (up.empty() ? "1" : up) + " / " + (down.find("·") == std::string::npos ? down : "(" + down + ")");
  }

 private:
  struct Powers {
    std::vector<std::pair<std::size_t, int>> of;
    double cost;
  };
  static double cost(int power) { return std::abs(power) + (power < 0 ? 0.5 : 0); }
  const std::vector<Atom>& atoms() const { return table_.atoms(); }

  double at(std::size_t n, const Values& base, const Powers& powers) const {
    double v = base[n];
    for (const auto& [a, p] : powers.of) {
      const double u = atoms()[a].at[n];
      v *= p == 1 ? u : p == -1 ? 1 / u : p == 2 ? u * u : 1 / (u * u);
    }
    return v;
  }

  std::optional<double> constant(const Values& target, const Values& tolerance, const Values& base, const Powers& powers) const {
    std::size_t sharpest = 0, known = 0;
    for (std::size_t n = 0; n < target.size(); ++n) {
      if (std::abs(target[n]) * tolerance[sharpest] > std::abs(target[sharpest]) * tolerance[n]) sharpest = n;
      known += tolerance[n] <= 1e-3 * std::abs(target[n]);
    }
    const double v = at(sharpest, base, powers), c = target[sharpest] / v, loose = tolerance[sharpest] / std::abs(target[sharpest]);
    if (known < decisive || !std::isfinite(c) || c == 0) return std::nullopt;
    double low = HUGE_VAL, high = 0;
    for (std::size_t n = 0; n < target.size(); ++n) {
      const double m = at(n, base, powers);
      if (!(std::abs(target[n] - c * m) <= tolerance[n] + loose * std::abs(c * m))) return std::nullopt;
      const double power = std::abs(m / base[n]);
      if (std::isfinite(power)) low = std::min(low, power), high = std::max(high, power);
    }
    if (!powers.of.empty() && high - low < 1e-3 * high) return std::nullopt;  // any power of a constant would do
    return c;
  }

  const Table& table_;
  std::vector<Powers> powers_;
};

}  // namespace

std::string factor_or_term(const Explanation& e) {
  const Table table(e);
  if (!table.tells()) return "";
  const Dictionary dictionary(table);
  Values d, s, gap, tolerance;
  for (const Entry& n : table.entries()) {
    d.push_back(n.derivative), s.push_back(n.slope), gap.push_back(n.slope - n.derivative);
    tolerance.push_back(n.tolerance);
  }
  const auto factor = dictionary.fit(d, tolerance, &s, false);
  const auto term = table.alone() ? dictionary.fit(gap, tolerance, nullptr, true) : std::nullopt;
  const auto of_derivative = dictionary.fit(gap, tolerance, &d, false), of_slope = dictionary.fit(gap, tolerance, &s, false);
  double least = HUGE_VAL;
  for (const auto& [p, more] : {std::pair{&factor, 0.}, {&term, 1.}, {&of_derivative, 1.}, {&of_slope, 1.25}})
    if (*p) least = std::min(least, (*p)->complexity + more);
  if (least == HUGE_VAL) return "";

  const auto signed_text = [&](const Product& p) { return (p.constant < 0 ? "−" : "") + dictionary.quotient(p); };
  if (factor && factor->complexity <= least) {
    const std::string up = dictionary.text(*factor), down = dictionary.text(*factor, false);
    if (up.empty() && factor->constant > 0) return table.where() + fmt::format("times {} it would be right: is that factor missing, or a division by it too many?", down);
    return table.where() + fmt::format("it is {} times what it should be: is {}, or another value meant (a neighbour, an index off by one)?", signed_text(*factor),
                                       down.empty() ? "that factor too many, a division by it missing" : "a factor missing or too many");
  }
  if (term && term->complexity + 1 <= least)
    return table.where() + fmt::format("with dy · {} {} it would be right: is that term {}?", dictionary.quotient(*term), term->constant > 0 ? "added" : "taken away", term->constant > 0 ? "missing" : "one too many");
  const bool by_derivative = of_derivative && of_derivative->complexity + 1 <= least;
  const Product& p = by_derivative ? *of_derivative : *of_slope;
  const std::string up = dictionary.text(p), down = dictionary.text(p, false);
  const bool plus = by_derivative == (p.constant > 0);  // slope = derivative · (1 + c·m), or derivative = slope · (1 − c·m)
  const std::string sum = fmt::format("({} {} {})", down.empty() ? "1" : down, plus ? "+" : "−", up.empty() ? "1" : up);
  if (by_derivative) return table.where() + (down.empty() ? fmt::format("times {} it would be right: is that factor missing?", sum) : fmt::format("with {} for a factor {} it would be right: is a term of it lost?", sum, down));
  return table.where() + (down.empty() ? fmt::format("it is {} times what it should be: is that factor too many?", sum) : fmt::format("with {} for a factor {} it would be right: is a term too many in it?", down, sum));
}

std::string neighbour_instead(const Explanation& e) {
  const Table table(e);
  if (!table.tells()) return "";
  const Values none(table.entries().size(), 0.0);
  for (const Atom& u : table.atoms()) {
    if (!u.all) continue;
    for (int a = 0; a < e.shape.rank(); ++a)
      for (const int by : {-1, 1}) {
        if (e.shape[a] < 2) continue;
        const auto fits = [&](const Values& v) {  // slope · (u − v) = derivative · (u's neighbour − v)
          std::size_t seen = 0;
          for (std::size_t n = 0; n < table.entries().size(); ++n) {
            const Entry& entry = table.entries()[n];
            Index index = unravelled(static_cast<std::int64_t>(entry.element), e.shape);
            std::int64_t& i = index[static_cast<std::size_t>(a)];
            i += by;
            if (i < 0 || i >= e.shape[a]) continue;
            const double here = u.at[n] - v[n], there = (*u.all)[*element_at(e.shape, e.shape, index)] - v[n], tolerance = entry.tolerance * (std::abs(here) + std::abs(there));
            if (!(std::abs(entry.slope * here - entry.derivative * there) <= tolerance)) return false;
            seen += entry.is_wrong() && entry.tolerance <= 1e-3 * std::abs(entry.derivative - entry.slope);
          }
          return seen >= decisive;
        };
        const auto say = [&](const std::string& in) {
          return fmt::format("{}with {} one {} along axis {} for {} itself{} it would be right: is an index off by one?", table.where(), u.name, by < 0 ? "before" : "after", a, u.name, in);
        };
        if (fits(none)) return say(", as a factor,");
        for (const Atom& v : table.atoms())
          if (&v != &u && fits(v.at)) return say(fmt::format(", in ({} − {}),", u.name, v.name));
      }
  }
  return "";
}

}  // namespace dz::detail
