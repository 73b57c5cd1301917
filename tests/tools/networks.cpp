// The convolutional networks of the command: everything that it does with dense ones.
#include <fstream>

#include <dz/data/hdf5.hpp>
#include <dz/data/npy.hpp>
#include <dz/data/png.hpp>
#include <dz/data/picture.hpp>
#include <dz/data/safetensors.hpp>
#include <dz/dz.hpp>

#include "tests/tools/command.hpp"
#include "tools/network.hpp"
#include "tools/problem.hpp"

using namespace dz;
using namespace dz::test;
namespace fs = std::filesystem;

namespace {

/// Pictures (m, 12, 12, channels), each with a bright square in the corner that is its class, on a ground that differs.
Array corners(std::int64_t m, std::int64_t channels, std::int64_t classes) {
  std::vector<std::uint8_t> bytes;
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t y = 0; y < 12; ++y)
      for (std::int64_t x = 0; x < 12; ++x)
        for (std::int64_t c = 0; c < channels; ++c) {
          const bool bright = (y < 6) == (i % classes < 2) && (x < 6) == (i % classes % 2 == 0);
          bytes.push_back(static_cast<std::uint8_t>((bright ? 190 : 0) + (i * 37 + y * 5 + x * 11 + c * 3) % 60));
        }
  return Array::of(bytes, {m, 12, 12, channels});
}

std::vector<std::int64_t> labels_of(std::int64_t m, std::int64_t classes) {
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < m; ++i) labels.push_back(i % classes);
  return labels;
}

std::string write_corners(const fs::path& path, std::int64_t m, std::int64_t channels, std::int64_t classes) {
  write_npz(path, {{"x", corners(m, channels, classes)}, {"y", Array::of(labels_of(m, classes), {m})}});
  return path.string();
}

Outcome dz_of(std::vector<std::string> words) {
  const Outcome outcome = run_dz(words);
  INFO(outcome.out << outcome.error);
  CHECK(outcome.status == 0);
  return outcome;
}

Outcome train(const std::string& data, const std::string& network, const fs::path& out, std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"train", "--data", data, "--network", network, "--out", out.string()});
  return dz_of(more);
}

void check_refused(std::vector<std::string> words, const std::vector<std::string>& reasons) {
  const Outcome outcome = run_dz(words);
  INFO(outcome.out << outcome.error);
  CHECK(outcome.status == 2);
  CHECK(outcome.out.empty());
  for (const std::string& reason : reasons) CHECK_THAT(outcome.error, Contains(reason));
}
void check_refused(std::vector<std::string> words, const char* reason) { check_refused(words, std::vector<std::string>{reason}); }
void check_refused(std::vector<std::string> words, const std::string& reason) { check_refused(words, std::vector<std::string>{reason}); }

/// The options of `dz train`, and what it makes of them.
tool::Options options_of(std::vector<std::string> words) {
  words.insert(words.begin(), {"dz", "train"});
  std::vector<const char*> pointers;
  for (const std::string& word : words) pointers.push_back(word.c_str());
  return tool::read_options(pointers);
}

const char* const both[] = {"lenet", "resnet"};

}  // namespace

TEST_CASE("each network learns two classes and several, and is what its model file says", "[tools][networks]") {
  const TempDir folder;
  for (const std::string network : both)
    for (const std::int64_t classes : {2, 3}) {
      INFO(network << ", " << classes << " classes");
      const std::string data = write_corners(folder / "data.npz", 24, classes, classes);
      const fs::path out = folder / network;
      const Outcome learnt = train(data, network, out, {"--iterations", "40", "--batch", "12", "--learning-rate", "0.005", "--normalise"});
      CHECK_THAT(learnt.out, Contains("training accuracy 1.0000"));
      const std::string model = (out / "model.safetensors").string();
      CHECK_THAT(dz_of({"predict", "--model", model}).error, Contains("accuracy 1.0000"));
      CHECK_THAT(contents(out / "report.html"), Contains("dz train · data.npz · " + network));
      CHECK_THAT(contents(out / "metrics.csv"), Contains(network == "lenet" ? "gradient_norm second.weight" : "gradient_norm blocks.0.conv1.weight"));
      const NamedArrays file = read_safetensors(model);
      CHECK(file.metadata.at("network") == network);
      CHECK(file.metadata.at("sample") == "12,12," + std::to_string(classes));
      CHECK(file.metadata.at("outputs") == (classes == 2 ? "1" : "3"));
      CHECK_FALSE(file.metadata.contains("layers"));
      REQUIRE(file.find("normalisation.mean"));
      CHECK(file.find("normalisation.mean")->shape() == Shape{1, classes});  // one for each channel
    }
}

TEST_CASE("running statistics are in the model and the checkpoint, and evaluation goes by them", "[tools][networks]") {
  const TempDir folder;
  const std::string data = write_corners(folder / "data.npz", 25, 1, 3), one = write_corners(folder / "one.npz", 3, 1, 3);
  const Outcome learnt = train(data, "resnet", folder / "out", {"--iterations", "9", "--batch", "8"});  // a batch of one picture, too
  const std::string model = (folder / "out/model.safetensors").string();
  for (const auto& [file, prefix] : {std::pair("model", ""), {"checkpoint", "network."}}) {
    const NamedArrays arrays = read_safetensors(folder / "out" / (std::string(file) + ".safetensors"));
    REQUIRE(arrays.find(std::string(prefix) + "norm.num_batches_tracked"));
    CHECK(arrays.find(std::string(prefix) + "norm.num_batches_tracked")->item() == 9);
    CHECK(arrays.find(std::string(prefix) + "blocks.2.shortcut_norm.running_var")->to_vector<double>() != std::vector<double>(64, 1));
  }
  // What is said of a picture does not depend on the others.
  const std::string all = dz_of({"predict", "--model", model, "--data", data}).out, few = dz_of({"predict", "--model", model, "--data", one}).out;
  CHECK(all.substr(0, few.size()) == few);
  const std::string accuracy = learnt.out.substr(learnt.out.find("accuracy "), 15);
  CHECK_THAT(dz_of({"predict", "--model", model}).error, Contains(accuracy));
}

TEST_CASE("a training that goes on is the one that never ended, bit for bit", "[tools][networks]") {
  const TempDir folder;
  const std::string data = write_corners(folder / "data.npz", 25, 3, 3);
  for (const auto& [network, more] : {std::pair(std::string("lenet"), std::vector<std::string>{"--keep-prob", "0.7", "--normalise"}), {"resnet", {"--l2", "0.1"}}}) {
    INFO(network);
    std::vector<std::string> options = more;
    options.insert(options.end(), {"--batch", "8", "--split", "3:1", "--augment", "flip=0.5,shift=1", "--patience", "30", "--schedule", "exponential"});
    const auto with = [&](const char* iterations) {
      std::vector<std::string> words = options;
      words.insert(words.end(), {"--iterations", iterations});
      return words;
    };
    train(data, network, folder / "whole", with("10"));
    train(data, network, folder / "part", with("4"));
    dz_of({"train", "--resume", (folder / "part/checkpoint.safetensors").string(), "--iterations", "10", "--out", (folder / "part").string()});
    for (const char* file : {"costs.csv", "metrics.csv"}) CHECK(contents(folder / "whole" / file) == contents(folder / "part" / file));
    const NamedArrays whole = read_safetensors(folder / "whole/model.safetensors"), part = read_safetensors(folder / "part/model.safetensors");
    REQUIRE(whole.arrays.size() == part.arrays.size());
    for (std::size_t i = 0; i < whole.arrays.size(); ++i) CHECK(whole.arrays[i].array.to_vector<double>() == part.arrays[i].array.to_vector<double>());
  }
  check_refused({"train", "--resume", (folder / "part/checkpoint.safetensors").string(), "--iterations", "20", "--network", "lenet"}, "--network lenet, there resnet");
}

TEST_CASE("early stopping brings the best parameters back, with the running statistics of then", "[tools][networks]") {
  const TempDir folder;
  std::vector<std::int64_t> labels;  // without pattern: the dev cost falls, and rises again
  for (std::int64_t i = 0; i < 24; ++i) labels.push_back(i * i / 3 % 2);
  const std::string data = (folder / "data.npz").string();
  write_npz(data, {{"x", corners(24, 1, 4)}, {"y", Array::of(labels, {24})}});
  const std::vector<std::string> options = {"--split", "2:1", "--batch", "16", "--learning-rate", "0.01"};
  const auto run = [&](const char* out, std::vector<std::string> more) {
    more.insert(more.begin(), options.begin(), options.end());
    return train(data, "resnet", folder / out, more).out;
  };
  const std::string patient = run("patient", {"--iterations", "30", "--patience", "100"});
  const std::string words = "after iteration ";
  REQUIRE_THAT(patient, Contains(words));
  const int best = std::stoi(patient.substr(patient.find(words) + words.size()));
  run("stopped", {"--iterations", std::to_string(best)});
  CHECK(contents(folder / "patient/model.safetensors") == contents(folder / "stopped/model.safetensors"));
}

TEST_CASE("L2 is of kernels and weights, not of biases and norms", "[tools][networks]") {
  const TempDir folder;
  const std::string data = write_corners(folder / "data.npz", 8, 1, 2);
  for (const std::string network : both) {
    const tool::Options options = options_of({"--data", data, "--network", network, "--dtype", "f64"});
    const tool::Problem problem = tool::make_problem(options);
    const tool::Network net = tool::make_network(options, problem.task, problem.train.x);
    double squares = 0;
    for (const auto& [name, p] : parameters(const_cast<tool::Network&>(net)))
      if (p->rank() > 1) squares += squared_frobenius_norm(*p).item();
    const auto cost = [&](double l2) { return tool::cost(net, problem.train.x, problem.train.y, l2).item(); };
    CHECK(cost(3) - cost(0) == Approx(3 * squares / (2 * 8)));
  }
}

TEST_CASE("a large set is evaluated part by part, to the same logits and the same dead units", "[tools][networks]") {
  seed(5);
  for (const std::string name : both) {
    INFO(name);
    tool::Network net;
    const ImageKind images{64, 64, 1, 2};
    if (name == "lenet") net = tool::OfPictures<LeNet>(LeNet(images), images);
    else net = tool::OfPictures<ResNet>(ResNet(images, 1, 2), images);
    const std::int64_t at_once = tool::samples_at_once(net), m = at_once + 3;
    const Tensor x = uniform({m, 64 * 64});
    std::vector<LiveUnits> units;
    const Tensor z = tool::logits(net, x, &units);
    CHECK(z.shape() == Shape{m, 2});
    const auto guard = no_grad();
    CHECK(slice(z, 0, at_once, m).to_vector() == tool::logits(net, slice(x, 0, at_once, m)).to_vector());
    CHECK(units.size() == (name == "lenet" ? 4 : 7));
  }
}

TEST_CASE("dead units of convolutions are told", "[tools][networks]") {
  const TempDir folder;
  const std::string data = write_corners(folder / "data.npz", 24, 1, 3);
  const Outcome dead = train(data, "lenet", folder / "out", {"--iterations", "20", "--batch", "12", "--learning-rate", "10"});
  CHECK_THAT(dead.out, Contains("of the units of hidden layer 1 are 0 for every sample (dead ReLUs)"));
}

TEST_CASE("the networks are checked and drawn as dense ones", "[tools][networks]") {
  const TempDir folder;
  const Array large = uniform({3, 64, 64, 1}, 0, 256).value().cast(uint8);
  write_npz(folder / "large.npz", {{"x", large}, {"y", Array::of(labels_of(3, 2), {3})}});
  CHECK_THAT(dz_of({"check", "--data", (folder / "large.npz").string(), "--network", "lenet"}).out,
             Contains("of the first 2 samples, ") && Contains("conv2d_relu") && Contains("layers.2.weight") && Contains("passed\n"));
  for (const std::string network : both)
    CHECK_THAT(dz_of({"draw", "--data", "images", "--network", network, "--samples", "4"}).out, Contains("digraph") && Contains("conv2d"));
  const std::string data = write_corners(folder / "data.npz", 6, 1, 2);
  train(data, "lenet", folder / "out", {"--iterations", "2"});
  CHECK_THAT(dz_of({"draw", "--model", (folder / "out/model.safetensors").string()}).out, Contains("first.weight"));
}

TEST_CASE("the gradients of a residual network are right as it trains", "[tools][networks][long][.]") {
  const TempDir folder;
  const std::string data = write_corners(folder / "data.npz", 6, 1, 2);
  CHECK_THAT(dz_of({"check", "--data", data, "--network", "resnet"}).out, Contains("batch_norm") && Contains("passed\n"));
}

TEST_CASE("pictures of a folder and of HDF5 files are learnt, and one picture is predicted", "[tools][networks]") {
  const TempDir folder;
  if (test_data() && has_hdf5()) {
    const std::string cats = (*test_data() / "data/test_catvnoncat.h5").string();
    CHECK_THAT(train(cats, "lenet", folder / "cats", {"--iterations", "2"}).out, Contains("training accuracy"));
  }
  if (!has_pictures()) DZ_SKIP("dz was built without pictures");
  const Array all = corners(8, 3, 2);
  for (std::int64_t i = 0; i < 8; ++i) {
    fs::create_directories(folder / "pics" / (i % 2 ? "right" : "left"));
    std::ofstream(folder / "pics" / (i % 2 ? "right" : "left") / (std::to_string(i) + ".png"), std::ios::binary) << to_png(all.slice(0, i, i + 1).reshape({12, 12, 3}));
  }
  train((folder / "pics").string(), "lenet", folder / "out", {"--picture-side", "12", "--iterations", "40", "--learning-rate", "0.005"});
  CHECK_THAT(dz_of({"predict", "--model", (folder / "out/model.safetensors").string(), "--data", (folder / "pics/right/1.png").string(), "--unlabelled"}).out,
             Contains("\n0,right,"));
}

TEST_CASE("what a network does not have, or cannot look at, is refused", "[tools][networks]") {
  const TempDir folder;
  const std::string data = write_corners(folder / "data.npz", 6, 1, 2);
  write_npz(folder / "small.npz", {{"x", corners(6, 1, 2).slice(1, 0, 7)}, {"y", Array::of(labels_of(6, 2), {6})}});
  const std::string small = (folder / "small.npz").string();
  check_refused({"train", "--network", "transformer"}, "--network: 'transformer' is none of dense, lenet, resnet");
  check_refused({"train", "--network", "lenet"}, "--network: lenet takes pictures, and 'flower' are none");
  check_refused({"train", "--network", "lenet", "--data", small}, "--network: lenet takes pictures of at least 12x12, and those of '" + small + "' are 7x12");
  check_refused({"train", "--network", "resnet", "--data", small}, "--network: resnet takes pictures of at least 8x8");
  check_refused({"train", "--network", "lenet", "--data", data, "--layers", "4,1"}, "--layers: not for --network lenet, for dense alone");
  check_refused({"train", "--network", "resnet", "--data", data, "--activation", "relu"}, "--activation: not for --network resnet, for dense alone");
  check_refused({"train", "--network", "resnet", "--data", data, "--keep-prob", "0.5"}, "--keep-prob: not for --network resnet, for dense or lenet alone");
  check_refused({"train", "--network", "lenet", "--data", data, "--keep-prob", "0.5,0.5,0.5"}, "--keep-prob: '0.5,0.5,0.5' for 2 hidden layers");
  check_refused({"train", "--network", "lenet", "--data", data, "--start", "x.npz"}, "--start: not for --network lenet");
  CHECK_THAT(run_dz({"train", "--help"}).out, Contains("--network NAME (=dense)") && Contains("--optimiser adam"));
}

TEST_CASE("model files whose fields of the network are missing, hostile or another's are refused by name", "[tools][networks]") {
  const TempDir folder;
  const std::string data = write_corners(folder / "data.npz", 6, 1, 3);
  train(data, "lenet", folder / "out", {"--iterations", "1"});
  const NamedArrays whole = read_safetensors(folder / "out/model.safetensors");
  const std::string changed = (folder / "changed.safetensors").string();
  const auto refused = [&](const char* key, const char* value, const std::string& reason) {
    NamedArrays file = whole;
    if (value) file.metadata[key] = value;
    else file.metadata.erase(key);
    write_safetensors(changed, file);
    INFO(key << " = " << (value ? value : "(none)"));
    check_refused({"predict", "--model", changed}, std::vector<std::string>{changed + ": ", reason});
  };
  refused("network", nullptr, "its 'outputs' is 3, and the last of its --layers 1");
  refused("network", "transformer", "--network: 'transformer' is none of");
  refused("network", "resnet", "--keep-prob: not for --network resnet");
  refused("network", "dense", "its 'outputs' is 3");
  refused("layers", "4,1", "--layers: not for --network lenet");
  refused("keep-prob", "0.5,0.5,0.5", "--keep-prob: ");
  refused("sample", nullptr, "its 'sample' does not say of which pictures");
  refused("outputs", nullptr, "its 'outputs' does not say of which");
  for (const char* sizes : {"", "x", "0,12,1", "-1,-144,1", "12,12", "12,12,1,1", "99999999999999999999,1,1", "4294967296,4294967296,1"})
    refused("sample", sizes, "its 'sample' makes no sense");
  for (const char* outputs : {"", "0", "-3", "3,3", "9223372036854775807"}) refused("outputs", outputs, "its 'outputs' makes no sense");
  refused("sample", "14,14,1", "the model takes pictures of 14x14x1, and " + data + " has pictures of 12x12x1");
  refused("sample", "144", "does not say of which pictures");
  refused("outputs", "4", "'layers.2.bias' is (3), and its 'outputs' is 4");
  refused("outputs", "1000000", "'layers.2.bias' is (3)");
  const std::string other = write_corners(folder / "other.npz", 6, 3, 3), model = (folder / "out/model.safetensors").string();
  check_refused({"predict", "--model", model, "--data", other}, "the model takes pictures of 12x12x1, and " + other + " has pictures of 12x12x3");
  check_refused({"predict", "--model", model, "--network", "resnet"}, "--network resnet, there lenet");
  check_refused({"check", "--model", model, "--layers", "4,1"}, "--layers 4,1, there not given");
}
