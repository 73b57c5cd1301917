#include <dz/data/npy.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include <dz/data/bytes.hpp>
#include <dz/data/file.hpp>
#include <dz/data/zip.hpp>

namespace dz {
namespace {

using detail::Element;

constexpr std::string_view magic = "\x93NUMPY", member_ending = ".npy";
constexpr std::uint32_t header_limit = 65535;  // the longest that version 1 has; NumPy's own are shorter than 200

struct Header {
  Element element{};
  std::endian order = std::endian::little;
  bool columns_first = false;  // NumPy's fortran_order
  Shape shape;
};

struct Type {
  std::string_view code;
  Element element;
};
constexpr Type types[] = {{"f2", Element::f16}, {"f4", Element::f32}, {"f8", Element::f64}, {"i1", Element::i8},
                          {"i2", Element::i16}, {"i4", Element::i32}, {"i8", Element::i64}, {"u1", Element::u8},
                          {"u2", Element::u16}, {"u4", Element::u32}, {"u8", Element::u64}, {"b1", Element::boolean}};

/// The header is the text of a Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : rest_(text) {}

  Header parse() {
    bool descr = false, order = false, shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr" && !std::exchange(descr, true)) type();
      else if (key == "fortran_order" && !std::exchange(order, true)) header_.columns_first = truth();
      else if (key == "shape" && !std::exchange(shape, true)) sizes();
      else fail(fmt::format("key '{}' is unknown or there twice", key));
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_spaces();
    if (!rest_.empty()) fail("something follows its end");
    if (!descr || !order || !shape) fail("it needs descr, fortran_order and shape");
    return header_;
  }

 private:
  [[noreturn]] static void fail(std::string_view reason) {
    throw FileError(fmt::format("its header is not as NumPy writes it: {}", reason));
  }

  void skip_spaces() {
    const std::size_t n = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(std::min(n, rest_.size()));
  }
  bool accept(char c) {
    skip_spaces();
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(fmt::format("a '{}' is missing", c));
  }
  std::string_view quoted() {
    const char quote = accept('\'') ? '\'' : '"';
    if (quote == '"') expect('"');
    const std::size_t end = rest_.find(quote);
    if (end == rest_.npos) fail("a quote is not closed");
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }
  bool truth() {
    skip_spaces();
    for (const std::string_view word : {"True", "False"})
      if (rest_.starts_with(word)) {
        rest_.remove_prefix(word.size());
        return word == "True";
      }
    fail("fortran_order is True or False");
  }
  void type() {
    skip_spaces();
    if (rest_.starts_with('[')) throw FileError("its elements are records, which dz has no dtype for");
    const std::string_view code = quoted();
    if (code.ends_with('O')) throw FileError("it holds pickled Python objects, which dz does not unpack");
    for (const Type& known : types)
      if (code.size() == 3 && code.substr(1) == known.code && (code[0] == '<' || code[0] == '>' || (code[0] == '|' && code[2] == '1'))) {
        header_.element = known.element;
        header_.order = code[0] == '>' ? std::endian::big : std::endian::little;
        return;
      }
    throw FileError(fmt::format("its elements are '{}', which dz has no dtype for", code));
  }
  void sizes() {
    expect('(');
    std::vector<std::int64_t> sizes;
    bool comma = true;
    while (!accept(')')) {
      if (!comma) fail("a comma is missing in its shape");
      std::int64_t size = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (error != std::errc{}) fail("a size is no number");
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      accept('L');  // Python 2 wrote long numbers so
      sizes.push_back(size);
      comma = accept(',');
    }
    if (sizes.size() == 1 && !comma) fail("its shape is no tuple");
    detail::stored_bytes(header_.element, sizes);  // not too many, not too large
    header_.shape = Shape(sizes);
  }

  std::string_view rest_;
  Header header_;
};

/// Of a source, whose text(n) gives the next n bytes and left() says how many there are. The data are asked for when the header has said
/// that they are all that is left.
template <class Source> Array parse_npy(Source& source) {
  if (source.left() < magic.size() || source.text(magic.size()) != magic)
    throw FileError("no .npy file: it does not begin with \\x93NUMPY");
  const std::string version(source.text(2));
  const int major = static_cast<unsigned char>(version[0]), minor = static_cast<unsigned char>(version[1]);
  if (major < 1 || major > 3 || minor != 0) throw FileError(fmt::format("version {}.{} of the format, dz reads 1.0 to 3.0", major, minor));
  const std::string bytes(source.text(major == 1 ? 2 : 4));
  const std::uint32_t length = major == 1 ? detail::load<std::uint16_t>(bytes.data()) : detail::load<std::uint32_t>(bytes.data());
  if (length > header_limit) throw FileError(fmt::format("a header of {} bytes, dz reads up to {}", length, header_limit));
  const std::string text(source.text(length));
  const Header header = HeaderParser(text).parse();
  const Shape& shape = header.shape;
  const std::uint64_t expected = detail::stored_bytes(header.element, {shape.begin(), shape.end()});
  if (source.left() != expected)
    throw FileError(fmt::format("{} bytes of data where the shape {} takes {}", source.left(), to_string(shape), expected));
  const auto data = source.text(expected);
  if (!header.columns_first || shape.rank() < 2) return detail::decode(data, header.element, header.order, shape);

  Shape reversed = shape;
  std::reverse(&reversed[0], &reversed[0] + shape.rank());
  std::vector<int> axes(static_cast<std::size_t>(shape.rank()));
  std::iota(axes.rbegin(), axes.rend(), 0);
  return detail::decode(data, header.element, header.order, reversed).permute(axes).contiguous();
}

std::string npy_bytes(const Array& array) {
  const Element element = detail::element_of(array.dtype());
  std::string_view code;
  for (const Type& type : types)
    if (type.element == element) code = type.code;
  std::string header =
      fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}{}), }}", detail::width(element) == 1 ? '|' : '<', code,
                  fmt::join(array.sizes(), ", "), array.rank() == 1 ? "," : "");
  const std::size_t before = magic.size() + 4;
  header.append(63 - (before + header.size()) % 64, ' ');  // the data begin at a multiple of 64
  header += '\n';
  std::string bytes(magic);
  bytes.reserve(before + header.size() + static_cast<std::size_t>(array.size()) * size_of(array.dtype()));
  bytes += '\1';
  bytes += '\0';
  detail::append(bytes, static_cast<std::uint16_t>(header.size()));
  bytes += header;
  detail::append_elements(bytes, array);
  return bytes;
}

}  // namespace

Array read_npy(const std::filesystem::path& path) {
  return detail::parse_file("read_npy", path, [](std::string_view bytes) {
    detail::Cursor cursor(bytes);
    return parse_npy(cursor);
  });
}

void write_npy(const std::filesystem::path& path, const Array& array) { write_file(path, npy_bytes(array)); }

std::map<std::string, Array> read_npz(const std::filesystem::path& path) {
  return detail::parse_file("read_npz", path, [](std::string_view bytes) {
    std::map<std::string, Array> arrays;
    for (const detail::ZipMember& member : detail::zip_members(bytes)) {
      if (!member.name.ends_with(member_ending)) throw FileError(fmt::format("member '{}' is no {} file", member.name, member_ending));
      detail::MemberReader reader(member);
      try {
        arrays[member.name.substr(0, member.name.size() - member_ending.size())] = parse_npy(reader);
        reader.finish();
      } catch (const FileError& e) {
        throw FileError(fmt::format("member '{}': {}", member.name, e.reason()));
      }
    }
    return arrays;
  });
}

void write_npz(const std::filesystem::path& path, const std::map<std::string, Array>& arrays) {
  std::uint64_t total = 0;
  for (const auto& [name, array] : arrays) total += static_cast<std::uint64_t>(array.size()) * size_of(array.dtype()) + name.size() + 1024;
  detail::ZipWriter zip(total >= UINT32_MAX || arrays.size() >= UINT16_MAX);
  for (const auto& [name, array] : arrays) zip.add(name + std::string(member_ending), npy_bytes(array));
  write_file(path, zip.finish());
}

}  // namespace dz
