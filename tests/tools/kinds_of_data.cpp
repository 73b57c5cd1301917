// The command with every kind of data that it reads.
#include <cmath>
#include <fstream>
#include <map>

#include <dz/data/augment.hpp>
#include <dz/data/hdf5.hpp>
#include <dz/data/idx.hpp>
#include <dz/data/npy.hpp>
#include <dz/data/picture.hpp>
#include <dz/data/png.hpp>
#include <dz/data/planar.hpp>
#include <dz/dz.hpp>

#include "tests/data/fixtures.hpp"
#include "tests/tools/command.hpp"

using namespace dz;
using namespace dz::test;
namespace fs = std::filesystem;

namespace {

/// Pictures of 8 by 8: dark ones are class 0, bright ones class 1.
Array pictures(std::int64_t m, std::int64_t channels) {
  std::vector<std::uint8_t> bytes;
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t p = 0; p < 64 * channels; ++p) bytes.push_back(static_cast<std::uint8_t>((i % 2) * 180 + (p * 7 + i) % 60));
  return Array::of(bytes, {m, 8, 8, channels});
}

/// An IDX file of bytes.
std::string idx(const std::vector<unsigned>& sizes, const std::string& bytes) {
  std::string file{'\0', '\0', '\x08', static_cast<char>(sizes.size())};
  for (const unsigned size : sizes)
    for (const int shift : {24, 16, 8, 0}) file += static_cast<char>(size >> shift & 255);
  return file + bytes;
}

struct Folder : TempDir {
  std::string file(const std::string& name, const std::string& bytes) const {
    std::ofstream(*this / name, std::ios::binary) << bytes;
    return (*this / name).string();
  }
  std::string model() const { return (*this / "out/model.safetensors").string(); }
  Outcome train(std::vector<std::string> more) const {
    more.insert(more.begin(), {"train", "--layers", "1", "--optimiser", "adam", "--learning-rate", "0.01", "--iterations", "100", "--out", (*this / "out").string()});
    const Outcome outcome = run_dz(more);
    INFO(outcome.out << outcome.error);
    CHECK(outcome.status == 0);
    CHECK(outcome.out.find("training accuracy 1.0000") != std::string::npos);
    return outcome;
  }
  std::string predict(std::vector<std::string> more) const {
    more.insert(more.begin(), {"predict", "--model", model()});
    const Outcome outcome = run_dz(more);
    INFO(outcome.out << outcome.error);
    CHECK(outcome.status == 0);
    return outcome.out + outcome.error;
  }
};

}  // namespace

TEST_CASE("IDX pictures with their labels are learnt and predicted", "[tools]") {
  const Folder folder;
  std::string bytes, labels;
  for (const std::uint8_t byte : pictures(20, 1).to_vector<std::uint8_t>()) bytes += static_cast<char>(byte);
  for (char i = 0; i < 20; ++i) labels += static_cast<char>(i % 2);
  const std::string images = folder.file("images-idx3-ubyte", idx({20, 8, 8}, bytes)), classes = folder.file("labels-idx1-ubyte", idx({20}, labels));
  folder.train({"--data", images, "--labels", classes, "--test", images, "--test-labels", classes});
  CHECK_THAT(folder.predict({"--data", images, "--labels", classes}), Contains("accuracy 1.0000"));
  CHECK_THAT(folder.predict({"--data", images, "--unlabelled"}), Contains("\n0,0,") && Contains("\n19,1,"));
  const Outcome bare = run_dz({"train", "--data", images});
  CHECK(bare.status == 2);
  CHECK_THAT(bare.error, Contains("IDX files of any name together with") && Contains("--labels"));
}

TEST_CASE("a .npz file of pictures and labels is learnt, with changed pictures too, and a .npy file is predicted", "[tools]") {
  const Folder folder;
  std::vector<std::int64_t> labels;
  for (int i = 0; i < 20; ++i) labels.push_back(i % 2);
  const std::string data = (folder / "data.npz").string();
  write_npz(data, {{"x", pictures(20, 3)}, {"y", Array::of(labels, {20})}});
  folder.train({"--data", data, "--batch", "5", "--augment", "flip=0.5,shift=1,crop=0.9,rotate=5,brightness=0.1"});
  CHECK_THAT(folder.predict({"--data", data}), Contains("accuracy 1.0000"));
  write_npy(folder / "x.npy", pictures(4, 3).reshape({4, 192}).cast(float32));
  CHECK_THAT(folder.predict({"--data", (folder / "x.npy").string(), "--unlabelled"}), Contains("\n3,"));
}

TEST_CASE("a folder of pictures gives the classes its folders' names, and one picture is predicted by them", "[tools]") {
  if (!has_pictures()) DZ_SKIP("dz was built without pictures");
  const Folder folder;
  const Array all = pictures(12, 3);
  for (const char* name : {"night", "day"}) fs::create_directories(folder / "pics" / name);
  for (std::int64_t i = 0; i < 12; ++i)
    folder.file("pics/" + std::string(i % 2 ? "day/" : "night/") + std::to_string(i) + ".png", to_png(all.slice(0, i, i + 1).reshape({8, 8, 3})));
  folder.train({"--data", (folder / "pics").string(), "--picture-side", "8"});
  CHECK_THAT(folder.predict({"--data", (folder / "pics/day/1.png").string(), "--unlabelled"}), Contains("\n0,day,"));
  CHECK_THAT(folder.predict({"--data", (folder / "pics").string()}), Contains("accuracy 1.0000"));
  CHECK_THAT(folder.predict({"--data", (folder / "pics/night/0.png").string(), "--unlabelled"}), Contains("\n0,night,"));
  const Outcome side = run_dz({"predict", "--model", folder.model(), "--data", (folder / "pics").string(), "--picture-side", "9"});
  CHECK(side.status == 2);
  CHECK_THAT(side.error, Contains("--picture-side 9, there 8"));
}

TEST_CASE("training starts from given weights", "[tools]") {
  const Folder folder;
  const std::string start = (folder / "start.npz").string();
  write_npz(start, {{"init_W1", Array::of(std::vector<double>{2, -3}, {1, 2})}, {"init_b1", Array::of(std::vector<double>{0.5}, {1, 1})}});
  const std::string table = folder.file("two.CSV", "1,0,1\n0,1,0\n2,0,1\n0,2,0\n");  // capitals are no other ending
  const Outcome still = run_dz({"train", "--data", table, "--layers", "1", "--start", start, "--learning-rate", "0", "--iterations", "1", "--out", (folder / "out").string()});
  INFO(still.out << still.error);
  REQUIRE(still.status == 0);
  CHECK_THAT(folder.predict({"--data", table}), Contains("\n0,1,0.924142\n") && Contains("\n1,0,0.924142\n"));  // sigmoid(2.5), both ways
}

TEST_CASE("a file that the command does not read is refused with what it reads", "[tools]") {
  const Folder folder;
  for (const char* name : {"two.txt", "two.csv.gz", "two.png", "two"}) {
    const Outcome outcome = run_dz({"train", "--data", folder.file(name, "1,2,0\n")});
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.error, Contains(name) && Contains("dz reads .csv, .npz, .h5"));
  }
  const Outcome semicolons = run_dz({"train", "--data", folder.file("semicolons.csv", "1;2;0\n")});
  CHECK_THAT(semicolons.error, Contains("semicolons.csv: a label alone on each line, and no features (it has semicolons; what parts cells is ',')"));
  const Outcome labels = run_dz({"train", "--data", folder.file("eight.csv", "1,7\n2,0\n")});
  CHECK_THAT(labels.error, Contains("--layers: the last one is 1") && Contains("eight.csv has 8 classes (its largest label is 7)"));
  write_npz(folder / "infinite.npz", {{"x", Array::full({2, 2}, INFINITY)}, {"y", Array::of(std::vector<std::int64_t>{0, 1}, {2})}});
  const Outcome infinite = run_dz({"train", "--data", (folder / "infinite.npz").string()});
  CHECK(infinite.status == 2);
  CHECK_THAT(infinite.error, Contains("infinite.npz: ") && !Contains("[require_sound]"));
}

TEST_CASE("help of a command, and the version", "[tools]") {
  CHECK(run_dz({"help", "train"}).out == run_dz({"train", "--help"}).out);
  CHECK(run_dz({"help", "fly"}).status == 2);
  const Outcome version = run_dz({"--version"});
  CHECK(version.status == 0);
  CHECK_THAT(version.out, Contains("dz 0."));
}

TEST_CASE("data without labels: archives, HDF5 files and folders of pictures of any size, called by the files' names", "[tools]") {
  const Folder folder;
  std::vector<std::int64_t> labels;
  for (int i = 0; i < 20; ++i) labels.push_back(i % 2);
  const std::string data = (folder / "data.npz").string(), alone = (folder / "alone.npz").string();
  write_npz(data, {{"x", pictures(20, 3)}, {"y", Array::of(labels, {20})}});
  write_npz(alone, {{"pixels", pictures(20, 3)}});
  folder.train({"--data", data});
  const std::string labelled = folder.predict({"--data", data});
  const std::string said = labelled.substr(0, labelled.find("accuracy"));
  CHECK(folder.predict({"--data", data, "--unlabelled"}) == said);
  CHECK(folder.predict({"--data", alone, "--unlabelled"}) == said);
  write_npz(alone, {{"a", pictures(20, 3)}, {"b", pictures(20, 3)}});
  const Outcome neither = run_dz({"predict", "--model", folder.model(), "--data", alone, "--unlabelled"});
  CHECK(neither.status == 2);
  CHECK_THAT(neither.error, Contains("alone.npz: it holds no array x"));
  if (has_hdf5()) {
    const std::string hdf5 = folder.file("tiny.h5", labelled_hdf5());  // 2 by 1 pixels
    const Outcome tiny = run_dz({"predict", "--model", folder.model(), "--data", hdf5, "--unlabelled"});
    CHECK(tiny.status == 2);
    CHECK_THAT(tiny.error, Contains("the model takes pictures of 8x8x3, and " + hdf5 + " has pictures of 2x1x3"));
  }
  if (!has_pictures()) DZ_SKIP("dz was built without pictures");
  fs::create_directories(folder / "pics/within");
  const Array all = pictures(2, 3);
  for (std::int64_t i = 0; i < 2; ++i) {
    const Array one = resize(all.slice(0, i, i + 1), 24, 16);
    folder.file(i ? "pics/day.png" : "pics/a,night.png", to_png(one.reshape({24, 16, 3})));
  }
  folder.file("pics/notes.txt", "no picture");
  const std::string found = folder.predict({"--data", (folder / "pics").string(), "--unlabelled"});
  CHECK_THAT(found, Contains("\n\"a,night.png\",0,") && Contains("\nday.png,1,"));
  CHECK(std::count(found.begin(), found.end(), '\n') == 3);
  const Outcome none = run_dz({"predict", "--model", folder.model(), "--data", (folder / "pics/within").string(), "--unlabelled"});
  CHECK(none.status == 2);
  CHECK_THAT(none.error, Contains("pics/within: no picture in it"));
}

TEST_CASE("a training's file of options is one for all commands", "[tools]") {
  const Folder folder;
  const std::string table = folder.file("two.csv", "1,0,1\n0,1,0\n2,0,1\n0,2,0\n"), more = folder.file("more.csv", "3,0,1\n");
  const std::string options = folder.file("options", "data = " + table + "\nlayers = 3,1\nnormalise = yes\noptimiser = adam\nbetas = 0.8,0.99\nlearning-rate = 0.05\niterations = 100\n"
                                          "split = 3:1\ntest = " + table + "\n");
  CHECK_THAT(run_dz({"train", "--config", options, "--split", "3:1:0", "--out", (folder / "out").string()}).out, Contains("model, costs"));
  CHECK_THAT(folder.predict({"--config", options}), Contains("\n3,0,") && Contains("accuracy 1.0000"));
  CHECK_THAT(folder.predict({"--config", options, "--data", more}), Contains("\n0,1,") && Contains("accuracy 1.0000"));
  for (const char* command : {"check", "draw"}) CHECK(run_dz({command, "--model", folder.model(), "--config", options}).status == 0);
  CHECK(run_dz({"draw", "--config", options}).status == 0);
  const Outcome other = run_dz({"predict", "--model", folder.model(), "--config", folder.file("other", "layers = 4,1\n")});
  CHECK(other.status == 2);
  CHECK_THAT(other.error, Contains("--layers 4,1, there 3,1"));
  const Outcome unknown = run_dz({"predict", "--model", folder.model(), "--config", folder.file("unknown", "optimiser = adam\nlayer = 4,1\n")});
  CHECK(unknown.status == 2);
  CHECK_THAT(unknown.error, Contains("unknown: unrecognised option 'layer'"));
}
