#pragma once
// What an exception says.

#include <string>

#include <dz/tensor/error.hpp>

#include "tests/support/catch.hpp"

namespace dz::test {

/// The whole message of the E that f throws; fails the test where it throws nothing or another type.
template <class E, class F> std::string what_of(F f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  } catch (const std::exception& e) {
    FAIL_CHECK("another type of exception: " << e.what());
    return e.what();
  }
  FAIL_CHECK("no exception");
  return {};
}

/// The message up to its place, which has to name a file of the tests: "[add] shapes do not broadcast: …".
template <class E, class F> std::string refusal(F f) {
  const std::string what = what_of<E>(f);
  const auto place = what.rfind(", at ");
  INFO(what);
  CHECK(place != std::string::npos);
  if (place == std::string::npos) return what;
  CHECK(what.find(".cpp:", place) != std::string::npos);
  CHECK(what.starts_with("["));
  return what.substr(0, place);
}

}  // namespace dz::test
