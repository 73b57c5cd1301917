#include <dz/data/png.hpp>

#include <zlib.h>

#include <cstdint>
#include <limits>
#include <string_view>

#include <dz/tensor/error.hpp>

namespace dz {
namespace {

void append_number(std::string& out, std::uint32_t v) {
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(v >> shift & 0xff);
}

/// Length, type, data, and the checksum of type and data.
void append_chunk(std::string& out, std::string_view type, std::string_view data) {
  append_number(out, static_cast<std::uint32_t>(data.size()));
  const std::size_t begin = out.size();
  out += type;
  out += data;
  const uLong sum = crc32_z(0, reinterpret_cast<const Bytef*>(out.data() + begin), out.size() - begin);
  append_number(out, static_cast<std::uint32_t>(sum));
}

std::int64_t channels_of(const Array& pixels) {
  const std::int64_t channels = pixels.rank() == 3 ? pixels.size(2) : 1;
  if ((pixels.rank() != 2 && pixels.rank() != 3) || channels == 2 || channels > 4 || pixels.size() == 0)
    throw ShapeError("a picture is (height, width) or (height, width, 1, 3 or 4), got " + to_string(pixels.shape()), "to_png");
  if (pixels.dtype() != uint8) throw DtypeError("a picture is uint8, got " + std::string(name(pixels.dtype())), "to_png");
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  if (pixels.size(0) > most || pixels.size(1) > most / 8)
    throw ShapeError("a picture too large for PNG: " + to_string(pixels.shape()), "to_png");
  return channels;
}

/// The rows, each after the number of its filter: 2, the difference to the row above, makes pictures smaller.
std::string filtered_rows(const Array& pixels, std::int64_t channels) {
  const auto row = static_cast<std::size_t>(pixels.size(1) * channels);
  const auto rows = static_cast<std::size_t>(pixels.size(0));
  const std::uint8_t* p = pixels.data<std::uint8_t>();
  std::string out;
  out.reserve(rows * (row + 1));
  for (std::size_t y = 0; y < rows; ++y, p += row) {
    out += static_cast<char>(2);
    for (std::size_t i = 0; i < row; ++i) out += static_cast<char>(p[i] - (y > 0 ? *(p + i - row) : 0));
  }
  return out;
}

std::string deflated(const std::string& bytes) {
  uLongf size = compressBound(static_cast<uLong>(bytes.size()));
  std::string out(size, '\0');
  const int wrong = compress2(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()),
                              static_cast<uLong>(bytes.size()), Z_BEST_COMPRESSION);
  if (wrong) throw MemoryError("zlib has no memory for " + std::to_string(bytes.size()) + " bytes", "to_png");
  out.resize(size);
  if (out.size() > std::numeric_limits<std::int32_t>::max()) throw ShapeError("a picture too large for PNG", "to_png");
  return out;
}

}  // namespace

std::string to_png(const Array& pixels) {
  const std::int64_t channels = channels_of(pixels);
  std::string header;
  append_number(header, static_cast<std::uint32_t>(pixels.size(1)));
  append_number(header, static_cast<std::uint32_t>(pixels.size(0)));
  header += static_cast<char>(8);                                          // bits
  header += static_cast<char>(channels == 1 ? 0 : channels == 3 ? 2 : 6);  // grey, colour, colour and opacity
  header.append(3, '\0');                                                  // deflate, the five filters, not interlaced

  std::string out = "\x89PNG\r\n\x1a\n";
  append_chunk(out, "IHDR", header);
  append_chunk(out, "IDAT", deflated(filtered_rows(pixels.contiguous(), channels)));
  append_chunk(out, "IEND", {});
  return out;
}

}  // namespace dz
