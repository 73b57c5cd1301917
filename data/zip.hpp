#pragma once
// As much of the zip format as .npz files need: named members, stored or deflated, with checksums; zip64 for what is beyond 4 GiB.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <dz/data/inflate.hpp>

namespace dz::detail {

struct ZipMember {
  std::string name;
  std::string_view packed;  // points into the archive
  std::uint64_t size;       // unpacked
  std::uint32_t checksum;
  bool deflated;
};

/// The members of an archive. Throws FileError where it is truncated or inconsistent, holds a name twice, encrypted members or ones
/// packed in another way, a name that leads out of the folder it would be unpacked into, or where members overlap. No size is larger than
/// the packed bytes can unpack to, and all together are at most file_limit.
std::vector<ZipMember> zip_members(std::string_view archive);

/// A member unpacked piece by piece: what is not asked for takes no memory.
class MemberReader {
 public:
  /// The member and its archive have to live as long.
  explicit MemberReader(const ZipMember& member);

  /// The bytes that have not been read.
  std::uint64_t left() const { return left_; }
  /// The next ones. Throws FileError where there are fewer, or the packed data are broken.
  std::string text(std::uint64_t count);
  /// Throws FileError unless all has been read and its checksum is the archive's.
  void finish();

 private:
  [[noreturn]] void refuse() const;

  const ZipMember& member_;
  std::uint64_t left_;
  std::uint32_t checksum_ = 0;
  std::optional<Inflater> inflater_;  // of a deflated one
};

/// Puts an archive together, all members stored.
class ZipWriter {
 public:
  /// wide: every number in its 64-bit form, as archives beyond 4 GiB or 65,534 members need.
  explicit ZipWriter(bool wide) : wide_(wide) {}

  /// Throws ValueError for a name that is empty, longer than 65,000 bytes, holds a zero byte or leads out of a folder.
  void add(std::string_view name, std::string_view bytes);
  std::string finish();

 private:
  bool wide_;
  std::uint64_t count_ = 0;
  std::string archive_, directory_;
};

}  // namespace dz::detail
