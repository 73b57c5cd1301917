#include <dz/data/npy.hpp>

#include <cmath>
#include <limits>

#include <dz/data/bytes.hpp>

#include "tests/data/fixtures.hpp"

using namespace dz;
using namespace dz::test;

namespace {

/// Every byte of the elements another one, within what the dtype has.
Array counted(const Shape& shape, Dtype dtype) {
  Array a = Array::make(shape, dtype);
  visit_dtype(dtype, [&]<class T>(std::type_identity<T>) {
    for (std::int64_t i = 0; i < a.size(); ++i)
      a.writable<T>()[i] = std::is_same_v<T, bool> ? static_cast<T>(i % 3 == 0) : static_cast<T>(static_cast<T>(i * 7) / static_cast<T>(3));
  });
  return a;
}

Array read_bytes(const std::string& bytes) {
  const TempDir folder;
  write_plainly(folder / "x.npy", bytes);
  return read_npy(folder / "x.npy");
}

std::string header(std::string_view descr, std::string_view order, std::string_view shape) {
  return "{'descr': '" + std::string(descr) + "', 'fortran_order': " + std::string(order) + ", 'shape': " + std::string(shape) + ", }\n";
}

}  // namespace

TEST_CASE("npy files keep every dtype and rank", "[data][npy]") {
  const TempDir folder;
  for (const Dtype dtype : {float32, float64, int64, uint8, boolean}) {
    Shape shape;
    for (int rank = 0; rank <= 8; ++rank) {
      const Array a = counted(shape, dtype);
      write_npy(folder / "a.npy", a);
      CHECK(identical(read_npy(folder / "a.npy"), a));
      CHECK((read_file(folder / "a.npy").size() - static_cast<std::size_t>(a.size()) * size_of(dtype)) % 64 == 0);
      if (rank < 8) shape.append(rank % 3 + 1);
    }
    for (const Shape& empty : {Shape{0}, Shape{3, 0, 2}}) {
      write_npy(folder / "a.npy", Array::make(empty, dtype));
      CHECK(identical(read_npy(folder / "a.npy"), Array::make(empty, dtype)));
    }
  }
  const double special[] = {-0.0, INFINITY, -INFINITY, NAN, 5e-324};
  const Array odd = Array::of(std::span<const double>(special), {5});
  write_npy(folder / "a.npy", odd);
  CHECK(identical(read_npy(folder / "a.npy"), odd));
}

TEST_CASE("a view is written as what it shows", "[data][npy]") {
  const TempDir folder;
  const Array a = counted({3, 4}, float32);
  for (const Array& view : {a.t(), a.slice(1, 1, 4, 2), a.slice(0, 1, 2).expand({5, 4})}) {
    write_npy(folder / "v.npy", view);
    CHECK(identical(read_npy(folder / "v.npy"), view));
  }
}

TEST_CASE("npy files as NumPy writes them", "[data][npy]") {
  const std::vector<float> six{1, 2, 3, 4, 5, 6};
  const std::string little = from_hex("0000803f0000004000004040000080400000a0400000c040");
  const std::string big = from_hex("3f80000040000000404000004080000040a0000040c00000");
  const Array expected = Array::of(six, {2, 3});
  SECTION("both byte orders, versions 1 to 3") {
    for (const int version : {1, 2, 3}) {
      CHECK(identical(read_bytes(npy_file(header("<f4", "False", "(2, 3)"), little, version)), expected));
      CHECK(identical(read_bytes(npy_file(header(">f4", "False", "(2, 3)"), big, version)), expected));
    }
  }
  SECTION("columns first") {
    CHECK(identical(read_bytes(npy_file(header("<f4", "True", "(3, 2)"), little)), expected.t().contiguous()));
    CHECK(read_bytes(npy_file(header("<f4", "True", "(3, 2)"), little)).is_contiguous());
    CHECK(identical(read_bytes(npy_file(header(">f4", "True", "(1, 2, 3)"), big)),
                    Array::of(std::vector<float>{1, 3, 5, 2, 4, 6}, {1, 2, 3})));
    CHECK(identical(read_bytes(npy_file(header("<f4", "True", "(6,)"), little)), Array::of(six, {6})));
  }
  SECTION("other spellings of the header") {
    CHECK(identical(read_bytes(npy_file(R"({"shape":(2L,3L),"descr":"<f4","fortran_order":False})", little)), expected));
    CHECK(read_bytes(npy_file(header("<f4", "False", "()"), little.substr(0, 4))).rank() == 0);
  }
}

TEST_CASE("other element types widen without loss", "[data][npy]") {
  const auto check = [](std::string_view descr, std::string_view digits, const Array& expected) {
    INFO(descr);
    CHECK(
        identical(read_bytes(npy_file(header(descr, "False", "(" + std::to_string(expected.size()) + ",)"), from_hex(digits))), expected));
  };
  const auto whole = [](std::vector<std::int64_t> v) { return Array::of(v, {v.size()}); };
  check("|i1", "80ff7f", whole({-128, -1, 127}));
  check("<i2", "0080ff7f", whole({-32768, 32767}));
  check(">i2", "80007fff", whole({-32768, 32767}));
  check("<i4", "00000080ffffff7f", whole({INT32_MIN, INT32_MAX}));
  check("<i8", "0000000000000080ffffffffffffff7f", whole({INT64_MIN, INT64_MAX}));
  check(">i8", "8000000000000000", whole({INT64_MIN}));
  check("<u2", "ffff", whole({65535}));
  check(">u4", "fffffffe", whole({4294967294}));
  check("<u8", "ffffffffffffff7f", whole({INT64_MAX}));
  check("|u1", "00ff", Array::of(std::vector<std::uint8_t>{0, 255}, {2}));
  const bool bits[] = {false, true, true};
  check("|b1", "000102", Array::of(std::span<const bool>(bits), {3}));
  // 1, -2, the largest, the smallest normal, the smallest, -0, infinity
  const std::vector<float> halves{1, -2, 65504, 0x1p-14f, 0x1p-24f, -0.f, INFINITY};
  check("<f2", "003c00c0ff7b000401000080007c", Array::of(halves, {7}));
  check(">f2", "3c00c0007bff0400000180007c00", Array::of(halves, {7}));
  CHECK(std::isnan(read_bytes(npy_file(header("<f2", "False", "(1,)"), from_hex("017e"))).item()));
  check_refused<FileError>([] { read_bytes(npy_file(header("<u8", "False", "(1,)"), from_hex("0000000000000080"))); },
                           {"[read_npy]", "x.npy", "9223372036854775808", "int64"});
}

TEST_CASE("npy files that cannot be read say why", "[data][npy]") {
  const auto refused = [](std::string_view descr, std::string_view order, std::string_view shape, std::string_view data,
                          std::initializer_list<std::string_view> words) {
    check_refused<FileError>([&] { read_bytes(npy_file(header(descr, order, shape), data)); }, words);
  };
  refused("|O", "False", "(1,)", "12345678", {"x.npy", "pickled"});
  refused("<c8", "False", "(1,)", "12345678", {"'<c8'"});
  refused("<U3", "False", "(1,)", "12345678", {"'<U3'"});
  refused("|f4", "False", "(1,)", "1234", {"'|f4'"});
  refused("<f4", "0", "(1,)", "1234", {"True or False"});
  refused("<f4", "False", "(2,)", "1234", {"4 bytes", "(2)", "8"});
  refused("<f4", "False", "(2,)", "123412341", {"9 bytes"});
  refused("<f4", "False", "(1000000000000,)", "1234", {"4000000000000"});
  refused("<f4", "False", "(4294967296, 4294967296)", "", {"beyond any memory"});
  refused("<f4", "False", "(0, 4294967296, 4294967296)", "", {"beyond any memory"});
  refused("<f4", "False", "(99999999999999999999,)", "", {"a size is no number"});
  refused("<f4", "False", "(-1,)", "", {"negative"});
  refused("<f4", "False", "(1, 1, 1, 1, 1, 1, 1, 1, 1)", "1234", {"9 axes"});
  refused("<f4", "False", "(1)", "1234", {"no tuple"});
  refused("<f4", "False", "(1,), 'shape': (1,)", "1234", {"'shape'", "twice"});
  refused("<f4", "False", "(1,), 'more': 1", "1234", {"'more'"});
  check_refused<FileError>([] { read_bytes(npy_file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", "1234")); },
                           {"records"});
  check_refused<FileError>([] { read_bytes(npy_file("{'descr': '<f4', 'shape': ()}", "1234")); }, {"needs"});
  check_refused<FileError>([] { read_bytes(npy_file(header("<f4", "False", "()"), "1234", 4)); }, {"version 4.0"});
  check_refused<FileError>([] { read_bytes("PK\3\4 something else"); }, {"no .npy file"});
  check_refused<FileError>([] { read_npy("/dev/zero"); }, {"device"});
  CHECK_THROWS_AS(write_npy("/proc/x.npy", Array::scalar(1)), FileError);
  CHECK_THROWS_AS(write_npy("x.npy", Array()), ValueError);
}

TEST_CASE("broken npy files never crash", "[data][npy]") {
  const std::string bytes = npy_file(header("<f4", "False", "(2, 3)"), std::string(24, '\x3f'));
  CHECK(survive(bytes, bytes.size(), read_npy) >= 24 * 3);  // data of other values are data
}

TEST_CASE("numbers are loaded from either byte order", "[data]") {
  const std::string bytes = from_hex("0102030405060708");
  CHECK(detail::load<std::uint16_t>(bytes.data()) == 0x0201);
  CHECK(detail::load<std::uint64_t>(bytes.data(), std::endian::big) == 0x0102030405060708);
  std::string out;
  detail::append<std::uint32_t>(out, 0x04030201);
  CHECK(out == bytes.substr(0, 4));
}
