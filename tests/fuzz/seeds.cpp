// Writes the seed corpus: small valid files for every reader, each in the reader's folder below the given one.

#include <filesystem>

#include <dz/data/checkpoint.hpp>
#include <dz/data/file.hpp>
#include <dz/data/model_file.hpp>
#include <dz/data/npy.hpp>
#include <dz/data/safetensors.hpp>
#include <dz/models/mlp.hpp>

#include "tests/data/hex.hpp"

using namespace dz;

namespace {

struct State {
  Linear layer{2, 3};
  std::vector<double> numbers{};
  std::optional<Parameter> more;
  std::string text = "text";
};
BOOST_DESCRIBE_STRUCT(State, (), (layer, numbers, more, text))

std::string bytes_of(std::initializer_list<int> values) { return {values.begin(), values.end()}; }

}  // namespace

int main(int count, char** words) {
  if (count != 2) return 2;
  const auto place = [&](const char* reader, const char* name) {
    std::filesystem::create_directories(std::filesystem::path(words[1]) / reader);
    return std::filesystem::path(words[1]) / reader / name;
  };
  const Array a = Array::of(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3}), b = Array::of(std::vector<std::int64_t>{7}, {});
  write_npy(place("npy", "float"), a);
  write_npy(place("npy", "scalar"), b);
  write_npz(place("npz", "two"), {{"a", a}, {"b", b}});
  write_safetensors(place("safetensors", "two"), {{{"a", a}, {"b", b}}, {{"key", "value"}}});
  save_checkpoint(place("checkpoint", "state"), State{});
  State more;
  more.numbers = {1, 2}, more.more = Parameter(Tensor(a));
  save_checkpoint(place("checkpoint", "more"), more);
  const Mlp network = mlp({2, 3, 1});
  save_model(place("model", "network"), network,
             {{"data", "moons"},
              {"layers", "3,1"},
              {"activation", "tanh"},
              {"keep-prob", "0.8"},
              {"split", "6:2:2"},
              {"seed", "7"},
              {"l2", "1e-3"}});
  save_model(place("model", "pictures"), network, {{"network", "lenet"}, {"sample", "12,12,1"}, {"outputs", "3"}, {"keep-prob", "0.8"}, {"classes", "[]"}});
  write_file(place("config", "options"),
             "layers = 8,4,1\noptimiser = adam\nbetas = 0.9,0.99\n# a remark\naugment = flip=0.5,shift=2\nsplit = 6:2:2\nkeep-prob = 0.9,0.8\n");
  const Array labels = Array::of(std::vector<std::int64_t>{0, 1}, {2});
  write_npz(place("labelled_npz", "points"), {{"x", a}, {"y", labels}});
  write_npz(place("labelled_npz", "pictures"),
            {{"X", Array::of(std::vector<std::uint8_t>{0, 1, 2, 3, 4, 5, 6, 7}, {2, 2, 2})}, {"Y", labels}});
  write_file(place("table", "named"), "x,\"y, z\"\n1,2.5e3\n-4,\"5\"\n");
  write_file(place("table", "plain"), "1,2\r\n3,nan\r\n");
  write_file(place("idx", "bytes"), bytes_of({0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4}));
  // gzip of sizes (2, 2, 3) and the bytes 0 to 11
  write_file(place("idx", "packed"), bytes_of({0x1f, 0x8b, 8,    0,    0,    0,    0,    0,    2,    3,    0x63, 0x60, 0xe0, 0x60,
                                               0x66, 0x60, 0x60, 0x60, 0x82, 0x62, 0x66, 0x06, 0x46, 0x26, 0x66, 0x16, 0x56, 0x36,
                                               0x76, 0x0e, 0x4e, 0x2e, 0x6e, 0x00, 0x78, 0x1e, 0x23, 0x84, 0x1c, 0,    0,    0}));
  write_file(place("csv", "named"), "x,\"y\",kind\n1,2.5e3,cat\n-4,\"5\",dog\n");
  write_file(place("csv", "plain"),
             "\xef\xbb\xbf"
             "1,2,0\r\n3,4,1\r\n");
  // 2 by 2 pixels
  write_file(
      place("picture", "png"),
      bytes_of({0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0,    0,    0,    0x0d, 0x49, 0x48, 0x44, 0x52, 0,    0,    0,    2,
                0,    0,    0,    2,    8,    2,    0,    0,    0,    0xfd, 0xd4, 0x9a, 0x73, 0,    0,    0,    0x16, 0x49, 0x44, 0x41,
                0x54, 0x78, 0xda, 0x63, 0x60, 0x64, 0x62, 0xfe, 0xd5, 0xc0, 0xc0, 0xc0, 0xce, 0xc1, 0xf9, 0xff, 0xff, 0x7f, 0,    0x15,
                8,    4,    0x96, 0x5f, 0xd2, 0x5d, 0xb0, 0,    0,    0,    0,    0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82}));
  write_file(place("picture", "jpeg"), test::jpeg);
  return 0;
}
