#pragma once
// Runs the command dz as a user does.

#include <csignal>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/support.hpp"

namespace dz::test {

/// How a run of the command ended.
struct Outcome {
  int status = -1;  ///< exit status; −signal where a signal ended it
  std::string out, error;
};

/// Runs `dz arguments…` to its end. `meanwhile` is called with its process number and the files that its output goes to. Its standard output goes to the
/// file `out`, or for want of one is given back; "closed" stands for none at all.
Outcome run_dz(const std::vector<std::string>& arguments, const std::function<void(pid_t, const std::filesystem::path& error)>& meanwhile = {},
               const std::string& out = {});

/// The text of a file.
std::string contents(const std::filesystem::path& path);

}  // namespace dz::test
