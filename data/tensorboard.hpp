#pragma once
// Curves for TensorBoard.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace dz {

/// A value of a curve: TensorBoard draws those of one tag together, and groups tags by what stands before their first slash.
struct Scalar {
  std::string tag;
  std::int64_t step = 0;
  double value = 0;
};

/// Writes an event file, whole or not at all: TensorBoard finds those whose name holds "tfevents". Values are kept as float32, which is all
/// that the format has. Throws FileError. (Records: tensorflow/core/lib/io/record_writer.h; messages: tensorflow/core/util/event.proto
/// and tensorflow/core/framework/summary.proto.)
void write_tensorboard(const std::filesystem::path& path, std::span<const Scalar> scalars);

}  // namespace dz
