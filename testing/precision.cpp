// The code that ships is float32: its values and gradients against those of float64, on every way that a kernel can take and at sizes on
// both sides of every threshold.
//
// What they may differ by. Float32 rounds every intermediate result by at most u = 2⁻²⁴ of itself. So no algorithm in float32 can be
// expected to be nearer than the function itself moves, in float64, when its inputs are moved by u of themselves: that response is
// measured, by nudging every input and the cotangent up or down at random. A chain of roundings, of which there are a few in an
// operation, adds up to a few times as much (`roundings`); a sum of k terms added up one after another rounds partial sums that grow as
// √k beside its response, for terms of random sign (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., §4.2 and §2.8).

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>
#include <set>

#include <dz/tensor/force.hpp>
#include <dz/testing/run.hpp>

namespace dz::testing {
namespace {

constexpr double unit = 0x1p-24, nudge = 0x1p-30;
constexpr double roundings = 8;  // one after another, within an operation
constexpr int nudges = 4;

/// A way that kernels are made to take.
struct Way {
  const char* name;
  Isa isa = Isa::avx512;
  int threads = 1;
  std::int64_t grain = elementwise_grain, loop = loop_product, packs = pack_product, tiles = tile_product, side = tile_side, windows = window_elements, dot = dot_terms;
  Reverse reverse = Reverse::fused;
};

/// Those that matter at any size.
std::vector<Way> ways() {
  return {{.name = "baseline", .isa = Isa::baseline},
          {.name = "AVX2", .isa = Isa::avx2},
          {.name = "AVX-512"},
          {.name = "two threads", .threads = 2},
          {.name = "composed", .reverse = Reverse::composed}};
}

/// Those that large sizes take by themselves, taken by small ones.
std::vector<Way> forced_ways() {
  constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
  return {{.name = "split among two threads", .threads = 2, .grain = 8},
          {.name = "split among three threads, composed", .threads = 3, .grain = 8, .reverse = Reverse::composed},
          {.name = "products by a loop", .loop = never, .packs = 0},
          {.name = "products by packs", .packs = 1'000'000},
          {.name = "products by BLAS", .loop = 0, .packs = 0, .tiles = never},
          {.name = "products by tiles", .loop = 0, .packs = 0, .tiles = 0, .side = 0, .dot = never},
          {.name = "products by tiles, split among three threads", .threads = 3, .grain = 8, .loop = 0, .packs = 0, .tiles = 0, .side = 0, .dot = never},
          {.name = "products by oneDNN", .isa = Isa::avx2, .loop = 0, .packs = 0, .tiles = 0},
          {.name = "products by dot products", .loop = 0, .packs = 0, .tiles = 0, .dot = 0},
          {.name = "windows in small blocks", .windows = 64}};
}

Run run(const Operation& o, const Tensors& inputs, const Way& w) {
  const force::InstructionSet isa(w.isa);
  const force::Threads threads(w.threads);
  const force::Size grain(elementwise_grain, w.grain), loop(loop_product, w.loop), packs(pack_product, w.packs), tiles(tile_product, w.tiles), side(tile_side, w.side),
      windows(window_elements, w.windows), dot(dot_terms, w.dot);
  return run(o, inputs, w.reverse);
}

// ---- what float32 may differ by

using Bar = std::vector<double>;

/// The response of one result, per unit of relative change of everything that it is computed from: root mean squares.
struct Response {
  std::vector<double> squares;

  void add(const std::vector<double>& moved, const std::vector<double>& still) {
    squares.resize(still.size());
    for (std::size_t i = 0; i < still.size(); ++i) {
      const double change = (moved[i] - still[i]) / nudge;
      squares[i] += change * change / nudges;
    }
  }
  /// Half of it is that of all elements together: a few nudges may miss an element's own.
  Bar bar(const std::vector<double>& exact, double terms) const {
    double all = 0;
    for (const double s : squares) all += std::isfinite(s) ? s : 0;
    const double typical = squares.empty() ? 0 : std::sqrt(all / static_cast<double>(squares.size()));
    Bar b;
    for (std::size_t i = 0; i < exact.size(); ++i)
      b.push_back(roundings * unit * (std::abs(exact[i]) + std::sqrt(terms) * (std::sqrt(squares[i]) + typical)) +
                  std::numeric_limits<float>::denorm_min());
    return b;
  }
};

/// The results in float64, and what those in float32 may differ from them by.
struct Reference {
  Run exact;
  Bar value;
  std::vector<Bar> gradients;
};

Reference reference(const Operation& o) {
  const Tensors x = o.draw(float64);
  Reference r{run(o, x), {}, {}};
  std::vector<Response> responses(1 + r.exact.gradients.size());
  for (int k = 1; k <= nudges; ++k) {
    const Run moved = run(o, x, Reverse::fused, {nudge, static_cast<std::uint64_t>(k)});
    responses[0].add(moved.value, r.exact.value);
    for (std::size_t i = 0; i < r.exact.gradients.size(); ++i) responses[i + 1].add(moved.gradients[i], r.exact.gradients[i]);
  }
  // As many terms flow into an element as there are elements to read for each that is written; in a square matrix, a row's.
  double read = static_cast<double>(r.exact.value.size()), side = 1;
  for (const Tensor& t : x) {
    read += static_cast<double>(t.size());
    for (int i = 1; i < t.rank(); ++i)
      if (t.size(i) == t.size(i - 1)) side = std::max(side, static_cast<double>(t.size(i)));
  }
  const auto terms = [&](std::size_t written) { return std::max(side, read / static_cast<double>(std::max<std::size_t>(written, 1))); };
  r.value = responses[0].bar(r.exact.value, terms(r.exact.value.size()));
  for (std::size_t i = 0; i < r.exact.gradients.size(); ++i)
    r.gradients.push_back(responses[i + 1].bar(r.exact.gradients[i], terms(r.exact.gradients[i].size())));
  return r;
}

void compare(Findings& f, const std::string& what, const std::vector<double>& is, const std::vector<double>& exact, const Bar& bar) {
  if (is.size() != exact.size()) return f.fail(what + " has another size in float32");
  if (std::ranges::any_of(exact, [](double v) { return std::abs(v) > std::numeric_limits<float>::max(); })) return;  // beyond float32
  std::size_t worst = is.size();
  double most = 1;
  for (std::size_t i = 0; i < is.size(); ++i) {
    const bool same = is[i] == exact[i] || (std::isnan(is[i]) && std::isnan(exact[i]));
    const double ratio = same ? 0 : std::abs(is[i] - exact[i]) / bar[i];
    if (ratio <= most) continue;  // a NaN is worst of all
    worst = i, most = ratio;
    if (std::isnan(ratio)) break;
  }
  if (worst == is.size()) return;
  char text[256];
  std::snprintf(text, sizeof text, ", element %zu of %zu: %.9g in float32, %.9g in float64, %.2g apart where rounding explains %.2g", worst,
                is.size(), is[worst], exact[worst], std::abs(is[worst] - exact[worst]), bar[worst]);
  f.fail(what + text);
}

double elements(const Operation& o) {  // a number that does not overflow: sizes are tried that no machine holds
  double most = 0;
  for (const Input& i : o.inputs) {
    double volume = 1;
    for (int axis = 0; axis < i.shape.rank(); ++axis) volume *= static_cast<double>(i.shape[axis]);
    most = std::max(most, volume);
  }
  return most;
}

/// How many elements its result has, or none where the operation does not take these sizes.
std::optional<std::int64_t> gives(const Operation& o) {
  try {
    const auto quiet = no_grad();
    return o.call(o.draw(float32)).size();
  } catch (const Error&) {
    return std::nullopt;
  }
}
bool takes(const Operation& o) { return gives(o).has_value(); }

void ask_at(const Operation& o, const std::vector<Way>& ways, Findings& f) {
  const force::Threads one(1);
  const Reference exact = reference(o);
  const Tensors x = o.draw(float32);
  for (const Way& w : ways) {
    if (o.order < 2 && w.reverse == Reverse::composed) continue;
    f.open(shapes_of(o) + ", " + w.name);
    const Run r = run(o, x, w);
    f.expect(r.trouble.empty(), r.trouble);
    compare(f, "the value", r.value, exact.exact.value, exact.value);
    f.expect(r.gradients.size() == exact.exact.gradients.size(), "another number of gradients in float32");
    for (std::size_t i = 0; i < std::min(r.gradients.size(), exact.gradients.size()); ++i)
      compare(f, "gradient " + std::to_string(i), r.gradients[i], exact.exact.gradients[i], exact.gradients[i]);
  }
}

/// Multiply-adds of the matrix product that an operation of these shapes may be: every size that occurs, once.
double multiply_adds(const Operation& o) {
  std::set<std::int64_t> sizes;
  for (const Input& i : o.inputs)
    for (int axis = 0; axis < i.shape.rank(); ++axis) sizes.insert(std::max<std::int64_t>(1, i.shape[axis]));
  double product = 1;
  for (const std::int64_t s : sizes) product *= static_cast<double>(s);
  return product;
}

/// A size just below a threshold and one just above it, by a count that grows with the size.
template <class Count> void around(std::set<std::int64_t>& sizes, std::int64_t threshold, Count count) {
  std::int64_t low = 0, high = std::int64_t{1} << 21;
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (static_cast<double>(count(middle)) < static_cast<double>(threshold) ? low : high) = middle;
  }
  for (const std::int64_t n : {low, low + 2})
    if (n > 0) sizes.insert(n);
}

}  // namespace

void ask_precision(const Operation& o, Findings& f) {
  if (o.random) {
    f.open("random: float32 and float64 draw different numbers");
    return;
  }
  std::vector<Way> all = ways();
  for (const Way& w : forced_ways()) all.push_back(w);
  constexpr std::int64_t most = 20'000;  // elements
  ask_at(o, all, f);
  bool grows = o.inputs.empty();
  for (const std::int64_t n : {1, 2, 3, 8, 15, 16, 17, 31, 33, 65})
    for (const Operation& other : grown(o, n)) {
      if (n < o.smallest || elements(other) > most || !takes(other)) continue;
      grows = true;
      ask_at(other, all, f);
    }
  if (grown(o, 1).empty()) return;
  f.open("sizes");
  f.expect(grows, "it refuses every other size than its examples': give .sizes");
}

void ask_thresholds(const Operation& o, Findings& f) {
  if (o.random) return;
  const double most = o.product ? 600'000 : 70'000;  // elements
  constexpr std::int64_t most_of_a_side = 130;         // of a square matrix, whose work grows with the cube
  for (std::size_t way = 0; way < grown(o, 2).size(); ++way) {
    const auto at = [&](std::int64_t n) { return std::move(grown(o, n)[way]); };
    const auto small = gives(at(16)), twice = gives(at(32));  // how fast the result grows
    const double power = small && twice && *small > 0 ? std::log2(static_cast<double>(*twice) / static_cast<double>(*small)) : 1;
    const auto result = [&](std::int64_t n) { return small ? static_cast<double>(*small) * std::pow(static_cast<double>(n) / 16, power) : 0; };
    std::set<std::int64_t> sizes;
    for (const Threshold& t : all_thresholds) {
      around(sizes, *t.size, [](std::int64_t n) { return n; });
      around(sizes, *t.size, [&](std::int64_t n) { return elements(at(n)); });
      if (o.product) around(sizes, *t.size, [&](std::int64_t n) { return multiply_adds(at(n)); });
    }
    for (const std::int64_t n : sizes) {
      const Operation other = at(n);
      const bool square = elements(other) >= static_cast<double>(n) * static_cast<double>(n);
      if (n < o.smallest || elements(other) > most || result(n) > most || (square && n > most_of_a_side) || !takes(other)) continue;
      ask_at(other, ways(), f);
    }
  }
}

}  // namespace dz::testing
