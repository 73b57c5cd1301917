// A model is a plain struct. It is trained on two spirals, saved, and loaded into another.
#include <dz/data/model_file.hpp>
#include <dz/data/planar.hpp>
#include <dz/dz.hpp>

#include <cstdio>
#include <filesystem>

using namespace dz;

struct Classifier {
  Linear first{2, 24}, second{24, 24}, output{24, 1};
  Tensor operator()(In x) const { return output(tanh(second(tanh(first(x))))); }
};
BOOST_DESCRIBE_STRUCT(Classifier, (), (first, second, output))  // names its members once: parameters, save and summary follow

double accuracy(const Classifier& model, const Dataset& set) {
  const auto guard = no_grad();
  const Tensor right = equal(greater(model(set.x), 0), cast(set.y, boolean));
  return mean(cast(right, float32)).item();
}

int main() {
  seed(1);
  const Dataset train = spirals(400), test = spirals(400);
  Classifier model;
  std::printf("%s", summary(model).c_str());

  GradientDescent descent{.learning_rate = 0.3};
  for (int step = 0; step < 3000; ++step) {
    const Tensor J = binary_cross_entropy_with_logits(model(train.x), train.y);
    backward(J);
    descent.step(model);
    if (step % 500 == 0) std::printf("cost %.4f\n", J.item());
  }
  std::printf("accuracy: %.3f in training, %.3f on new points\n", accuracy(model, train), accuracy(model, test));

  const auto file = std::filesystem::temp_directory_path() / "dz_spirals.safetensors";
  save_model(file, model);
  Classifier again;
  load_model(file, again);
  std::filesystem::remove(file);
  return accuracy(again, test) == accuracy(model, test) ? 0 : 1;
}
