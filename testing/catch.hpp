#pragma once
// With Catch2 (2 or 3): included in one source file of a test program, this adds a test case that asks every check of every registered
// operation.

#include <dz/calculus/catch.hpp>
#include <dz/testing/check.hpp>

TEST_CASE("every registered operation", "[dz]") {
  for (const dz::testing::Operation& o : dz::testing::registered())
    for (const dz::testing::Check& question : dz::testing::checks()) {
      if (question.slow) continue;
      DYNAMIC_SECTION(o.name << ": " << question.name) { CHECK_THAT(dz::testing::check(o, question), dz::Passes()); }
    }
}
