// The notes' deep network on photographs of cats and of other things: 12288-20-7-5-1, ReLU, full-batch gradient descent. Where the photographs
// are not there, on drawn discs and crosses.
// usage: 03_photographs [ITERATIONS] [TRAIN.h5 TEST.h5]
#include <dz/data/dataset.hpp>
#include <dz/data/planar.hpp>
#include <dz/dz.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

using namespace dz;

double accuracy(const Mlp& network, const Dataset& set) {
  const auto guard = no_grad();
  return mean(cast(equal(greater(network(set.x), 0), cast(set.y, boolean)), float32)).item();
}

int main(int count, char** words) try {
  const std::filesystem::path data = std::getenv("DZ_DATA") ? std::getenv("DZ_DATA") : "../shared";
  const std::filesystem::path train_file = count > 3 ? words[2] : data / "data/train_catvnoncat.h5";
  const std::filesystem::path test_file = count > 3 ? words[3] : data / "data/test_catvnoncat.h5";
  const std::int64_t iterations = count > 1 ? std::stoll(words[1]) : 500;

  seed(1);
  const bool there = std::filesystem::exists(train_file) && std::filesystem::exists(test_file);
  if (!there) std::printf("there is no %s: drawn pictures instead\n", train_file.c_str());
  const Dataset train = there ? read_labelled_hdf5(train_file) : synthetic_images(209, 64, 64);  // x is (m, 12288): image2vector
  const Dataset test = there ? read_labelled_hdf5(test_file) : synthetic_images(50, 64, 64);
  Mlp network = mlp({train.x.size(1), 20, 7, 5, 1}, relu, initialise::xavier);
  GradientDescent descent{.learning_rate = 0.0075, .compensated = true};
  for (std::int64_t step = 0; step < iterations; ++step) {
    const Tensor J = binary_cross_entropy_with_logits(network(train.x), train.y);
    backward(J);
    descent.step(network);
    if (step % 100 == 0) std::printf("iteration %4lld  cost %.6f\n", static_cast<long long>(step), J.item());
  }
  std::printf("accuracy: %.4f in training, %.4f on the test pictures\n", accuracy(network, train), accuracy(network, test));
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\nusage: 03_photographs [ITERATIONS] [TRAIN.h5 TEST.h5]\n", e.what());
  return 2;
}
