#pragma once
// Whole files, read and written with care: whatever a path leads to and whatever fails on the way ends in a FileError that names
// the file and the reason.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace dz {

/// What one file may hold unless its reader says otherwise: 16 GiB.
inline constexpr std::uint64_t file_limit = std::uint64_t{1} << 34;

/// The number of bytes of a regular file. Throws FileError where the path is missing, unreadable or anything else (a folder, a device, a
/// pipe).
std::uint64_t size_of_file(const std::filesystem::path& path);

/// All bytes of a regular file. Throws FileError as size_of_file does, where it holds more than limit bytes (before anything is
/// allocated) and where it ends early; MemoryError.
std::string read_file(const std::filesystem::path& path, std::uint64_t limit = file_limit);

/// Makes the file hold exactly these bytes, or leaves it as it was: they go to a temporary file in the same folder, which takes the
/// file's place when all of it is on the disk. Throws FileError.
void write_file(const std::filesystem::path& path, std::string_view bytes);

/// While one lives, what this thread writes with write_file waits in its temporary files, whole and on the disk, until commit() lets all of them take their
/// places, one right after the other. Without commit() none does.
///
///   WrittenTogether together;
///   save_model(…), write_file(…);
///   together.commit();
class WrittenTogether {
 public:
  WrittenTogether();
  ~WrittenTogether();
  WrittenTogether(const WrittenTogether&) = delete;
  WrittenTogether& operator=(const WrittenTogether&) = delete;

  /// Throws FileError where the system refuses one its place: those before it have theirs then.
  void commit();

 private:
  friend void write_file(const std::filesystem::path& path, std::string_view bytes);
  struct Waiting;
  std::vector<Waiting> waiting_;
  WrittenTogether* outer_;
};

/// Removes the temporary files that write_file could not finish in this folder, where the process that wrote them is no more. What cannot be removed stays.
void remove_leftovers(const std::filesystem::path& folder);

namespace detail {

/// Within a catch block: throws what is caught once more, with the operation and, in a FileError or where memory ran out, the file.
[[noreturn]] void rethrow_of_file(const char* operation, const std::filesystem::path& path);

/// What parse makes of a file's bytes. Its FileErrors say what is wrong; here they learn of which file.
template <class Parse> auto parse_file(const char* operation, const std::filesystem::path& path, Parse parse) {
  const std::string bytes = read_file(path);
  try {
    return parse(std::string_view(bytes));
  } catch (...) {
    rethrow_of_file(operation, path);
  }
}

}  // namespace detail
}  // namespace dz
