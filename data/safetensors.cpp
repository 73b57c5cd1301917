#include <dz/data/safetensors.hpp>

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>

#include <dz/data/bytes.hpp>
#include <dz/data/file.hpp>

namespace dz {
namespace {

namespace json = boost::json;
using detail::Element;

constexpr std::string_view metadata_key = "__metadata__";
constexpr std::uint64_t header_limit = 100'000'000;  // the format's own

struct Type {
  std::string_view code;
  Element element;
};
constexpr Type types[] = {{"F16", Element::f16},     {"BF16", Element::bf16}, {"F32", Element::f32}, {"F64", Element::f64},
                          {"I8", Element::i8},       {"I16", Element::i16},   {"I32", Element::i32}, {"I64", Element::i64},
                          {"U8", Element::u8},       {"U16", Element::u16},   {"U32", Element::u32}, {"U64", Element::u64},
                          {"BOOL", Element::boolean}};

/// Watches a text of JSON being parsed for a key that its object already has: of equal keys Boost's own parser keeps the last.
struct KeyWatch {
  static constexpr std::size_t max_object_size = SIZE_MAX, max_array_size = SIZE_MAX, max_key_size = SIZE_MAX, max_string_size = SIZE_MAX;
  using Code = boost::system::error_code;

  std::vector<std::set<std::string, std::less<>>> open;
  std::string key;
  std::optional<std::string> twice;

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return open.emplace_back(), true; }
  bool on_object_end(std::size_t, Code&) { return open.pop_back(), true; }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t, Code&) { return true; }
  bool on_key_part(json::string_view part, std::size_t, Code&) { return key.append(part.data(), part.size()), true; }
  bool on_key(json::string_view part, std::size_t, Code&) {
    key.append(part.data(), part.size());
    if (!open.back().insert(key).second) twice = key;
    key.clear();
    return true;
  }
  bool on_string_part(json::string_view, std::size_t, Code&) { return true; }
  bool on_string(json::string_view, std::size_t, Code&) { return true; }
  bool on_number_part(json::string_view, Code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, Code&) { return true; }
  bool on_uint64(std::uint64_t, json::string_view, Code&) { return true; }
  bool on_double(double, json::string_view, Code&) { return true; }
  bool on_bool(bool, Code&) { return true; }
  bool on_null(Code&) { return true; }
  bool on_comment_part(json::string_view, Code&) { return true; }
  bool on_comment(json::string_view, Code&) { return true; }
};

/// The header as JSON. Throws FileError where it is none, nests deeper than the format does or gives a key twice.
json::object parse_header(std::string_view text) {
  json::parse_options options;
  options.max_depth = 4;
  boost::system::error_code code;
  const json::value value = json::parse(json::string_view(text.data(), text.size()), code, {}, options);
  if (code) throw FileError(fmt::format("its header is no JSON: {}", code.message()));
  if (!value.is_object()) throw FileError("its header is no JSON object");

  json::basic_parser<KeyWatch> watch(options);
  watch.write_some(false, text.data(), text.size(), code);
  if (const auto& twice = watch.handler().twice) throw FileError(fmt::format("'{}' is in its header twice", *twice));
  return value.get_object();
}

std::string text_of(const json::string& s) { return std::string(s.data(), s.size()); }

/// An array as the header describes it.
struct Entry {
  std::string name;
  Element element{};
  Shape shape;
  std::uint64_t begin = 0, end = 0;
};

[[noreturn]] void refuse(std::string_view name, std::string_view reason) { throw FileError(fmt::format("array '{}': {}", name, reason)); }

std::int64_t integer(std::string_view name, const json::value& v) {
  const std::int64_t* i = v.if_int64();
  if (!i || *i < 0) refuse(name, "a size or place is no integer from 0 to 2^63 - 1");
  return *i;
}

Entry read_entry(std::string_view name, const json::value& value, std::uint64_t data_bytes) {
  const json::object* fields = value.if_object();
  if (!fields || fields->size() != 3) refuse(name, "it is described by dtype, shape and data_offsets");
  const json::value *dtype = fields->if_contains("dtype"), *shape = fields->if_contains("shape"),
                    *place = fields->if_contains("data_offsets");
  if (!dtype || !dtype->is_string() || !shape || !shape->is_array() || !place || !place->is_array() || place->get_array().size() != 2)
    refuse(name, "it is described by dtype, shape and data_offsets");
  Entry entry{std::string(name), {}, {}, 0, 0};
  const std::string code = text_of(dtype->get_string());
  const Type* type = std::ranges::find(types, std::string_view(code), &Type::code);
  if (type == std::end(types)) refuse(name, fmt::format("its elements are {}, which dz has no dtype for", code));
  entry.element = type->element;

  std::vector<std::int64_t> sizes;
  for (const json::value& size : shape->get_array()) sizes.push_back(integer(name, size));
  entry.begin = static_cast<std::uint64_t>(integer(name, place->get_array()[0]));
  entry.end = static_cast<std::uint64_t>(integer(name, place->get_array()[1]));
  if (entry.begin > entry.end || entry.end > data_bytes)
    refuse(name, fmt::format("bytes {} to {} of the {} there are", entry.begin, entry.end, data_bytes));
  std::uint64_t expected = 0;
  try {
    expected = detail::stored_bytes(entry.element, sizes);
  } catch (const FileError& e) {
    refuse(name, e.reason());
  }
  entry.shape = Shape(sizes);
  if (expected != entry.end - entry.begin)
    refuse(name,
           fmt::format("{} bytes of data where {} of shape {} takes {}", entry.end - entry.begin, code, to_string(entry.shape), expected));
  return entry;
}

/// The arrays lie one after the other, and nothing else does.
void check_places(const std::vector<Entry>& entries, std::uint64_t data_bytes) {
  std::vector<const Entry*> by_place;
  for (const Entry& entry : entries) by_place.push_back(&entry);
  std::ranges::sort(by_place, {}, [](const Entry* e) { return std::pair(e->begin, e->end); });
  std::uint64_t at = 0;
  for (const Entry* entry : by_place) {
    if (entry->begin != at) refuse(entry->name, fmt::format("it begins at byte {}, what is before it ends at {}", entry->begin, at));
    at = entry->end;
  }
  if (at != data_bytes) throw FileError(fmt::format("{} bytes of data, of which its arrays take {}", data_bytes, at));
}

NamedArrays parse_safetensors(std::string_view bytes) {
  detail::Cursor cursor(bytes);
  const auto header_bytes = cursor.number<std::uint64_t>();
  if (header_bytes > header_limit || header_bytes > cursor.rest().size())
    throw FileError(fmt::format("no safetensors file, or a truncated one: {} bytes of header in {}", header_bytes, bytes.size()));
  const json::object header = parse_header(cursor.text(header_bytes));
  const std::string_view data = cursor.rest();

  NamedArrays found;
  std::vector<Entry> entries;
  for (const auto& [key, value] : header) {
    if (key != metadata_key) {
      entries.push_back(read_entry({key.data(), key.size()}, value, data.size()));
      continue;
    }
    if (!value.is_object()) throw FileError("its metadata are no JSON object");
    for (const auto& [name, text] : value.get_object()) {
      if (!text.is_string()) throw FileError("its metadata are not all text");
      found.metadata.emplace(name, text_of(text.get_string()));
    }
  }
  check_places(entries, data.size());
  for (Entry& e : entries) {
    const std::string_view stored = data.substr(static_cast<std::size_t>(e.begin), static_cast<std::size_t>(e.end - e.begin));
    found.arrays.push_back({std::move(e.name), detail::decode(stored, e.element, std::endian::little, e.shape)});
  }
  return found;
}

std::string_view code_of(Dtype dtype) { return std::ranges::find(types, detail::element_of(dtype), &Type::element)->code; }

/// The places of the arrays' data, those of wide elements first: so each begins at a multiple of its elements' width.
std::vector<std::size_t> order_of_data(const std::vector<NamedArray>& arrays) {
  std::vector<std::size_t> order(arrays.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return size_of(arrays[i].array.dtype()); });
  return order;
}

std::string header_of(const NamedArrays& all, const std::vector<std::size_t>& order) {
  std::vector<std::uint64_t> begins(order.size());
  std::uint64_t at = 0;
  const auto bytes_of = [](const Array& a) { return static_cast<std::uint64_t>(a.size()) * size_of(a.dtype()); };
  for (const std::size_t i : order) {
    begins[i] = at;
    at += bytes_of(all.arrays[i].array);
  }
  json::object header;
  if (!all.metadata.empty()) {
    json::object& metadata = header[metadata_key].emplace_object();
    for (const auto& [key, text] : all.metadata) metadata[key] = text;
  }
  for (std::size_t i = 0; i < all.arrays.size(); ++i) {
    const auto& [name, array] = all.arrays[i];
    const std::string_view code = code_of(array.dtype());
    json::array sizes;
    for (const std::int64_t size : array.sizes()) sizes.emplace_back(size);
    header[name] = {{"dtype", json::string_view(code.data(), code.size())},
                    {"shape", std::move(sizes)},
                    {"data_offsets", json::array{begins[i], begins[i] + bytes_of(array)}}};
  }
  std::string text = json::serialize(header);
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace

const Array* NamedArrays::find(std::string_view name) const {
  const auto found = std::ranges::find(arrays, name, &NamedArray::name);
  return found == arrays.end() ? nullptr : &found->array;
}

NamedArrays read_safetensors(const std::filesystem::path& path) { return detail::parse_file("read_safetensors", path, parse_safetensors); }

void write_safetensors(const std::filesystem::path& path, const NamedArrays& all) {
  const auto refuse = [&](std::string reason) { throw ValueError(fmt::format("{}: {}", path.string(), reason), "write_safetensors"); };
  std::set<std::string_view> names;
  for (const auto& [name, array] : all.arrays) {
    if (!array) refuse(fmt::format("array '{}' is an empty handle", name));
    if (name == metadata_key) refuse("no array can be called '__metadata__'");
    if (!names.insert(name).second) refuse(fmt::format("the name '{}' is given twice", name));
  }
  const std::vector<std::size_t> order = order_of_data(all.arrays);
  const std::string header = header_of(all, order);
  if (header.size() > header_limit) refuse(fmt::format("a header of {} bytes, the format has up to {}", header.size(), header_limit));
  try {
    parse_header(header);
  } catch (const FileError&) {
    refuse("a name or a text of the metadata is not UTF-8");
  }
  std::string bytes;
  detail::append<std::uint64_t>(bytes, header.size());
  bytes += header;
  for (const std::size_t i : order) detail::append_elements(bytes, all.arrays[i].array);
  write_file(path, bytes);
}

}  // namespace dz
