#pragma once

#include "tools/results.hpp"

namespace dz::tool {

/// The folder of --out. What stands in it is of one run: the first checkpoint that a run writes takes the place of all that another left there, and the
/// results take theirs together, all of them or, where one cannot be written, none.
class RunFolder {
 public:
  /// Makes the folder where there is none, sees that files can be written into it, and removes the temporary files of processes that are no more. An
  /// empty path stands for no folder: nothing is written then. Throws FileError.
  explicit RunFolder(std::filesystem::path folder);

  explicit operator bool() const { return !folder_.empty(); }
  std::filesystem::path checkpoint() const;

  void save(const Training& training, const Metadata& metadata);
  void write(const Options& options, const Problem& problem, const Training& training, const Run& run, const Judgement& judgement) const;

 private:
  std::filesystem::path folder_;
  bool saved_ = false;
};

}  // namespace dz::tool
