#include <dz/data/model_file.hpp>

#include <dz/data/safetensors.hpp>
#include <dz/dz.hpp>

#include "tests/data/fixtures.hpp"

using namespace dz;
using namespace dz::test;

namespace {

struct Scaled {
  Linear layer{3, 2};
  Parameter mean{full({2}, 5.0, float64), Role::buffer};
};
BOOST_DESCRIBE_STRUCT(Scaled, (), (layer, mean))

/// Every value of a model, to see that nothing changed.
std::vector<std::vector<double>> values(Mlp& model) {
  std::vector<std::vector<double>> all;
  for (const auto& [name, p] : parameters(model)) all.push_back(p->to_vector());
  return all;
}

}  // namespace

TEST_CASE("a model is saved and loaded by member names", "[data][model_file]") {
  const TempDir folder;
  const auto path = folder / "model.safetensors";
  seed(3);
  const Mlp a = mlp({3, 4, 1});
  Mlp b = mlp({3, 4, 1});
  const Metadata metadata{{"activation", "relu"}, {"sizes", "3 4 1"}};
  save_model(path, a, metadata);
  const Tensor x = normal({5, 3});
  CHECK(a(x).to_vector() != b(x).to_vector());
  CHECK(load_model(path, b) == metadata);
  CHECK(a(x).to_vector() == b(x).to_vector());

  const NamedArrays file = read_safetensors(path);
  REQUIRE(file.arrays.size() == 4);
  CHECK(file.arrays[0].name == "layers.0.weight");
  CHECK(file.arrays[3].name == "layers.1.bias");
}

TEST_CASE("loading writes in place and forgets gradients", "[data][model_file]") {
  const TempDir folder;
  Scaled model;
  save_model(folder / "m", model);
  const Tensor before = model.layer.weight;
  const std::vector<double> saved = before.to_vector();
  backward(sum(model.layer(ones({1, 3}))));
  model.layer.weight.assign(zeros({2, 3}));
  model.mean.assign(zeros({2}, float64));
  REQUIRE(model.layer.weight.grad());
  CHECK(load_model(folder / "m", model).empty());
  CHECK(before.to_vector() == saved);
  CHECK(model.layer.weight.value().shares_storage(before.value()));
  CHECK(model.mean.to_vector() == std::vector<double>{5, 5});
  CHECK_FALSE(model.layer.weight.grad());
  CHECK_FALSE(model.layer.bias.grad());
  CHECK(model.layer.bias.role() == Role::bias);
}

TEST_CASE("a forward that was recorded before a load cannot be reversed after it", "[data][model_file]") {
  const TempDir folder;
  Mlp model = mlp({3, 4, 1});
  save_model(folder / "m", model);
  const Tensor y = sum(model(ones({2, 3})));
  load_model(folder / "m", model);
  CHECK_THROWS_AS(backward(y), GraphError);
}

TEST_CASE("a file of another model is refused whole and says what does not fit", "[data][model_file]") {
  const TempDir folder;
  const auto path = folder / "m";
  Mlp model = mlp({3, 4, 1});
  backward(sum(model(ones({2, 3}))));
  const auto before = values(model);
  const auto refused = [&]<class E>(std::type_identity<E>, std::initializer_list<std::string_view> words) {
    const int line = __LINE__ + 1;
    check_refused<E>([&] { load_model(path, model); }, words);
    check_refused<E>([&] { load_model(path, model); }, {"[load_model]", path.c_str(), "model_file.cpp:" + std::to_string(line + 1)});
    CHECK(values(model) == before);
    CHECK(model.layers[0].weight.grad());
  };
  const std::type_identity<FileError> file_error;

  save_model(path, mlp({3, 4, 4, 1}));
  refused(file_error, {"no 'layers.2.weight', 'layers.2.bias'"});
  save_model(path, mlp({3, 1}));
  refused(file_error, {"lacks 'layers.1.weight', 'layers.1.bias'"});
  save_model(path, Scaled());
  refused(file_error, {"lacks 'layers.0.weight'", "no 'layer.weight', 'layer.bias', 'mean'"});
  save_model(path, mlp({3, 5, 1}));
  refused(std::type_identity<ShapeError>{}, {"'layers.0.weight' is (5, 3), in the model (4, 3)"});
  save_model(path, mlp({3, 4, 1}, relu, initialise::he, float64));
  refused(std::type_identity<DtypeError>{}, {"'layers.0.weight' is float64, in the model float32"});

  // The last array is the wrong one: those before it stay as they were too.
  NamedArrays last;
  for (const auto& [name, p] : parameters(model)) last.arrays.push_back({name, Array::full(p->shape(), 9)});
  last.arrays.back().array = Array::full({1, 1}, 9);
  write_safetensors(path, last);
  refused(std::type_identity<ShapeError>{}, {"'layers.1.bias' is (1, 1), in the model (1)"});

  write_file(path, read_file(path).substr(0, 100));
  check_refused<FileError>([&] { load_model(path, model); }, {path.c_str(), "truncated"});
  check_refused<FileError>([&] { load_model(folder / "none", model); }, {"none"});
  CHECK(values(model) == before);
}

TEST_CASE("a model without values is neither saved nor loaded", "[data][model_file]") {
  const TempDir folder;
  Linear empty, full(2, 1);
  check_refused<ValueError>([&] { save_model(folder / "m", empty); }, {"[save_model]", "'weight'"});
  CHECK_FALSE(std::filesystem::exists(folder / "m"));
  save_model(folder / "m", full);
  check_refused<ValueError>([&] { load_model(folder / "m", empty); }, {"[load_model]", "'weight'"});
}

TEST_CASE("a dense layer behind flattened images goes both ways to PyTorch's order of columns", "[data][model_file]") {
  const TempDir folder;
  seed(4);
  constexpr std::int64_t channels = 3, rows = 2, columns = 4, outputs = 5;
  const std::vector<Flattened> flattened = {{"weight", channels, rows, columns}};
  // PyTorch's y[n] = Σ W[n, (c, i, j)]·x[c, i, j], of an image (c, i, j).
  const Tensor theirs = normal({outputs, channels * rows * columns}), image = normal({1, channels, rows, columns});
  write_safetensors(folder / "theirs", {{{"weight", theirs.value()}, {"bias", zeros({outputs}).value()}}, {}});
  Linear layer(channels * rows * columns, outputs);
  load_model(folder / "theirs", layer, flattened);
  const Tensor y = layer(flatten(permute(image, {0, 2, 3, 1}))), expected = matmul(flatten(image), theirs.t());
  for (std::size_t i = 0; i < outputs; ++i) CHECK(y.to_vector()[i] == Approx(expected.to_vector()[i]).epsilon(1e-5));
  save_model(folder / "again", layer, {}, flattened);
  CHECK(read_file(folder / "again") == read_file(folder / "theirs"));

  const std::vector<double> before = layer.weight.to_vector();
  for (const Flattened& wrong : {Flattened{"weight", 3, 2, 5}, {"weights", 3, 2, 4}, {"bias", 5, 1, 1}, {"weight", -3, -2, 4}, {"weight", INT64_MAX, INT64_MAX, 2}}) {
    CHECK_THROWS_AS(load_model(folder / "theirs", layer, std::vector<Flattened>{wrong}), Error);
    CHECK_THROWS_AS(save_model(folder / "again", layer, {}, std::vector<Flattened>{wrong}), Error);
  }
  CHECK(layer.weight.to_vector() == before);
  CHECK(read_file(folder / "again") == read_file(folder / "theirs"));
}
