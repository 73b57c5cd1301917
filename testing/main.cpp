// For a test program without a framework: asks every check of every registered operation. A program with its own main leaves it out.

#include <cstdio>
#include <cstring>

#include <dz/testing/check.hpp>

int main(int argc, char** argv) {
  using namespace dz::testing;
  const bool slow = argc > 1 && std::strcmp(argv[1], "--slow") == 0;
  int failed = 0;
  long cases = 0;
  for (const Operation& o : registered())
    for (const Check& question : checks()) {
      if (question.slow && !slow) continue;
      const Findings found = check(o, question);
      cases += static_cast<long>(found.cases());
      if (found.failures().empty()) continue;
      ++failed;
      std::printf("%s: NOT SHOWN: %s\n%s", o.name.c_str(), question.name, to_string(found).c_str());
    }
  std::printf("%zu operations, %ld cases, %d checks failed\n", registered().size(), cases, failed);
  return failed != 0 || registered().empty();
}
