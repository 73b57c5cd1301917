#include <dz/data/tensorboard.hpp>

#include <bit>
#include <limits>

#include <dz/data/bytes.hpp>
#include <dz/data/npy.hpp>
#include <dz/data/dataset.hpp>

#include "tests/data/fixtures.hpp"

using namespace dz;
using namespace dz::test;

namespace {

std::uint64_t varint(detail::Cursor& c) {
  std::uint64_t v = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = c.number<std::uint8_t>();
    v |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return v;
  }
}

/// The fields of a message by their numbers, those of a fixed width as their bits.
struct Message {
  std::map<std::uint64_t, std::uint64_t> numbers;
  std::map<std::uint64_t, std::string_view> texts;

  explicit Message(std::string_view bytes) {
    for (detail::Cursor c(bytes); !c.rest().empty();) {
      const std::uint64_t key = varint(c), number = key >> 3;
      if ((key & 7) == 0) numbers[number] = varint(c);
      else if ((key & 7) == 1) numbers[number] = c.number<std::uint64_t>();
      else if ((key & 7) == 5) numbers[number] = c.number<std::uint32_t>();
      else texts[number] = c.text(varint(c));
    }
  }
};

std::vector<std::string_view> records_of(std::string_view file) {
  std::vector<std::string_view> all;
  for (detail::Cursor c(file); !c.rest().empty();) {
    const auto length = c.number<std::uint64_t>();
    c.skip(4);
    all.push_back(c.text(length));
    c.skip(4);
  }
  return all;
}

}  // namespace

TEST_CASE("an event file holds every value as TensorBoard reads it", "[data]") {
  const TempDir folder;
  const std::vector<Scalar> scalars{{"cost/training", 0, 0.6931471805599453}, {"cost/training", 300, 0.25}, {"rate", 1, std::numeric_limits<double>::quiet_NaN()}};
  write_tensorboard(folder / "events", scalars);
  const std::string file = read_file(folder / "events");
  // How every event file begins: a length of 24, and its masked CRC-32C as TensorFlow writes it.
  CHECK(file.substr(0, 12) == from_hex("1800000000000000a37f4b22"));
  const std::vector<std::string_view> records = records_of(file);
  REQUIRE(records.size() == 4);
  CHECK(Message(records[0]).texts.at(3) == "brain.Event:2");
  CHECK(std::bit_cast<double>(Message(records[0]).numbers.at(1)) > 1.7e9);  // seconds since 1970
  for (std::size_t i = 0; i < scalars.size(); ++i) {
    const Message event(records[i + 1]), value(Message(event.texts.at(5)).texts.at(1));
    CHECK((event.numbers.contains(2) ? event.numbers.at(2) : 0) == static_cast<std::uint64_t>(scalars[i].step));
    CHECK(value.texts.at(1) == scalars[i].tag);
    const float stored = std::bit_cast<float>(static_cast<std::uint32_t>(value.numbers.at(2)));
    if (std::isnan(scalars[i].value)) CHECK(std::isnan(stored));
    else CHECK(stored == static_cast<float>(scalars[i].value));
  }
  check_refused<FileError>([&] { write_tensorboard(folder / "missing/events", scalars); }, {"missing"});
}

TEST_CASE("a .npz file of x and y is a data set", "[data][dataset]") {
  const TempDir folder;
  const auto path = folder / "set.npz";
  const auto read = [&](const std::map<std::string, Array>& arrays) {
    write_npz(path, arrays);
    return read_labelled_npz(path, float64);
  };
  const Array x = Array::of(std::vector<float>{1, 2, 3, 4, 5, 6}, {3, 2}), y = Array::of(std::vector<std::int64_t>{0, 2, 1}, {3});
  const Dataset plain = read({{"x", x}, {"y", y}});
  CHECK(plain.x.to_vector() == std::vector<double>{1, 2, 3, 4, 5, 6});
  CHECK(class_numbers(plain) == std::vector<std::int64_t>{0, 2, 1});
  CHECK(!plain.images);
  const Dataset pictures = read({{"X", Array::full({3, 4, 5}, 51, uint8)}, {"Y", y.reshape({3, 1}).cast(float32)}});
  CHECK(pictures.images.shape() == Shape{3, 4, 5, 1});
  CHECK(pictures.x.to_vector() == std::vector<double>(60, 0.2));

  check_refused<FileError>([&] { read({{"x", x}}); }, {"[read_labelled_npz]", "no array y"});
  check_refused<FileError>([&] { read({{"x", x}, {"y", Array::of(std::vector<std::int64_t>{0, 1}, {2})}}); }, {"(2)", "3 labels"});
  check_refused<FileError>([&] { read({{"x", y}, {"y", y}}); }, {"(3)", "samples (m, features)"});
  check_refused<FileError>([&] { read({{"x", Array::make({0, 2}, float32)}, {"y", Array::make({0}, int64)}}); }, {"(0, 2)"});
  check_refused<ValueError>([&] { read({{"x", x}, {"y", Array::of(std::vector<float>{0, 0.5, 1}, {3})}}); }, {"label 1 is 0.5"});
  check_refused<ValueError>([&] { read({{"x", x}, {"y", Array::of(std::vector<std::int64_t>{0, -1, 1}, {3})}}); }, {"label 1 is -1"});
  check_refused<ValueError>([&] { read({{"x", Array::full({3, 2}, std::numeric_limits<double>::infinity(), float32)}, {"y", y}}); }, {"feature 0"});
}
