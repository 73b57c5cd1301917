#pragma once
// What goes wrong inside a network while it trains (the notes, part four, section six, and part two, section three).

#include <string>
#include <vector>

#include <dz/models/parameters.hpp>

namespace dz {

/// How large one layer's gradient is.
struct LayerGradient {
  std::string name;     ///< of the weight
  double norm = 0;      ///< ‖dW‖
  double relative = 0;  ///< ‖dW‖/‖W‖; infinite where W is 0 and dW is not
};

/// Of every weight that has a gradient, in the model's order; gathered in float64. To be asked for between backward() and a step.
std::vector<LayerGradient> layer_gradients(const std::vector<NamedParameter>& parameters);
template <Described M> std::vector<LayerGradient> layer_gradients(const M& model) {
  return layer_gradients(parameters(const_cast<M&>(model)));
}

/// Sentences on gradients that explode (not finite, or a thousand times as large as the weights) and that vanish (an earlier layer's,
/// relative to its weights, below a hundred-thousandth of the last layer's).
std::vector<std::string> gradient_warnings(const std::vector<LayerGradient>& layers);

/// Of a ReLU layer's units, which have been anything but 0 for some sample.
class LiveUnits {
 public:
  /// Looks at more samples: activations (m, units), or those of images (m, height, width, channels), where a unit is a channel. Throws ShapeError for other
  /// units than before.
  void see(const Tensor& activations);
  /// The part that was always 0: no gradient reaches them. 0 before anything was seen.
  double dead() const;

 private:
  std::vector<bool> alive_;
};

/// The part of a ReLU layer's units that are 0 for every sample of its activations (m, units…): no gradient reaches them. Throws
/// ShapeError for rank 1 or less.
double dead_units(const Tensor& activations);

}  // namespace dz
