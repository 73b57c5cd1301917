// Files that take their places together, and what is left of those that could not.
#include <unistd.h>

#include <limits>

#include "tests/data/fixtures.hpp"

using namespace dz;
using namespace dz::test;
namespace fs = std::filesystem;

namespace {

std::ptrdiff_t entries(const fs::path& folder) { return std::distance(fs::directory_iterator(folder), {}); }

}  // namespace

TEST_CASE("files written together take their places at once or not at all", "[data][file]") {
  const TempDir folder;
  write_file(folder / "a", "old");
  {
    WrittenTogether together;
    write_file(folder / "a", "new");
    write_file(folder / "b", "new");
    CHECK(read_file(folder / "a") == "old");
    CHECK_FALSE(fs::exists(folder / "b"));
    {
      WrittenTogether inner;
      write_file(folder / "c", "inner");
      inner.commit();
    }
    CHECK(read_file(folder / "c") == "inner");
    CHECK(entries(folder.path()) == 4);
    together.commit();
    CHECK(read_file(folder / "a") == "new");
    CHECK(read_file(folder / "b") == "new");
  }
  try {
    WrittenTogether together;
    write_file(folder / "a", "newer");
    write_file(folder / "none" / "b", "newer");
  } catch (const FileError&) {
  }
  CHECK(read_file(folder / "a") == "new");
  CHECK(entries(folder.path()) == 3);
  write_file(folder / "a", "alone");
  CHECK(read_file(folder / "a") == "alone");
}

TEST_CASE("of temporary files those of processes that are no more are removed, and nothing else", "[data][file]") {
  const TempDir folder;
  const std::string nobody = std::to_string(std::numeric_limits<pid_t>::max()), mine = std::to_string(getpid());
  for (const std::string& gone : {".dz-" + nobody + "-1.tmp", ".dz-" + nobody + "-12.tmp"}) write_plainly(folder / gone, "half");
  const std::vector<std::string> kept = {".dz-" + mine + "-1.tmp", ".dz-" + nobody + ".tmp", ".dz-" + nobody + "-1.tmp.txt", "x.dz-" + nobody + "-1.tmp", ".dz-x-1.tmp", ".dz--1-1.tmp", ".dz-0-1.tmp"};
  for (const std::string& name : kept) write_plainly(folder / name, "mine");
  remove_leftovers(folder.path());
  CHECK(entries(folder.path()) == std::ssize(kept));
  for (const std::string& name : kept) CHECK(fs::exists(folder / name));
  remove_leftovers(folder / "none");
}
