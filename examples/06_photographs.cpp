// The notes' deep network on photographs of cats and of other things: 12288-20-7-5-1, ReLU, full-batch gradient descent.
// usage: 06_photographs TRAIN.h5 TEST.h5
#include <dz/data/dataset.hpp>
#include <dz/dz.hpp>

#include <cstdio>
#include <filesystem>

using namespace dz;

double accuracy(const Mlp& network, const Dataset& set) {
  const auto guard = no_grad();
  return mean(cast(equal(greater(network(set.x), 0), cast(set.y, boolean)), float32)).item();
}

int main(int count, char** words) {
  const std::filesystem::path data = std::getenv("DZ_DATA") ? std::getenv("DZ_DATA") : "../shared";
  const std::filesystem::path train_file = count > 1 ? words[1] : data / "data/train_catvnoncat.h5";
  const std::filesystem::path test_file = count > 2 ? words[2] : data / "data/test_catvnoncat.h5";
  if (!std::filesystem::exists(train_file)) return std::printf("skipped: there is no %s\n", train_file.c_str()), 77;

  seed(1);
  const Dataset train = read_labelled_hdf5(train_file), test = read_labelled_hdf5(test_file);
  Mlp network = mlp({train.x.size(1), 20, 7, 5, 1}, relu, initialise::xavier);
  GradientDescent descent{.learning_rate = 0.0075, .compensated = true};
  for (int step = 0; step < 1000; ++step) {
    const Tensor J = binary_cross_entropy_with_logits(network(train.x), train.y);
    backward(J);
    descent.step(network);
    if (step % 100 == 0) std::printf("iteration %4d  cost %.6f\n", step, J.item());
  }
  std::printf("accuracy: %.4f in training, %.4f on the test pictures\n", accuracy(network, train), accuracy(network, test));
}
