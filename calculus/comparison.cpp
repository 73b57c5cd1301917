#include <dz/calculus/comparison.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include <dz/calculus/causes.hpp>
#include <dz/tensor/random.hpp>

namespace dz {
namespace detail {
namespace {

constexpr std::int64_t every_element = 64, sampled_elements = 8, directions = 3;

/// ±max(1, |x|)/√n for each element: no wrong element hides among the others.
std::vector<double> random_way(const std::vector<double>& x, Generator& g) {
  std::vector<double> way = kernels::uniform({static_cast<std::int64_t>(x.size())}, -1, 1, float64, g).to_vector<double>();
  const double unit = 1 / std::sqrt(static_cast<double>(std::max<std::size_t>(1, x.size())));
  for (std::size_t k = 0; k < way.size(); ++k) way[k] = std::copysign(std::max(1.0, std::abs(x[k])) * unit, way[k]) * (0.75 + std::abs(way[k]) / 4);
  return way;
}

double largest_of(const std::vector<double>& v) {
  double m = 0;
  for (const double x : v) m = std::max(m, std::abs(x));
  return m;
}

class Comparison {
 public:
  Comparison(const Differences& differences, const Claim& claim, std::uint64_t seed)
      : differences_(differences), claim_(claim), x_(differences.values(claim.input)), random_(seed + claim.input) {
    for (std::size_t r = 0; r < claim.gradients.size(); ++r)
      largest_.push_back(std::max(largest_of(claim.gradients[r]), 1e-3 * std::abs(differences.at_rest()[r])));
    size_ = largest_of(largest_);
  }

  InputCheck run() {
    result_.name = claim_.name;
    result_.shape = claim_.shape;
    for (const auto& g : claim_.gradients) result_.size = std::max(result_.size, largest_of(g));
    for (const double v : differences_.at_rest())
      if (!std::isfinite(v)) return give_up("the function is not finite here");
    const auto n = static_cast<std::int64_t>(x_.size());
    if (n <= every_element)
      for (std::int64_t k = 0; k < n; ++k) compare_element(k);
    else compare_many(n);
    if (result_.verdict == Verdict::wrong) {
      result_.there = there();
      if (result_.cause.empty()) explain(n);
    }
    return result_;
  }

 private:
  InputCheck give_up(const char* why) {
    result_.verdict = Verdict::undecided;
    result_.cause = why;
    return result_;
  }

  void compare_many(std::int64_t n) {
    for (const double u : kernels::uniform({sampled_elements}, 0, static_cast<double>(n), float64, random_).to_vector<double>())
      compare_element(std::min(static_cast<std::int64_t>(u), n - 1));
    for (std::int64_t d = 0; d < directions && result_.verdict != Verdict::wrong; ++d) {
      const std::vector<double> steps = random_way(x_, random_);
      const Way all{claim_.input, 0, n, steps.data()};
      if (const Verdict v = agrees(all)[0]; v == Verdict::wrong) bisect(all);
      else if (v == Verdict::undecided && result_.verdict == Verdict::right) give_up("the slope along a random direction does not settle");
    }
  }

  void bisect(Way part) {
    while (part.last - part.first > 1) {
      const std::int64_t middle = (part.first + part.last) / 2;
      const Way left{part.input, part.first, middle, part.steps}, right{part.input, middle, part.last, part.steps};
      if (agrees(left)[0] == Verdict::wrong) part = left;
      else if (agrees(right)[0] == Verdict::wrong) part = right;
      else break;
    }
    for (std::int64_t k = part.first; k < std::min(part.last, part.first + sampled_elements); ++k) compare_element(k);
    if (result_.verdict == Verdict::wrong) return;
    const Slope s = differences_.slopes({part}, 1, size_)[0];  // small errors that only add up to one
    result_.verdict = Verdict::wrong;
    result_.element = part.first, row_ = 0;
    result_.derivative = along(part, 0), result_.difference = s.value, result_.error_bar = s.bar;
    result_.cause = fmt::format("along a random direction over {} elements from this one on", part.last - part.first);
  }

  void compare_element(std::int64_t k) {
    const Way way{claim_.input, k, k + 1};
    std::vector<Slope> slopes;
    const std::vector<Verdict> verdicts = agrees(way, &slopes);
    ++result_.compared;
    bool differs = false;
    for (std::size_t r = 0; r < verdicts.size(); ++r) {
      differs |= verdicts[r] == Verdict::wrong;
      note(verdicts[r], r, k, slopes[r]);
    }
    result_.differing += differs;
    if (differs) result_.wrong.push_back(k);
  }

  /// Keeps the worst: wrong before undecided before right; a single output, which one can compute by hand, before the contraction; then the
  /// most bars apart.
  void note(Verdict v, std::size_t row, std::int64_t k, const Slope& s) {
    const double g = claim_.gradients[row][static_cast<std::size_t>(k)];
    const double apart = v == Verdict::undecided ? 0 : std::abs(g - s.value) / std::max(s.bar, 1e-300);
    const auto rank = [](Verdict verdict, std::size_t of) { return verdict == Verdict::wrong ? 2 + (of > 0) : verdict == Verdict::undecided ? 1 : 0; };
    const int now = rank(v, row), before = rank(result_.verdict, row_);
    if (noted_ && (now < before || (now == before && !(apart > worst_ || std::isnan(apart))))) return;
    noted_ = true;
    worst_ = apart, row_ = row;
    result_.verdict = v;
    result_.element = k;
    result_.output = claim_.outputs[row];
    result_.derivative = g, result_.difference = s.value, result_.error_bar = s.bar;
    result_.cause = v != Verdict::undecided ? "" : s.finite ? "the difference quotients do not settle" : "the function is not finite nearby";
  }

  double along(const Way& w, std::size_t row) const {
    double sum = 0;
    for (std::int64_t k = w.first; k < w.last; ++k) sum += claim_.gradients[row][static_cast<std::size_t>(k)] * w.at(k);
    return sum;
  }

  Verdict judge(double g, const Slope& s) const {
    if (!s.finite) return Verdict::undecided;
    if (!std::isfinite(g) || std::abs(g - s.value) > 3 * s.bar) return Verdict::wrong;
    const bool nothing = g == 0 && s.bar <= 1e3 * differences_.rounding();  // as 0 as can be told: a product whose other side is 0
    return nothing || s.bar <= 1e-2 * std::max(std::abs(s.value), size_) ? Verdict::right : Verdict::undecided;
  }

  /// A verdict for each row. Where it is not right at once, a kink or a strong curvature may lie within the step: it comes closer.
  std::vector<Verdict> agrees(const Way& way, std::vector<Slope>* found = nullptr) {
    std::vector<Slope> slopes = differences_.slopes({way}, 1, size_);
    const auto judged = [&] {
      std::vector<Verdict> verdicts;
      for (std::size_t r = 0; r < largest_.size(); ++r) verdicts.push_back(judge(along(way, r), slopes[r]));
      return verdicts;
    };
    const auto all_right = [](const std::vector<Verdict>& v) { return std::ranges::all_of(v, [](Verdict row) { return row == Verdict::right; }); };
    std::vector<Verdict> verdicts = judged();
    if (!all_right(verdicts)) {
      const std::vector<Slope> settled = differences_.settled({way}, size_);
      for (std::size_t r = 0; r < verdicts.size(); ++r)
        if (verdicts[r] != Verdict::right && settled[r].finite) slopes[r] = settled[r];
      verdicts = judged();
    }
    if (!all_right(verdicts)) forgive_kinks(way, verdicts, slopes);
    if (found) *found = std::move(slopes);
    return verdicts;
  }

  /// The slopes on both sides of one thing, or the sums of many: any value from `least` to `most` lies between each one's.
  struct Sides {
    double left = 0, right = 0, least = 0, most = 0, gap = 0;
    Sides(const std::vector<double>& before, const std::vector<double>& rest, const std::vector<double>& after, double h) {
      for (std::size_t k = 0; k < rest.size(); ++k) {
        const double l = (rest[k] - before[k]) / h, r = (after[k] - rest[k]) / h;
        left += l, right += r, least += std::min(l, r), most += std::max(l, r), gap += std::abs(r - l);
      }
    }
  };

  /// Where the slopes on both sides differ, and go on differing as one comes closer, any value between them is right, of each of several
  /// outputs. Where the row itself jumps on one side (the derivative of a function with a kink), the slope on the other one is.
  void forgive_kinks(const Way& way, std::vector<Verdict>& verdicts, std::vector<Slope>& slopes) const {
    const double h = differences_.step({way}) * std::pow(differences_.rounding(), 0.3) * 64;
    const std::array<double, 5> places{-h, -h / 4, 0, h / 4, h};
    std::array<std::vector<double>, 5> rows, terms;  // each where it is asked for
    const bool of_terms = verdicts[0] != Verdict::right, of_rows = std::any_of(verdicts.begin() + 1, verdicts.end(), [](Verdict v) { return v != Verdict::right; });
    for (std::size_t k = 0; k < 5; ++k) {
      if (of_terms) terms[k] = differences_.terms_moved({way}, places[k]);
      if (of_rows) rows[k] = places[k] == 0 ? differences_.at_rest() : differences_.moved({way}, places[k]);
    }
    for (std::size_t r = 0; r < verdicts.size(); ++r) {
      if (verdicts[r] == Verdict::right) continue;
      const auto at = [&](std::size_t k) { return r == 0 ? terms[k] : std::vector<double>{rows[k][r]}; };
      const Sides far(at(0), at(2), at(4), h), near(at(1), at(2), at(3), h / 4);
      const double g = along(way, r), slack = 1e-3 * far.gap;
      if (!std::isfinite(far.gap) || !std::isfinite(near.gap) || !std::isfinite(g)) continue;
      const auto jumps = [](double wide, double narrow) { return std::abs(narrow) > 3 * std::abs(wide) && std::abs(narrow) > 1; };
      const bool kink = far.gap > 1e-5 * largest_[r] && near.gap > 0.7 * far.gap && near.gap < 1.5 * far.gap && g >= far.least - slack && g <= far.most + slack;
      const double usual = std::max(largest_[r], 1.0) * 1e-3;
      const bool jump = (jumps(far.right, near.right) && std::abs(g - near.left) < usual) || (jumps(far.left, near.left) && std::abs(g - near.right) < usual);
      if (!kink && !jump) continue;
      verdicts[r] = Verdict::right;
      slopes[r] = {g, 0, true};
    }
  }

  /// The inputs' values at the element reported, and the output's where its derivative was looked at alone.
  std::string there() const {
    const auto output = row_ > 0 ? std::optional(static_cast<std::int64_t>(row_) - 1) : std::nullopt;
    std::string text = values_at(place_of(result_.element, claim_.shape, claim_.output, output), differences_.named(), claim_.input);
    if (row_ > 0) text += fmt::format("{}the output = {:.6g}", text.empty() ? "" : ", ", differences_.at_rest()[row_]);
    return text;
  }

  /// What would explain it: from all elements' slopes, where they are few enough.
  void explain(std::int64_t n) {
    if (n > explained_elements) return;
    Explanation e{claim_.shape, x_, claim_.gradients, Gradients(largest_.size()), 1e-3 * size_, claim_.output, differences_.at_rest(), differences_.named(), claim_.input, result_.element, {}, Gradients(largest_.size())};
    for (std::int64_t k = 0; k < n; ++k) {
      std::vector<Slope> s;
      const std::vector<Verdict> verdicts = agrees({claim_.input, k, k + 1}, &s);
      for (std::size_t r = 0; r < s.size(); ++r) {
        e.slopes[r].push_back(verdicts[r] == Verdict::right ? claim_.gradients[r][static_cast<std::size_t>(k)] : s[r].value);
        e.bars[r].push_back(s[r].bar);
      }
      if (std::ranges::find(verdicts, Verdict::wrong) != verdicts.end()) e.wrong.push_back(k);
    }
    result_.wrong = e.wrong;
    result_.cause = likely_cause(e);
  }

  const Differences& differences_;
  const Claim& claim_;
  const std::vector<double>& x_;
  Generator random_;
  std::vector<double> largest_;  // of each row
  double size_ = 0;              // of all of them: what is far smaller need not be known better
  InputCheck result_;
  double worst_ = 0;
  std::size_t row_ = 0;  // of the worst
  bool noted_ = false;
};

}  // namespace

InputCheck compare(const Differences& differences, const Claim& claim, std::uint64_t seed) { return Comparison(differences, claim, seed).run(); }

void name_the_like(const Differences& differences, const std::vector<Claim>& claims, std::vector<InputCheck>& checks) {
  const auto times = [&](std::size_t i, std::size_t j, double sign) {  // the derivatives by i are those by j, each output by itself; so is a slope
    const auto close = [sign](double a, double b) { return std::abs(a - sign * b) <= 1e-9 * std::abs(a); };
    if (!std::ranges::equal(claims[i].gradients, claims[j].gradients, [&](const auto& a, const auto& b) { return std::ranges::equal(a, b, close); })) return false;
    const auto row = static_cast<std::size_t>(std::ranges::find(claims[j].outputs, checks[j].output) - claims[j].outputs.begin());
    const Slope s = differences.slopes({{claims[i].input, checks[j].element, checks[j].element + 1}}, 1, checks[i].size)[row];
    return s.finite && std::abs(s.value - sign * checks[j].difference) <= 3 * (s.bar + checks[j].error_bar);
  };
  for (std::size_t i = 1; i < checks.size(); ++i)
    for (std::size_t j = 0; j < i && checks[i].like.empty(); ++j) {
      InputCheck& a = checks[i];
      const InputCheck& b = checks[j];
      if (a.verdict != Verdict::wrong || b.verdict != Verdict::wrong || a.wrong != b.wrong || !b.like.empty()) continue;
      if (times(i, j, 1)) a.like = b.name;
      else if (times(i, j, -1)) a.like = b.name + ", negated";
    }
}

InputCheck compare_along_all(const Differences& differences, const std::vector<Claim>& claims, std::uint64_t seed) {
  InputCheck result;
  result.name = "all inputs together";
  Generator g(seed + 77);
  std::vector<std::vector<double>> steps;
  double slope = 0, terms = 0;
  for (const Claim& c : claims) {
    steps.push_back(random_way(differences.values(c.input), g));
    for (std::size_t k = 0; k < steps.back().size(); ++k) {
      slope += c.gradients[0][k] * steps.back()[k];
      terms = std::max(terms, std::abs(c.gradients[0][k] * steps.back()[k]));
    }
  }
  std::vector<Way> ways;
  for (std::size_t i = 0; i < claims.size(); ++i) ways.push_back({claims[i].input, 0, static_cast<std::int64_t>(steps[i].size()), steps[i].data()});
  if (ways.empty()) return result;
  result.derivative = slope;
  const auto agrees = [&](const Slope& s) {
    result.difference = s.value, result.error_bar = s.bar;
    return !s.finite || std::abs(slope - s.value) <= 3 * s.bar;
  };
  if (agrees(differences.slopes(ways, 1, terms)[0]) || agrees(differences.settled(ways, terms)[0])) return result;
  result.verdict = Verdict::wrong;
  const double h = 1e-6, rest = differences.at_rest()[0];
  const double left = (rest - differences.moved(ways, -h)[0]) / h, right = (differences.moved(ways, h)[0] - rest) / h;
  if (std::abs(right - left) > 1e-4 * terms) result.verdict = Verdict::right;  // at a kink: each input's check has looked at it
  return result;
}

}  // namespace detail

std::string_view name(Verdict v) { return v == Verdict::right ? "right" : v == Verdict::wrong ? "wrong" : "undecided"; }

std::string index_of(std::int64_t element, const Shape& shape) {
  std::string index;
  for (int a = shape.rank(); a-- > 0; element /= shape[a]) index = fmt::format("{}{}{}", element % shape[a], index.empty() ? "" : ", ", index);
  return "[" + index + "]";
}

std::string wrapped(std::string_view text, int indent, int used) {
  constexpr int columns = 100;
  std::string out;
  int column = used;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    const auto width = static_cast<int>(std::ranges::count_if(word, [](char c) { return (c & 0xC0) != 0x80; }));  // UTF-8: the rest of a letter
    if (!out.empty() && column + 1 + width > columns) out += "\n" + std::string(static_cast<std::size_t>(indent), ' '), column = indent;
    else if (!out.empty()) out += ' ', ++column;
    out += word;
    column += width;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string to_string(const InputCheck& c, int indent) {
  const std::string begin = "\n" + std::string(static_cast<std::size_t>(indent) + 2, ' '), head = fmt::format("{} {}: ", c.name, to_string(c.shape));
  const auto line = [&](const std::string& text) { return text.empty() ? "" : begin + wrapped(text, indent + 4, indent + 2); };
  if (c.verdict == Verdict::right)
    return wrapped(head + (c.compared ? fmt::format("right ({} of {} elements compared; the worst is {:.6g}, by differences {:.6g} ± {:.0e})", c.compared, c.shape.volume(),
                                                    c.derivative, c.difference, c.error_bar)
                                      : "right (it has no elements)"),
                   indent + 4, indent);
  const std::string place = index_of(c.element, c.shape);
  if (c.verdict == Verdict::undecided) return wrapped(head + "cannot decide at element " + place, indent + 4, indent) + line(c.cause);
  const std::string values = fmt::format("your derivative gives {:.9g}, by differences it is {:.9g} ± {:.0e}", c.derivative, c.difference, c.error_bar);
  if (!c.like.empty()) return wrapped(fmt::format("{}wrong as {}: at element {} {}", head, c.like, place, values), indent + 4, indent);
  std::string text = wrapped(fmt::format("{}wrong at element {}{} ({} of {} compared differ)", head, place, c.output.empty() ? "" : ", as it acts on " + c.output, c.differing, c.compared), indent + 4, indent) +
                     line(values) + line(c.there.empty() ? "" : "there " + c.there);
  for (std::size_t from = 0; from < c.cause.size();) {
    const std::size_t end = std::min(c.cause.find('\n', from), c.cause.size());
    text += line(c.cause.substr(from, end - from));
    from = end + 1;
  }
  return text;
}

}  // namespace dz
