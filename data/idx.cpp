#include <dz/data/idx.hpp>

#include <fmt/format.h>

#include <vector>

#include <dz/data/bytes.hpp>
#include <dz/data/file.hpp>
#include <dz/data/inflate.hpp>

namespace dz {
namespace {

using detail::Element;

Element element_of_code(unsigned char code) {
  switch (code) {
    case 0x08: return Element::u8;
    case 0x09: return Element::i8;
    case 0x0b: return Element::i16;
    case 0x0c: return Element::i32;
    case 0x0d: return Element::f32;
    case 0x0e: return Element::f64;
    default: throw FileError(fmt::format("no IDX file: its element type {:#04x} is none of the format's", code));
  }
}

struct Header {
  Element element;
  std::vector<std::int64_t> sizes;
};

/// What take(bytes) gives, byte after byte, is the header.
template <class Take> Header parse_header(Take take) {
  const std::string start = take(4);
  if (start[0] != 0 || start[1] != 0) throw FileError("no IDX file: it does not begin with two zero bytes");
  Header header{element_of_code(static_cast<unsigned char>(start[2])), {}};
  const auto rank = static_cast<unsigned char>(start[3]);
  if (rank > max_rank) throw FileError(fmt::format("an array of {} axes, of which dz has up to {}", rank, max_rank));
  const std::string sizes = take(4 * std::size_t{rank});
  for (std::size_t axis = 0; axis < rank; ++axis) header.sizes.push_back(detail::load<std::uint32_t>(&sizes[4 * axis], std::endian::big));
  return header;
}

Array parse_plain(std::string_view file) {
  detail::Cursor cursor(file);
  const Header header = parse_header([&](std::size_t count) { return std::string(cursor.text(count)); });
  return detail::decode(cursor.rest(), header.element, std::endian::big, Shape(header.sizes));
}

Array parse_packed(std::string_view file) {
  detail::Inflater inflater(file, detail::Inflater::Format::gzip);
  const auto take = [&](std::size_t count) {
    std::string bytes(count, '\0');
    if (inflater.read(bytes) != count) throw FileError("unpacked, it ends too early");
    return bytes;
  };
  const Header header = parse_header(take);
  const std::uint64_t count = detail::stored_bytes(header.element, header.sizes);
  if (count / detail::deflate_ratio > file.size())
    throw FileError(fmt::format("its sizes ask for {} bytes, more than its own {} unpack to", count, file.size()));
  const std::string bytes = take(static_cast<std::size_t>(count));
  if (!inflater.at_end()) throw FileError("there is more in it than its sizes say");
  return detail::decode(bytes, header.element, std::endian::big, Shape(header.sizes));
}

}  // namespace

Array read_idx(const std::filesystem::path& path) {
  return detail::parse_file("read_idx", path,
                            [](std::string_view file) { return detail::is_gzip(file) ? parse_packed(file) : parse_plain(file); });
}

Dataset read_labelled_idx(const std::filesystem::path& images, const std::filesystem::path& labels, Dtype dtype) {
  constexpr const char* operation = "read_labelled_idx";
  const Array x = read_idx(images), y = read_idx(labels);
  if (x.rank() != 3 || x.dtype() != uint8 || x.size() == 0)
    throw FileError(fmt::format("{}: it holds {} {}, not images (m, height, width) of unsigned bytes", images.string(), name(x.dtype()),
                                to_string(x.shape())),
                    operation);
  if (y.rank() != 1 || is_floating(y.dtype()) || y.size() != x.size(0))
    throw FileError(
        fmt::format("{}: it holds {} {}, not {} whole numbers", labels.string(), name(y.dtype()), to_string(y.shape()), x.size(0)),
        operation);
  const Array pictures = x.reshape({x.size(0), x.size(1), x.size(2), 1});
  Dataset set{pixels(pictures, dtype), Tensor(y.cast(int64)), pictures};
  require_sound(set);
  return set;
}

}  // namespace dz
