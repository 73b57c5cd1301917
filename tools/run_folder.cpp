#include "tools/run_folder.hpp"

#include <system_error>
#include <utility>

#include <dz/data/file.hpp>

namespace dz::tool {
namespace fs = std::filesystem;

RunFolder::RunFolder(fs::path folder) : folder_(std::move(folder)) {
  if (folder_.empty()) return;
  prepare_folder(folder_);
  remove_leftovers(folder_);
}

fs::path RunFolder::checkpoint() const { return folder_ / "checkpoint.safetensors"; }

void RunFolder::save(const Training& training, const Metadata& metadata) {
  if (folder_.empty()) return;
  save_training(checkpoint(), training, metadata);
  if (std::exchange(saved_, true)) return;
  std::error_code ignored;
  for (const char* name : result_names) fs::remove(folder_ / name, ignored);
}

void RunFolder::write(const Options& options, const Problem& problem, const Training& training, const Run& run, const Judgement& judgement) const {
  if (folder_.empty()) return;
  WrittenTogether together;
  write_results(options, problem, training, run, judgement);
  together.commit();
  std::error_code ignored;
  if (!saved_) fs::remove(checkpoint(), ignored);  // another run's
}

}  // namespace dz::tool
