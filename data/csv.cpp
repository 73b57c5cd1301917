#include <dz/data/csv.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>

#include <dz/data/file.hpp>

namespace dz {
namespace {

constexpr std::int64_t most_classes = 1'000'000;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// All of the cell is one number, finite or not.
std::optional<double> number_in(std::string_view cell) {
  cell = trimmed(cell);
  if (cell.starts_with('+') && !cell.starts_with("+-")) cell.remove_prefix(1);
  double v = 0;
  const auto [end, code] = std::from_chars(cell.data(), cell.data() + cell.size(), v);
  if (end != cell.data() + cell.size() || code == std::errc::invalid_argument) return std::nullopt;
  return code == std::errc() ? v : std::strtod(std::string(cell).c_str(), nullptr);  // too large is infinity, too small 0
}

/// Goes through the lines of a file, each as cells.
class Lines {
 public:
  Lines(std::string_view text, char separator) : text_(text), separator_(separator) {
    if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);  // a byte order mark
  }

  /// The next line that is not empty; false at the end.
  bool next() {
    cells_.clear();
    while (!text_.empty()) {
      number_ = at_;
      read_line();
      if (cells_.size() > 1 || !trimmed(cells_[0]).empty()) return true;
      cells_.clear();
    }
    return false;
  }
  const std::vector<std::string>& cells() const { return cells_; }
  /// Of the line, counted from 1.
  std::int64_t number() const { return number_; }

 private:
  void read_line() {
    for (;;) {
      cells_.emplace_back();
      if (text_.starts_with('"')) read_quoted(cells_.back());
      const std::size_t end = std::min(text_.find_first_of(std::string{separator_, '\n'}), text_.size());
      cells_.back() += text_.substr(0, end);
      const bool last = end == text_.size() || text_[end] == '\n';
      text_.remove_prefix(std::min(end + 1, text_.size()));
      if (!last) continue;
      ++at_;
      if (cells_.back().ends_with('\r')) cells_.back().pop_back();
      return;
    }
  }
  /// Up to its closing quote; two quotes stand for one.
  void read_quoted(std::string& cell) {
    text_.remove_prefix(1);
    for (;;) {
      const std::size_t quote = text_.find('"');
      if (quote == text_.npos) throw FileError(fmt::format("line {}: a quote that is not closed", number_));
      cell += text_.substr(0, quote);
      at_ += std::ranges::count(text_.substr(0, quote), '\n');
      text_.remove_prefix(quote + 1);
      if (!text_.starts_with('"')) return;
      cell += '"';
      text_.remove_prefix(1);
    }
  }

  std::string_view text_;
  char separator_;
  std::vector<std::string> cells_;
  std::int64_t number_ = 1, at_ = 1;
};

/// Calls row(cells, line) for every line of data, all of the same number of cells; gives the columns' names.
template <class Row> std::vector<std::string> for_each_row(std::string_view text, const CsvOptions& options, Row row) {
  Lines lines(text, options.separator);
  std::vector<std::string> columns;
  std::size_t width = 0;
  bool any = false;
  while (lines.next()) {
    if (width == 0) {
      width = lines.cells().size();
      if (options.header.value_or(
              std::ranges::none_of(lines.cells(), [](const std::string& cell) { return number_in(cell).has_value(); }))) {
        for (const std::string& name : lines.cells()) columns.emplace_back(trimmed(name));
        continue;
      }
    }
    if (lines.cells().size() != width)
      throw FileError(fmt::format("line {} has {} cells where the first one has {}", lines.number(), lines.cells().size(), width));
    row(lines.cells(), lines.number());
    any = true;
  }
  if (!any) throw FileError("it has no line of numbers");
  return columns;
}

double finite_number(const std::vector<std::string>& cells, std::size_t column, std::int64_t line) {
  const std::optional<double> v = number_in(cells[column]);
  if (!v || !std::isfinite(*v))
    throw FileError(fmt::format("line {}, cell {}: '{:.40}' is no finite number", line, column + 1, cells[column]));
  return *v;
}

/// Labels as numbers of classes: as they stand where all are whole numbers, otherwise by their words.
std::vector<std::int64_t> numbered(const std::vector<std::string>& words, std::vector<std::string>& classes) {
  std::vector<std::int64_t> numbers;
  for (const std::string& word : words) {
    const std::optional<double> v = number_in(word);
    if (!v) break;
    if (*v != std::floor(*v) || *v < 0 || *v >= static_cast<double>(most_classes))
      throw FileError(fmt::format("sample {} has the label {}, not a whole number from 0 to {}", numbers.size(), word, most_classes - 1));
    numbers.push_back(static_cast<std::int64_t>(*v));
  }
  if (numbers.size() == words.size()) return numbers;
  std::map<std::string, std::int64_t> known;
  for (const std::string& word : words) known[word];
  for (auto& [word, number] : known) number = std::ssize(classes), classes.push_back(word);
  numbers.clear();
  for (const std::string& word : words) numbers.push_back(known[word]);
  return numbers;
}

/// What else may part the cells of a line that is one cell.
std::string other_separator(std::string_view line, char separator) {
  for (const auto& [other, name] : {std::pair(';', "semicolons"), {'\t', "tabs"}, {',', "commas"}})
    if (line.find(other) != line.npos) return fmt::format(" (it has {}; what parts cells is '{}')", name, separator);
  return {};
}

Dataset parse_labelled(std::string_view text, const std::string& label, Dtype dtype, const CsvOptions& options) {
  std::vector<double> x;
  std::vector<std::string> words;
  std::optional<std::size_t> at;
  std::size_t width = 0;
  // Which column has the label is known with the names, which come before the rows.
  Lines first(text, options.separator);
  if (first.next()) {
    width = first.cells().size();
    at = width - 1;
    if (!label.empty()) {
      const auto found = std::ranges::find(first.cells(), label, [](const std::string& name) { return std::string(trimmed(name)); });
      if (found == first.cells().end()) throw FileError(fmt::format("no column '{}' among {}", label, fmt::join(first.cells(), ", ")));
      at = static_cast<std::size_t>(found - first.cells().begin());
    }
    if (width < 2) throw FileError(fmt::format("a label alone on each line, and no features{}", other_separator(first.cells()[0], options.separator)));
  }
  CsvOptions read = options;
  if (!label.empty()) read.header = true;
  for_each_row(text, read, [&](const std::vector<std::string>& cells, std::int64_t line) {
    for (std::size_t c = 0; c < width; ++c)
      if (c != *at) x.push_back(finite_number(cells, c, line));
    words.emplace_back(trimmed(cells[*at]));
    if (words.back().empty()) throw FileError(fmt::format("line {} has no label", line));
  });
  Dataset set;
  const std::vector<std::int64_t> numbers = numbered(words, set.classes);
  const std::int64_t m = std::ssize(numbers);
  set.x = Tensor(Array::of(x, {m, width - 1}).cast(dtype));
  set.y = Tensor(Array::of(numbers, {m}));
  return set;
}

}  // namespace

Table read_csv(const std::filesystem::path& path, const CsvOptions& options) {
  return detail::parse_file("read_csv", path, [&](std::string_view text) {
    Table table;
    std::vector<double> values;
    std::size_t width = 0;
    table.columns = for_each_row(text, options, [&](const std::vector<std::string>& cells, std::int64_t line) {
      width = cells.size();
      for (std::size_t c = 0; c < width; ++c) values.push_back(finite_number(cells, c, line));
    });
    table.values = Array::of(values, {values.size() / width, width});
    return table;
  });
}

Dataset read_labelled_csv(const std::filesystem::path& path, const std::string& label, Dtype dtype, const CsvOptions& options) {
  if (!is_floating(dtype)) throw DtypeError(fmt::format("samples are float32 or float64, not {}", name(dtype)), "read_labelled_csv");
  return detail::parse_file("read_labelled_csv", path, [&](std::string_view text) { return parse_labelled(text, label, dtype, options); });
}

}  // namespace dz
