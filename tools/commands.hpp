#pragma once

#include "tools/options.hpp"

namespace dz::tool {

/// Writes to standard output. Throws FileError where that fails.
void print(const std::string& text);

/// The commands. Each gives the exit status: 0, or 1 where what was asked turned out badly (a wrong gradient, a diverged training), or
/// 128 + the signal that ended it early.
int run_train(const Options& options);
int run_check(const Options& options);
int run_draw(const Options& options);
int run_predict(const Options& options);

}  // namespace dz::tool
