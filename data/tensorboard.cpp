#include <dz/data/tensorboard.hpp>

#include <boost/crc.hpp>

#include <bit>
#include <chrono>
#include <string_view>

#include <dz/data/bytes.hpp>
#include <dz/data/file.hpp>

namespace dz {
namespace {

/// CRC-32C, rotated and shifted, as TFRecord stores it.
std::uint32_t masked_checksum(std::string_view bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> checksum;
  checksum.process_bytes(bytes.data(), bytes.size());
  return std::rotr(static_cast<std::uint32_t>(checksum.checksum()), 15) + 0xA282EAD8u;
}

void append_record(std::string& out, std::string_view message) {
  std::string length;
  detail::append<std::uint64_t>(length, message.size());
  out += length;
  detail::append(out, masked_checksum(length));
  out += message;
  detail::append(out, masked_checksum(message));
}

// ---- messages in the encoding of protocol buffers: a field's number and kind, then its value

enum Kind : unsigned { varint = 0, eight_bytes = 1, counted = 2, four_bytes = 5 };

void append_varint(std::string& out, std::uint64_t v) {
  for (; v >= 0x80; v >>= 7) out += static_cast<char>(v | 0x80);
  out += static_cast<char>(v);
}
void append_field(std::string& out, unsigned number, Kind kind) { append_varint(out, number << 3 | kind); }
void append_text(std::string& out, unsigned number, std::string_view text) {
  append_field(out, number, counted);
  append_varint(out, text.size());
  out += text;
}

/// The message Event: wall_time = 1, step = 2.
std::string event(double seconds, std::int64_t step) {
  std::string out;
  append_field(out, 1, eight_bytes);
  detail::append(out, std::bit_cast<std::uint64_t>(seconds));
  if (step != 0) {
    append_field(out, 2, varint);
    append_varint(out, static_cast<std::uint64_t>(step));
  }
  return out;
}

}  // namespace

void write_tensorboard(const std::filesystem::path& path, std::span<const Scalar> scalars) {
  const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  std::string version = event(now, 0), out;
  append_text(version, 3, "brain.Event:2");
  append_record(out, version);
  for (const Scalar& s : scalars) {
    std::string value, summary, message = event(now, s.step);
    append_text(value, 1, s.tag);
    append_field(value, 2, four_bytes);
    detail::append(value, std::bit_cast<std::uint32_t>(static_cast<float>(s.value)));
    append_text(summary, 1, value);
    append_text(message, 5, summary);
    append_record(out, message);
  }
  write_file(path, out);
}

}  // namespace dz
