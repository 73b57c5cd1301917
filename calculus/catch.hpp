#pragma once
// Passes(), for tests with Catch2 (2 or 3): CHECK_THAT(gradcheck(f, x), Passes()) and CHECK_THAT(check_graph(J), Passes()). What is
// wrong stands in the failed assertion.

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <dz/calculus/check_graph.hpp>
#include <dz/calculus/gradcheck.hpp>

namespace dz {

#if __has_include(<catch2/catch_all.hpp>)
struct Passes : Catch::Matchers::MatcherGenericBase {
#else
struct Passes : Catch::Matchers::Impl::MatcherUntypedBase {
#endif
  template <class Check> bool match(const Check& check) const { return check.passed(); }
  std::string describe() const override { return "passes"; }
};

}  // namespace dz
