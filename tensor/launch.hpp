#pragma once
// The one narrow place that every kernel passes. A kernel is a plain function of an output made by its caller, inputs and
// attributes; nothing is allocated inside. Whoever listens (later: capture of a step, to be fused, planned and replayed) sees
// each call with its arrays, and can call it again.

#include <functional>
#include <tuple>
#include <type_traits>

#include <dz/tensor/array.hpp>

namespace dz {

/// One call of a kernel: what it writes and a closure that runs it once more on the same arrays.
struct Launch {
  Array output;
  std::vector<Array> inputs;
  std::function<void()> run;
};

namespace detail {
using Listener = void (*)(void* context, Launch launch);
struct Listening {
  Listener listener = nullptr;
  void* context = nullptr;
};
extern constinit thread_local Listening listening;
inline bool is_heard() { return listening.listener != nullptr; }

template <class A> void collect(std::vector<Array>& inputs, const A& a) {
  if constexpr (std::is_same_v<A, Array>) inputs.push_back(a);
  else static_assert(std::is_trivially_copyable_v<A>, "an attribute of a kernel is plain data");
}
}  // namespace detail

/// Runs kernel(output, arguments…): arguments are Arrays to read, or attributes (plain data).
template <class Kernel, class... A> void launch(Kernel kernel, const Array& output, const A&... arguments) {
  if (detail::is_heard()) [[unlikely]] {
    Launch call{output, {}, [=] { kernel(output, arguments...); }};
    (detail::collect(call.inputs, arguments), ...);
    detail::listening.listener(detail::listening.context, std::move(call));
  }
  kernel(output, arguments...);
}

}  // namespace dz
