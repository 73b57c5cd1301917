// How good is the gradient check? Wrong derivatives, right ones, and networks with one wrong operation inside.
//   dz_gradcheck_quality [--sample | --class WORDS] [--seed N]

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include <dz/calculus/gradcheck.hpp>
#include <dz/tensor/force.hpp>

#include "tests/quality/mutants.hpp"
#include "tests/quality/networks.hpp"

using namespace dz;
using namespace dz::quality;

namespace {

using Function = std::function<Tensor(const Tensors&)>;

template <std::size_t... I> GradcheckResult ask(const Function& f, const Tensors& x, int order, std::uint64_t seed, std::index_sequence<I...>) {
  const auto with = [&f](decltype(In(x[I]))... in) { return f({in...}); };
  return gradcheck(with, x[I]...).order(order).seed(seed).result();
}

GradcheckResult ask(const Function& f, const Tensors& x, int order, std::uint64_t seed) {
  switch (x.size()) {
    case 1: return ask(f, x, order, seed, std::make_index_sequence<1>{});
    case 2: return ask(f, x, order, seed, std::make_index_sequence<2>{});
    case 3: return ask(f, x, order, seed, std::make_index_sequence<3>{});
    case 4: return ask(f, x, order, seed, std::make_index_sequence<4>{});
    default: return ask(f, x, order, seed, std::make_index_sequence<5>{});
  }
}

struct Count {
  int of = 0, wrong = 0, undecided = 0;
};

Tensors draw(const Rule& r, Dtype dtype, std::uint64_t seed) {
  Generator g(seed);
  Tensors x;
  for (const Input& i : r.inputs) x.push_back(i.draw(dtype, g));
  return x;
}

/// The verdict on a rule; what is thrown is none.
Verdict judge(const Function& f, const Tensors& x, int order, std::uint64_t seed, std::string& report) {
  try {
    const GradcheckResult r = ask(f, x, order, seed);
    report = to_string(r);
    return r.verdict();
  } catch (const std::exception& e) {
    report = std::string("it throws: ") + e.what();
    return Verdict::undecided;
  }
}

void say(const char* what, const Rule& r, int order, const std::string& report) {
  std::string shapes;
  for (const Input& i : r.inputs) shapes += " " + to_string(i.shape);
  std::printf("  %s: %s%s, order %d\n    %.600s\n", what, r.name.c_str(), shapes.c_str(), order, report.c_str());
}

Count check_mutants(std::uint64_t seed, int every, const char* only) {
  std::vector<Mutant> all = wrong_derivatives();
  for (Mutant& m : wrong_in_float32()) all.push_back(std::move(m));
  std::map<std::string, Count> classes;
  Count total;
  for (std::size_t n = 0; n < all.size(); n += static_cast<std::size_t>(every)) {
    const Mutant& m = all[n];
    if (only && m.mistake.find(only) == std::string::npos) continue;
    const force::InstructionSet set(m.isa.value_or(active_isa()));
    if (m.isa && active_isa() != *m.isa) {
      std::printf("  left out: '%s' needs an instruction set that this machine lacks\n", m.rule.name.c_str());
      continue;
    }
    std::string report;
    const Verdict v = judge([&m](const Tensors& x) { return apply(m.rule, x, At::here()); }, draw(m.rule, float32, seed + n), m.order, seed + n, report);
    for (Count* c : {&classes[m.mistake], &total}) ++c->of, c->wrong += v == Verdict::wrong, c->undecided += v == Verdict::undecided;
    if (v != Verdict::wrong) say(v == Verdict::right ? "missed" : "undecided", m.rule, m.order, report + " [" + m.mistake + "]");
  }
  for (const auto& [name, c] : classes) std::printf("%-26s caught %d of %d\n", name.c_str(), c.wrong, c.of);
  return total;
}

/// A right function of one chain of operations.
Tensor chain(const Tensors& x, std::uint64_t seed) {
  Tensor y = x[0];
  for (std::uint64_t k = seed, n = 0; n < 4; k /= 6, ++n) {
    if (k % 6 == 0) y = tanh(y);
    else if (k % 6 == 1) y = softmax(y);
    else if (k % 6 == 2) y = y * x[1];
    else if (k % 6 == 3) y = matmul(y, x[1]);
    else if (k % 6 == 4) y = sin(y) + square(x[1]);
    else y = logsumexp(y, 1, true) - y;
  }
  return y;
}

/// Of a network's parameters, on samples so many and pre-activations so small that every step crosses kinks.
Rule many_kinks(std::uint64_t k) {
  Generator g(k);
  const Tensor x = uniform({150, 40}, 0, 1, float32, g);
  const Activation activation = k % 2 ? relu : Activation([](In z) { return leaky_relu(z); });
  const double size = k % 4 < 2 ? 1 : 0.03;
  const auto within = [size](const Shape& shape, double limit) { return real(shape, -size * limit, size * limit); };
  return {"many kinks", {within({12, 40}, 0.05), within({12}, 0.1), within({5, 12}, 0.5), within({5}, 0.1), within({1, 5}, 1)},
          [x, activation](const Tensors& p) { return mean(square(matmul(linear(linear(x, p[0], p[1], activation), p[2], p[3], activation), p[4].t()))); }, {}};
}

Count check_right(std::uint64_t seed, int count) {
  Count c;
  std::vector<Rule> all = rows();
  const std::size_t own = all.size();
  all.insert(all.end(), formulas().begin(), formulas().end());
  for (std::uint64_t k = 0; k < 48; ++k)
    all.push_back({"chain", {real({3, 3}), real({3, 3})}, [k](const Tensors& x) { return chain(x, k * 27 + 5); }, {}});
  for (std::uint64_t k = 0; k < 12; ++k) all.push_back(many_kinks(seed + k));
  for (int n = 0; n < count; ++n) {
    const std::size_t which = static_cast<std::size_t>(n) % all.size(), round = static_cast<std::size_t>(n) / all.size();
    const Rule& r = all[which];
    const int order = round % 2 ? 1 : 2;
    const Dtype dtype = round % 3 == 1 ? float64 : float32;
    const bool recorded = which >= own && !r.derivatives.empty();
    const Function f = recorded ? Function([&r](const Tensors& x) { return apply(r, x, At::here()); }) : Function(r.forward);
    std::string report;
    const auto at = seed + static_cast<std::uint64_t>(n);
    const Verdict v = judge(f, draw(r, dtype, at), order, at, report);
    ++c.of, c.wrong += v == Verdict::wrong, c.undecided += v == Verdict::undecided;
    if (v != Verdict::right) say(v == Verdict::wrong ? "refused, but right" : "undecided, but right", r, order, report);
  }
  return c;
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  bool sample = false;
  const char* only = nullptr;
  std::uint64_t seed = 1;
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--sample")) sample = true;
    else if (!std::strcmp(argv[i], "--class") && i + 1 < argc) only = argv[++i];
    else if (!std::strcmp(argv[i], "--seed") && i + 1 < argc) seed = std::strtoull(argv[++i], nullptr, 10);
    else return std::fprintf(stderr, "usage: dz_gradcheck_quality [--sample | --class WORDS] [--seed N]\n"), 2;
  }
  const auto clock = [] { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); };
  const double begun = clock();
  const Count wrong = check_mutants(seed, sample ? 11 : 1, only);
  const double middle = clock();
  const Count right = check_right(seed, only ? 0 : sample ? 40 : 1050);
  const double late = clock();
  const Named named = name_culprits(only ? 0 : sample ? 6 : 120, seed);
  std::printf("seconds: wrong %.0f, right %.0f, networks %.0f (of %d operations and more)\n", middle - begun, late - middle, clock() - late, named.least_nodes);
  std::printf("caught %d of %d wrong\n", wrong.wrong, wrong.of);
  std::printf("refused %d of %d right\n", right.wrong, right.of);
  std::printf("undecided %d of %d right\n", right.undecided, right.of);
  std::printf("culprit named %d of %d\n", named.named, named.networks);
  const bool met = wrong.wrong * 100 >= wrong.of * 99 && right.wrong == 0 && right.undecided * 100 <= right.of && named.named * 100 >= named.networks * 95;
  if (!met) std::printf("a bar is missed: 99 %% caught, none refused, 1 %% undecided, 95 %% named\n");
  return met ? 0 : 1;
}
