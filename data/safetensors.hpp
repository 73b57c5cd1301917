#pragma once
// The safetensors format: eight bytes with the length of a JSON header, the header (name, dtype, shape and place of each array), then
// the arrays' bytes, little-endian and in row order.

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <dz/tensor/array.hpp>

namespace dz {

struct NamedArray {
  std::string name;
  Array array;
};

/// What one file holds: arrays in the order of its header, and free text by key.
struct NamedArrays {
  std::vector<NamedArray> arrays;
  std::map<std::string, std::string> metadata;

  /// The array of that name, null where there is none.
  const Array* find(std::string_view name) const;
};

/// Reads the whole file; F32, F64, I64, U8 and BOOL as they are, F16 and BF16 as float32, other integers as int64. Throws FileError where
/// anything in it is not as the format says (names twice, places out of range, overlapping or with holes, sizes that are not the shape's).
NamedArrays read_safetensors(const std::filesystem::path& path);

/// Writes the arrays; a view is written as what it shows. Throws ValueError for a name given twice, "__metadata__", an empty handle or
/// text that is not UTF-8; FileError. A file that was there before is unchanged then.
void write_safetensors(const std::filesystem::path& path, const NamedArrays& arrays);

}  // namespace dz
