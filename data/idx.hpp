#pragma once
// The IDX format, in which the MNIST digits come: two zero bytes, the element type, the number of axes, big-endian sizes, the elements.
// Packed by gzip or not; which one is seen from the file, not from its name.

#include <filesystem>

#include <dz/data/dataset.hpp>

namespace dz {

/// The array of the file; unsigned bytes as uint8, other integers as int64, floating numbers as they are. Throws FileError where the file
/// is missing, truncated, longer than its sizes say, or foreign; no size is believed that the file's bytes cannot hold.
Array read_idx(const std::filesystem::path& path);

/// Images (m, height, width) of unsigned bytes and m whole numbers of classes. Throws FileError where they are not that.
Dataset read_labelled_idx(const std::filesystem::path& images, const std::filesystem::path& labels, Dtype dtype = float32);

}  // namespace dz
