#pragma once
// Models as tables.

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include <dz/graph/mode.hpp>
#include <dz/models/parameters.hpp>

namespace dz {

/// The parameters of a model: name, shape, role, number of elements, bytes; the last line has their sums.
std::string summary(const std::vector<NamedParameter>& parameters);
template <class M> std::string summary(const M& model) { return summary(parameters(const_cast<M&>(model))); }

namespace detail {

/// What a layer made of a shape. It is known by the first of its own parameters.
struct LayerCall {
  const Parameter* first;
  Shape in, out;
};

/// While alive, the calls of this thread's layers are noted.
class LayerCalls {
 public:
  LayerCalls();
  ~LayerCalls();
  LayerCalls(const LayerCalls&) = delete;
  LayerCalls& operator=(const LayerCalls&) = delete;

  const std::vector<LayerCall>& all() const { return all_; }
  /// Some thread notes: the only thing that a layer looks at otherwise.
  static bool are_noted() { return noting_.load(std::memory_order_relaxed) > 0; }
  static void note(const std::vector<NamedParameter>& layer, const Shape& in, const Shape& out);

 private:
  static inline std::atomic<int> noting_{0};
  std::vector<LayerCall> all_;
  LayerCalls* before_;
};

std::string layer_table(const std::vector<NamedParameter>& model, const std::vector<LayerCall>& calls, const Shape& in, const Shape& out);

}  // namespace detail

/// compute(x), which is what a layer that has parameters of its own gives for x; with it a summary() knows the layer's shapes.
///
///   Tensor operator()(In x) const {
///     return layer_call(*this, std::move(x), [this](In x) { return x * scale; });
///   }
template <class Layer, class F> Tensor layer_call(const Layer& layer, In x, F&& compute) {
  if (!detail::LayerCalls::are_noted()) [[likely]] return compute(std::move(x));
  const Shape in = x.shape();
  Tensor y = compute(std::move(x));
  detail::LayerCalls::note(parameters(const_cast<Layer&>(layer)), in, y.shape());
  return y;
}

/// The layers of a model on a sample input: name, shape in and out (those of the first call), parameters, bytes; the last line has the model's own. A layer
/// is what has parameters, buffers counted in. Computes model(x, more…) in evaluation, and records nothing. Throws what the model throws.
template <Described M, class... More> std::string summary(const M& model, const Tensor& x, const More&... more) {
  const detail::LayerCalls calls;
  const auto guard = no_grad();
  const auto evaluation = training(false);
  const Tensor y = model(x, more...);
  return detail::layer_table(parameters(const_cast<M&>(model)), calls.all(), x.shape(), y.shape());
}

}  // namespace dz
