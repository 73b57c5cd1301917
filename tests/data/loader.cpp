#include <dz/data/loader.hpp>

#include <dz/dz.hpp>

#include <atomic>
#include <thread>

#include "tests/data/fixtures.hpp"

using namespace dz;
using namespace dz::test;

namespace {

Dataset numbered(std::int64_t m) {
  Dataset set{reshape(arange(0, static_cast<double>(m)), {m, 1}), {}, Array::make({m, 4, 4, 1}, uint8)};
  std::vector<std::int64_t> labels(static_cast<std::size_t>(m));
  for (std::int64_t i = 0; i < m; ++i) labels[static_cast<std::size_t>(i)] = i % 10;
  set.y = dz::labels(labels);
  for (std::int64_t i = 0; i < 16 * m; ++i) set.images.writable<std::uint8_t>()[i] = static_cast<std::uint8_t>(i * 37 % 256);
  return set;
}

/// The samples of an epoch, batch by batch.
std::vector<std::vector<double>> batches_of(Epoch epoch) {
  std::vector<std::vector<double>> all;
  for (const Dataset& batch : epoch) all.push_back(batch.x.to_vector());
  return all;
}

std::vector<double> together(const std::vector<std::vector<double>>& batches) {
  std::vector<double> all;
  for (const auto& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
  return all;
}

}  // namespace

TEST_CASE("an epoch has every sample once, in batches, the last one partial", "[data][loader]") {
  for (const bool ahead : {true, false}) {
    const Loader loader(numbered(23), {.batch = 5, .seed = 4, .ahead = ahead});
    CHECK(loader.batches() == 5);
    const auto first = batches_of(loader.epoch(0)), second = batches_of(loader.epoch(1));
    REQUIRE(first.size() == 5);
    CHECK(first[0].size() == 5);
    CHECK(first[4].size() == 3);
    std::vector<double> all = together(first);
    CHECK(all != together(second));  // shuffled anew
    CHECK_FALSE(std::ranges::is_sorted(all));
    std::ranges::sort(all);
    CHECK(all == arange(0, 23).to_vector());
    for (const Dataset& batch : loader.epoch(7)) {
      const std::vector<double> x = batch.x.to_vector();
      const std::vector<std::int64_t> y = class_numbers(batch);
      for (std::size_t i = 0; i < x.size(); ++i) CHECK(y[i] == static_cast<std::int64_t>(x[i]) % 10);
    }
  }
}

TEST_CASE("batch gradient descent, single samples, and order kept", "[data][loader]") {
  CHECK(batches_of(Loader(numbered(7), {.batch = 0, .shuffled = false}).epoch(3)) == std::vector<std::vector<double>>{arange(0, 7).to_vector()});
  CHECK(batches_of(Loader(numbered(3), {.batch = 1, .shuffled = false}).epoch(0)) == std::vector<std::vector<double>>{{0}, {1}, {2}});
  CHECK(batches_of(Loader(numbered(3), {.batch = 99}).epoch(0)).size() == 1);
}

TEST_CASE("an epoch depends on seed and number alone, thread or not, from any batch on", "[data][loader]") {
  const auto options = [](bool ahead, std::uint64_t seed) {
    return LoaderOptions{.batch = 4, .seed = seed, .ahead = ahead, .transform = augmenting({.flip = 0.5, .shift = 1, .rotate = 10})};
  };
  Dataset set = numbered(30);
  set.x = pixels(set.images);
  const Loader ahead(set, options(true, 9)), alone(set, options(false, 9)), other(set, options(true, 10));
  for (const std::int64_t e : {0, 5}) {
    const auto all = batches_of(ahead.epoch(e));
    CHECK(all == batches_of(alone.epoch(e)));
    CHECK(all == batches_of(ahead.epoch(e)));
    CHECK(all != batches_of(other.epoch(e)));
    CHECK(std::vector(all.begin() + 3, all.end()) == batches_of(ahead.epoch(e, 3)));
  }
  CHECK(batches_of(ahead.epoch(0, 99)).empty());
}

TEST_CASE("what goes wrong in preparing a batch arrives where the batch is asked for", "[data][loader]") {
  for (const bool ahead : {true, false}) {
    std::atomic<int> calls = 0;
    const Loader loader(numbered(20), {.batch = 5, .ahead = ahead, .transform = [&](Dataset batch, Generator&) -> Dataset {
                                         if (++calls == 3) throw ValueError("the third batch", "transform");
                                         return batch;
                                       }});
    Epoch epoch = loader.epoch(0);
    CHECK(epoch.next());
    CHECK(epoch.next());
    check_refused<ValueError>([&] { epoch.next(); }, {"[transform] the third batch"});
    CHECK_FALSE(epoch.next());
    CHECK(calls == 3);
  }
  const Loader without(Dataset{zeros({4, 2}), labels({0, 1, 0, 1}), {}}, {.transform = augmenting({.flip = 1})});
  check_refused<ValueError>([&] { without.epoch(0).next(); }, {"images"});
}

TEST_CASE("an epoch may be left early, and the next batch is prepared meanwhile", "[data][loader]") {
  std::atomic<int> prepared = 0;
  const Loader loader(numbered(1000), {.batch = 10, .transform = [&](Dataset batch, Generator&) { return ++prepared, batch; }});
  {
    Epoch epoch = loader.epoch(0);
    CHECK(epoch.next());
    while (prepared < 2) std::this_thread::yield();  // without anybody asking
    Epoch moved = std::move(epoch);
    CHECK(moved.next());
  }
  CHECK(prepared <= 4);
  for (int e = 0; e < 50; ++e) loader.epoch(e);  // begun and dropped
}

TEST_CASE("loaders that make no sense are refused", "[data][loader]") {
  check_refused<ValueError>([] { Loader(numbered(3), {.batch = -1}); }, {"[Loader]", "-1"});
  check_refused<ShapeError>([] { Loader(Dataset{}); }, {"[Loader]", "without samples"});
  check_refused<ValueError>([] { Loader(numbered(3)).epoch(-1); }, {"[Loader]", "epoch -1"});
}
