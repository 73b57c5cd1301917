#pragma once
// Passes(), for tests with Catch2 (2 or 3): CHECK_THAT(gradcheck(f, x), Passes()) and CHECK_THAT(check_graph(J), Passes()). What is
// wrong stands in the failed assertion.

#ifndef CATCH_VERSION_MAJOR  // else it is there already, in whatever form the test has it
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#elif __has_include(<catch2/catch.hpp>)
#include <catch2/catch.hpp>
#else
#include <catch_amalgamated.hpp>
#endif
#endif

#include <dz/calculus/check_graph.hpp>
#include <dz/calculus/gradcheck.hpp>

namespace dz {

#if CATCH_VERSION_MAJOR >= 3
struct Passes : Catch::Matchers::MatcherGenericBase {
#else
struct Passes : Catch::Matchers::Impl::MatcherUntypedBase {
#endif
  template <class Check> bool match(const Check& check) const { return check.passed(); }
  std::string describe() const override { return "passes"; }
};

}  // namespace dz
