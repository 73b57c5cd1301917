// Checkpoints: whole, of the right state, and a training that goes on from one as if it had never ended.

#include <dz/data/checkpoint.hpp>

#include <dz/data/loader.hpp>
#include <dz/data/planar.hpp>
#include <dz/dz.hpp>
#include <dz/optim/adaptive.hpp>
#include <dz/optim/early_stopping.hpp>
#include <dz/optim/momentum.hpp>
#include <dz/optim/schedule.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "tests/data/fixtures.hpp"

using namespace dz;
using namespace dz::test;

namespace {

template <class Optimiser> struct Training {
  Mlp model;
  Optimiser optimiser;
  CosineDecay schedule{.rate = 0.02, .steps = 100, .warmup = 5};
  ReduceOnPlateau plateau{};
  EarlyStopping stopping{};
  Generator generator{0};
  std::int64_t epoch = 0;
};
BOOST_DESCRIBE_STRUCT(Training<Adam>, (), (model, optimiser, schedule, plateau, stopping, generator, epoch))
BOOST_DESCRIBE_STRUCT(Training<GradientDescent>, (), (model, optimiser, schedule, plateau, stopping, generator, epoch))
using AnyOptimiser = std::variant<Momentum, RmsProp>;
BOOST_DESCRIBE_STRUCT(Training<AnyOptimiser>, (), (model, optimiser, schedule, plateau, stopping, generator, epoch))

Dataset data() {
  Generator g(8);
  return flower(90, g);
}

template <class Optimiser> Training<Optimiser> begin(Optimiser optimiser) {
  Generator g(1);
  Training<Optimiser> t{mlp({2, 16, 8, 1}, tanh, initialise::xavier, float32, g), std::move(optimiser)};
  t.model.normalisation = InputNormalisation(data().x);
  t.model.keep_prob = {0.8, 0.9};
  t.generator = Generator(5);
  return t;
}

template <class Optimiser> void set_rate(Optimiser& o, double rate) { o.learning_rate = rate; }
void set_rate(AnyOptimiser& o, double rate) {
  std::visit([&](auto& one) { one.learning_rate = rate; }, o);
}

/// Everything that a training has: mini-batches in new orders, dropout, a schedule, an optimiser's memory, early stopping.
template <class Optimiser> void run(Training<Optimiser>& t, std::int64_t until) {
  const Dataset all = data();
  const Loader loader(all, {.batch = 32, .seed = 3});
  for (; t.epoch < until; ++t.epoch) {
    std::swap(default_generator(), t.generator);
    for (const Dataset& batch : loader.epoch(t.epoch)) {
      const auto on = training();
      backward(binary_cross_entropy_with_logits(t.model(batch.x), batch.y));
      set_rate(t.optimiser, t.schedule(t.epoch) * t.plateau.rate);
      if constexpr (std::is_same_v<Optimiser, AnyOptimiser>) std::visit([&](auto& one) { one.step(t.model); }, t.optimiser);
      else t.optimiser.step(t.model);
    }
    std::swap(default_generator(), t.generator);
    const double J = binary_cross_entropy_with_logits(t.model(all.x), all.y).item();
    t.plateau(J);
    t.stopping.report(t.model, J);
  }
}

template <class T> std::string file_of(const std::filesystem::path& path, const T& state) {
  save_checkpoint(path, state);
  return read_file(path);
}

template <class Optimiser> void resumes(Optimiser optimiser) {
  const TempDir folder;
  Training<Optimiser> whole = begin(optimiser), half = begin(optimiser);
  run(whole, 12);
  run(half, 5);
  save_checkpoint(folder / "half", half);
  Training<Optimiser> resumed = begin(optimiser);
  for (const NamedParameter& p : parameters(resumed.model)) p.parameter->assign(zeros_like(*p.parameter));  // its own values play no part
  load_checkpoint(folder / "half", resumed);
  CHECK(resumed.epoch == 5);
  run(resumed, 12);
  CHECK(file_of(folder / "a", resumed) == file_of(folder / "b", whole));  // every parameter, moment and counter, bit for bit
}

struct Small {
  Linear layer{2, 3};
  std::vector<double> numbers{1, 2};
  std::optional<Parameter> more;
  std::string text = "text";
  bool flag = true;
  std::int64_t count = 7;
};
BOOST_DESCRIBE_STRUCT(Small, (), (layer, numbers, more, text, flag, count))

struct Other {
  Linear layer{3, 3};
  Linear second{1, 1};
};
BOOST_DESCRIBE_STRUCT(Other, (), (layer, second))

}  // namespace

TEST_CASE("a resumed training continues bit for bit as the uninterrupted one", "[data][checkpoint]") {
  resumes(Adam{});
  resumes(GradientDescent{.compensated = true});
  resumes(AnyOptimiser(Momentum{.nesterov = true}));
  resumes(AnyOptimiser(RmsProp{}));
}

TEST_CASE("a checkpoint holds every member; parameters stay the leaves that they are", "[data][checkpoint]") {
  const TempDir folder;
  Small a;
  a.numbers = {std::nan(""), HUGE_VAL}, a.text = "böse \"\\\n", a.flag = false, a.count = INT64_MIN;
  a.more = Parameter(tensor({5}, {1}), Role::bias);
  save_checkpoint(folder / "a", a, {{"note", "of the user"}});
  Small b;
  const NodeRef leaf = b.layer.weight.from();
  b.layer.weight.set_grad(ones({3, 2}));
  CHECK(load_checkpoint(folder / "a", b) == Metadata{{"note", "of the user"}});
  CHECK(b.layer.weight.to_vector() == a.layer.weight.to_vector());
  CHECK(b.layer.weight.from() == leaf);
  CHECK_FALSE(b.layer.weight.grad());
  CHECK(std::isnan(b.numbers[0]));
  CHECK(b.numbers[1] == HUGE_VAL);
  CHECK(b.text == a.text);
  CHECK_FALSE(b.flag);
  CHECK(b.count == INT64_MIN);
  REQUIRE(b.more);
  CHECK(b.more->item() == 5);
  CHECK(b.more->role() == Role::bias);
  CHECK(b.more->requires_grad());
  CHECK_THROWS_AS(save_checkpoint(folder / "a", a, {{"role of layer.weight", "x"}}), ValueError);
}

TEST_CASE("a checkpoint of another state is refused with the differences, and nothing is changed", "[data][checkpoint]") {
  const TempDir folder;
  save_checkpoint(folder / "small", Small{});
  Other other;
  const std::vector<double> before = other.layer.bias.to_vector();
  check_refused<FileError>([&] { load_checkpoint(folder / "small", other); },
                           {"[load_checkpoint]", "small", "'layer.weight' is float32 (3, 2) and not float32 (3, 3)",
                            "it has no 'second.weight'", "nothing here is 'count'"});
  CHECK(other.layer.bias.to_vector() == before);
  Small longer;
  longer.numbers = {1, 2, 3};
  check_refused<FileError>([&] { load_checkpoint(folder / "small", longer); }, {"'numbers.size' is 2 and not 3"});
  AnyOptimiser one = Momentum{}, another = RmsProp{};
  Training<AnyOptimiser> a = begin(one), b = begin(another);
  save_checkpoint(folder / "a", a);
  check_refused<FileError>([&] { load_checkpoint(folder / "a", b); }, {"'optimiser.kind' is 1 and not 2"});
  check_refused<FileError>([&] { load_checkpoint(folder / "none", b); }, {"none", "No such file"});
}

TEST_CASE("broken checkpoints do no harm", "[data][checkpoint]") {
  const TempDir folder;
  const std::string bytes = file_of(folder / "x", Small{});
  survive(bytes, 0, [](const auto& path) {
    Small state;
    load_checkpoint(path, state);
  });
  // What a file may say of a vector's size is believed only as far as memory bears it.
  for (const std::int64_t size : {std::int64_t{-1}, std::int64_t{1} << 40}) {
    NamedArrays file = read_safetensors(folder / "x");
    for (NamedArray& a : file.arrays)
      if (a.name == "numbers.size") a.array = Array::of(std::vector<std::int64_t>{size}, {});
    write_safetensors(folder / "y", file);
    Small empty;
    empty.numbers.clear();
    check_refused<FileError>([&] { load_checkpoint(folder / "y", empty); }, {"numbers.size"});
  }
}

namespace {

struct Pair {
  std::int64_t first = 0;
  Parameter values{zeros({1000})};
  std::int64_t last = 0;
};
BOOST_DESCRIBE_STRUCT(Pair, (), (first, values, last))

/// A process that saves one checkpoint after the other into the same file, killed at any moment; what is left is whole.
void survives_kills(int kills) {
  const TempDir folder;
  std::int64_t newest = -1;
  for (int k = 0; k < kills; ++k) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      Pair state;
      try {
        for (std::int64_t i = newest + 1;; ++i) {
          state.first = state.last = i;
          state.values.assign(full({1000}, static_cast<double>(i)));
          save_checkpoint(folder / "x", state);
        }
      } catch (...) {
      }
      _exit(1);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(500 + 977 * k % 6000));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    if (!std::filesystem::exists(folder / "x")) continue;
    Pair left;
    load_checkpoint(folder / "x", left);
    CHECK(left.first == left.last);
    CHECK(left.values.to_vector() == std::vector<double>(1000, static_cast<double>(left.first)));
    CHECK(left.first >= newest);
    newest = left.first;
  }
  CHECK(newest > 0);
}

}  // namespace

TEST_CASE("kill -9 at any moment leaves the old checkpoint or the new one", "[data][checkpoint]") { survives_kills(40); }
TEST_CASE("kill -9, a thousand times", "[data][checkpoint][long][.]") { survives_kills(1000); }
