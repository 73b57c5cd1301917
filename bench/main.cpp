// dz_bench WORKLOAD [--seconds S]   one line: name, seconds of a step (median), loss of steps 1 and 10
// dz_bench WORKLOAD --first         one line: name, seconds from the start of main to the end of the first step
// dz_bench WORKLOAD --steps N       N steps and nothing else, for counting instructions; one line: name, N, loss of step N
// dz_bench --list                   the names
//
// With --bfloat16 products and convolutions are computed in bfloat16; where the machine has none, a line on the error output says so, and
// they stay float32. Threads come from OMP_NUM_THREADS. bench/README.md says how this is paired with another program.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string_view>

#include "workload.hpp"

namespace {

using Clock = std::chrono::steady_clock;

std::vector<bench::Workload> all() {
  std::vector<bench::Workload> found;
  for (auto list : {bench::tiny, bench::dense, bench::images, bench::gpt, bench::elementwise}) std::ranges::move(list(), std::back_inserter(found));
  return found;
}

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void run(const bench::Workload& workload, double seconds) {
  const bench::Step step = workload.make();
  double first = 0, tenth = 0;
  for (int i = 1; i <= 10; ++i) {
    tenth = step().item();
    if (i == 1) first = tenth;
  }
  std::vector<double> times;
  for (double total = 0; total < seconds || times.size() < 5; total += times.back()) {
    const auto start = Clock::now();
    step();
    times.push_back(since(start));
  }
  const auto middle = times.begin() + std::ssize(times) / 2;
  std::ranges::nth_element(times, middle);
  std::printf("%s seconds %.9g loss1 %.7g loss10 %.7g\n", workload.name.c_str(), *middle / workload.operations, first, tenth);
}

}  // namespace

int main(int argc, char** argv) {
  const auto start = Clock::now();
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  const auto workloads = all();
  double seconds = 1;
  long steps = 0;
  bool first = false, casts = false;
  const bench::Workload* chosen = nullptr;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto named = std::ranges::find(workloads, words[i], &bench::Workload::name);
    const bool more = i + 1 < words.size();
    if (words[i] == "--list") {
      for (const auto& w : workloads) std::puts(w.name.c_str());
      return 0;
    }
    if (words[i] == "--seconds" && more) seconds = std::atof(words[++i].data());
    else if (words[i] == "--steps" && more) steps = std::atol(words[++i].data());
    else if (words[i] == "--first") first = true;
    else if (words[i] == "--bfloat16") casts = true;
    else if (named != workloads.end()) chosen = &*named;
    else return std::fprintf(stderr, "dz_bench: '%s' is no workload; --list names them\n", words[i].data()), 2;
  }
  if (!chosen) return std::fprintf(stderr, "usage: dz_bench WORKLOAD [--seconds S | --first | --steps N] [--bfloat16] | --list\n"), 2;
  const std::string trouble(dz::unsupported(dz::bfloat16));
  if (casts && !trouble.empty()) std::fprintf(stderr, "dz_bench: %s\n", trouble.c_str());
  const auto precision = dz::autocast(dz::bfloat16, casts);
  if (!first && !steps) return run(*chosen, seconds), 0;
  const bench::Step step = chosen->make();
  dz::Tensor loss;
  for (long i = 0; i < std::max(steps, 1L); ++i) loss = step();
  if (first) std::printf("%s first %.6f\n", chosen->name.c_str(), since(start));
  else std::printf("%s step %ld loss %.7g\n", chosen->name.c_str(), steps, loss.item());
}
