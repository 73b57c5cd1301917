// One libFuzzer program for every reader of dz's own, and for what the command takes from files; the environment's DZ_FUZZ names the one
// that it feeds.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include <unistd.h>

#include <dz/data/checkpoint.hpp>
#include <dz/data/csv.hpp>
#include <dz/data/dataset.hpp>
#include <dz/data/idx.hpp>
#include <dz/data/model_file.hpp>
#include <dz/data/npy.hpp>
#include <dz/data/picture.hpp>
#include <dz/data/safetensors.hpp>
#include <dz/models/mlp.hpp>

#include "tools/options.hpp"

using namespace dz;

namespace {

struct State {
  Linear layer{2, 3};
  std::vector<double> numbers{};
  std::optional<Parameter> more;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(State, (), (layer, numbers, more, text))

using Path = std::filesystem::path;
using Target = void (*)(const Path&);

/// The options of a command that takes them from a file, too.
void read_options_of(const char* command, const char* option, const Path& file) {
  const char* words[] = {"dz", command, option, file.c_str()};
  tool::read_options(words);
}

constexpr std::pair<std::string_view, Target> targets[] = {
    {"npy", [](const Path& p) { read_npy(p); }},
    {"npz", [](const Path& p) { read_npz(p); }},
    {"safetensors", [](const Path& p) { read_safetensors(p); }},
    {"checkpoint",
     [](const Path& p) {
       State state;
       load_checkpoint(p, state);
     }},
    {"model",
     [](const Path& p) {
       Mlp network = mlp({2, 3, 1});
       load_model(p, network);
       read_options_of("predict", "--model", p);
     }},
    {"config", [](const Path& p) { read_options_of("train", "--config", p); }},
    {"labelled_npz", [](const Path& p) { read_labelled_npz(p); }},
    {"table", [](const Path& p) { read_csv(p); }},
    {"idx", [](const Path& p) { read_idx(p); }},
    {"csv", [](const Path& p) { read_labelled_csv(p); }},
    {"picture", [](const Path& p) { read_picture(p); }},
};

Target chosen() {
  const char* name = std::getenv("DZ_FUZZ");
  for (const auto& [known, target] : targets)
    if (name && known == name) return target;
  std::fputs("DZ_FUZZ names the reader:", stderr);
  for (const auto& [known, target] : targets) std::fprintf(stderr, " %.*s", static_cast<int>(known.size()), known.data());
  std::fputs("\n", stderr);
  std::exit(2);
}

/// A file in memory, where there is such a thing, of this process.
const Path& scratch() {
  static const Path path = (std::filesystem::exists("/dev/shm") ? Path("/dev/shm") : std::filesystem::temp_directory_path()) /
                           ("dz-fuzz-" + std::to_string(getpid()));
  return path;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const Target target = chosen();
  std::FILE* file = std::fopen(scratch().c_str(), "wb");
  if (!file) return 0;
  std::fwrite(data, 1, size, file);
  std::fclose(file);
  try {
    target(scratch());
  } catch (const Error&) {  // the only thing that a reader may throw
  }
  return 0;
}
