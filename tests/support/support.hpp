#pragma once
// What tests share: skipping with a reason, the shared test data, and folders that vanish.

#include <filesystem>
#include <optional>
#include <string>

#include "tests/support/catch.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DZ_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define DZ_TEST_SANITIZED 1
#endif
#endif

namespace dz::test {

#ifdef DZ_TEST_SANITIZED
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

/// Notes that the running test case is skipped, and why. Use DZ_SKIP, which also leaves it.
void skip_test(std::string reason);

/// The folder that holds data/ and reference/: the environment's DZ_DATA, or ../shared beside the source tree.
std::optional<std::filesystem::path> test_data();

/// A new empty folder, removed with all it holds at the end of its scope.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace dz::test

/// Leaves the test case and reports it as skipped: if (!test_data()) DZ_SKIP("no shared test data");
#define DZ_SKIP(reason)            \
  do {                             \
    ::dz::test::skip_test(reason); \
    return;                        \
  } while (false)
