#pragma once
// Catch2, of whichever major version is installed (Debian 12 has 2.13), with the names that moved between the two.

#if DZ_CATCH2 >= 3
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

namespace dz::test {
#if DZ_CATCH2 >= 3
template <class T> using MatcherBase = Catch::Matchers::MatcherBase<T>;
#else
template <class T> using MatcherBase = Catch::MatcherBase<T>;
#endif
}  // namespace dz::test
