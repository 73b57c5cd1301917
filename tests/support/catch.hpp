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
inline auto Contains(const std::string& text) { return Catch::Matchers::ContainsSubstring(text); }
#else
template <class T> using MatcherBase = Catch::MatcherBase<T>;
inline auto Contains(const std::string& text) { return Catch::Matchers::Contains(text); }
#endif
}  // namespace dz::test
