// Overfitting, and three cures (the notes, part four, sections two to four): a network with far more parameters than its 60 samples need
// learns their noise; L2, dropout and early stopping keep it from that. How much of each is chosen by the errors on a dev part; the test
// part is looked at once. The picture has a row for each cure: at the left the boundary without it, at the right with it.
// usage: 05_regularisation [ITERATIONS] [PICTURE.png] [SEED] [moons|circles]
#include <dz/data/bias_variance.hpp>
#include <dz/data/file.hpp>
#include <dz/data/planar.hpp>
#include <dz/data/png.hpp>
#include <dz/dz.hpp>
#include <dz/optim/early_stopping.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

using namespace dz;

std::int64_t iterations = 2000;

/// A planar set, blurred so that its classes run into each other: no curve parts them without errors. The part of the plane that is drawn,
/// and the error that is left to who knows the classes.
struct Planar {
  std::string name;
  double noise, optimal_error;
  double left, top, scale;     // a picture's corner, and pixels for 1
  std::int64_t width, height;  // of a picture

  Dataset draw(std::int64_t m) const {
    Dataset set = planar(name, m);
    set.x = set.x + normal({m, 2}, 0, noise);
    return set;
  }
};
const Planar sets[] = {{"moons", 0.3, 0.08, -2, 2.5, 60, 300, 270}, {"circles", 0.45, 0.15, -3.3, 3.3, 36, 238, 238}};

double cost(const Mlp& network, const Dataset& set) {
  const auto guard = no_grad();
  return binary_cross_entropy_with_logits(network(set.x), set.y).item();
}

double error(const Mlp& network, const Dataset& set) {
  const auto guard = no_grad();
  return 1 - mean(cast(equal(greater(network(set.x), 0), cast(set.y, boolean)), float32)).item();
}

struct Cure {
  const char* name;
  double l2 = 0, keep_prob = 1;
  bool stops_early = false;
};

/// The doses of each cure, of which the dev part chooses.
std::vector<std::vector<Cure>> cures() {
  std::vector<Cure> l2, dropout;
  for (const double lambda : {0.1, 0.3, 0.6, 1.0, 2.0}) l2.push_back({.name = "L2", .l2 = lambda});
  for (const double keep_prob : {0.8, 0.65, 0.5, 0.35}) dropout.push_back({.name = "dropout", .keep_prob = keep_prob});
  return {l2, dropout, {{.name = "early stopping", .stops_early = true}}};
}

Mlp trained(const Dataset& train, const Dataset& dev, const Cure& cure, std::uint64_t first) {
  seed(first);
  Mlp network = mlp({2, 64, 64, 1}, relu, initialise::he);
  network.keep_prob = {cure.keep_prob, cure.keep_prob};
  Adam adam{.learning_rate = 0.003};
  EarlyStopping stopping{.patience = 20};
  for (std::int64_t step = 0; step < iterations && !(cure.stops_early && stopping.is_over()); ++step) {
    if (cure.stops_early && step % 5 == 0) stopping.report(network, cost(network, dev));
    const auto dropping = training();
    Tensor J = binary_cross_entropy_with_logits(network(train.x), train.y);
    if (cure.l2 > 0) J = J + l2_cost(network, cure.l2, train.size());  // λ/(2m)·Σ‖W‖²
    backward(J);
    adam.step(network);
  }
  if (cure.stops_early) stopping.restore(network);
  return network;
}

struct Treated {
  Cure cure;
  Mlp network;
};

/// With the dose that errs least on the dev part, of several such the one with the least cost.
Treated best(const Dataset& train, const Dataset& dev, const std::vector<Cure>& doses, std::uint64_t first) {
  std::optional<Treated> kept;
  std::pair<double, double> least;
  for (const Cure& cure : doses) {
    Mlp network = trained(train, dev, cure, first);
    const std::pair errs{error(network, dev), cost(network, dev)};
    if (kept && !(errs < least)) continue;
    least = errs;
    kept = Treated{cure, std::move(network)};
  }
  return std::move(*kept);
}

/// What a network says of the plane: blue for one class, orange for the other, the paler the less sure; the boundary is dark, the samples
/// are dots.
Tensor picture(const Mlp& network, const Dataset& train, const Planar& set) {
  const std::int64_t height = set.height, width = set.width;
  const auto guard = no_grad();
  const Tensor across = expand(reshape(arange(0, static_cast<double>(width)) / set.scale + set.left, {1, width, 1}), {height, width, 1});
  const Tensor down = expand(reshape(set.top - arange(0, static_cast<double>(height)) / set.scale, {height, 1, 1}), {height, width, 1});
  const Tensor plane = reshape(concat({across, down}, 2), {height * width, 2});
  const std::vector<double> p = sigmoid(network(plane)).to_vector(), at = train.x.to_vector(), labels = train.y.to_vector();

  constexpr double colours[2][3] = {{0, 114, 178}, {213, 94, 0}};
  Array pixels = Array::make({height, width, 3}, uint8);
  std::uint8_t* out = pixels.writable<std::uint8_t>();
  const auto paint = [&](std::int64_t row, std::int64_t column, const double* colour, double opacity) {
    if (row < 0 || row >= height || column < 0 || column >= width) return;
    for (int c = 0; c < 3; ++c) out[(row * width + column) * 3 + c] = static_cast<std::uint8_t>(255 - opacity * (255 - colour[c]));
  };
  for (std::int64_t i = 0; i < height; ++i)
    for (std::int64_t j = 0; j < width; ++j) {
      const auto side = [&](std::int64_t k) { return p[static_cast<std::size_t>(k)] > 0.5; };
      const std::int64_t k = i * width + j;
      const bool edge = (j + 1 < width && side(k) != side(k + 1)) || (i + 1 < height && side(k) != side(k + width));
      const double ink[3] = {30, 30, 30};
      paint(i, j, edge ? ink : colours[side(k)], edge ? 1 : 0.1 + 0.5 * std::abs(2 * p[static_cast<std::size_t>(k)] - 1));
    }
  for (std::size_t s = 0; s < labels.size(); ++s)
    for (std::int64_t i = -3; i <= 3; ++i)
      for (std::int64_t j = -3; j <= 3; ++j)
        if (i * i + j * j <= 10)
          paint(static_cast<std::int64_t>((set.top - at[2 * s + 1]) * set.scale) + i,
                static_cast<std::int64_t>((at[2 * s] - set.left) * set.scale) + j, colours[labels[s] > 0.5], 1);
  return Tensor(pixels);
}

int main(int count, char** words) try {
  if (count > 1) iterations = std::max(1ll, std::stoll(words[1]));
  const std::string file = count > 2 ? words[2] : "";
  const std::uint64_t first = count > 3 ? std::stoull(words[3]) : 1;
  const Planar& set = count > 4 && words[4] == sets[1].name ? sets[1] : sets[0];

  seed(first);
  const Dataset train = set.draw(60), dev = set.draw(200), test = set.draw(5000);
  std::printf("%-15s %5s %9s %9s %9s  %s\n", "cure", "dose", "training", "dev", "test", "by training and dev error");
  std::vector<double> gaps;  // between training and test error
  const auto judged = [&](const std::vector<Cure>& doses) {
    const auto [cure, network] = best(train, dev, doses, first);
    const double on_train = error(network, train), on_dev = error(network, dev), on_test = error(network, test);
    char dose[16] = "";
    if (cure.l2 > 0 || cure.keep_prob < 1) std::snprintf(dose, sizeof dose, "%g", cure.l2 > 0 ? cure.l2 : cure.keep_prob);
    std::printf("%-15s %5s %7.1f %% %7.1f %% %7.1f %%  %s\n", cure.name, dose, 100 * on_train, 100 * on_dev, 100 * on_test,
                std::string(name(bias_variance(on_train, on_dev, {.optimal_error = set.optimal_error}).fit)).c_str());
    gaps.push_back(on_test - on_train);
    return picture(network, train, set);
  };
  std::vector<Tensor> rows;
  const Tensor without = judged({{.name = "none"}}), beside = full({without.size(0), 12, 3}, 255, uint8), below = full({12, 2 * without.size(1) + 12, 3}, 255, uint8);
  for (const std::vector<Cure>& doses : cures()) {
    if (!rows.empty()) rows.push_back(below);
    rows.push_back(concat({without, beside, judged(doses)}, 1));
  }
  if (!file.empty()) {
    write_file(file, to_png(concat(rows, 0).value()));
    std::printf("%s: the rows are L2, dropout and early stopping, at the left without\n", file.c_str());
  }
  return std::ranges::max_element(gaps) == gaps.begin() ? 0 : 1;  // every cure has to narrow it
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\nusage: 05_regularisation [ITERATIONS] [PICTURE.png] [SEED] [moons|circles]\n", e.what());
  return 2;
}
