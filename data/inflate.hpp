#pragma once
// Unpacking what zlib packed, never more than was asked for. For the readers of this folder.

#include <zlib.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace dz::detail {

/// Deflate's best: 258 bytes from two bits. What claims to unpack to more is refused before memory is taken for it.
inline constexpr std::uint64_t deflate_ratio = 1032;

/// The bytes begin as a gzip file does.
bool is_gzip(std::string_view bytes);

/// A packed stream, unpacked piece by piece.
class Inflater {
 public:
  enum class Format { raw, gzip };  ///< a zip archive's member; a .gz file, whose checksum is compared

  /// Throws MemoryError.
  Inflater(std::string_view packed, Format format);
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// Fills out as far as the stream goes; gives the number of bytes. Throws FileError where the stream is broken or cut short.
  std::size_t read(std::span<char> out);
  /// Nothing is left, neither in the stream nor behind it. Throws as read.
  bool at_end();

 private:
  z_stream stream_{};
  std::string_view packed_;
  bool ended_ = false;
};

}  // namespace dz::detail
