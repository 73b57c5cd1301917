#pragma once
// Inside a gradient check float32 constants that meet float64 are widened.

namespace dz {

namespace detail {
extern constinit thread_local bool widening;
}

/// While alive, on this thread: float32 arrays that meet float64 ones are cast to float64 instead of refused.
class Widening {
 public:
  Widening();
  ~Widening();
  Widening(const Widening&) = delete;
  Widening& operator=(const Widening&) = delete;

 private:
  bool before_;
};

}  // namespace dz
