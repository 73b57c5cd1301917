#include <dz/data/safetensors.hpp>

#include <cmath>

#include "tests/data/fixtures.hpp"

using namespace dz;
using namespace dz::test;

namespace {

NamedArrays read_bytes(const std::string& bytes) {
  const TempDir folder;
  write_plainly(folder / "x.safetensors", bytes);
  return read_safetensors(folder / "x.safetensors");
}

/// One array called a, described so.
std::string one(std::string_view dtype, std::string_view shape, std::string_view offsets, std::string_view data) {
  return safetensors_file(R"({"a":{"dtype":")" + std::string(dtype) + R"(","shape":)" + std::string(shape) + R"(,"data_offsets":)" +
                              std::string(offsets) + "}}",
                          data);
}

std::uint64_t header_bytes(const std::string& file) {
  std::uint64_t n = 0;
  for (std::size_t i = 8; i-- > 0;) n = n << 8 | static_cast<unsigned char>(file[i]);
  return n;
}

}  // namespace

TEST_CASE("safetensors files keep names, order, every dtype and rank, and metadata", "[data][safetensors]") {
  const TempDir folder;
  NamedArrays written{{}, {{"network", "mlp"}, {"größe \"x\"\n", "ünï\tcode"}, {"", ""}}};
  Shape shape;
  for (int rank = 0; rank <= 8; ++rank) {
    for (const Dtype dtype : {uint8, boolean, float32, int64, float64}) {
      Array a = Array::make(shape, dtype);
      visit_dtype(dtype, [&]<class T>(std::type_identity<T>) {
        for (std::int64_t i = 0; i < a.size(); ++i) a.writable<T>()[i] = static_cast<T>(static_cast<double>(i % 100) / 3);
      });
      written.arrays.push_back({"layers." + std::to_string(rank) + "." + std::string(name(dtype)), a});
    }
    if (rank < 8) shape.append(rank % 3 + 1);
  }
  written.arrays.push_back({"empty", Array::make({2, 0}, float32)});
  written.arrays.push_back({"", Array::scalar(NAN, float64)});
  write_safetensors(folder / "x", written);
  const NamedArrays found = read_safetensors(folder / "x");
  CHECK(found.metadata == written.metadata);
  REQUIRE(found.arrays.size() == written.arrays.size());
  for (std::size_t i = 0; i < found.arrays.size(); ++i) {
    CHECK(found.arrays[i].name == written.arrays[i].name);
    CHECK(identical(found.arrays[i].array, written.arrays[i].array));
  }
  CHECK(found.find("empty")->shape() == Shape{2, 0});
  CHECK(found.find("none") == nullptr);
  CHECK(header_bytes(read_file(folder / "x")) % 8 == 0);
}

TEST_CASE("each array begins at a multiple of its elements' width", "[data][safetensors]") {
  const TempDir folder;
  write_safetensors(folder / "x", {{{"byte", Array::full({3}, 1, uint8)},
                                    {"wide", Array::full({2}, 1, float64)},
                                    {"flag", Array::full({1}, 1, boolean)},
                                    {"narrow", Array::full({3}, 1, float32)}},
                                   {}});
  const std::string file = read_file(folder / "x");
  const auto begin_of = [&](const std::string& name) {
    const std::string before = "\"data_offsets\":[";
    const std::size_t at = file.find(before, file.find('"' + name + '"'));
    REQUIRE(at != file.npos);
    return std::stoll(file.substr(at + before.size()));
  };
  CHECK(begin_of("wide") == 0);
  CHECK(begin_of("narrow") == 16);
  CHECK(begin_of("byte") == 28);
  CHECK(begin_of("flag") == 31);
}

TEST_CASE("a view is written as what it shows, into safetensors too", "[data][safetensors]") {
  const TempDir folder;
  const Array a = Array::of(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3});
  write_safetensors(folder / "x", {{{"t", a.t()}, {"s", a.slice(1, 0, 3, 2)}, {"e", a.slice(0, 0, 1).expand({4, 3})}}, {}});
  const NamedArrays found = read_safetensors(folder / "x");
  CHECK(identical(*found.find("t"), a.t()));
  CHECK(identical(*found.find("s"), a.slice(1, 0, 3, 2)));
  CHECK(identical(*found.find("e"), a.slice(0, 0, 1).expand({4, 3})));
}

TEST_CASE("safetensors' narrow numbers widen without loss", "[data][safetensors]") {
  const auto check = [](std::string_view dtype, std::string_view digits, const Array& expected) {
    INFO(dtype);
    const std::string data = from_hex(digits);
    CHECK(identical(
        *read_bytes(one(dtype, "[" + std::to_string(expected.size()) + "]", "[0," + std::to_string(data.size()) + "]", data)).find("a"),
        expected));
  };
  check("F16", "003c00c0ff7b0100", Array::of(std::vector<float>{1, -2, 65504, 0x1p-24f}, {4}));
  check("BF16", "803f20c0010080ff", Array::of(std::vector<float>{1, -2.5f, 0x1p-133f, -INFINITY}, {4}));
  check("I32", "feffffff00000080", Array::of(std::vector<std::int64_t>{-2, INT32_MIN}, {2}));
  check("I8", "fe", Array::of(std::vector<std::int64_t>{-2}, {1}));
  check("U16", "feff", Array::of(std::vector<std::int64_t>{65534}, {1}));
  check("U64", "0100000000000000", Array::of(std::vector<std::int64_t>{1}, {1}));
}

TEST_CASE("safetensors files that cannot be read say why", "[data][safetensors]") {
  const auto refused = [](const std::string& bytes, std::initializer_list<std::string_view> words) {
    check_refused<FileError>([&] { read_bytes(bytes); }, words);
  };
  const auto entry = [](std::string_view name, std::string_view shape, std::string_view offsets) {
    return "\"" + std::string(name) + R"(":{"dtype":"U8","shape":)" + std::string(shape) + R"(,"data_offsets":)" + std::string(offsets) +
           "}";
  };
  refused("", {"[read_safetensors]", "x.safetensors", "ends at byte 0"});
  refused(from_hex("ffffffffffffffff"), {"no safetensors file"});
  refused(from_hex("0100000000000000"), {"truncated"});
  refused(safetensors_file("{", ""), {"no JSON"});
  refused(safetensors_file("[]", ""), {"no JSON object"});
  refused(safetensors_file("{} {}", ""), {"no JSON"});
  constexpr std::size_t deep = 1'000'000;  // levels, left open and closed
  refused(safetensors_file(std::string(deep, '['), ""), {"no JSON", "deep"});
  refused(safetensors_file(std::string(deep, '[') + std::string(deep, ']'), ""), {"no JSON", "deep"});
  std::string objects;
  for (std::size_t i = 0; i < deep; ++i) objects += "{\"a\":";
  refused(safetensors_file(objects + "1" + std::string(deep, '}'), ""), {"no JSON", "deep"});
  refused(safetensors_file("{\"a\":" + std::string(deep, '[') + std::string(deep, ']') + "}", ""), {"no JSON", "deep"});
  refused(safetensors_file(R"({"a":1})", ""), {"'a'", "described"});
  refused(one("F8_E4M3", "[1]", "[0,1]", "1"), {"'a'", "F8_E4M3"});
  refused(one("F32", "[2]", "[0,4]", "1234"), {"'a'", "4 bytes", "(2)", "8"});
  refused(one("F32", "[-1]", "[0,4]", "1234"), {"'a'"});
  refused(one("F32", "[1.0]", "[0,4]", "1234"), {"'a'"});
  refused(one("F32", "[\"1\"]", "[0,4]", "1234"), {"'a'"});
  refused(one("F32", "[1]", "[0,8]", "1234"), {"bytes 0 to 8 of the 4"});
  refused(one("F32", "[1]", "[4,0]", "1234"), {"bytes 4 to 0"});
  refused(one("F32", "[1]", "[0,18446744073709551615]", "1234"), {"2^63"});
  refused(one("F32", "[4611686018427387904,4]", "[0,4]", "1234"), {"beyond any memory"});
  refused(one("F32", "[0,4611686018427387904,4]", "[0,0]", ""), {"beyond any memory"});
  refused(one("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]", "1234"), {"9 axes"});
  refused(one("F32", "[1]", "[0,4]", "12345"), {"5 bytes of data", "take 4"});
  refused(one("U64", "[1]", "[0,8]", std::string(8, '\xff')), {"int64"});
  const std::string a = entry("a", "[2]", "[0,2]");
  refused(safetensors_file("{" + a + "," + entry("b", "[2]", "[1,3]") + "}", "123"), {"'b'", "begins at byte 1"});
  refused(safetensors_file("{" + a + "," + entry("b", "[1]", "[3,4]") + "}", "1234"), {"'b'", "begins at byte 3"});
  refused(safetensors_file("{" + a + "," + a + "}", "12"), {"'a'", "twice"});
  refused(safetensors_file("{" + a + "," + entry("\\u0061", "[2]", "[0,2]") + "}", "12"), {"'a'", "twice"});
  refused(safetensors_file("{" + entry("a", "[0]", "[0,0]") + "," + entry("a", "[0]", "[0,0]") + "}", ""), {"'a'", "twice"});
  refused(safetensors_file(R"({"__metadata__":{"k":1}})", ""), {"metadata"});
  refused(safetensors_file(R"({"__metadata__":{"k":"1","k":"2"}})", ""), {"'k'", "twice"});
  refused(safetensors_file(R"({"__metadata__":[]})", ""), {"metadata"});
  refused(safetensors_file("{\"\xff\":1}", ""), {"no JSON"});
  CHECK(read_bytes(safetensors_file("{}   ", "")).arrays.empty());
  CHECK(read_bytes(safetensors_file("{" + entry("b", "[1]", "[2,3]") + "," + a + "}", "123")).arrays[0].name == "b");
}

TEST_CASE("broken safetensors files never crash", "[data][safetensors]") {
  const TempDir folder;
  write_safetensors(folder / "x", {{{"w", Array::full({2, 3}, 1.5)}, {"n", Array::full({2}, 7, uint8)}}, {{"key", "text"}}});
  const std::string bytes = read_file(folder / "x");
  survive(bytes, 8 + header_bytes(bytes), read_safetensors);
}

TEST_CASE("arrays that the format cannot hold are refused and the file stays", "[data][safetensors]") {
  const TempDir folder;
  const Array a = Array::scalar(1);
  const auto path = folder / "x";
  write_safetensors(path, {{{"a", a}}, {}});
  const std::string before = read_file(path);
  check_refused<ValueError>([&] { write_safetensors(path, {{{"a", a}, {"a", a}}, {}}); }, {"[write_safetensors]", "'a'", "twice"});
  check_refused<ValueError>([&] { write_safetensors(path, {{{"a", Array()}}, {}}); }, {"'a'", "empty handle"});
  check_refused<ValueError>([&] { write_safetensors(path, {{{"__metadata__", a}}, {}}); }, {"__metadata__"});
  check_refused<ValueError>([&] { write_safetensors(path, {{{"\xff", a}}, {}}); }, {"UTF-8"});
  check_refused<ValueError>([&] { write_safetensors(path, {{}, {{"k", "\xc3"}}}); }, {"UTF-8"});
  check_refused<FileError>([&] { write_safetensors(folder.path(), {}); }, {"a folder"});
  CHECK(read_file(path) == before);
}
