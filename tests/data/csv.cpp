#include <dz/data/csv.hpp>

#include <dz/dz.hpp>

#include <sys/stat.h>

#include "tests/data/fixtures.hpp"

using namespace dz;
using namespace dz::test;

namespace {

/// A file of this text for the time of a test.
struct Csv {
  TempDir folder;
  std::filesystem::path path = folder / "x.csv";
  explicit Csv(std::string_view text) { write_plainly(path, text); }
};

Table read_text(std::string_view text, const CsvOptions& options = {}) { return read_csv(Csv(text).path, options); }
Dataset read_labelled(std::string_view text, const std::string& label = {}) { return read_labelled_csv(Csv(text).path, label, float64); }

using Numbers = std::vector<double>;

}  // namespace

TEST_CASE("CSV: numbers, with or without names, whatever ends the lines", "[data][csv]") {
  const Table plain = read_text("1,2.5,-3e2\n+4, 5 ,.5\n");
  CHECK(plain.columns.empty());
  CHECK(plain.values.shape() == Shape{2, 3});
  CHECK(plain.values.to_vector<double>() == Numbers{1, 2.5, -300, 4, 5, 0.5});
  const Table named = read_text("\xef\xbb\xbfheight, width \r\n1,2\r\n\r\n3,4");  // a byte order mark, an empty line, no last line feed
  CHECK(named.columns == std::vector<std::string>{"height", "width"});
  CHECK(named.values.to_vector<double>() == Numbers{1, 2, 3, 4});
  CHECK(read_text("1;2\n3;4\n", {.separator = ';'}).values.shape() == Shape{2, 2});
  CHECK(read_text("1,2\n3,4\n", {.header = true}).columns == std::vector<std::string>{"1", "2"});
  CHECK(read_text("0.1,1e-999\n").values.to_vector<double>() == Numbers{0.1, 0});  // exactly; and too small is 0
}

TEST_CASE("CSV: quoted cells hold separators, quotes and line feeds", "[data][csv]") {
  const Table t = read_text("\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"\n\"1\",2,3\n");
  CHECK(t.columns == std::vector<std::string>{"a,b", "say \"x\"", "two\nlines"});
  CHECK(t.values.to_vector<double>() == Numbers{1, 2, 3});
  check_refused<FileError>([] { read_text("1,2\n\"3,4\n"); }, {"line 2", "not closed"});
  check_refused<FileError>([] { read_text("\"a\nb\",c\n1,2\n3\n"); }, {"line 4 has 1 cells", "2"});  // lines are counted as an editor does
}

TEST_CASE("CSV: ragged lines and cells that are no finite numbers are named", "[data][csv]") {
  check_refused<FileError>([] { read_text("a,b\n1,2\n\n3,4,5\n"); },
                           {"[read_csv]", "x.csv", "line 4 has 3 cells where the first one has 2"});
  check_refused<FileError>([] { read_text("1,2\n3\n"); }, {"line 2 has 1 cells"});
  for (const char* cell : {"x", "", "nan", "inf", "-inf", "1e999", "1.5.2", "0x10", "1 2", "--1", "+-1"}) {
    INFO(cell);
    check_refused<FileError>([&] { read_text("1,2\n3," + std::string(cell) + "\n"); }, {"line 2, cell 2", "finite number"});
  }
  check_refused<FileError>([] { read_text("1,2\n3," + std::string(1000, 'x') + "\n"); }, {"'" + std::string(40, 'x') + "'"});
  for (const char* text : {"", "\n\n", "a,b\n", "\xef\xbb\xbf"}) check_refused<FileError>([&] { read_text(text); }, {"no line of numbers"});
}

TEST_CASE("CSV: what is no file is refused", "[data][csv]") {
  const TempDir folder;
  check_refused<FileError>([&] { read_csv(folder / "none"); }, {"none", "No such file"});
  check_refused<FileError>([&] { read_csv(folder.path()); }, {"a folder"});
  check_refused<FileError>([] { read_csv("/dev/zero"); }, {"a device"});
  mkfifo((folder / "pipe").c_str(), 0600);
  check_refused<FileError>([&] { read_csv(folder / "pipe"); }, {"a pipe"});
}

TEST_CASE("CSV: labels are numbers or words, in the last column or a named one", "[data][csv]") {
  const Dataset numbers = read_labelled("1,2,0\n3,4,2\n");
  CHECK(numbers.x.to_vector() == Numbers{1, 2, 3, 4});
  CHECK(numbers.y.dtype() == int64);
  CHECK(class_numbers(numbers) == std::vector<std::int64_t>{0, 2});
  CHECK(numbers.classes.empty());
  const Dataset words = read_labelled("kind,x,y\ndog,1,2\ncat,3,4\ndog,5,6\n", "kind");
  CHECK(words.classes == std::vector<std::string>{"cat", "dog"});
  CHECK(class_numbers(words) == std::vector<std::int64_t>{1, 0, 1});
  CHECK(words.x.to_vector() == Numbers{1, 2, 3, 4, 5, 6});
  CHECK(read_labelled("5.1,3.5,setosa\n4.9,3,virginica\n").size() == 2);  // a word in the first line makes no header
  CHECK(read_labelled_csv(Csv("1,0\n").path).x.dtype() == float32);
}

TEST_CASE("CSV: labels that are none are refused", "[data][csv]") {
  check_refused<FileError>([] { read_labelled("1,0\n2,-1\n"); }, {"[read_labelled_csv]", "sample 1", "-1"});
  check_refused<FileError>([] { read_labelled("1,0\n2,1.5\n"); }, {"sample 1", "1.5"});
  check_refused<FileError>([] { read_labelled("1,1000000\n"); }, {"1000000"});
  check_refused<FileError>([] { read_labelled("1,nan\n"); }, {"nan"});
  check_refused<FileError>([] { read_labelled("1,0\n2,\n"); }, {"line 2 has no label"});
  check_refused<FileError>([] { read_labelled("x,1\nnan,1\n"); }, {"cell 1"});
  check_refused<FileError>([] { read_labelled("x,y\n1,0\n", "kind"); }, {"no column 'kind'", "x, y"});
  check_refused<FileError>([] { read_labelled("1\n2\n"); }, {"no features"});
  CHECK_THROWS_AS(read_labelled_csv(Csv("1,0\n").path, {}, int64), DtypeError);
}

TEST_CASE("broken CSV files do no harm", "[data][csv]") {
  const std::string text = "\"a\",b,c\n1,\"2\",x\n3,4,y\n";
  survive(text, text.size(), [](const auto& path) { read_labelled_csv(path); });
  survive(text, text.size(), [](const auto& path) { read_csv(path); });
}
