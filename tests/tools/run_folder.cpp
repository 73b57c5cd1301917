// The files of a run belong together, whatever ends it.
#include <sys/mount.h>

#include <chrono>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include <dz/dz.hpp>

#include "tests/tools/command.hpp"

using namespace dz;
using namespace dz::test;
namespace fs = std::filesystem;

namespace {

std::map<std::string, std::string> files_in(const fs::path& folder) {
  std::map<std::string, std::string> all;
  if (fs::exists(folder))
    for (const auto& file : fs::directory_iterator(folder)) all[file.path().filename().string()] = contents(file.path());
  return all;
}

Outcome train(const fs::path& out, std::vector<std::string> more, const std::string& standard_output = {}) {
  more.insert(more.begin(), {"train", "--out", out.string()});
  return run_dz(more, {}, standard_output);
}

/// Starts a training without an end that saves often, and ends it by a signal as soon as `ready`.
void train_until(const fs::path& out, int signal, const std::function<bool()>& ready) {
  run_dz({"train", "--iterations", "1000000000", "--checkpoint-every", "20", "--out", out.string()}, [&](pid_t child, const auto&) {
    while (!ready()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    kill(child, signal);
  });
}

}  // namespace

TEST_CASE("where standard output fails the results are whole, and the status says so", "[tools]") {
  const TempDir folder;
  REQUIRE(train(folder / "good", {"--iterations", "20"}).status == 0);
  for (const char* out : {"/dev/full", "closed"}) {
    const Outcome failed = train(folder / "bad", {"--iterations", "20"}, out);
    INFO(out << failed.error);
    CHECK(failed.status == 2);
    CHECK_THAT(failed.error, Contains("dz: standard output: cannot be written"));
    const auto good = files_in(folder / "good"), bad = files_in(folder / "bad");
    CHECK(bad.size() == 7);
    for (const char* same : {"model.safetensors", "checkpoint.safetensors", "costs.csv", "metrics.csv"}) CHECK(bad.at(same) == good.at(same));
    CHECK_THAT(bad.at("report.html"), Contains("</html>"));
    fs::remove_all(folder / "bad");
    CHECK(run_dz({"check"}, {}, out).status == 2);
    CHECK(run_dz({"train", "--help"}, {}, out).status == 2);
    CHECK(run_dz({"--version"}, {}, out).status == 2);
  }
}

TEST_CASE("what stands in the folder of a run is of that run", "[tools]") {
  const TempDir folder;
  const fs::path out = folder / "out";
  REQUIRE(train(out, {"--iterations", "20"}).status == 0);
  CHECK(files_in(out).size() == 7);
  REQUIRE(train(out, {"--learning-rate", "1e38"}).status == 1);  // diverged: it has no checkpoint to go on from
  CHECK(files_in(out).size() == 6);
  CHECK_FALSE(fs::exists(out / "checkpoint.safetensors"));
  // Killed after its first checkpoint, a run leaves that alone, and no temporary file once another one has begun.
  train_until(out, SIGKILL, [&] { return fs::exists(out / "checkpoint.safetensors") && !fs::exists(out / "report.html"); });
  std::ofstream(out / ".dz-2147483647-1.tmp") << "half";
  const auto left = files_in(out);
  CHECK(left.contains("checkpoint.safetensors"));
  for (const char* another : {"model.safetensors", "costs.csv", "summary.json"}) CHECK_FALSE(left.contains(another));
  REQUIRE(train(out, {"--iterations", "20"}).status == 0);
  CHECK(files_in(out).size() == 7);
}

TEST_CASE("on a disk that fills after the checkpoint a run leaves the checkpoint alone", "[tools]") {
  const TempDir folder;
  const bool mounted = mount("none", folder.path().c_str(), "tmpfs", 0, "size=600k") == 0;
  if (!mounted) DZ_SKIP("this process may not mount a small disk to fill");
  const fs::path out = folder / "out";
  REQUIRE(train(out, {"--iterations", "20"}).status == 0);
  const auto sizes = files_in(out);
  fs::remove_all(out);
  const std::size_t room = sizes.at("checkpoint.safetensors").size() + sizes.at("report.html").size() / 2 + 8192;
  std::ofstream(folder / "filling", std::ios::binary) << std::string(600 * 1024 - room, 'x');
  const Outcome full = train(out, {"--iterations", "20"});
  INFO(full.out << full.error);
  CHECK(full.status == 2);
  CHECK_THAT(full.error, Contains("No space left on device"));
  const auto left = files_in(out);
  CHECK(left.size() == 1);
  CHECK(left.contains("checkpoint.safetensors"));
  fs::remove(folder / "filling");
  CHECK(train(out, {"--resume", (out / "checkpoint.safetensors").string(), "--iterations", "30"}).status == 0);
  CHECK(files_in(out).size() == 7);
  umount(folder.path().c_str());
}

TEST_CASE("a training that was ended by a signal and resumed ends as the uninterrupted one", "[tools]") {
  const TempDir folder;
  const std::vector<std::string> options = {"--data", "moons", "--layers", "8,1", "--batch", "32", "--keep-prob", "0.9", "--optimiser", "adam", "--learning-rate", "0.001", "--iterations"};
  for (const int signal : {SIGINT, SIGHUP}) {
    const fs::path out = folder / std::to_string(signal);
    std::vector<std::string> words = {"train", "--out", out.string()};
    words.insert(words.end(), options.begin(), options.end());
    words.push_back("1000000000");
    const Outcome ended = run_dz(words, [&](pid_t child, const auto& error) {
      while (contents(error).empty()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      kill(child, signal);
    });
    INFO(ended.out << ended.error);
    REQUIRE(ended.status == 128 + signal);
    const std::string summary = contents(out / "summary.json");
    const int done = std::stoi(summary.substr(summary.find("\"iterations\": ") + 14));
    const std::string total = std::to_string(done + 50);
    CHECK(train(out, {"--resume", (out / "checkpoint.safetensors").string(), "--iterations", total}).status == 0);
    std::vector<std::string> whole = options;
    whole.push_back(total);
    REQUIRE(train(folder / "whole", whole).status == 0);
    for (const char* file : {"model.safetensors", "costs.csv"}) CHECK(contents(out / file) == contents(folder / "whole" / file));
  }
}

TEST_CASE("kill -9 of a training leaves a whole checkpoint, and nothing half when the next one has run", "[tools][long][.]") {
  const TempDir folder;
  const fs::path out = folder / "out";
  std::mt19937 random(1);
  REQUIRE(train(out, {"--iterations", "20"}).status == 0);
  for (int kills = 0; kills < 30; ++kills) {
    const auto wait = std::chrono::microseconds(std::uniform_int_distribution<int>(10'000, 120'000)(random));
    const auto begin = std::chrono::steady_clock::now();
    train_until(out, SIGKILL, [&] { return std::chrono::steady_clock::now() - begin > wait; });
    REQUIRE(fs::exists(out / "checkpoint.safetensors"));
    const std::string checkpoint = (out / "checkpoint.safetensors").string();
    const Outcome none = run_dz({"train", "--resume", checkpoint, "--iterations", "1"});  // read whole before it is found to be there already
    INFO(none.error);
    CHECK_THAT(none.error, Contains("--iterations: the checkpoint is at iteration"));
  }
  REQUIRE(train(out, {"--iterations", "20"}).status == 0);
  CHECK(files_in(out).size() == 7);
}
