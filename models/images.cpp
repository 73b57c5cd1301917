#include <dz/models/images.hpp>

#include <fmt/format.h>

#include <dz/graph/mode.hpp>
#include <dz/models/hidden.hpp>
#include <dz/ops/activation.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/pooling.hpp>
#include <dz/ops/reduce.hpp>
#include <dz/ops/shape.hpp>

namespace dz {

LeNet::LeNet(const ImageKind& k, Initialiser initialiser, Dtype dtype, Generator& g)
    : first(k.channels, 6, 5, {.padding = 2}, initialiser, dtype, g), second(6, 16, 5, {}, initialiser, dtype, g) {
  if (k.height < 12 || k.width < 12) throw ShapeError(fmt::format("images of {}x{}: at least 12x12", k.height, k.width), "LeNet");
  const auto left = [](std::int64_t size) { return (size / 2 - 4) / 2; };
  const std::int64_t sizes[] = {checked_product(checked_product(left(k.height), left(k.width)), 16), 120, 84, k.classes};
  for (int l = 0; l < 3; ++l) layers.emplace_back(sizes[l], sizes[l + 1], initialiser, dtype, g);
}

Tensor LeNet::operator()(In x) const {
  const CallSite site(x.at());
  if (layers.size() != 3) throw ValueError("a network without layers", "LeNet", x.at());
  const Tensor a = max_pool2d(hidden(first(x, relu)), {.window = 2});
  return dense_layers(layers, relu, keep_prob, flatten(max_pool2d(hidden(second(a, relu)), {.window = 2})), "LeNet");
}

ResidualBlock::ResidualBlock(std::int64_t inputs, std::int64_t outputs, std::int64_t stride, Initialiser initialiser, Dtype dtype, Generator& g)
    : conv1(inputs, outputs, 3, {.stride = stride, .padding = 1}, initialiser, dtype, g), norm1(outputs, dtype),
      conv2(outputs, outputs, 3, {.padding = 1}, initialiser, dtype, g), norm2(outputs, dtype) {
  if (inputs == outputs && stride == 1) return;
  shortcut.emplace(inputs, outputs, 1, Conv2dOptions{.stride = stride}, initialiser, dtype, g);
  shortcut_norm.emplace(outputs, dtype);
}

Tensor ResidualBlock::operator()(In x) const {
  const CallSite site(x.at());
  const Tensor inner = norm2(conv2(hidden(relu(norm1(conv1(x))))));
  return hidden(relu(inner + (shortcut ? (*shortcut_norm)((*shortcut)(x)) : x)));
}

ResNet::ResNet(const ImageKind& k, std::int64_t count, std::int64_t channels, Initialiser initialiser, Dtype dtype, Generator& g)
    : conv(k.channels, channels, 3, {.padding = 1}, initialiser, dtype, g), norm(channels, dtype) {
  if (k.height < 1 || k.width < 1 || count < 1) throw ShapeError(fmt::format("images of {}x{} and {} blocks: all are at least 1", k.height, k.width, count), "ResNet");
  std::int64_t inputs = channels;
  for (const std::int64_t times : {1, 2, 4})
    for (std::int64_t b = 0; b < count; ++b) {
      const std::int64_t outputs = checked_product(channels, times);
      blocks.emplace_back(inputs, outputs, b == 0 && times > 1 ? 2 : 1, initialiser, dtype, g);
      inputs = outputs;
    }
  output = Linear(inputs, k.classes, initialiser, dtype, g);
}

Tensor ResNet::operator()(In x) const {
  const CallSite site(x.at());
  Tensor a = hidden(relu(norm(conv(x))));
  for (const ResidualBlock& block : blocks) a = block(a);
  return output(mean(a, {1, 2}));
}

}  // namespace dz
