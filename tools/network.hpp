#pragma once
// The networks that the command trains: which there are, what may be chosen of each, and what they compute.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <dz/data/dataset.hpp>
#include <dz/data/metrics.hpp>
#include <dz/models/images.hpp>
#include <dz/models/mlp.hpp>
#include <dz/ops/shape.hpp>
#include <dz/optim/watch.hpp>

#include "tools/options.hpp"

namespace dz::tool {

/// A network of the command line.
struct NetworkKind {
  std::string_view name;
  std::vector<std::string_view> options;                              ///< of those that not every network has
  std::vector<std::pair<std::string_view, std::string_view>> presets;  ///< values of options that are not given, where they are not the usual ones
  std::int64_t least_side;                                            ///< of the pictures that it takes; 0: it takes any samples
  std::optional<std::size_t> hidden;                                  ///< layers that dropout is for; nothing: those of --layers but the last
  std::string_view last_bias;                                         ///< has an element for each output; empty: --layers say how many there are
};
std::span<const NetworkKind> network_kinds();
/// Throws ValueError that lists them.
const NetworkKind& network_kind(std::string_view name);
/// The kinds that have an option, "dense or lenet"; empty for an option that all have.
std::string networks_with(std::string_view option);

/// A network of pictures as one of flat samples (m, height·width·channels): row, column, channel.
template <class Net> struct OfPictures : Net {
  std::int64_t height = 0, width = 0, channels = 0;
  std::optional<InputNormalisation> normalisation{};  ///< of the channels, over all pixels of the training part

  OfPictures() = default;
  OfPictures(Net net, const ImageKind& k) : Net(std::move(net)), height(k.height), width(k.width), channels(k.channels) {}

  Tensor operator()(In x) const {
    const CallSite site(x.at());
    const Tensor flat = normalisation ? (*normalisation)(pixels(x)) : x;
    return Net::operator()(reshape(flat, {x.size(0), height, width, channels}));
  }
  /// (m·height·width, channels)
  Tensor pixels(const Tensor& x) const { return reshape(x, {checked_product(checked_product(x.size(0), height), width), channels}); }
  BOOST_DESCRIBE_CLASS(OfPictures, (Net), (height, width, channels, normalisation), (), ())
};

using AnyNetwork = std::variant<Mlp, OfPictures<LeNet>, OfPictures<ResNet>>;

/// One of them, samples (m, features) to logits (m, outputs). Its parameters have the names that they have in the network.
struct Network : AnyNetwork {
  using AnyNetwork::AnyNetwork;

  Tensor operator()(In x) const {
    const CallSite site(x.at());
    return std::visit([&x](const auto& net) { return net(x); }, as_variant());
  }
  /// Some layer drops units while training(): the cost is another with every draw.
  bool drops() const;
  /// Its hidden layers end with relu.
  bool rectifies() const;
  /// Numbers that the largest of a sample's layers has.
  std::int64_t widest() const;
  /// That can be trained.
  std::int64_t parameter_count() const;

  const AnyNetwork& as_variant() const { return *this; }
  AnyNetwork& as_variant() { return *this; }
};
BOOST_DESCRIBE_STRUCT(Network, (AnyNetwork), ())

/// The network of the options for a task: from --model, from --start, or drawn from the default generator; normalised as the training part x is, where that
/// is asked for. Throws FileError or ShapeError where a file does not fit, ShapeError for pictures that are too small, MemoryError for more than the machine has.
Network make_network(const Options& options, const Task& task, const Tensor& x);

/// Logits in evaluation mode, not recorded: of so many samples at once as are good for memory. Where `hidden` is given, it is shown what the hidden layers
/// give, the first layer's units first.
Tensor logits(const Network& network, const Tensor& x, std::vector<LiveUnits>* hidden = nullptr);
/// So many.
std::int64_t samples_at_once(const Network& network);

/// The notes' cost: cross-entropy, mean over the samples, and λ/(2m)·Σ‖W‖².
Tensor cost(const Network& network, const Tensor& x, const Tensor& y, double l2);

/// What logits say, of the same shape: of one output, how probable class 1 is.
Tensor probabilities(const Tensor& z);

/// What a network makes of a set, as logits().
struct Evaluation {
  double cost;
  ConfusionMatrix confusion;
};
Evaluation evaluate(const Network& network, const Dataset& set, double l2, std::vector<LiveUnits>* hidden = nullptr);

}  // namespace dz::tool
