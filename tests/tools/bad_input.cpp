// Whatever is wrong with what the command is given: status 2, one clear line, and nothing written.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>

#include <dz/data/npy.hpp>
#include <dz/dz.hpp>

#include "tests/tools/command.hpp"

using namespace dz;
using namespace dz::test;

namespace {

/// Refused: status 2, the words in one line on standard error, nothing on standard output.
void check_refused(std::vector<std::string> arguments, const std::vector<std::string>& words) {
  std::string line = "dz";
  for (const std::string& a : arguments) line += " " + a;
  const Outcome outcome = run_dz(arguments);
  INFO(line << "\n" << outcome.out << outcome.error);
  CHECK(outcome.status == 2);
  CHECK(outcome.out.empty());
  CHECK(outcome.error.starts_with("dz: "));
  CHECK(std::count(outcome.error.begin(), outcome.error.end(), '\n') == 1);
  for (const std::string& word : words) CHECK(outcome.error.find(word) != std::string::npos);
}

/// The same for `dz train … --out`, which must leave no file behind.
void check_train_refused(std::vector<std::string> options, const std::vector<std::string>& words) {
  const TempDir folder;
  options.insert(options.begin(), "train");
  options.insert(options.end(), {"--out", (folder / "out").string()});
  check_refused(options, words);
  CHECK_FALSE(std::filesystem::exists(folder / "out" / "model.safetensors"));
  CHECK(std::filesystem::is_empty(folder.path()));
}

/// A disk of its own in a folder, where this process may mount one.
class SmallDisk {
 public:
  SmallDisk(const std::filesystem::path& folder, const char* size)
      : folder_(folder), there_(mount("none", folder.c_str(), "tmpfs", 0, (std::string("size=") + size).c_str()) == 0) {}
  ~SmallDisk() {
    if (there_) umount(folder_.c_str());
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  explicit operator bool() const { return there_; }

 private:
  std::filesystem::path folder_;
  bool there_;
};

}  // namespace

TEST_CASE("options that make no sense are refused by name", "[tools]") {
  check_refused({"fly"}, {"fly", "train, predict, check or draw"});
  check_refused({"train", "--fly"}, {"fly"});
  check_refused({"train", "extra"}, {"positional"});
  check_refused({"train", "--learn", "1"}, {"learn"});  // no guessing
  check_refused({"check", "--iterations", "3"}, {"iterations"});
  for (const char* layers : {"", ",", "20,,1", "20,x,1", "1.5,1", "0,1", "-3,1", "1e3,1", "20,7", "99999999999999999999,1", " 4,1", "4,1,"})
    check_train_refused({"--layers", layers}, {"--layers"});
  for (const char* p : {"0", "-0.5", "1.01", "nan", "inf", "half", ""}) check_train_refused({"--keep-prob", p}, {"--keep-prob"});
  for (const char* rate : {"nan", "-1", "inf", "-inf", "fast", "1e999", "0x1p", ""})
    check_train_refused({"--learning-rate", rate}, {"--learning-rate"});
  for (const char* l2 : {"-1", "nan", "inf"}) check_train_refused({"--l2", l2}, {"--l2"});
  for (const char* n : {"0", "-1", "1.5", "many", "99999999999999999999"}) check_train_refused({"--iterations", n}, {"--iterations"});
  for (const char* n : {"0", "1", "-5", "1e3"}) check_train_refused({"--samples", n}, {"--samples"});
  for (const char* n : {"-1", "x", "99999999999999999999"}) check_train_refused({"--seed", n}, {"--seed"});
  check_train_refused({"--activation", "step"}, {"--activation", "sigmoid"});
  check_train_refused({"--init", "magic"}, {"--init", "xavier"});
  check_train_refused({"--dtype", "f16"}, {"--dtype"});
  check_train_refused({"--data", "daisy"}, {"--data", "flower"});
  check_train_refused({"--data", ""}, {"--data"});
  check_train_refused({"--test", "x.h5"}, {"--test"});
  check_train_refused({"--keep-prob", "0.5,0.5"}, {"--keep-prob", "1 hidden layers"});
  for (const char* split : {"", "0:1:1", "6", "1:1:1:1", "-1:1", "a:b", "6:2:"}) check_train_refused({"--split", split}, {"--split"});
  for (const char* what : {"", "flip", "flip=2", "spin=1", "crop=0", "shift=-1"}) check_train_refused({"--augment", what}, {"--augment"});
  check_train_refused({"--augment", "flip=0.5"}, {"--augment", "no pictures"});
  check_train_refused({"--optimiser", "magic"}, {"--optimiser", "adam"});
  check_train_refused({"--schedule", ""}, {"--schedule", "cosine"});
  check_train_refused({"--schedule", "cosine", "--warmup", "10000"}, {"--warmup"});
  check_train_refused({"--momentum", "1"}, {"--momentum"});
  for (const char* betas : {"", "0.9", "0.9,0.99,0.999", "1,0.9", "0.9,1", "-0.1,0.9", "a,b", "nan,0.9"}) check_train_refused({"--betas", betas}, {"--betas"});
  for (const char* epsilon : {"", "0", "-1e-8", "nan"}) check_train_refused({"--epsilon", epsilon}, {"--epsilon"});
  check_train_refused({"--optimiser", "lbfgs", "--batch", "10"}, {"lbfgs"});
  for (const char* clip : {"--clip-norm", "--clip-value"}) {
    check_train_refused({clip, "-1"}, {clip});
    check_train_refused({"--optimiser", "lbfgs", clip, "1"}, {clip, "lbfgs"});
  }
  check_train_refused({"--patience", "5"}, {"--patience", "--split"});
  check_train_refused({"--normalise=perhaps"}, {"--normalise"});
  check_train_refused({"--split", "1:1", "--samples", "2", "--patience", "0", "--layers", "2,2"}, {"--layers"});
  check_train_refused({"--optimal-error", "1.5"}, {"--optimal-error"});
  check_train_refused({"--resume", "missing.safetensors"}, {"missing.safetensors"});
  check_train_refused({"--config", "missing.txt"}, {"missing.txt"});
}

TEST_CASE("options that look like the parser's own placeholders are refused", "[tools]") {
  check_train_refused({"--%canonical_option%"}, {"--%canonical_option%"});  // Boost would replace it by itself without end
  const TempDir folder;
  for (const char* line : {"%canonical_option% = 1", "a '%option%'", "[%canonical_option%]"}) {
    std::ofstream(folder / "options") << "layers = 4,1\n" << line << "\n";
    check_train_refused({"--config", (folder / "options").string()}, {(folder / "options").string(), "no option"});
  }
  std::ofstream(folder / "options") << "# 100 % of it\niterations = 3\nout = " << (folder / "%canonical_option%").string() << "\n";
  CHECK(run_dz({"train", "--config", (folder / "options").string()}).status == 0);
}

TEST_CASE("more units than memory has room for are refused", "[tools]") {
  check_train_refused({"--layers", "1000000000,1000000000,1"}, {"--layers", "GB"});
  check_train_refused({"--layers", "1000000000,1000,1"}, {"--layers", "GB"});
}

TEST_CASE("files that are missing, foreign, truncated or do not fit are refused by name", "[tools]") {
  const TempDir folder;
  const auto path = [&](const char* name) { return (folder / name).string(); };
  std::ofstream(path("foreign.h5")) << "this is no HDF5 file, only text of some length";
  std::ofstream(path("empty.h5"));
  std::ofstream(path("foreign.npz")) << "PK but no archive";
  check_train_refused({"--data", path("missing.h5")}, {"missing.h5"});
  check_train_refused({"--data", path("foreign.h5")}, {"foreign.h5"});
  check_train_refused({"--data", path("empty.h5")}, {"empty.h5"});
  check_train_refused({"--data", folder.path().string() + "/"}, {folder.path().string()});
  check_train_refused({"--start", path("missing.npz")}, {"missing.npz"});
  check_train_refused({"--start", path("foreign.npz")}, {"foreign.npz"});
  check_refused({"check", "--model", path("missing.safetensors")}, {"missing.safetensors"});
  check_refused({"check", "--model", path("foreign.h5")}, {"foreign.h5"});

  const auto start = [&](std::map<std::string, Array> arrays) { write_npz(path("start.npz"), arrays); };
  const auto zeros_of = [](const Shape& shape, Dtype dtype = float64) { return Array::full(shape, 0, dtype); };
  const std::vector<std::string> options = {"--layers", "1", "--start", path("start.npz")};
  start({{"init_W1", zeros_of({1, 3})}, {"init_b1", zeros_of({1, 1})}});
  check_train_refused(options, {"init_W1", "(1, 3)", "(1, 2)"});
  start({{"init_W1", zeros_of({1, 2})}});
  check_train_refused(options, {"init_b1"});
  start({{"init_W1", zeros_of({1, 2}, int64)}, {"init_b1", zeros_of({1, 1})}});
  check_train_refused(options, {"init_W1", "int64"});
  start({{"init_W1", zeros_of({1, 2})}, {"init_b1", zeros_of({1, 1})}, {"init_W2", zeros_of({1, 1})}});
  check_train_refused(options, {"init_W2"});
}

TEST_CASE("an output folder that cannot be written is refused before training", "[tools]") {
  const TempDir folder;
  std::ofstream(folder / "file") << "in the way";
  check_refused({"train", "--out", (folder / "file").string()}, {"file"});
  check_refused({"train", "--out", (folder / "file" / "below").string()}, {"file"});
  check_refused({"draw", "--out", (folder / "file").string()}, {"file"});
  check_refused({"train", "--out", "/proc/nowhere"}, {"/proc/nowhere"});
  if (geteuid() == 0) return;  // root writes everywhere
  std::filesystem::create_directory(folder / "closed");
  chmod((folder / "closed").c_str(), 0500);
  check_refused({"train", "--out", (folder / "closed").string()}, {"closed"});
  chmod((folder / "closed").c_str(), 0700);
}

TEST_CASE("the real data with what does not fit it is refused", "[tools]") {
  if (!test_data()) DZ_SKIP("no shared test data");
  const std::string train = (*test_data() / "data/train_catvnoncat.h5").string(), deep = (*test_data() / "reference/deep.npz").string();
  check_train_refused({"--data", train, "--layers", "20,7,1", "--start", deep}, {"init_W3", "(5, 7)", "(1, 7)"});
  check_train_refused({"--data", train, "--layers", "20,7,5", "--start", deep}, {"--layers"});
  check_train_refused({"--data", deep}, {"deep.npz"});
  const TempDir folder;
  std::ofstream(folder / "half.h5", std::ios::binary) << contents(train).substr(0, 1'000'000);
  check_train_refused({"--data", (folder / "half.h5").string()}, {"half.h5"});
}

TEST_CASE("on a full disk training ends with one clear line, and what was there stays whole", "[tools]") {
  const TempDir folder;
  const SmallDisk disk(folder.path(), "600k");
  if (!disk) DZ_SKIP("this process may not mount a small disk to fill");
  const std::string out = (folder / "out").string();
  REQUIRE(run_dz({"train", "--iterations", "20", "--out", out}).status == 0);
  std::map<std::string, std::string> before;
  for (const auto& file : std::filesystem::directory_iterator(out)) before[file.path().string()] = contents(file.path());
  CHECK(before.size() == 7);

  std::ofstream(folder / "filling", std::ios::binary) << std::string(600'000, 'x');
  const Outcome full = run_dz({"train", "--layers", "30,1", "--iterations", "200", "--checkpoint-every", "50", "--out", out});
  INFO(full.out << full.error);
  CHECK(full.status == 2);
  CHECK(full.error.ends_with("dz: " + out + "/checkpoint.safetensors: No space left on device\n"));
  std::map<std::string, std::string> after;
  for (const auto& file : std::filesystem::directory_iterator(out)) after[file.path().string()] = contents(file.path());
  CHECK(after == before);

  std::filesystem::remove(folder / "filling");
  CHECK(run_dz({"train", "--resume", out + "/checkpoint.safetensors", "--iterations", "30", "--out", out}).status == 0);
}
