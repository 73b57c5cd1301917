#pragma once
// As much of the zip format as .npz files need: named members, stored or deflated, with checksums; zip64 for what is beyond 4 GiB.

#include <string>
#include <string_view>
#include <vector>

#include <cstdint>

namespace dz::detail {

struct ZipMember {
  std::string name;
  std::string_view packed;  // points into the archive
  std::uint64_t size;       // unpacked
  std::uint32_t checksum;
  bool deflated;
};

/// The members of an archive. Throws FileError where it is truncated or inconsistent, holds a name twice, encrypted members or ones
/// packed in another way, or where members overlap. No size is larger than the packed bytes can unpack to.
std::vector<ZipMember> zip_members(std::string_view archive);

/// A member's bytes, compared with its checksum. Throws FileError.
std::string unpack(const ZipMember& member);

/// Puts an archive together, all members stored.
class ZipWriter {
 public:
  /// wide: every number in its 64-bit form, as archives beyond 4 GiB or 65,534 members need.
  explicit ZipWriter(bool wide) : wide_(wide) {}

  /// Throws ValueError for a name that is empty, longer than 65,000 bytes or holds a zero byte.
  void add(std::string_view name, std::string_view bytes);
  std::string finish();

 private:
  bool wide_;
  std::uint64_t count_ = 0;
  std::string archive_, directory_;
};

}  // namespace dz::detail
