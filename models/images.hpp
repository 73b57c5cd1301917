#pragma once
// Small networks for images (m, height, width, channels), to logits (m, classes).

#include <optional>
#include <vector>

#include <dz/models/convolution.hpp>
#include <dz/models/mlp.hpp>
#include <dz/models/normalisation.hpp>

namespace dz {

/// What images are, and how many classes of them there are.
struct ImageKind {
  std::int64_t height, width, channels, classes;
};

/// After LeNet-5 (LeCun, Bottou, Bengio and Haffner, 1998), with ReLU and the largest of each window: two convolutions of 5x5 with 6 and 16
/// channels, each followed by pooling to half the size, then dense layers of 120 and 84.
struct LeNet {
  Conv2d first, second;
  std::vector<Linear> layers;
  std::vector<double> keep_prob{};  ///< of the two hidden dense layers, as an Mlp's; empty for no dropout

  LeNet() = default;
  /// Throws ShapeError for a size below 1, and images smaller than 12x12.
  explicit LeNet(const ImageKind& images, Initialiser initialiser = initialise::he, Dtype dtype = float32, Generator& g = default_generator());
  Tensor operator()(In x) const;
  bool drops() const { return dz::drops(keep_prob); }
};
BOOST_DESCRIBE_STRUCT(LeNet, (), (first, second, layers, keep_prob))

/// relu(norm2(conv2(relu(norm1(conv1(x))))) + shortcut(x)) with kernels of 3x3 (He et al., CVPR 2016, section 4.2). The shortcut is x itself, or a
/// convolution of 1x1 with its normalisation where the number of channels or the size changes.
struct ResidualBlock {
  Conv2d conv1;
  BatchNorm norm1;
  Conv2d conv2;
  BatchNorm norm2;
  std::optional<Conv2d> shortcut{};
  std::optional<BatchNorm> shortcut_norm{};

  ResidualBlock() = default;
  ResidualBlock(std::int64_t inputs, std::int64_t outputs, std::int64_t stride, Initialiser initialiser = initialise::he, Dtype dtype = float32,
                Generator& g = default_generator());
  Tensor operator()(In x) const;
};
BOOST_DESCRIBE_STRUCT(ResidualBlock, (), (conv1, norm1, conv2, norm2, shortcut, shortcut_norm))

/// The residual network of He et al. for small images (CVPR 2016, section 4.2): a convolution of 3x3, three stages of so many blocks with 1, 2
/// and 4 times the channels, the second and third at half the size of the one before, the mean of each channel, and a dense layer. It has
/// 6·blocks + 2 layers.
struct ResNet {
  Conv2d conv;
  BatchNorm norm;
  std::vector<ResidualBlock> blocks;
  Linear output;

  ResNet() = default;
  /// Throws ShapeError for a size below 1.
  explicit ResNet(const ImageKind& images, std::int64_t blocks = 1, std::int64_t channels = 16, Initialiser initialiser = initialise::he, Dtype dtype = float32,
                  Generator& g = default_generator());
  Tensor operator()(In x) const;
};
BOOST_DESCRIBE_STRUCT(ResNet, (), (conv, norm, blocks, output))

}  // namespace dz
