// A convolutional network on handwritten digits: 8,000 to learn from, 2,000 held out, mini-batches, Adam, and pictures moved a little at
// every look.
// usage: 07_digits [EPOCHS] [SEED] [IMAGES LABELS]
#include <dz/data/idx.hpp>
#include <dz/data/loader.hpp>
#include <dz/data/metrics.hpp>
#include <dz/data/split.hpp>
#include <dz/dz.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

using namespace dz;

/// (m, 784) as pictures of one channel.
Tensor pictures(In x) { return reshape(x, {x.size(0), 28, 28, 1}); }

double accuracy(const LeNet& network, const Dataset& set) {
  const auto guard = no_grad();
  const ConfusionMatrix found(class_numbers(set), predicted_classes(network(pictures(set.x))), 10);
  return found.accuracy();
}

int main(int count, char** words) try {
  const std::filesystem::path data = std::getenv("DZ_DATA") ? std::getenv("DZ_DATA") : "../shared";
  const std::filesystem::path images = count > 4 ? words[3] : data / "data/t10k-images-idx3-ubyte.gz";
  const std::filesystem::path labels = count > 4 ? words[4] : data / "data/t10k-labels-idx1-ubyte.gz";
  const std::int64_t epochs = count > 1 ? std::stoll(words[1]) : 1;
  const std::uint64_t first = count > 2 ? std::stoull(words[2]) : 1;
  if (!std::filesystem::exists(images)) return std::printf("skipped: there is no %s\n", images.c_str()), 77;

  seed(first);
  const Split parts = split(read_labelled_idx(images, labels), {.ratio = {8, 0, 2}, .stratified = true});
  const Loader loader(parts.train, {.batch = 64, .seed = first, .transform = augmenting({.shift = 2, .rotate = 10})});
  LeNet network({.height = 28, .width = 28, .channels = 1, .classes = 10});
  std::printf("%s", summary(network, pictures(slice(parts.train.x, 0, 0, 64))).c_str());

  Adam adam;
  const CosineDecay rate{.rate = 0.002, .steps = epochs * loader.batches(), .warmup = 50};
  const auto start = std::chrono::steady_clock::now();
  std::int64_t step = 0;
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    double cost = 0;
    for (const Dataset& batch : loader.epoch(epoch)) {
      const Tensor J = cross_entropy(network(pictures(batch.x)), batch.y);
      backward(J);
      adam.learning_rate = rate(step++);
      adam.step(network);
      cost += J.item() / static_cast<double>(loader.batches());
    }
    std::printf("epoch %2lld  cost %.4f\n", static_cast<long long>(epoch + 1), cost);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%.0f s; accuracy %.4f in training, %.4f on the 2,000 held out\n", seconds.count(), accuracy(network, parts.train), accuracy(network, parts.test));
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\nusage: 07_digits [EPOCHS] [SEED] [IMAGES LABELS]\n", e.what());
  return 2;
}
