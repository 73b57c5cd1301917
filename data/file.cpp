#include <dz/data/file.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <new>
#include <system_error>
#include <utility>

#include <dz/tensor/error.hpp>

namespace dz {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void refuse(const char* operation, const fs::path& path, std::string_view reason) {
  throw FileError(fmt::format("{}: {}", path.string(), reason), operation);
}
[[noreturn]] void refuse_errno(const char* operation, const fs::path& path, int code) {
  refuse(operation, path, std::generic_category().message(code));
}

std::string_view kind(mode_t mode) {
  return S_ISDIR(mode) ? "a folder" : S_ISFIFO(mode) ? "a pipe" : S_ISSOCK(mode) ? "a socket" : "a device";
}

/// An open file, closed at the end of its scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  /// Closes it now; false where the system reports an error.
  bool close() { return ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

struct Opened {
  int fd;
  std::uint64_t size;
};

/// Opens a regular file for reading. Opening a pipe must not wait for a writer.
Opened open_regular(const char* operation, const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) refuse_errno(operation, path, errno);
  struct stat status {};
  const int code = ::fstat(fd, &status) == 0 ? 0 : errno;
  if (code == 0 && S_ISREG(status.st_mode)) return {fd, static_cast<std::uint64_t>(status.st_size)};
  ::close(fd);
  if (code != 0) refuse_errno(operation, path, code);
  refuse(operation, path, fmt::format("it is {}, not a file", kind(status.st_mode)));
}

/// A new file beside the target, removed at the end of its scope unless it took the target's place.
class Temporary {
 public:
  explicit Temporary(const fs::path& target) {
    static std::atomic<unsigned> count{0};
    for (int attempt = 0; attempt < 100 && fd_ < 0; ++attempt) {
      path_ = target.parent_path() / fmt::format(".dz-{}-{}.tmp", ::getpid(), ++count);  // as remove_leftovers reads it
      fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (fd_ < 0 && errno != EEXIST) break;
    }
    if (fd_ < 0) refuse_errno("write_file", target, errno);
  }
  Temporary(Temporary&& other) noexcept : path_(std::exchange(other.path_, {})), fd_(other.fd_) {}
  ~Temporary() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Temporary& operator=(Temporary&&) = delete;

  int descriptor() const { return fd_; }
  /// errno, or 0.
  int move_to(const fs::path& target) {
    if (std::rename(path_.c_str(), target.c_str()) != 0) return errno;
    path_.clear();
    return 0;
  }

 private:
  fs::path path_;
  int fd_ = -1;
};

/// errno, or 0.
int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), std::min<std::size_t>(bytes.size(), 1u << 30));
    if (n >= 0) bytes.remove_prefix(static_cast<std::size_t>(n));
    else if (errno != EINTR) return errno;
  }
  return ::fsync(fd) == 0 || errno == EINVAL ? 0 : errno;  // EINVAL: a file system that knows no fsync
}

/// A new name is to outlive a loss of power too; the contents are safe already, so a folder that cannot be synced is no failure.
void sync_folder_of(const fs::path& target) {
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
}

thread_local WrittenTogether* together = nullptr;  // the innermost of this thread

}  // namespace

struct WrittenTogether::Waiting {
  Temporary temporary;
  fs::path target;
};

std::uint64_t size_of_file(const fs::path& path) {
  const Opened opened = open_regular("size_of_file", path);
  const Descriptor file(opened.fd);
  return opened.size;
}

std::string read_file(const fs::path& path, std::uint64_t limit) {
  const Opened opened = open_regular("read_file", path);
  const Descriptor file(opened.fd);
  if (opened.size > limit) refuse("read_file", path, fmt::format("its {} bytes are more than the {} allowed", opened.size, limit));
  std::string bytes;
  try {
    bytes.resize(static_cast<std::size_t>(opened.size));
  } catch (const std::exception&) {
    throw MemoryError(fmt::format("{}: the system does not give {} bytes", path.string(), opened.size), "read_file");
  }
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t n = ::read(file.get(), bytes.data() + at, std::min<std::size_t>(bytes.size() - at, 1u << 30));
    if (n > 0) at += static_cast<std::size_t>(n);
    else if (n == 0) refuse("read_file", path, fmt::format("it ends at byte {} of {}", at, bytes.size()));
    else if (errno != EINTR) refuse_errno("read_file", path, errno);
  }
  return bytes;
}

void write_file(const fs::path& path, std::string_view bytes) {
  if (path.empty()) refuse_errno("write_file", path, ENOENT);
  std::error_code code;
  const fs::path target = fs::is_symlink(path, code) ? fs::canonical(path, code) : path;  // a link keeps leading where it led
  if (target.empty()) refuse("write_file", path, "a link that leads nowhere");
  struct stat status {};
  const bool exists = ::stat(target.c_str(), &status) == 0;
  if (exists && !S_ISREG(status.st_mode)) refuse("write_file", path, fmt::format("it is {}, not a file", kind(status.st_mode)));
  if (exists && ::access(target.c_str(), W_OK) != 0) refuse_errno("write_file", path, errno);

  Temporary temporary(target);
  Descriptor file(temporary.descriptor());
  int error = write_all(file.get(), bytes);
  if (error == 0 && exists && ::fchmod(file.get(), status.st_mode & 07777) != 0) error = errno;
  if (!file.close() && error == 0) error = errno;
  if (error == 0 && together) return together->waiting_.push_back({std::move(temporary), target}), void();
  if (error == 0) error = temporary.move_to(target);
  if (error != 0) refuse_errno("write_file", path, error);
  sync_folder_of(target);
}

WrittenTogether::WrittenTogether() : outer_(std::exchange(together, this)) {}
WrittenTogether::~WrittenTogether() { together = outer_; }

void WrittenTogether::commit() {
  for (Waiting& one : waiting_)
    if (const int error = one.temporary.move_to(one.target)) refuse_errno("write_file", one.target, error);
  for (const Waiting& one : waiting_) sync_folder_of(one.target);
  waiting_.clear();
}

void remove_leftovers(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    pid_t process = 0;
    unsigned count = 0;
    int length = 0;
    if (std::sscanf(name.c_str(), ".dz-%d-%u.tmp%n", &process, &count, &length) != 2 || static_cast<std::size_t>(length) != name.size()) continue;
    if (process > 0 && ::kill(process, 0) != 0 && errno == ESRCH) ::unlink(it->path().c_str());
  }
}

void detail::rethrow_of_file(const char* operation, const fs::path& path) {
  try {
    throw;
  } catch (const FileError& e) {
    refuse(operation, path, e.reason());
  } catch (const std::bad_alloc&) {
    throw MemoryError(fmt::format("{}: the system does not give the memory that it needs", path.string()), operation);
  }
}

}  // namespace dz
