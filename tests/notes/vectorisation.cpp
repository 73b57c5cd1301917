// The notes, part one, section four: a loop over a million numbers against one operation on vectors.

#include <chrono>
#include <cstdio>
#include <ctime>
#include <thread>

#include "tests/notes/matrix.hpp"

using namespace dz;
using namespace dz::notes;

namespace {

/// Why times mean nothing in this build; null where they do.
const char* no_times() {
  if (test::sanitized) return "times under a sanitizer say nothing";
#ifndef NDEBUG
  return "times of a debug build say nothing";
#else
  return nullptr;
#endif
}

// Of one thread, the processor's time: what else the machine runs does not count. Two threads that share a vector spend it waiting for
// each other where other programs run; theirs is the clock's.
double processor_milliseconds() { return 1000 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }
double milliseconds() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// The best times of several runs.
struct Times {
  double forward = 1e30, both = 1e30;  // both: the reverse pass too
  double value = 0;
  void keep_best(double start, double computed, double reversed) {
    forward = std::min(forward, computed - start);
    both = std::min(both, reversed - start);
  }
};

std::vector<Tensor> scalars(const std::vector<double>& values) {
  std::vector<Tensor> leaves;
  leaves.reserve(values.size());
  for (double v : values) leaves.push_back(variable(full({}, v, float64)));
  return leaves;
}

/// By the clock and by the processor a thread's work takes the same time, unless it has to wait for a processor.
bool machine_is_overloaded() {
  const double start = milliseconds(), processor_start = processor_milliseconds();
  while (processor_milliseconds() - processor_start < 200) {
  }
  return milliseconds() - start > 300;
}

/// One recorded multiplication and one recorded addition for each pair of numbers.
Times time_loop(const std::vector<double>& a, const std::vector<double>& b, int runs) {
  Times best;
  for (int run = 0; run < runs; ++run) {
    const std::vector<Tensor> x = scalars(a), y = scalars(b);
    const double start = processor_milliseconds();
    Tensor total = zeros({}, float64);
    for (std::size_t i = 0; i < x.size(); ++i) total = total + x[i] * y[i];
    const double computed = processor_milliseconds();
    backward(total);
    best.keep_best(start, computed, processor_milliseconds());
    best.value = total.item();
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < x.size(); ++i) wrong += x[i].grad().item() != b[i] || y[i].grad().item() != a[i];
    CHECK(wrong == 0);
  }
  return best;
}

/// At least twelve runs; then on, for some seconds, while `still` says that other programs may have disturbed them all.
template <class F> Times time_vector(const std::vector<double>& a, const std::vector<double>& b, F still) {
  const Tensor x = variable(tensor(a, {a.size()})), y = variable(tensor(b, {b.size()}));
  Times best;
  const double begin = milliseconds();
  for (int run = 0; run < 12 || (still(best) && milliseconds() - begin < 10'000); ++run) {
    x.clear_grad();
    y.clear_grad();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // who has slept is scheduled at once
    const double start = milliseconds();
    const Tensor total = sum(x * y);
    const double computed = milliseconds();
    backward(total);
    best.keep_best(start, computed, milliseconds());
    best.value = total.item();
  }
  CHECK(x.grad().to_vector() == b);
  CHECK(y.grad().to_vector() == a);
  return best;
}

/// The same loop on numbers that nobody records.
Times time_plain(const std::vector<double>& a, const std::vector<double>& b, int runs) {
  Times best;
  for (int run = 0; run < runs; ++run) {
    const double start = milliseconds();
    double total = 0;
    for (std::size_t i = 0; i < a.size(); ++i) total += a[i] * b[i];
    const volatile double used = total;  // so that it is computed
    best.keep_best(start, milliseconds(), milliseconds());
    best.value = used;
  }
  return best;
}

}  // namespace

TEST_CASE("notes 1.4: a vector operation takes at most a hundredth of the recorded loop's time", "[notes]") {
  if (const char* reason = no_times()) DZ_SKIP(reason);
  seed(1);
  const std::int64_t n = 1'000'000;
  const std::vector<double> a = uniform({n}, 0, 1, float64).to_vector(), b = uniform({n}, 0, 1, float64).to_vector();
  const Times loop = time_loop(a, b, 2), plain = time_plain(a, b, 5);
  const auto too_slow = [&](const Times& v) { return loop.forward < 100 * v.forward || loop.both < 100 * v.both; };
  const Times vector = time_vector(a, b, too_slow);
  std::printf("vectorisation, Σ a_i·b_i of a million float64 numbers, best times (part one, section four of the notes)\n");
  std::printf("  recorded loop   %8.2f ms forward, %8.2f ms with reverse\n", loop.forward, loop.both);
  std::printf("  sum(a * b)      %8.2f ms forward, %8.2f ms with reverse: %.0f and %.0f times faster\n", vector.forward, vector.both,
              loop.forward / vector.forward, loop.both / vector.both);
  std::printf("  plain C++ loop  %8.2f ms, nothing recorded\n", plain.forward);
  std::fflush(stdout);

  CHECK(loop.value == Approx(plain.value).epsilon(1e-12));
  CHECK(vector.value == Approx(plain.value).epsilon(1e-12));
  if (too_slow(vector) && machine_is_overloaded()) DZ_SKIP("other programs hold the processors, so a vector's two threads wait");
  CHECK(loop.forward / vector.forward >= 100);
  CHECK(loop.both / vector.both >= 100);
}

TEST_CASE("notes 1.4: the square roots of a vector are those of its elements", "[notes]") {
  seed(2);
  const Tensor data = uniform({10'000}, 0, 1, float64);
  std::vector<double> roots;
  for (double v : data.to_vector()) roots.push_back(std::sqrt(v));
  CHECK(sqrt(data).to_vector() == roots);
}
