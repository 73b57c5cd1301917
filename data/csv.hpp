#pragma once
// Numbers as text: comma-separated values (RFC 4180), a sample on each line.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <dz/data/dataset.hpp>

namespace dz {

struct CsvOptions {
  char separator = ',';
  std::optional<bool> header{};  ///< the first line names the columns; empty: it does where none of its cells is a number
};

/// A table of numbers.
struct Table {
  std::vector<std::string> columns;  ///< their names; empty where the file gives none
  Array values;                      ///< (rows, columns), float64
};

/// All cells as numbers. Throws FileError that names the line: for one with more or fewer cells than the first, a quote that is not closed,
/// a cell that is no finite number; and for a file without a line of numbers.
Table read_csv(const std::filesystem::path& path, const CsvOptions& options = {});

/// Samples whose class stands in one column, named or (empty) the last; the others are features. Labels are whole numbers from 0, or else
/// words, which become the classes in the order of the alphabet. Throws FileError as read_csv, and where the column is missing or a label
/// is negative or beyond 1,000,000.
Dataset read_labelled_csv(const std::filesystem::path& path, const std::string& label = {}, Dtype dtype = float32,
                          const CsvOptions& options = {});

}  // namespace dz
