#include <dz/data/idx.hpp>

#include <dz/dz.hpp>

#include <sys/stat.h>

#include "tests/data/fixtures.hpp"

using namespace dz;
using namespace dz::test;

namespace {

/// Of that element type, with big-endian sizes.
std::string idx_file(unsigned char code, const std::vector<std::uint32_t>& sizes, std::string_view data) {
  std::string bytes = {0, 0, static_cast<char>(code), static_cast<char>(sizes.size())};
  for (const std::uint32_t size : sizes)
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(size >> shift & 255);
  return bytes + std::string(data);
}

Array read_bytes(const std::string& bytes) {
  const TempDir folder;
  write_plainly(folder / "x", bytes);
  return read_idx(folder / "x");
}

// gzip of: (2, 2, 3) unsigned bytes 0 to 11; sizes (65535, 65535, 255) and nothing more; size (1) and 100,000 bytes; size (100) and 50
// bytes.
const std::string tiny_gz = from_hex("1f8b08000000000002036360e0606660606082626606462666165636760e4e2e6e00781e23841c000000");
const std::string huge_gz = from_hex("1f8b08000000000002036360e0606660f8ff1f8219fe03003f6182c910000000");
const std::string more_gz = from_hex(
    "1f8b0800000000000203edc3b10d003008c0b0b0f5ff8b115f74b025d79bea020000000000000000000000000000000000000000000000"
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "0000000000000000000000000000000000009f5a2be6e31aa8860100");
const std::string less_gz = from_hex("1f8b08000000000002036360e060646060486120190000608954ea3a000000");

}  // namespace

TEST_CASE("IDX files of every element type are read, big-endian", "[data][idx]") {
  const Array bytes = read_bytes(idx_file(0x08, {2, 3}, "\1\2\3\4\5\xff"));
  CHECK(bytes.dtype() == uint8);
  CHECK(bytes.shape() == Shape{2, 3});
  CHECK(bytes.to_vector<std::int64_t>() == std::vector<std::int64_t>{1, 2, 3, 4, 5, 255});
  CHECK(read_bytes(idx_file(0x09, {1}, "\xff")).to_vector<std::int64_t>() == std::vector<std::int64_t>{-1});
  CHECK(read_bytes(idx_file(0x0b, {1}, "\xff\xfe")).to_vector<std::int64_t>() == std::vector<std::int64_t>{-2});
  CHECK(read_bytes(idx_file(0x0c, {1}, std::string("\0\1\0\0", 4))).to_vector<std::int64_t>() == std::vector<std::int64_t>{65536});
  CHECK(read_bytes(idx_file(0x0d, {1}, from_hex("3fc00000"))).to_vector<double>() == std::vector<double>{1.5});
  CHECK(read_bytes(idx_file(0x0e, {1}, from_hex("c000000000000000"))).dtype() == float64);
  CHECK(read_bytes(idx_file(0x08, {0, 5}, "")).shape() == Shape{0, 5});
}

TEST_CASE("a gzipped IDX file is seen to be one", "[data][idx]") {
  const Array a = read_bytes(tiny_gz);
  CHECK(a.shape() == Shape{2, 2, 3});
  CHECK(identical(a, read_bytes(idx_file(0x08, {2, 2, 3}, std::string("\0\1\2\3\4\5\6\7\x8\x9\xa\xb", 12)))));
}

TEST_CASE("sizes beyond the file, beyond memory and beyond 64 bits are refused before memory is taken", "[data][idx]") {
  check_refused<FileError>([] { read_bytes(idx_file(0x08, {1000}, "abc")); }, {"[read_idx]", "3 bytes", "1000"});
  check_refused<FileError>([] { read_bytes(idx_file(0x08, {2}, "abc")); }, {"3 bytes", "2 elements"});
  check_refused<FileError>([] { read_bytes(idx_file(0x0e, {0xffffffff, 0xffffffff, 0xffffffff}, "")); }, {"beyond any memory"});
  check_refused<FileError>([] { read_bytes(idx_file(0x08, std::vector<std::uint32_t>(9, 1), "a")); }, {"9 axes"});
  check_refused<FileError>([] { read_bytes(huge_gz); }, {"1095183237375", "more than"});
  check_refused<FileError>([] { read_bytes(more_gz); }, {"more in it"});
  check_refused<FileError>([] { read_bytes(less_gz); }, {"ends too early"});
}

TEST_CASE("what is no IDX file is refused", "[data][idx]") {
  const TempDir folder;
  check_refused<FileError>([&] { read_idx(folder / "none"); }, {"none", "No such file"});
  check_refused<FileError>([&] { read_idx(folder.path()); }, {"a folder"});
  check_refused<FileError>([] { read_idx("/dev/zero"); }, {"a device"});
  mkfifo((folder / "pipe").c_str(), 0600);
  check_refused<FileError>([&] { read_idx(folder / "pipe"); }, {"a pipe"});
  for (const char* text : {"", "\1", "text that goes on"}) CHECK_THROWS_AS(read_bytes(text), FileError);
  check_refused<FileError>([] { read_bytes(idx_file(0x0a, {1}, "a")); }, {"0x0a"});
  check_refused<FileError>([] { read_bytes(from_hex("1f8b08") + "no stream"); }, {"[read_idx]"});
}

TEST_CASE("broken IDX files do no harm", "[data][idx]") {
  const std::string plain = idx_file(0x0c, {2, 1}, "12345678");
  CHECK(survive(plain, 12, [](const auto& path) { read_idx(path); }) < 12);
  CHECK(survive(tiny_gz, tiny_gz.size(), [](const auto& path) { read_idx(path); }) <
        60);  // times, names and other flags of the gzip header do not count
}

TEST_CASE("images and labels in IDX files make a data set", "[data][idx]") {
  const TempDir folder;
  write_plainly(folder / "x", tiny_gz);
  write_plainly(folder / "y", idx_file(0x08, {2}, "\7\3"));
  const Dataset set = read_labelled_idx(folder / "x", folder / "y", float64);
  CHECK(set.x.shape() == Shape{2, 6});
  CHECK(set.x.to_vector()[11] == 11 / 255.0);
  CHECK(set.images.shape() == Shape{2, 2, 3, 1});
  CHECK(class_numbers(set) == std::vector<std::int64_t>{7, 3});
  CHECK(set.y.dtype() == int64);
  write_plainly(folder / "three", idx_file(0x08, {3}, "\7\3\1"));
  check_refused<FileError>([&] { read_labelled_idx(folder / "x", folder / "three"); }, {"three", "(3)", "2 whole numbers"});
  check_refused<FileError>([&] { read_labelled_idx(folder / "y", folder / "y"); }, {"not images"});
  write_plainly(folder / "negative", idx_file(0x09, {2}, "\1\xff"));
  check_refused<ValueError>([&] { read_labelled_idx(folder / "x", folder / "negative"); }, {"label of sample 1 is -1"});
}

TEST_CASE("the 10,000 test digits of MNIST are read", "[data][idx]") {
  if (!test_data()) DZ_SKIP("no shared test data");
  const auto folder = *test_data() / "data";
  const Dataset digits = read_labelled_idx(folder / "t10k-images-idx3-ubyte.gz", folder / "t10k-labels-idx1-ubyte.gz");
  CHECK(digits.x.shape() == Shape{10000, 784});
  CHECK(class_count(digits) == 10);
  const std::vector<std::int64_t> y = class_numbers(digits);
  CHECK(std::vector(y.begin(), y.begin() + 5) == std::vector<std::int64_t>{7, 2, 1, 0, 4});
}
