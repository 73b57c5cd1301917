#pragma once
// Where a user called, and what went wrong there.

#include <exception>
#include <string>
#include <string_view>

namespace dz {

/// A place in the user's source.
struct At {
  const char* file = nullptr;
  int line = 0;

  /// The place of the call. (Clang 14 has no std::source_location.)
  static constexpr At here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
  explicit operator bool() const { return file != nullptr; }
};

/// "model.cpp:42"; empty for no place.
std::string to_string(At at);

/// Base of everything dz throws: `[operation] reason, at file.cpp:line`, as far as each is known.
class Error : public std::exception {
 public:
  explicit Error(std::string reason, std::string_view operation = {}, At at = {});

  const char* what() const noexcept override { return what_.c_str(); }
  const std::string& reason() const { return reason_; }
  const std::string& operation() const { return operation_; }
  At at() const { return at_; }

  /// Adds operation and place where they are not known yet; those nearest to the mistake win.
  void locate(std::string_view operation, At at);

 private:
  std::string reason_, operation_, what_;
  At at_;
};

struct ShapeError : Error {
  using Error::Error;
};  ///< shapes, ranks, axes or sizes that do not fit
struct DtypeError : Error {
  using Error::Error;
};  ///< element types that do not fit
struct ValueError : Error {
  using Error::Error;
};  ///< a value outside its range
struct GraphError : Error {
  using Error::Error;
};  ///< a wrong use of the recorded graph
struct MemoryError : Error {
  using Error::Error;
};  ///< memory that the system does not give
struct FileError : Error {
  using Error::Error;
};  ///< a file that is missing, truncated, foreign or not writable

}  // namespace dz
