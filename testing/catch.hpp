#pragma once
// With Catch2 (2 or 3): included in one source file of a test program, this adds a test case that asks every check of every registered
// operation.

#include <dz/calculus/catch.hpp>
#include <dz/testing/check.hpp>

TEST_CASE("every registered operation", "[dz]") {
  REQUIRE_FALSE(dz::testing::registered().empty());
  for (const dz::testing::Operation& o : dz::testing::registered())
    for (const dz::testing::Check& question : dz::testing::checks()) {
      if (question.slow) continue;
      DYNAMIC_SECTION(o.name << ": " << question.name) {
        const dz::testing::Findings found = dz::testing::check(o, question);  // not every question has a case for every operation
        INFO(found);
        CHECK(found.failures().empty());
      }
    }
}

#if CATCH_VERSION_MAJOR >= 3
// Catch2Main and dz::testing both hold a main, and the one that is linked first would win: dz::testing's runs no test case.
__attribute__((weak)) int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
#endif
