#include "tests/support/support.hpp"

#include <cstdlib>
#include <system_error>

namespace dz::test {
namespace fs = std::filesystem;

std::optional<fs::path> test_data() {
  const char* given = std::getenv("DZ_DATA");
  const fs::path folder = given && *given ? fs::path(given) : fs::path(DZ_SOURCE_DIR) / ".." / "shared";
  if (fs::is_directory(folder / "data") && fs::is_directory(folder / "reference")) return folder.lexically_normal();
  return std::nullopt;
}

TempDir::TempDir() {
  std::string name = (fs::temp_directory_path() / "dz-test-XXXXXX").string();
  if (!mkdtemp(name.data())) throw std::system_error(errno, std::generic_category(), name);
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace dz::test
