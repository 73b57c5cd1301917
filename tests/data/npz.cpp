#include <dz/data/npy.hpp>

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

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

/// An archive of one deflated member: `begin`, and then so many zeros.
std::string deflated_archive(const std::string& begin, std::size_t zeros) {
  std::string packed, piece(1 << 20, '\0');
  std::uint32_t checksum = 0;
  z_stream stream{};
  deflateInit2(&stream, 1, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  const auto pack = [&](const std::string& bytes, int flush) {
    checksum = static_cast<std::uint32_t>(crc32_z(checksum, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    std::string room(1 << 16, '\0');
    do {
      stream.next_out = reinterpret_cast<Bytef*>(room.data());
      stream.avail_out = static_cast<uInt>(room.size());
      deflate(&stream, flush);
      packed.append(room, 0, room.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  };
  pack(begin, Z_NO_FLUSH);
  for (std::size_t done = 0; done < zeros; done += piece.size()) pack(piece, Z_NO_FLUSH);
  pack({}, Z_FINISH);
  deflateEnd(&stream);

  const std::uint64_t size = begin.size() + (zeros + piece.size() - 1) / piece.size() * piece.size();
  std::string archive = archive_of({{"a.npy", packed}});
  const std::size_t entry = archive.find("PK\1\2");  // of the directory
  const auto put = [&]<class T>(std::size_t at, T v) {
    std::string number;
    detail::append(number, v);
    archive.replace(at, sizeof(T), number);
  };
  put(entry + 10, std::uint16_t{8});
  put(entry + 16, checksum);
  put(entry + 24, static_cast<std::uint32_t>(size));
  return archive;
}

/// While alive the process cannot take that much more memory than it has.
class LittleMemory {
 public:
  explicit LittleMemory(rlim_t more) {
    getrlimit(RLIMIT_AS, &before_);
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const rlimit limit{pages * static_cast<rlim_t>(getpagesize()) + more, before_.rlim_max};
    setrlimit(RLIMIT_AS, &limit);
  }
  ~LittleMemory() { setrlimit(RLIMIT_AS, &before_); }

 private:
  rlimit before_{};
};

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
  refused(with<std::uint16_t>(good, entry + 10, 8), {"'a.npy'"});
  refused(with<std::uint32_t>(compressed(), 110, 0xffffffff), {"'a.npy'", "does not unpack"});

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

TEST_CASE("a zip bomb is refused by its header, with little memory", "[data][npz]") {
  if (sanitized) DZ_SKIP("the sanitizers' own memory is beyond any limit");
  constexpr std::size_t large = 200 << 20, little = 40 << 20;
  const auto header = [](const char* shape) {
    return npy_file(fmt::format("{{'descr': '|u1', 'fortran_order': False, 'shape': {}}}", shape), "");
  };
  const std::string zeros = deflated_archive("", large), more = deflated_archive(header("(3,)"), large),
                    long_header = deflated_archive(npy_file({}, {}, 2).replace(8, 4, std::string("\0\0\0\6", 4)), large);
  REQUIRE(zeros.size() < 2 << 20);
  const TempDir folder;
  const auto refused = [&](const std::string& archive, std::initializer_list<std::string_view> words) {
    write_plainly(folder / "x.npz", archive);
    const LittleMemory limit(little);
    check_refused<FileError>([&] { read_npz(folder / "x.npz"); }, words);
  };
  refused(zeros, {"a.npy", "NUMPY"});
  refused(more, {"a.npy", "209715200 bytes of data", "(3)"});
  refused(long_header, {"a.npy", "a header of 100663296 bytes"});

  // As many zeros as the header says are data. The limit does count them.
  write_plainly(folder / "x.npz", deflated_archive(header("(209715200,)"), large));
  {
    const LittleMemory limit(little);
    CHECK_THROWS_AS(read_npz(folder / "x.npz"), MemoryError);
  }
  CHECK(read_npz(folder / "x.npz").at("a").size() == std::int64_t{large});
}

TEST_CASE("names that lead out of an archive are refused", "[data][npz]") {
  const std::string good = archive_of({{"ab/cd.npy", scalar_npy()}});
  for (const std::string name : {"../cd.npy", "/b/cd.npy", "ab/...npy", "a/../.npy", "..\\cd.npy", "\\b/cd.npy", "C:/cd.npy"}) {
    REQUIRE(name.size() == 9);
    std::string changed = good;
    for (std::size_t at = changed.find("ab/cd.npy"); at != changed.npos; at = changed.find("ab/cd.npy", at)) changed.replace(at, 9, name);
    if (name == "ab/...npy") CHECK(read_bytes(changed).size() == 1);  // three dots are a name
    else check_refused<FileError>([&] { read_bytes(changed); }, {"'" + name + "'", "leads out"});
  }
  const TempDir folder;
  check_refused<ValueError>([&] { write_npz(folder / "x.npz", {{"../x", Array::scalar(1)}}); }, {"../x"});
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
