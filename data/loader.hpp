#pragma once
// Mini-batches (the notes, part five, section one): X{t}, Y{t}, shuffled anew in every epoch.

#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>

#include <dz/data/augment.hpp>
#include <dz/data/dataset.hpp>
#include <dz/tensor/random.hpp>

namespace dz {

/// What is done to a batch before it is given out. It may run on another thread; its generator depends on the seed, the epoch and the
/// batch's number alone.
using BatchTransform = std::function<Dataset(Dataset batch, Generator& g)>;

/// Augments a batch's images and makes x of them anew. Where there are no images the batch throws ValueError.
BatchTransform augmenting(const Augmentation& augmentation);

struct LoaderOptions {
  std::int64_t batch = 64;    ///< samples; the last batch of an epoch may have fewer. 0: all in one, batch gradient descent
  bool shuffled = true;       ///< another order in every epoch
  std::uint64_t seed = 0;     ///< of the orders and the transform
  bool ahead = true;          ///< a thread prepares the next batch meanwhile; the batches are the same without it
  BatchTransform transform{};
};

/// The batches of one epoch, one after the other.
class Epoch {
 public:
  Epoch(Epoch&&) noexcept;
  Epoch& operator=(Epoch&&) noexcept;
  ~Epoch();  ///< waits for the batch that is being prepared, if one is

  /// The next batch; nothing after the last. Throws what went wrong in preparing it, on whichever thread; the epoch is over then.
  std::optional<Dataset> next();

  /// To be gone through once: `for (const Dataset& batch : loader.epoch(e))`.
  class Iterator {
   public:
    using value_type = Dataset;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(Epoch* epoch) : epoch_(epoch), batch_(epoch->next()) {}
    const Dataset& operator*() const { return *batch_; }
    const Dataset* operator->() const { return &*batch_; }
    Iterator& operator++() {
      batch_.reset();
      batch_ = epoch_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !batch_; }

   private:
    Epoch* epoch_;
    std::optional<Dataset> batch_;
  };
  Iterator begin() { return Iterator(this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  friend class Loader;
  class Worker;
  explicit Epoch(std::unique_ptr<Worker> worker);
  std::unique_ptr<Worker> worker_;
};

/// Gives the samples of a set out in batches. It has no state: an epoch is its number, so a training that begins again at epoch e sees
/// what it would have seen.
///
///   const Loader loader(train, {.batch = 64, .seed = 1});
///   for (std::int64_t e = 0; e < epochs; ++e)
///     for (const Dataset& batch : loader.epoch(e)) …
class Loader {
 public:
  /// Throws ValueError for a batch below 0, ShapeError for a set without samples.
  explicit Loader(Dataset set, LoaderOptions options = {});

  const Dataset& set() const { return set_; }
  /// Batches in an epoch.
  std::int64_t batches() const;
  /// The epoch of that number, from a batch on. Throws ValueError for negative ones.
  Epoch epoch(std::int64_t number, std::int64_t first = 0) const;

 private:
  Dataset set_;
  LoaderOptions options_;
};

}  // namespace dz
