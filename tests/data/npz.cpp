#include <dz/data/npy.hpp>

#include <dz/data/bytes.hpp>

#include "tests/data/fixtures.hpp"

using namespace dz;
using namespace dz::test;

namespace {

using Arrays = std::map<std::string, Array>;

Arrays read_bytes(const std::string& bytes) {
  const TempDir folder;
  write_plainly(folder / "x.npz", bytes);
  return read_npz(folder / "x.npz");
}

/// numpy.savez_compressed(a = [0, 0, 0, 0, 1] as float32, b = 7)
std::string compressed() {
  return from_hex(
      "504b0304140000000800000021002226b627490000009400000005001400612e6e707901001000940000000000000049000000000000009bec17ea1b10c9c850c6"
      "50ad9e925a9c5ca46ea5a06e9366a2aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91aa63a9a3a0ab50a14002e060cd0600f00504b"
      "03041400000008000000210023b8f06c460000008800000005001400622e6e707901001000880000000000000046000000000000009bec17ea1b10c9c850c650ad"
      "9e925a9c5ca46ea5a06e9369a1aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a9a3a0ab50a14012e7606080000504b0102140314"
      "0000000800000021002226b6274900000094000000050000000000000000000000800100000000612e6e7079504b010214031400000008000000210023b8f06c46"
      "00000088000000050000000000000000000000800180000000622e6e7079504b0506000000000200020066000000fd0000000000");
}

std::string scalar_npy() { return npy_file("{'descr': '|u1', 'fortran_order': False, 'shape': ()}", "\7"); }

std::string archive_of(const std::vector<std::pair<std::string, std::string>>& members, bool wide = false) {
  detail::ZipWriter zip(wide);
  for (const auto& [name, bytes] : members) zip.add(name, bytes);
  return zip.finish();
}

/// The bytes with the number at that place (counted from the end where negative) replaced.
template <class T> std::string with(std::string bytes, std::ptrdiff_t at, T v) {
  std::string number;
  detail::append(number, v);
  return bytes.replace(static_cast<std::size_t>(at < 0 ? static_cast<std::ptrdiff_t>(bytes.size()) + at : at), sizeof(T), number);
}

}  // namespace

TEST_CASE("npz files keep names and arrays", "[data][npz]") {
  const TempDir folder;
  const Array a = Array::of(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3});
  const Arrays written{{"a", a}, {"transposed", a.t()}, {"größe", Array::scalar(3, int64)}, {"empty", Array::make({0, 4}, uint8)}};
  write_npz(folder / "x.npz", written);
  const Arrays found = read_npz(folder / "x.npz");
  REQUIRE(found.size() == 4);
  for (const auto& [name, array] : written) CHECK(identical(found.at(name), array));
  write_npz(folder / "x.npz", {});
  CHECK(read_npz(folder / "x.npz").empty());
}

TEST_CASE("deflated members are unpacked", "[data][npz]") {
  const Arrays found = read_bytes(compressed());
  REQUIRE(found.size() == 2);
  CHECK(identical(found.at("a"), Array::of(std::vector<float>{0, 0, 0, 0, 1}, {5})));
  CHECK(identical(found.at("b"), Array::scalar(7, int64)));
}

TEST_CASE("64-bit archives are read", "[data][npz]") {
  const std::string archive = archive_of({{"one.npy", scalar_npy()}, {"two.npy", scalar_npy()}}, true);
  const Arrays found = read_bytes(archive);
  REQUIRE(found.size() == 2);
  CHECK(found.at("two").item() == 7);
  survive(archive, archive.size(), read_npz);
}

TEST_CASE("npz files that cannot be read say why", "[data][npz]") {
  const std::string good = archive_of({{"a.npy", scalar_npy()}});
  const auto size = static_cast<std::uint32_t>(scalar_npy().size());
  const auto entry = static_cast<std::ptrdiff_t>(30 + 5 + size);  // of the directory, behind local header, name and data
  CHECK(read_bytes(good).at("a").item() == 7);
  const auto refused = [](const std::string& bytes, std::initializer_list<std::string_view> words) {
    check_refused<FileError>([&] { read_bytes(bytes); }, words);
  };
  refused("", {"[read_npz]", "x.npz", "end record"});
  refused("not a zip archive, but long enough to be one", {"end record"});
  refused(good + "x", {"end record"});
  refused(good.substr(0, good.size() - 1), {"end record"});
  refused(archive_of({{"a.npy", scalar_npy()}, {"a.npy", scalar_npy()}}), {"'a.npy' is there twice"});
  refused(archive_of({{"a.txt", "text"}}), {"'a.txt'", ".npy"});
  refused(archive_of({{"a.npy", "text"}}), {"'a.npy'", "NUMPY"});
  refused(archive_of({{"a.npy", npy_file("{'descr': '|O', 'fortran_order': False, 'shape': ()}", "12345678")}}), {"'a.npy'", "pickled"});
  refused(with<std::uint16_t>(good, entry + 8, 1), {"encrypted"});
  refused(with<std::uint16_t>(good, entry + 10, 14), {"method 14"});
  refused(with<std::uint32_t>(good, entry + 16, 1), {"checksum", "a.npy"});
  refused(with<std::uint32_t>(good, entry + 24, 1 << 30), {"1073741824"});
  refused(with<std::uint32_t>(good, entry + 42, 1), {"local header"});
  refused(with<std::uint32_t>(good, -6, 1 << 20), {"outside"});
  refused(with<std::uint16_t>(good, -12, 2), {"ends at byte"});
  refused(with<std::uint16_t>(good, -12, 0), {"more in the directory"});
  refused(with<std::uint32_t>(good, -6, 0xffffffff), {"64-bit"});

  // A deflated member that says it unpacks to more than deflate can: refused before the memory is asked for.
  const std::string bomb = with<std::uint32_t>(with<std::uint16_t>(good, entry + 10, 8), entry + 24, size * 1033 + 1033);
  refused(bomb, {"bytes for"});
  refused(with<std::uint16_t>(good, entry + 10, 8), {"does not unpack"});

  // A member within another one: what makes small archives unpack to endless ones.
  const std::string inner = archive_of({{"b.npy", scalar_npy()}}).substr(0, static_cast<std::size_t>(entry));
  const std::string nested = archive_of({{"a.npy", inner}, {"b.npy", scalar_npy()}});
  refused(with<std::uint32_t>(nested, 35 + 2 * entry + 51 + 42, 35), {"'a.npy' and 'b.npy' overlap"});

  CHECK_THROWS_AS(write_npz("/proc/x.npz", {{"a", Array::scalar(1)}}), FileError);
  const TempDir folder;
  CHECK_THROWS_AS(write_npz(folder / "x", {{std::string("a\0b", 3), Array::scalar(1)}}), ValueError);
  CHECK_THROWS_AS(write_npz(folder / "x", {{std::string(70000, 'n'), Array::scalar(1)}}), ValueError);
  CHECK_FALSE(std::filesystem::exists(folder / "x"));
}

TEST_CASE("broken npz files never crash", "[data][npz]") {
  survive(compressed(), compressed().size(), read_npz);
  survive(archive_of({{"a.npy", scalar_npy()}, {"b.npy", scalar_npy()}}), 1000, read_npz);
}

TEST_CASE("the reference files of the notes' networks are read", "[data][npz]") {
  const auto data = test_data();
  if (!data) DZ_SKIP("no shared test data");
  const Arrays logistic = read_npz(*data / "reference" / "logistic.npz"), deep = read_npz(*data / "reference" / "deep.npz");
  const auto sum = [](const Array& a) {
    double total = 0;
    for (const double v : a.to_vector<double>()) total += v;
    return total;
  };
  REQUIRE(logistic.size() == 8);
  CHECK(logistic.at("costs").shape() == Shape{2000});
  CHECK(logistic.at("costs").to_vector<double>().front() == 0.6931471805599453);
  CHECK(logistic.at("costs").to_vector<double>().back() == 0.13565884743936965);
  CHECK(logistic.at("learning_rate").item() == 0.005);
  CHECK(logistic.at("test_accuracy").rank() == 0);
  CHECK(sum(logistic.at("grad0_W1")) == Approx(725.7490852800449).epsilon(1e-12));
  CHECK(deep.at("init_W1").shape() == Shape{20, 12288});
  CHECK(deep.at("init_W1").to_vector<double>().back() == 0.006735189662709199);
  CHECK(sum(deep.at("init_W1")) == Approx(7.373509610089012).epsilon(1e-10));
  CHECK(deep.at("grad0_b1").shape() == Shape{20, 1});
}
