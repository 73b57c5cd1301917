// Runs the tests, watches each for tensors and nodes that outlive it, and counts passed, failed and skipped test cases.

#if DZ_CATCH2 < 3
#define CATCH_CONFIG_RUNNER
#endif

#include <cstdint>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include <dz/tensor/memory.hpp>

#include "tests/support/recorded.hpp"
#include "tests/support/support.hpp"

namespace {

#if DZ_CATCH2 >= 3
using ListenerBase = Catch::EventListenerBase;
#else
using ListenerBase = Catch::TestEventListenerBase;
#endif

struct Skipped {
  std::string test, reason;
};
std::vector<Skipped> skipped;
std::string running;  // the name of the running test case
std::uint64_t passed_count = 0, failed_count = 0, skipped_count = 0;

class Watch : public ListenerBase {
 public:
  using ListenerBase::ListenerBase;

  void testCaseStarting(const Catch::TestCaseInfo& info) override {
    running = info.name;
    skipped_before_ = skipped.size();
    keeps_ = false;
    for (const auto& tag : info.tags) keeps_ |= is_keeps(tag);
  }

  // A test case with sections runs several times; each run is an outermost section of its own, and each has to clean up.
  void sectionStarting(const Catch::SectionInfo&) override {
    if (depth_++ == 0) before_ = dz::memory::live();
  }
  void sectionEnded(const Catch::SectionStats&) override {
    if (--depth_ > 0 || keeps_) return;
    const dz::memory::Live after = dz::memory::live();
    if (after == before_) return;
    FAIL_CHECK("this test case left " << after.nodes - before_.nodes << " nodes and " << after.arrays - before_.arrays << " arrays with "
                                      << after.bytes - before_.bytes
                                      << " bytes alive that were not there before it (it may, if it is tagged [keeps])");
  }

  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    if (stats.totals.testCases.failed > 0) ++failed_count;
    else if (skipped.size() > skipped_before_) ++skipped_count;
    else ++passed_count;
  }

 private:
#if DZ_CATCH2 >= 3
  static bool is_keeps(const Catch::Tag& tag) { return tag == Catch::Tag("keeps"); }
#else
  static bool is_keeps(const std::string& tag) { return tag == "keeps"; }
#endif

  std::size_t skipped_before_ = 0;
  int depth_ = 0;
  bool keeps_ = false;
  dz::memory::Live before_;
};
CATCH_REGISTER_LISTENER(Watch)

}  // namespace

void dz::test::skip_test(std::string reason) { skipped.push_back({running, std::move(reason)}); }

int main(int argc, char* argv[]) {
  Catch::Session session;
  if (const int wrong = session.applyCommandLine(argc, argv)) return wrong;
  dz::test::note_recorded_operations();
  int result = session.run();
  for (const std::string& name : dz::test::recorded_without_row()) {
    std::cout << "recorded, and without a row in the table of operations (tests/ops): " << name << '\n';
    ++failed_count;
    result = 1;
  }
  if (passed_count + failed_count + skipped_count > 0) {
    for (const Skipped& s : skipped) std::cout << "skipped: " << s.test << ": " << s.reason << '\n';
    std::cout << "dz_tests: " << passed_count << " passed, " << failed_count << " failed, " << skipped_count << " skipped" << std::endl;
  }
  return result;
}
