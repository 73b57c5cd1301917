// Mini-batches and optimisers (the notes, part five): the same network learns two spirals in as many looks at the samples, by whole batches, by
// mini-batches, and by every optimiser. The best one is saved, and loaded into another model.
// usage: 06_mini_batches [EPOCHS]
#include <dz/data/loader.hpp>
#include <dz/data/model_file.hpp>
#include <dz/data/planar.hpp>
#include <dz/dz.hpp>
#include <dz/optim/adaptive.hpp>
#include <dz/optim/momentum.hpp>
#include <dz/optim/schedule.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

using namespace dz;

/// A model is a plain struct.
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

std::int64_t epochs = 60;

/// Trains a network from the same first weights every time, and says how it went.
template <class Optimiser> Classifier trained(const char* name, const Dataset& train, const Dataset& test, std::int64_t batch, Optimiser optimiser) {
  seed(1);
  Classifier model;
  const Loader loader(train, {.batch = batch, .seed = 1});  // shuffled anew in every epoch; the last batch may be smaller
  const CosineDecay rate{.rate = optimiser.learning_rate, .steps = epochs * loader.batches()};
  std::int64_t step = 0;
  double cost = 0;
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    cost = 0;
    for (const Dataset& batch_of_epoch : loader.epoch(epoch)) {
      const Tensor J = binary_cross_entropy_with_logits(model(batch_of_epoch.x), batch_of_epoch.y);
      backward(J);
      optimiser.learning_rate = rate(step++);
      optimiser.step(model);
      cost += J.item() * static_cast<double>(batch_of_epoch.size()) / static_cast<double>(train.size());
    }
  }
  std::printf("%-22s batches of %3lld  %4lld steps  last cost %.4f  accuracy %.3f on new points\n", name,
              static_cast<long long>(batch ? batch : train.size()), static_cast<long long>(step), cost, accuracy(model, test));
  return model;
}

int main(int count, char** words) try {
  if (count > 1) epochs = std::max(1ll, std::stoll(words[1]));
  seed(1);
  const Dataset train = spirals(400), test = spirals(400);
  std::printf("%s\n", summary(Classifier(), train.x).c_str());

  trained("gradient descent", train, test, 0, GradientDescent{.learning_rate = 0.3});
  trained("gradient descent", train, test, 32, GradientDescent{.learning_rate = 0.3});
  trained("gradient descent", train, test, 1, GradientDescent{.learning_rate = 0.03});
  trained("momentum", train, test, 32, Momentum{.learning_rate = 0.05});
  trained("Nesterov's momentum", train, test, 32, Momentum{.learning_rate = 0.05, .nesterov = true});
  trained("Adagrad", train, test, 32, Adagrad{.learning_rate = 0.1});
  trained("RMSProp", train, test, 32, RmsProp{.learning_rate = 0.01});
  const Classifier model = trained("Adam", train, test, 32, Adam{.learning_rate = 0.02});

  const auto file = std::filesystem::temp_directory_path() / "dz_spirals.safetensors";
  save_model(file, model);
  Classifier again;
  load_model(file, again);
  std::filesystem::remove(file);
  return accuracy(again, test) == accuracy(model, test) ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\nusage: 06_mini_batches [EPOCHS]\n", e.what());
  return 2;
}
