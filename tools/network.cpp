#include "tools/network.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include <dz/data/model_file.hpp>
#include <dz/data/npy.hpp>
#include <dz/data/safetensors.hpp>
#include <dz/dz.hpp>

namespace dz::tool {
namespace {

/// That are computed in one go where nothing is recorded; 64 MB as float32.
constexpr std::int64_t most_elements = 1 << 24;

const std::vector<std::pair<std::string_view, std::string_view>> of_convolutions = {
    {"init", "he"}, {"optimiser", "adam"}, {"learning-rate", "0.001"}, {"batch", "64"}, {"iterations", "2000"}};

/// A new kind is a line here, one in make() and its type in AnyNetwork.
const NetworkKind kinds[] = {{"dense", {"layers", "activation", "keep-prob", "start"}, {}, 0, std::nullopt, {}},
                             {"lenet", {"keep-prob"}, of_convolutions, 12, 2, "layers.2.bias"},
                             {"resnet", {}, of_convolutions, 8, 0, "output.bias"}};

/// Parameters, their gradients and a step's temporaries have to fit into the machine: the system may promise memory that it has not.
void require_memory(const Options& o, const std::vector<std::int64_t>& sizes) {
  double elements = 0;
  for (std::size_t l = 1; l < sizes.size(); ++l) elements += static_cast<double>(sizes[l]) * (static_cast<double>(sizes[l - 1]) + 1);
  const double needed = 3 * elements * static_cast<double>(size_of(o.dtype));
  const double there = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  if (needed > there)
    throw MemoryError(fmt::format("--{}: {:.3g} parameters take {:.3g} GB to train, and this machine has {:.3g}", o.layers.empty() ? "network" : "layers",
                                  elements, needed / 1e9, there / 1e9));
}

Network make(const Options& o, const Task& task) {
  const Initialiser first = initialise::by_name(o.init);
  if (o.network == "dense") {
    std::vector<std::int64_t> sizes = {task.features()};
    sizes.insert(sizes.end(), o.layers.begin(), o.layers.end());
    require_memory(o, sizes);
    Mlp network = mlp(sizes, activation_by_name(o.activation), first, o.dtype);
    network.keep_prob = o.keep_prob;
    return network;
  }
  const ImageKind images{task.sample[0], task.sample[1], task.sample[2], task.outputs};
  require_memory(o, {task.features(), 120, task.outputs});  // at the least
  if (o.network == "resnet") return OfPictures<ResNet>(ResNet(images, 1, 16, first, o.dtype), images);
  LeNet network(images, first, o.dtype);
  network.keep_prob = o.keep_prob;
  return OfPictures<LeNet>(std::move(network), images);
}

/// Throws ShapeError where the network is one of pictures, and the samples are none or too small.
void require_pictures(const Options& o, const Task& task) {
  const std::int64_t least = network_kind(o.network).least_side;
  if (least == 0) return;
  if (task.sample.size() != 3) throw ShapeError(fmt::format("--network: {} takes pictures, and '{}' are none", o.network, o.data));
  if (task.sample[0] < least || task.sample[1] < least)
    throw ShapeError(fmt::format("--network: {0} takes pictures of at least {1}x{1}, and those of '{2}' are {3}x{4}", o.network, least, o.data, task.sample[0],
                                 task.sample[1]));
}

/// The samples as their normalisation takes them.
Tensor normalised_as(const Mlp&, const Tensor& x) { return x; }
template <class Net> Tensor normalised_as(const OfPictures<Net>& net, const Tensor& x) { return net.pixels(x); }

/// By the training part, or ready for what a file has.
void normalise(Network& network, const Options& o, const Tensor& x) {
  std::visit(
      [&](auto& net) {
        const Tensor samples = normalised_as(net, x);
        net.normalisation = o.model.empty() ? InputNormalisation(samples) : InputNormalisation({samples.size(1)}, o.dtype);
      },
      network.as_variant());
}

/// init_W1 is (n_out, n_in), init_b1 (n_out, 1): the notes' layout. A copy of the parameter's values in its dtype.
void start_from(const std::map<std::string, Array>& arrays, const std::string& name, Parameter& p, const std::string& file) {
  const auto found = arrays.find(name);
  if (found == arrays.end()) throw FileError(fmt::format("{}: holds no {}", file, name));
  const Array& a = found->second;
  const bool is_column = p.rank() == 1 && a.rank() == 2 && a.size(1) == 1;
  if (!is_floating(a.dtype())) throw DtypeError(fmt::format("{}: {} is {}, not float32 or float64", file, name, dz::name(a.dtype())));
  const Array values = is_column ? a.reshape({a.size()}) : a;
  if (values.shape() != p.shape())
    throw ShapeError(
        fmt::format("{}: {} is {} where the network of --layers has {}", file, name, to_string(a.shape()), to_string(p.shape())));
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
  if (arrays.contains(next))
    throw ShapeError(fmt::format("{}: holds {} too, but --layers gives {} layers", file, next, network.layers.size()));
}

/// Throws ShapeError where a file has not the outputs that it says: before they are made.
void require_outputs(const Options& o, const Task& task) {
  const std::string_view name = network_kind(o.network).last_bias;
  const NamedArrays file = read_safetensors(o.model);
  if (const Array* bias = name.empty() ? nullptr : file.find(name); bias && bias->shape() != Shape{task.outputs})
    throw ShapeError(fmt::format("{}: '{}' is {}, and its 'outputs' is {}", o.model.string(), name, to_string(bias->shape()), task.outputs));
}

/// Throws ValueError for a parameter that holds something else than numbers.
void require_finite(const std::filesystem::path& path, Network& network) {
  for (const auto& [name, p] : parameters(network))
    if (is_floating(p->dtype()) && !std::ranges::all_of(p->value().to_vector<double>(), [](double v) { return std::isfinite(v); }))
      throw ValueError(fmt::format("{}: '{}' is not finite: the training that wrote it diverged, or the file is damaged", path.string(), name));
}

Tensor loss(const Tensor& z, const Tensor& y) { return y.rank() == 2 ? binary_cross_entropy_with_logits(z, y) : cross_entropy(z, y); }

Tensor with_l2(Tensor J, const Network& network, double l2, std::int64_t m) { return l2 > 0 ? J + l2_cost(network, l2, m) : J; }

/// The units of a layer's output, for each sample.
std::int64_t widest_of(const Mlp& net) {
  std::int64_t widest = 1;
  for (const Linear& layer : net.layers) widest = std::max({widest, layer.weight.size(0), layer.weight.size(1)});
  return widest;
}
std::int64_t widest_of(const OfPictures<LeNet>& net) { return net.height * net.width * std::max(net.channels, net.first.weight.size(0)); }
std::int64_t widest_of(const OfPictures<ResNet>& net) { return net.height * net.width * std::max(net.channels, net.conv.weight.size(0)); }

}  // namespace

std::span<const NetworkKind> network_kinds() { return kinds; }

const NetworkKind& network_kind(std::string_view name) {
  const auto found = std::ranges::find(kinds, name, &NetworkKind::name);
  if (found != std::end(kinds)) return *found;
  std::vector<std::string_view> names;
  for (const NetworkKind& kind : kinds) names.push_back(kind.name);
  throw ValueError(fmt::format("--network: '{}' is none of {}", name, fmt::join(names, ", ")));
}

std::string networks_with(std::string_view option) {
  std::vector<std::string_view> names;
  for (const NetworkKind& kind : kinds)
    if (std::ranges::count(kind.options, option)) names.push_back(kind.name);
  return fmt::format("{}", fmt::join(names, " or "));
}

bool Network::drops() const {
  return std::visit(
      []<class Net>(const Net& net) {
        if constexpr (requires { net.drops(); }) return net.drops();
        else return false;
      },
      as_variant());
}

bool Network::rectifies() const {
  const auto* dense = std::get_if<Mlp>(this);
  return !dense || dense->activation == static_cast<Activation>(relu);
}

std::int64_t Network::widest() const {
  return std::visit([](const auto& net) { return widest_of(net); }, as_variant());
}

std::int64_t Network::parameter_count() const {
  std::int64_t count = 0;
  for (const auto& [name, p] : parameters(const_cast<Network&>(*this)))
    if (p->requires_grad()) count += p->size();
  return count;
}

Network make_network(const Options& o, const Task& task, const Tensor& x) {
  require_pictures(o, task);
  if (!o.model.empty()) require_outputs(o, task);
  Network network = make(o, task);
  if (o.normalise) normalise(network, o, x);
  if (!o.start.empty()) start_from(o.start, std::get<Mlp>(network));
  if (!o.model.empty()) {
    load_model(o.model, network);
    require_finite(o.model, network);
  }
  return network;
}

std::int64_t samples_at_once(const Network& network) { return std::max<std::int64_t>(1, most_elements / network.widest()); }

Tensor probabilities(const Tensor& z) { return z.size(1) == 1 ? sigmoid(z) : softmax(z); }

Tensor logits(const Network& network, const Tensor& x, std::vector<LiveUnits>* hidden) {
  const auto guard = no_grad();
  const auto evaluation = training(false);
  const std::int64_t at_once = samples_at_once(network);
  const auto of = [&](const Tensor& some) {
    if (!hidden) return network(some);
    std::size_t layer = 0;
    const HiddenWatch watch([&](const Tensor& activations) {
      if (layer == hidden->size()) hidden->emplace_back();
      (*hidden)[layer++].see(activations);
    });
    return network(some);
  };
  if (x.size(0) <= at_once) return of(x);
  std::vector<Tensor> parts;
  for (std::int64_t first = 0; first < x.size(0); first += at_once) parts.push_back(of(slice(x, 0, first, std::min(first + at_once, x.size(0)))));
  return concat(parts, 0);
}

Tensor cost(const Network& network, const Tensor& x, const Tensor& y, double l2) { return with_l2(loss(network(x), y), network, l2, x.size(0)); }

Evaluation evaluate(const Network& network, const Dataset& set, double l2, std::vector<LiveUnits>* hidden) {
  const auto guard = no_grad();
  const Tensor z = logits(network, set.x, hidden);
  return {with_l2(loss(z, set.y), network, l2, set.size()).item(), {class_numbers(set), predicted_classes(z), std::max<std::int64_t>(2, z.size(1))}};
}

}  // namespace dz::tool
