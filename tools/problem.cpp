#include "tools/problem.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include <dz/data/model_file.hpp>
#include <dz/data/npy.hpp>
#include <dz/data/planar.hpp>
#include <dz/dz.hpp>

namespace dz::tool {
namespace {

constexpr std::int64_t picture_side = 16;  // of generated pictures

Dataset generate(const Options& o) {
  Generator& g = default_generator();
  return o.data == "images" ? synthetic_images(o.samples, picture_side, picture_side, g, o.dtype) : planar(o.data, o.samples, g, o.dtype);
}

bool is_generated(const std::string& name) { return name == "images" || std::ranges::count(planar_names(), name); }

/// init_W1 is (n_out, n_in), init_b1 (n_out, 1): the notes' layout. A copy of the parameter's values in its dtype.
void start_from(const std::map<std::string, Array>& arrays, const std::string& name, Parameter& p, const std::string& file) {
  const auto found = arrays.find(name);
  if (found == arrays.end()) throw FileError(fmt::format("{}: holds no {}", file, name));
  const Array& a = found->second;
  const bool is_column = p.rank() == 1 && a.rank() == 2 && a.size(1) == 1;
  if (!is_floating(a.dtype())) throw DtypeError(fmt::format("{}: {} is {}, not float32 or float64", file, name, dz::name(a.dtype())));
  const Array values = is_column ? a.reshape({a.size()}) : a;
  if (values.shape() != p.shape())
    throw ShapeError(fmt::format("{}: {} is {} where the network of --layers has {}", file, name, to_string(a.shape()), to_string(p.shape())));
  p.assign(Tensor(values.cast(p.dtype())));
}

void start_from(const std::filesystem::path& path, Mlp& network) {
  const std::string file = path.string();
  const auto arrays = read_npz(path);
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    start_from(arrays, fmt::format("init_W{}", l + 1), network.layers[l].weight, file);
    start_from(arrays, fmt::format("init_b{}", l + 1), network.layers[l].bias, file);
  }
  const std::string next = fmt::format("init_W{}", network.layers.size() + 1);
  if (arrays.contains(next)) throw ShapeError(fmt::format("{}: holds {} too, but --layers gives {} layers", file, next, network.layers.size()));
}

/// Parameters, their gradients and a step's temporaries have to fit into the machine: the system may promise memory that it has not.
void require_memory(const std::vector<std::int64_t>& sizes, Dtype dtype) {
  double elements = 0;
  for (std::size_t l = 1; l < sizes.size(); ++l) elements += static_cast<double>(sizes[l]) * (static_cast<double>(sizes[l - 1]) + 1);
  const double needed = 3 * elements * static_cast<double>(size_of(dtype));
  const double there = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  if (needed > there)
    throw MemoryError(fmt::format("--layers: {:.3g} parameters take {:.3g} GB to train, and this machine has {:.3g}", elements, needed / 1e9, there / 1e9));
}

}  // namespace

Problem make_problem(const Options& o) {
  seed(o.seed);
  if (is_generated(o.data)) {
    if (!o.test.empty()) throw ValueError(fmt::format("--test: a generated set is tested on a second draw of its own, not on '{}'", o.test));
    Dataset train = generate(o);
    return {std::move(train), generate(o), o.data != "images"};
  }
  if (o.data.find_first_of("./\\") == std::string::npos)
    throw ValueError(fmt::format("--data: '{}' is none of {}, images, and no file with an ending", o.data, fmt::join(planar_names(), ", ")));
  Problem problem{read_labelled_hdf5(o.data, o.dtype), std::nullopt};
  if (!o.test.empty()) {
    problem.test = read_labelled_hdf5(o.test, o.dtype);
    if (problem.test->x.size(1) != problem.train.x.size(1))
      throw ShapeError(fmt::format("{}: pictures of {} numbers, where those of {} have {}", o.test, problem.test->x.size(1), o.data, problem.train.x.size(1)));
  }
  return problem;
}

Mlp make_network(const Options& o, std::int64_t features) {
  std::vector<std::int64_t> sizes = {features};
  sizes.insert(sizes.end(), o.layers.begin(), o.layers.end());
  require_memory(sizes, o.dtype);
  Mlp network = mlp(sizes, activation_by_name(o.activation), initialise::by_name(o.init), o.dtype);
  network.keep_prob.assign(network.layers.size() - 1, o.keep_prob);
  if (!o.start.empty()) start_from(o.start, network);
  if (!o.model.empty()) load_model(o.model, network);
  return network;
}

Tensor cost(const Mlp& network, const Tensor& x, const Tensor& y, double l2) {
  const Tensor J = binary_cross_entropy_with_logits(network(x), y);
  return l2 > 0 ? J + l2_cost(network, l2, x.size(0)) : J;
}

double accuracy(const Mlp& network, const Dataset& set) {
  const auto guard = no_grad();
  const std::vector<double> z = network(set.x).to_vector(), y = set.y.to_vector();
  std::int64_t right = 0;
  for (std::size_t i = 0; i < z.size(); ++i) right += (z[i] > 0) == (y[i] > 0.5);
  return static_cast<double>(right) / static_cast<double>(z.size());
}

}  // namespace dz::tool
