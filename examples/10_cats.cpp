// The best that dz reaches on the photographs of cats with what the notes teach: normalised inputs, more pictures from the same ones, mini-batches,
// Adam, and a small convolutional network. Settings are judged on dev parts of the training pictures (each quarter in turn); the test pictures
// are looked at with the word "test" only, once all is chosen. Where the photographs are not there, on drawn discs and crosses.
// usage: 10_cats [EPOCHS] [SEED] [dev|test] [TRAIN.h5 TEST.h5]
#include <dz/data/loader.hpp>
#include <dz/data/metrics.hpp>
#include <dz/data/planar.hpp>
#include <dz/dz.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

using namespace dz;

constexpr std::int64_t side = 32, quarters = 4;

/// Three times a convolution, its normalisation, ReLU and the largest of each window; then the mean of every channel, and one logit.
struct CatNet {
  InputNormalisation inputs;
  Conv2d conv1{3, 16, 3, {.padding = 1}}, conv2{16, 32, 3, {.padding = 1}}, conv3{32, 64, 3, {.padding = 1}};
  BatchNorm norm1{16}, norm2{32}, norm3{64};
  Linear output{64, 1};

  Tensor operator()(In x) const {
    Tensor a = reshape(inputs(x), {x.size(0), side, side, 3});
    a = max_pool2d(relu(norm1(conv1(a))), {.window = 2});
    a = max_pool2d(relu(norm2(conv2(a))), {.window = 2});
    a = max_pool2d(relu(norm3(conv3(a))), {.window = 2});
    return output(mean(a, {1, 2}));
  }
};
BOOST_DESCRIBE_STRUCT(CatNet, (), (inputs, conv1, conv2, conv3, norm1, norm2, norm3, output))

double accuracy(const CatNet& network, const Dataset& set) {
  const auto guard = no_grad();
  return ConfusionMatrix(class_numbers(set), predicted_classes(network(set.x)), 2).accuracy();
}

CatNet trained(const Dataset& train, std::int64_t epochs, std::uint64_t first) {
  seed(first);
  CatNet network{.inputs = InputNormalisation(train.x)};
  const Loader loader(train, {.batch = 32, .seed = first, .transform = augmenting({.flip = 0.5, .shift = 3, .rotate = 10, .brightness = 0.2})});
  Adam adam;
  const CosineDecay rate{.rate = 0.003, .steps = epochs * loader.batches(), .warmup = 5};
  std::int64_t step = 0;
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch)
    for (const Dataset& batch : loader.epoch(epoch)) {
      const auto on = training();
      backward(binary_cross_entropy_with_logits(network(batch.x), batch.y));
      adam.learning_rate = rate(step++);
      adam.step(network);
    }
  return network;
}

/// Pictures of 64x64 at half their size.
Dataset small(Dataset set) {
  set.images = resize(set.images, side, side);
  set.x = pixels(set.images);
  return set;
}

int main(int count, char** words) try {
  const std::filesystem::path data = std::getenv("DZ_DATA") ? std::getenv("DZ_DATA") : "../shared";
  const std::filesystem::path train_file = count > 5 ? words[4] : data / "data/train_catvnoncat.h5";
  const std::filesystem::path test_file = count > 5 ? words[5] : data / "data/test_catvnoncat.h5";
  const std::int64_t epochs = count > 1 ? std::max(1ll, std::stoll(words[1])) : 2;
  const std::uint64_t first = count > 2 ? std::stoull(words[2]) : 1;
  const bool to_test = count > 3 && std::string(words[3]) == "test";

  seed(77);
  const bool there = std::filesystem::exists(train_file) && std::filesystem::exists(test_file);
  if (!there) std::printf("there is no %s: drawn pictures instead\n", train_file.c_str());
  const Dataset all = small(there ? read_labelled_hdf5(train_file) : synthetic_images(209, 64, 64));
  if (to_test) {
    const CatNet network = trained(all, epochs, first);
    const Dataset test = small(there ? read_labelled_hdf5(test_file) : synthetic_images(50, 64, 64));
    std::printf("%s\naccuracy: %.4f in training, %.4f on the test pictures\n", summary(network, all.x).c_str(), accuracy(network, all), accuracy(network, test));
    return 0;
  }
  const std::vector<std::int64_t> order = permutation(all.size()).to_vector<std::int64_t>();
  double sum = 0;
  for (std::int64_t quarter = 0; quarter < quarters; ++quarter) {
    std::vector<std::int64_t> train, dev;
    for (std::int64_t i = 0; i < all.size(); ++i) (i % quarters == quarter ? dev : train).push_back(order[static_cast<std::size_t>(i)]);
    const Dataset train_part = samples_of(all, train), dev_part = samples_of(all, dev);
    const CatNet network = trained(train_part, epochs, first);
    const double on_dev = accuracy(network, dev_part);
    std::printf("quarter %lld: accuracy %.4f in training, %.4f on the dev part\n", static_cast<long long>(quarter + 1), accuracy(network, train_part), on_dev);
    sum += on_dev / quarters;
  }
  std::printf("accuracy on the dev parts: %.4f\n", sum);
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\nusage: 10_cats [EPOCHS] [SEED] [dev|test] [TRAIN.h5 TEST.h5]\n", e.what());
  return 2;
}
