#pragma once
// For tests: while a guard of these lives, kernels take the way that it asks for, in the whole process. A test that does so runs no
// operation on another thread meanwhile.

#include <cstdint>
#include <utility>

#include <dz/tensor/kernels/map.hpp>
#include <dz/tensor/thresholds.hpp>

namespace dz::force {

/// Puts a threshold elsewhere: `force::Size grain(elementwise_grain, 64);`.
class [[nodiscard]] Size {
 public:
  Size(std::int64_t& threshold, std::int64_t size) : threshold_(threshold), before_(std::exchange(threshold, size)) {}
  ~Size() { threshold_ = before_; }
  Size(const Size&) = delete;
  Size& operator=(const Size&) = delete;

 private:
  std::int64_t& threshold_;
  std::int64_t before_;
};

/// Uses at most this instruction set.
class [[nodiscard]] InstructionSet {
 public:
  explicit InstructionSet(Isa isa) : before_(active_isa()) { limit_isa(isa); }
  ~InstructionSet() { limit_isa(before_); }
  InstructionSet(const InstructionSet&) = delete;
  InstructionSet& operator=(const InstructionSet&) = delete;

 private:
  Isa before_;
};

/// Runs the loops that this thread starts (dz's, BLAS's and oneDNN's) on at most so many threads, as OMP_NUM_THREADS would. Without OpenMP
/// they run on one whatever is asked.
class [[nodiscard]] Threads {
 public:
  explicit Threads(int count);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  [[maybe_unused]] int before_;  // without OpenMP
};

}  // namespace dz::force
