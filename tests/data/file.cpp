#include <dz/data/file.hpp>

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "tests/data/fixtures.hpp"

using namespace dz;
using namespace dz::test;
namespace fs = std::filesystem;

namespace {

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

/// While alive no file can grow beyond that many bytes: as good as a full disk.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

}  // namespace

TEST_CASE("a file is written and read whole", "[data][file]") {
  const TempDir folder;
  const std::string bytes("a\0b\nc", 5);
  write_file(folder / "x", bytes);
  CHECK(read_file(folder / "x") == bytes);
  CHECK(size_of_file(folder / "x") == 5);
  write_file(folder / "x", "");
  CHECK(read_file(folder / "x").empty());
  CHECK(entries(folder.path()) == 1);
}

TEST_CASE("writing keeps a file's mode and what a link leads to", "[data][file]") {
  const TempDir folder;
  write_file(folder / "x", "old");
  fs::permissions(folder / "x", fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read);
  fs::create_symlink("x", folder / "link");
  write_file(folder / "link", "new");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(read_file(folder / "x") == "new");
  CHECK((fs::status(folder / "x").permissions() & fs::perms::mask) == fs::perms(0640));
}

TEST_CASE("only regular files are read, and no more of one than allowed", "[data][file]") {
  const TempDir folder;
  write_file(folder / "x", "12345");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  check_refused<FileError>([&] { read_file(folder / "none"); }, {"[read_file]", "none", "No such file"});
  check_refused<FileError>([&] { read_file(folder.path()); }, {folder.path().c_str(), "a folder"});
  check_refused<FileError>([&] { read_file("/dev/zero"); }, {"/dev/zero", "a device"});
  check_refused<FileError>([&] { read_file(folder / "pipe"); }, {"a pipe"});
  check_refused<FileError>([&] { read_file(folder / "x", 4); }, {"5 bytes", "4 allowed"});
  check_refused<FileError>([&] { read_file(""); }, {"No such file"});
  check_refused<FileError>([&] { size_of_file("/dev/zero"); }, {"a device"});
  CHECK(read_file(folder / "x", 5).size() == 5);

  write_file(folder / "sparse", "");
  fs::resize_file(folder / "sparse", std::uintmax_t{1} << 42);
  check_refused<FileError>([&] { read_file(folder / "sparse"); }, {"4398046511104 bytes"});
}

TEST_CASE("what cannot be written leaves everything as it was", "[data][file]") {
  const TempDir folder;
  write_file(folder / "x", "old");
  check_refused<FileError>([&] { write_file(folder / "none" / "x", "new"); }, {"[write_file]", "none/x", "No such file"});
  check_refused<FileError>([&] { write_file(folder / "x" / "y", "new"); }, {"Not a directory"});
  check_refused<FileError>([&] { write_file(folder.path(), "new"); }, {"a folder"});
  check_refused<FileError>([&] { write_file("/dev/null", "new"); }, {"/dev/null", "a device"});
  check_refused<FileError>([&] { write_file("/proc/dz", "new"); }, {"/proc/dz"});
  check_refused<FileError>([&] { write_file("", "new"); }, {"No such file"});
  fs::create_symlink("nowhere", folder / "dangling");
  check_refused<FileError>([&] { write_file(folder / "dangling", "new"); }, {"leads nowhere"});
  CHECK(fs::is_character_file("/dev/null"));
  fs::remove(folder / "dangling");
  {
    const FullDisk disk(100'000);
    check_refused<FileError>([&] { write_file(folder / "x", std::string(200'000, 'n')); }, {"[write_file]", "File too large"});
  }
  CHECK(read_file(folder / "x") == "old");
  CHECK(entries(folder.path()) == 1);
}
