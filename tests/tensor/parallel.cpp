// Loops shared among threads.

#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <dz/dz.hpp>
#include <dz/tensor/parallel.hpp>

#include "tests/support/support.hpp"
#include "tests/tensor/threads.hpp"

using namespace dz;
using namespace dz::test;

namespace {

void check_covers(std::int64_t n, std::int64_t grain) {
  std::mutex mutex;
  std::vector<int> hits(static_cast<std::size_t>(n));
  bool on_grain = true;
  parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    const std::lock_guard lock(mutex);
    on_grain &= begin % grain == 0 && begin < end && end <= n && (end == n || end % grain == 0);
    for (std::int64_t i = begin; i < end; ++i) ++hits[static_cast<std::size_t>(i)];
  });
  CHECK(on_grain);
  CHECK(hits == std::vector<int>(static_cast<std::size_t>(n), 1));
}

}  // namespace

TEST_CASE("a shared loop covers its range once, on any number of threads", "[tensor]") {
  for (const int threads : {1, 2, 3, 7}) {
    const LoopThreads limit(threads);
    for (const std::int64_t grain : {1, 3, 16, 1000})
      for (const std::int64_t n : {0, 1, 2, 15, 16, 17, 999, 1000, 1001, 5000}) {
        INFO(threads << " threads, " << n << " by " << grain);
        check_covers(n, grain);
      }
  }
}

TEST_CASE("shared loops within shared loops, and from several threads at once", "[tensor]") {
  std::vector<std::thread> threads;
  std::vector<double> sums(4);
  for (std::size_t t = 0; t < sums.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) sums[t] = sum(exp(full({200'000}, 0))).item();
    });
  for (std::thread& t : threads) t.join();
  for (double s : sums) CHECK(s == 200'000);
  std::mutex mutex;
  std::int64_t total = 0;
  parallel_for(8, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      parallel_for(100, 10, [&](std::int64_t b, std::int64_t e) {
        const std::lock_guard lock(mutex);
        total += e - b;
      });
  });
  CHECK(total == 800);
}

TEST_CASE("an exception in a shared loop comes out of it", "[tensor]") {
  for (const int threads : {1, 2, 5}) {
    const LoopThreads limit(threads);
    for (const std::int64_t bad : {0, 500, 999})
      CHECK_THROWS_AS(parallel_for(1000, 10,
                                   [&](std::int64_t begin, std::int64_t end) {
                                     if (begin <= bad && bad < end) throw ValueError("on purpose");
                                   }),
                      ValueError);
    check_covers(1000, 10);
  }
}

// Run by the next test in a process of its own.
TEST_CASE("loops on fewer threads than asked for", "[.few_threads]") {
  check_covers(100'000, 10);
  const std::vector<double> y = (full({300'000}, 1) + 1).to_vector();
  CHECK(y == std::vector<double>(300'000, 2));
#ifndef __SANITIZE_THREAD__  // the OpenMP of BLAS and oneDNN is not instrumented: their threads look like races
  const Tensor a = full({300, 200}, 1, float32), b = full({200, 300}, 2, float32);
  CHECK(matmul(a, b).to_vector() == std::vector<double>(90'000, 400));
  CHECK(conv2d(full({2, 12, 12, 3}, 1, float32), full({4, 3, 3, 3}, 1, float32)).to_vector() == std::vector<double>(800, 27));
#endif
}

TEST_CASE("a loop is complete where OpenMP gives fewer threads than it was asked for", "[tensor]") {
  const std::string program = std::string(DZ_BINARY_DIR) + "/bin/dz_tests";
  CHECK(std::system(("OMP_NUM_THREADS=4 OMP_THREAD_LIMIT=1 '" + program + "' '[.few_threads]' >/dev/null 2>&1").c_str()) == 0);
  CHECK(std::system(("OMP_NUM_THREADS=8 OMP_DYNAMIC=true '" + program + "' '[.few_threads]' >/dev/null 2>&1").c_str()) == 0);
}
