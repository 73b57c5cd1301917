#pragma once
// update(f, updates): an optimiser's formula, written once as a generic lambda on packs, run over all its tensors in one parallel
// loop and one pass over memory.

#include <array>

#include <dz/tensor/kernels/vectorised.hpp>
#include <dz/tensor/memory.hpp>

namespace dz::kernels {

/// One tensor's part of a step: the parameter and the optimiser's state, which are written, the gradient, and the numbers of the
/// formula, which may differ from tensor to tensor. All arrays have one shape and dtype.
template <std::size_t states, std::size_t numbers> struct Update {
  Array parameter, gradient;
  std::array<Array, states> state;
  std::array<double, numbers> number;
};

namespace detail {

/// Elements [begin, end) of one tensor; all arrays in row order.
template <class T, class F, std::size_t states, std::size_t numbers>
void update_range(const F& f, const Update<states, numbers>& u, std::int64_t begin, std::int64_t end) {
  using P = Pack<T>;
  std::array<T*, states> s;
  for (std::size_t k = 0; k < states; ++k) s[k] = u.state[k].template writable<T>();
  vectorised([&, s, w = u.parameter.template writable<T>(), g = u.gradient.template data<T>(), end]() __attribute__((always_inline)) {
    [&]<std::size_t... S, std::size_t... N>(std::index_sequence<S...>, std::index_sequence<N...>) __attribute__((always_inline)) {
      const P number[numbers] = {P(u.number[N])...};
      for (std::int64_t i = begin; i < end; i += P::width) {
        const std::int64_t n = end - i;
        P value = load<T>(w + i, 1, n), state[states + 1] = {load<T>(s[S] + i, 1, n)..., P(0)};
        f(value, load<T>(g + i, 1, n), state[S]..., number[N]...);
        store<T>(w + i, 1, n, value);
        (store<T>(s[S] + i, 1, n, state[S]), ...);
      }
    }(std::make_index_sequence<states>{}, std::make_index_sequence<numbers>{});
  });
}

}  // namespace detail

/// Calls f(w, g, state…, number…) for every pack of every tensor; w and the states are references to write to.
template <class F, std::size_t states, std::size_t numbers> void update(const F& f, const memory::Vector<Update<states, numbers>>& updates) {
  const auto run = [&f](const Update<states, numbers>& u, std::int64_t begin, std::int64_t end) {
    visit_floating(u.parameter.dtype(), [&]<class T>(std::type_identity<T>) { detail::update_range<T>(f, u, begin, end); });
  };
  if (dz::detail::is_heard()) [[unlikely]] {  // whoever listens sees each tensor's own call
    for (const auto& u : updates)
      [&]<std::size_t... S>(std::index_sequence<S...>) {
        const auto kernel = [f](const Array& w, const Array& g, const auto&... rest) {
          const std::tuple<const decltype(rest)&...> all{rest...};
          const Update<states, numbers> again{w, g, {std::get<S>(all)...}, std::get<states>(all)};
          visit_floating(w.dtype(), [&]<class T>(std::type_identity<T>) { detail::update_range<T>(f, again, 0, w.size()); });
        };
        launch(kernel, u.parameter, u.gradient, u.state[S]..., u.number);
      }(std::make_index_sequence<states>{});
    return;
  }
  std::int64_t total = 0;
  for (const auto& u : updates) total += u.parameter.size();
  // Each thread takes its share of every tensor: gradients are made, and lie in caches, by like shares.
  const std::int64_t shares = std::clamp<std::int64_t>(total / elementwise_grain, 1, loop_threads());
  parallel_for(shares, 1, [&](std::int64_t begin, std::int64_t end) {
    constexpr std::int64_t line = 64;
    for (std::int64_t k = begin; k < end; ++k)
      for (const auto& u : updates) {
        const auto [from, to] = dz::detail::share(u.parameter.size(), line, k, shares);
        if (from < to) run(u, from, to);
      }
  });
}

}  // namespace dz::kernels
