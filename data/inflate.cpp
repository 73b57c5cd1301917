#include <dz/data/inflate.hpp>

#include <algorithm>

#include <dz/tensor/error.hpp>

namespace dz::detail {

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

Inflater::Inflater(std::string_view packed, Format format) : packed_(packed) {
  if (inflateInit2(&stream_, format == Format::raw ? -MAX_WBITS : 16 + MAX_WBITS) != Z_OK)
    throw MemoryError("zlib has no memory", "unpack");
}

std::size_t Inflater::read(std::span<char> out) {
  std::size_t filled = 0;
  while (!ended_ && filled < out.size()) {
    // zlib counts in 32 bits.
    const auto take = static_cast<uInt>(std::min<std::size_t>(packed_.size(), 1u << 30)),
               room = static_cast<uInt>(std::min<std::size_t>(out.size() - filled, 1u << 30));
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed_.data()));
    stream_.avail_in = take;
    stream_.next_out = reinterpret_cast<Bytef*>(out.data() + filled);
    stream_.avail_out = room;
    const int code = inflate(&stream_, Z_NO_FLUSH);
    packed_.remove_prefix(take - stream_.avail_in);
    filled += room - stream_.avail_out;
    ended_ = code == Z_STREAM_END;
    if (code == Z_MEM_ERROR) throw MemoryError("zlib has no memory", "unpack");
    if (code != Z_OK && !ended_) throw FileError(packed_.empty() ? "the packed data end too early" : "the packed data are broken");
  }
  return filled;
}

bool Inflater::at_end() {
  char beyond = 0;  // what marks the stream's end may not have been read yet
  return read({&beyond, 1}) == 0 && packed_.empty();
}

}  // namespace dz::detail
