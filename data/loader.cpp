#include <dz/data/loader.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>

#include <dz/tensor/parallel.hpp>

namespace dz {
namespace {

/// Positions of the generator that an epoch has for itself, and those for a sample's transform among them.
constexpr std::uint64_t epoch_positions = std::uint64_t{1} << 40, transform_begin = std::uint64_t{1} << 39, sample_positions = 64;

std::vector<std::int64_t> order_of(std::int64_t m, bool shuffled, Generator g) {
  if (shuffled) return kernels::permutation(m, g).to_vector<std::int64_t>();
  std::vector<std::int64_t> order(static_cast<std::size_t>(m));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  return order;
}

}  // namespace

BatchTransform augmenting(const Augmentation& augmentation) {
  return [augmentation](Dataset batch, Generator& g) {
    if (!batch.images) throw ValueError("augmentation needs images, and this set has none", "augmenting");
    batch.images = augment(batch.images, augmentation, g);
    batch.x = Tensor(pixels(batch.images, batch.x.dtype()).value().reshape(batch.x.shape()));
    return batch;
  };
}

/// Prepares batches, in order; with `ahead` on a thread that is always one batch in front.
class Epoch::Worker {
 public:
  Worker(Dataset set, LoaderOptions options, Generator g, std::int64_t first)
      : set_(std::move(set)), options_(std::move(options)), generator_(g), order_(order_of(set_.size(), options_.shuffled, g)), next_(first) {
    if (options_.ahead) thread_ = std::thread([this] { run(); });
  }
  ~Worker() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  std::optional<Dataset> next() {
    if (!options_.ahead) {
      if (over_) return std::nullopt;
      over_ = true;  // unless all goes well
      std::optional<Dataset> batch = prepare();
      over_ = !batch;
      return batch;
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ready_ || over_; });
    if (trouble_) std::rethrow_exception(std::exchange(trouble_, nullptr));
    std::optional<Dataset> batch = std::exchange(ready_, std::nullopt);
    lock.unlock();
    changed_.notify_all();
    return batch;
  }

 private:
  std::optional<Dataset> prepare() {
    const std::int64_t m = set_.size(), size = options_.batch == 0 ? m : options_.batch;
    if (next_ > (m - 1) / size) return std::nullopt;
    const std::int64_t begin = next_++ * size, count = std::min(size, m - begin);
    Dataset batch = samples_of(set_, {order_.data() + begin, static_cast<std::size_t>(count)});
    if (!options_.transform) return batch;
    Generator g = generator_;
    g.position += transform_begin + static_cast<std::uint64_t>(begin) * sample_positions;
    return options_.transform(std::move(batch), g);
  }

  void run() {
    loop_alone();
    for (bool more = true; more;) {
      std::optional<Dataset> batch;
      std::exception_ptr trouble;
      try {
        batch = prepare();
      } catch (...) {
        trouble = std::current_exception();
      }
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !ready_ || stopped_; });
      more = batch && !stopped_;
      over_ = !batch;
      trouble_ = std::move(trouble);  // who takes it is the last to hold it
      ready_ = std::move(batch);
      lock.unlock();
      changed_.notify_all();
    }
  }

  Dataset set_;
  LoaderOptions options_;
  Generator generator_;
  std::vector<std::int64_t> order_;
  std::int64_t next_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Dataset> ready_;  // prepared and not yet taken
  std::exception_ptr trouble_;
  bool over_ = false, stopped_ = false;
  std::thread thread_;
};

Epoch::Epoch(std::unique_ptr<Worker> worker) : worker_(std::move(worker)) {}
Epoch::Epoch(Epoch&&) noexcept = default;
Epoch& Epoch::operator=(Epoch&&) noexcept = default;
Epoch::~Epoch() = default;

std::optional<Dataset> Epoch::next() { return worker_->next(); }

Loader::Loader(Dataset set, LoaderOptions options) : set_(std::move(set)), options_(std::move(options)) {
  if (options_.batch < 0) throw ValueError(fmt::format("batches of {} samples", options_.batch), "Loader");
  if (set_.size() < 1) throw ShapeError("a set without samples", "Loader");
}

std::int64_t Loader::batches() const { return options_.batch == 0 ? 1 : (set_.size() + options_.batch - 1) / options_.batch; }

Epoch Loader::epoch(std::int64_t number, std::int64_t first) const {
  if (number < 0 || first < 0) throw ValueError(fmt::format("no batch {} of epoch {}", first, number), "Loader");
  Generator g(options_.seed);
  g.position = static_cast<std::uint64_t>(number) * epoch_positions;
  return Epoch(std::make_unique<Epoch::Worker>(set_, options_, g, first));
}

}  // namespace dz
