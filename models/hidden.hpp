#pragma once
// What hidden layers give, for those who watch a network from outside.

#include <functional>
#include <utility>

#include <dz/graph/tensor.hpp>

namespace dz {

/// While alive, what the hidden layers of this thread's models give is shown to a function, in the order of the calls. The newest watch is the one that sees.
class HiddenWatch {
 public:
  explicit HiddenWatch(std::function<void(const Tensor& activations)> see) : see_(std::move(see)), before_(std::exchange(current_, this)) {}
  ~HiddenWatch() { current_ = before_; }
  HiddenWatch(const HiddenWatch&) = delete;
  HiddenWatch& operator=(const HiddenWatch&) = delete;

 private:
  friend Tensor hidden(Tensor);
  static inline constinit thread_local HiddenWatch* current_ = nullptr;

  std::function<void(const Tensor&)> see_;
  HiddenWatch* before_;
};

/// The same tensor: what a hidden layer gives, its activation included, as it goes on to the next. A model that wraps it so can be watched.
///
///   Tensor operator()(In x) const { return output(hidden(relu(first(x)))); }
inline Tensor hidden(Tensor activations) {
  if (HiddenWatch::current_) [[unlikely]] HiddenWatch::current_->see_(activations);
  return activations;
}

}  // namespace dz
