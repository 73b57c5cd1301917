#pragma once
// What a thread is doing: recording or not, training or evaluating, and on whose behalf.

#include <cstdint>
#include <utility>

#include <dz/tensor/autocast.hpp>
#include <dz/tensor/error.hpp>

namespace dz {

class Node;

namespace detail {
/// All of a thread's state for the graph in one place: one thread-local address to compute.
struct ThreadState {
  bool recording = true, training = false, checking = false, watching = false;
  bool deriving = false;  // a derivative runs
  bool draining = false;
  At call;                    // the outermost dz call, where one is open
  std::uint64_t created = 0;  // number of the thread's newest node
  Node* dead = nullptr;       // nodes to be released by the outermost release
};
extern constinit thread_local ThreadState thread_state;
/// The line of the outermost dz call, or the one given where none is open.
inline At call_site(At at) { return thread_state.call ? thread_state.call : at; }

/// Sets a flag of the thread until it goes out of scope.
class [[nodiscard]] FlagGuard {
 public:
  FlagGuard(bool& flag, bool value) : flag_(flag), before_(std::exchange(flag, value)) {}
  ~FlagGuard() { flag_ = before_; }
  FlagGuard(const FlagGuard&) = delete;
  FlagGuard& operator=(const FlagGuard&) = delete;

 private:
  bool& flag_;
  bool before_;
};
}  // namespace detail

/// Until the guard goes, this thread records nothing: `auto guard = no_grad();`.
inline detail::FlagGuard no_grad() { return {detail::thread_state.recording, false}; }
/// Until the guard goes, this thread records (within a no_grad, or a derivative).
inline detail::FlagGuard with_grad() { return {detail::thread_state.recording, true}; }
/// Until the guard goes, this thread trains: dropout drops. The default is evaluation.
inline detail::FlagGuard training(bool on = true) { return {detail::thread_state.training, on}; }
/// Until the guard goes, nodes keep their forward and inputs, so that check_graph can examine each by itself.
inline detail::FlagGuard checked() { return {detail::thread_state.checking, true}; }
/// Until the guard goes, the first operation of this thread that gives a NaN or an infinity, forward or in the reverse pass, throws
/// ValueError with its name, the element and the user's line.
inline detail::FlagGuard detect_anomalies() { return {detail::thread_state.watching, true}; }

/// Until the guard goes, this thread's large float32 products and convolutions round their operands to bfloat16 and sum in float32, and so do the
/// reverse steps of what is recorded meanwhile, whenever they run. Parameters, gradients, sums and losses stay float32. Where the machine
/// cannot, nothing changes, and unsupported(bfloat16) says why.
inline detail::FlagGuard autocast(Bfloat16, bool on = true) { return {detail::autocasting, on}; }

inline bool is_recording() { return detail::thread_state.recording; }
inline bool is_training() { return detail::thread_state.training; }

/// In a layer or a composed operation: while it is open, everything called reports this place, that of the user's call. The
/// outermost one decides.
class [[nodiscard]] CallSite {
 public:
  explicit CallSite(At at) : before_(detail::thread_state.call) {
    if (!before_) detail::thread_state.call = at;
  }
  ~CallSite() { detail::thread_state.call = before_; }
  CallSite(const CallSite&) = delete;
  CallSite& operator=(const CallSite&) = delete;

 private:
  At before_;
};

}  // namespace dz
