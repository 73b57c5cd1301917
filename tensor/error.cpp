#include <dz/tensor/error.hpp>

#include <fmt/format.h>

namespace dz {

std::string to_string(At at) {
  if (!at) return {};
  const std::string_view path = at.file;
  return fmt::format("{}:{}", path.substr(path.rfind('/') + 1), at.line);
}

Error::Error(std::string reason, std::string_view operation, At at) : reason_(std::move(reason)) { locate(operation, at); }

void Error::locate(std::string_view operation, At at) {
  if (operation_.empty()) operation_ = operation;
  if (!at_) at_ = at;
  what_ = operation_.empty() ? reason_ : fmt::format("[{}] {}", operation_, reason_);
  if (at_) what_ += ", at " + to_string(at_);
}

}  // namespace dz
