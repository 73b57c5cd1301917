#include <dz/data/hdf5.hpp>

#include <dz/data/dataset.hpp>

#include "tests/data/fixtures.hpp"

using namespace dz;
using namespace dz::test;

#if defined(__SANITIZE_ADDRESS__)
/// HDF5 1.10 itself loses some memory with every broken file that it refuses.
extern "C" const char* __lsan_default_suppressions() { return "leak:libhdf5"; }
#endif

namespace {

/// A file of these bytes for the time of a test.
struct Fixture {
  TempDir folder;
  std::filesystem::path path = folder / "x.h5";
  explicit Fixture(std::string_view bytes) { write_plainly(path, bytes); }
};

}  // namespace

TEST_CASE("HDF5 data sets are listed and read", "[data][hdf5]") {
  if (!has_hdf5()) DZ_SKIP("dz was built without HDF5");
  const Fixture file(kinds_hdf5());
  CHECK(hdf5_datasets(file.path) ==
        std::vector<std::string>{"big", "empty", "f2", "f4", "f8", "flag", "group/packed", "i1", "none", "text", "u8"});
  CHECK(identical(read_hdf5(file.path, "f2"), Array::of(std::vector<float>{1.5, -2, 65504}, {3})));
  CHECK(identical(read_hdf5(file.path, "f4"), Array::of(std::vector<float>{1.5, -2}, {1, 2})));
  CHECK(identical(read_hdf5(file.path, "f8"), Array::scalar(0.1, float64)));
  CHECK(identical(read_hdf5(file.path, "i1"), Array::of(std::vector<std::int64_t>{-128, 127}, {2})));
  CHECK(identical(read_hdf5(file.path, "u8"), Array::of(std::vector<std::int64_t>{INT64_MAX}, {1})));
  CHECK(identical(read_hdf5(file.path, "group/packed"), Array::of(std::vector<std::int64_t>{0, 1, 2, 3, 4, 5}, {2, 3})));
  CHECK(identical(read_hdf5(file.path, "/group/packed"), read_hdf5(file.path, "group/packed")));
  CHECK(identical(read_hdf5(file.path, "empty"), Array::make({0, 3})));
  const bool bits[] = {true, false};
  CHECK(identical(read_hdf5(file.path, "flag"), Array::of(std::span<const bool>(bits), {2})));
}

TEST_CASE("HDF5 files that cannot be read say why", "[data][hdf5]") {
  if (!has_hdf5()) DZ_SKIP("dz was built without HDF5");
  const Fixture file(kinds_hdf5());
  const auto refused = [&](std::string_view dataset, std::initializer_list<std::string_view> words) {
    check_refused<FileError>([&] { read_hdf5(file.path, dataset); }, words);
  };
  refused("nothing", {"[read_hdf5]", "x.h5", "'nothing'", "not there", "f2, f4"});
  refused("", {"''", "not there"});
  refused("group", {"'group'", "not there"});
  refused("outside", {"'outside'", "not there"});
  refused("text", {"'text'", "text, not numbers"});
  refused("none", {"'none'", "holds nothing"});
  refused("big", {"'big'", "9223372036854775808", "int64"});
  check_refused<FileError>([&] { read_hdf5(file.folder / "none", "x"); }, {"none", "No such file"});
  check_refused<FileError>([&] { read_hdf5(file.folder.path(), "x"); }, {"a folder"});
  check_refused<FileError>([&] { hdf5_datasets("/dev/zero"); }, {"a device"});
  const Fixture foreign("no HDF5 file");
  check_refused<FileError>([&] { hdf5_datasets(foreign.path); }, {"[hdf5_datasets]", "x.h5", "no HDF5 file"});
  const Fixture cut(labelled_hdf5().substr(0, 2000));
  check_refused<FileError>([&] { hdf5_datasets(cut.path); }, {"x.h5", "HDF5:", "truncated"});
}

TEST_CASE("broken HDF5 files never crash", "[data][hdf5]") {
  if (!has_hdf5()) DZ_SKIP("dz was built without HDF5");
  const auto read = [](const std::filesystem::path& path) {
    for (const std::string& name : hdf5_datasets(path)) read_hdf5(path, name);
  };
  const std::string bytes = labelled_hdf5();
  survive(bytes, bytes.size(), read);

  // Of such a file HDF5 1.10 itself makes an endless loop: chunks of one axis for a data set of two.
  std::string chunks = kinds_hdf5();
  const std::size_t at = chunks.find(from_hex("030203501500000000000002"));  // version, chunked, axes + 1, place, size
  REQUIRE(at != chunks.npos);
  chunks[at + 2] = 2;
  const Fixture looping(chunks);
  check_refused<FileError>([&] { read_hdf5(looping.path, "group/packed"); }, {"'group/packed'", "axes"});
}

TEST_CASE("labelled images are read from HDF5", "[data][hdf5][dataset]") {
  if (!has_hdf5()) DZ_SKIP("dz was built without HDF5");
  const std::string bytes = labelled_hdf5();
  const Fixture file(bytes);
  const Dataset data = read_labelled_hdf5(file.path);
  CHECK(data.size() == 2);
  CHECK(data.x.shape() == Shape{2, 6});
  CHECK(data.x.dtype() == float32);
  CHECK(data.x.to_vector<float>()[11] == 11.f / 255.f);
  CHECK(data.images.shape() == Shape{2, 2, 1, 3});
  CHECK(data.y.shape() == Shape{2, 1});
  CHECK(data.y.dtype() == float32);
  CHECK(data.y.to_vector() == std::vector<double>{1, 0});
  CHECK(read_labelled_hdf5(file.path, float64).y.dtype() == float64);
  CHECK_THROWS_AS(read_labelled_hdf5(file.path, int64), DtypeError);

  // The labels are the file's only 1 followed by zeros in big-endian order.
  const std::string labels = from_hex("0000000100000000");
  const std::size_t at = bytes.rfind(labels);
  REQUIRE(at != bytes.npos);
  std::string wrong = bytes;
  wrong[at + 7] = 2;
  const Fixture third(wrong);
  check_refused<ValueError>([&] { read_labelled_hdf5(third.path); },
                            {"[read_labelled_hdf5]", "x.h5", "label 1 of data set 'tiny_set_y' is 2"});

  std::string renamed = bytes;
  renamed.replace(renamed.find("tiny_set_y"), 10, "tiny_set_z");
  const Fixture nameless(renamed);
  check_refused<FileError>([&] { read_labelled_hdf5(nameless.path); }, {"NAME_set_y", "tiny_set_x, tiny_set_z"});
}

TEST_CASE("the cat photographs are read", "[data][hdf5][dataset]") {
  const auto folder = test_data();
  if (!folder) DZ_SKIP("no shared test data");
  if (!has_hdf5()) DZ_SKIP("dz was built without HDF5");
  const Dataset train = read_labelled_hdf5(*folder / "data" / "train_catvnoncat.h5", float64);
  const Dataset test = read_labelled_hdf5(*folder / "data" / "test_catvnoncat.h5");
  CHECK(train.images.shape() == Shape{209, 64, 64, 3});
  CHECK(test.images.shape() == Shape{50, 64, 64, 3});
  CHECK(train.x.shape() == Shape{209, 12288});
  const std::uint8_t* first = train.images.data<std::uint8_t>();
  CHECK(std::vector<int>(first, first + 3) == std::vector<int>{17, 31, 56});
  const std::uint8_t* last = test.images.data<std::uint8_t>() + test.images.size() - 3;
  CHECK(std::vector<int>(last, last + 3) == std::vector<int>{5, 22, 5});
  std::int64_t bytes = 0, cats = 0, test_cats = 0;
  for (const std::int64_t v : train.images.to_vector<std::int64_t>()) bytes += v;
  for (const double v : train.y.to_vector()) cats += v == 1;
  for (const double v : test.y.to_vector()) test_cats += v == 1;
  CHECK(bytes == 264542077);
  CHECK(cats == 72);
  CHECK(test_cats == 33);
  CHECK(train.y.to_vector()[2] == 1);
  CHECK(train.x.to_vector()[0] == 17 / 255.0);
  check_refused<FileError>([&] { read_hdf5(*folder / "data" / "train_catvnoncat.h5", "list_classes"); }, {"list_classes", "text"});
}
