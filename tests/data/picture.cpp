#include <dz/data/picture.hpp>

#include <dz/dz.hpp>

#include <sys/stat.h>

#include "tests/data/fixtures.hpp"

using namespace dz;
using namespace dz::test;

namespace {

/// PNG: (1, 2, 3) (250, 128, 0) above (7, 8, 9) (255, 255, 255).
const std::string rgb_png = from_hex(
    "89504e470d0a1a0a0000000d4948445200000002000000020802000000fdd49a73000000164944415478da63606462fed5c0c0c0cec1f9ffff7f0015"
    "0804965fd25db00000000049454e44ae426082");
/// PNG: (200, 100, 50) beside the same, wholly transparent.
const std::string rgba_png = from_hex(
    "89504e470d0a1a0a0000000d4948445200000002000000010806000000f4227f8a0000000f4944415478da63389162f41f88190013dc03bc33870f42"
    "0000000049454e44ae426082");
/// PNG: 0 above 200, grey.
const std::string grey_png = from_hex(
    "89504e470d0a1a0a0000000d4948445200000001000000020800000000bceae9fb0000000c4944415478da63606038010000cc00c9198f12f6000000"
    "0049454e44ae426082");
Array read_bytes(const std::string& bytes, std::int64_t channels = 3) {
  const TempDir folder;
  write_plainly(folder / "x", bytes);
  return read_picture(folder / "x", channels);
}

using Bytes = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("PNG pictures are read, in colour or grey, transparent ones on black", "[data][picture]") {
  if (!has_pictures()) DZ_SKIP("dz was built without pictures");
  const Array rgb = read_bytes(rgb_png);
  CHECK(rgb.shape() == Shape{2, 2, 3});
  CHECK(rgb.dtype() == uint8);
  CHECK(rgb.to_vector<std::int64_t>() == Bytes{1, 2, 3, 250, 128, 0, 7, 8, 9, 255, 255, 255});
  CHECK(read_bytes(rgba_png).to_vector<std::int64_t>() == Bytes{200, 100, 50, 0, 0, 0});
  CHECK(read_bytes(grey_png).to_vector<std::int64_t>() == Bytes{0, 0, 0, 200, 200, 200});
  CHECK(read_bytes(grey_png, 1).to_vector<std::int64_t>() == Bytes{0, 200});
  CHECK(read_bytes(rgb_png, 1).shape() == Shape{2, 2, 1});
}

TEST_CASE("JPEG pictures are read, to within what the format loses", "[data][picture]") {
  if (!has_pictures()) DZ_SKIP("dz was built without pictures");
  const Array a = read_bytes(jpeg);
  REQUIRE(a.shape() == Shape{8, 16, 3});
  const Bytes v = a.to_vector<std::int64_t>(), red = {200, 40, 40}, blue = {40, 60, 220};
  for (std::size_t i = 0; i < v.size(); ++i) CHECK(std::abs(v[i] - (i / 3 % 16 < 8 ? red : blue)[i % 3]) <= 4);
  CHECK(read_bytes(jpeg, 1).shape() == Shape{8, 16, 1});
}

TEST_CASE("what is no picture is refused, and sizes beyond the bytes before memory is taken", "[data][picture]") {
  if (!has_pictures()) DZ_SKIP("dz was built without pictures");
  const TempDir folder;
  check_refused<FileError>([&] { read_picture(folder / "none"); }, {"none", "No such file"});
  check_refused<FileError>([&] { read_picture(folder.path()); }, {"a folder"});
  check_refused<FileError>([] { read_picture("/dev/zero"); }, {"a device"});
  mkfifo((folder / "pipe").c_str(), 0600);
  check_refused<FileError>([&] { read_picture(folder / "pipe"); }, {"a pipe"});
  check_refused<FileError>([] { read_bytes("GIF89a"); }, {"neither a PNG nor a JPEG"});
  check_refused<FileError>([] { read_bytes(""); }, {"neither"});
  check_refused<ValueError>([] { read_bytes(rgb_png, 2); }, {"not 2"});
  // 16,384 by 16,384 in the header (with its checksum): more than the file's 80 bytes unpack to.
  std::string bomb = rgb_png;
  bomb.replace(16, 8, from_hex("0000400000004000")).replace(29, 4, from_hex("26aa87d3"));
  check_refused<FileError>([&] { read_bytes(bomb); }, {"16384 by 16384"});
  for (const std::string* bytes : {&rgb_png, &jpeg})
    for (const double part : {0.3, 0.6, 0.75})
      CHECK_THROWS_AS(read_bytes(bytes->substr(0, static_cast<std::size_t>(part * static_cast<double>(bytes->size())))), FileError);
}

TEST_CASE("broken pictures do no harm", "[data][picture]") {
  if (!has_pictures()) DZ_SKIP("dz was built without pictures");
  survive(rgb_png, rgb_png.size(), [](const auto& path) { read_picture(path); });
  survive(jpeg, jpeg.size(), [](const auto& path) { read_picture(path); });
}

TEST_CASE("a folder of folders of pictures is a data set", "[data][picture]") {
  if (!has_pictures()) DZ_SKIP("dz was built without pictures");
  const TempDir folder;
  for (const char* name : {"cat", "ant"}) std::filesystem::create_directory(folder / name);
  write_plainly(folder / "cat/2.png", rgb_png);
  write_plainly(folder / "cat/1.JPG", jpeg);
  write_plainly(folder / "ant/x.jpeg", jpeg);
  write_plainly(folder / "ant/notes.txt", "no picture");
  write_plainly(folder / "readme", "no folder");
  const Dataset set = read_picture_folder(folder.path(), {.rows = 2, .columns = 4});
  CHECK(set.classes == std::vector<std::string>{"ant", "cat"});
  CHECK(class_numbers(set) == Bytes{0, 1, 1});
  CHECK(set.images.shape() == Shape{3, 2, 4, 3});
  CHECK(set.x.shape() == Shape{3, 24});
  CHECK(set.images.slice(0, 2, 3).to_vector<std::int64_t>()[0] == 1);  // 2.png is the last
  CHECK(set.images.to_vector<std::int64_t>()[0] > 190);

  std::filesystem::create_directory(folder / "bee");
  check_refused<FileError>([&] { read_picture_folder(folder.path()); }, {"bee", "no picture"});
  mkfifo((folder / "bee/x.png").c_str(), 0600);
  check_refused<FileError>([&] { read_picture_folder(folder.path()); }, {"x.png", "a pipe"});
  check_refused<FileError>([&] { read_picture_folder(folder / "cat"); }, {"0 folders"});
  check_refused<FileError>([&] { read_picture_folder(folder / "none"); }, {"none", "No such file"});
  CHECK_THROWS_AS(read_picture_folder(folder.path(), {.rows = 1 << 30, .columns = 1 << 30}), Error);
}
