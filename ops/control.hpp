#pragma once
// Operations that change nothing forward and something in the reverse pass.

#include <concepts>
#include <functional>

#include <dz/graph/tensor.hpp>

namespace dz {

/// x; its gradient is multiplied by the factor (−1 reverses it: Ganin et al., JMLR 2016).
Tensor scale_grad(In x, double factor);

/// x; in the reverse pass `hook` is given the gradient that arrives and gives the one that goes on, of the same shape and dtype (the
/// gradient itself, where it only looks). What is computed from the result passes the hook, what is computed from x does not.
Tensor hook(In x, std::function<Tensor(const Tensor& gradient)> hook);

namespace detail {
Tensor checkpoint(std::function<Tensor(const std::vector<Tensor>&)> f, std::vector<In> x);
}

/// f(x…), whose inner values are not kept but computed again in the reverse pass (Chen et al., 2016): memory for time. f gives the same
/// values when it is called again (random operations do: the generator is rewound); parameters that it captures get their gradients as
/// usual. Throws GraphError in the reverse pass where one of them was written in place in between.
template <class F, std::convertible_to<In>... X> Tensor checkpoint(F f, In x, const X&... more) {
  return detail::checkpoint(
      [f = std::move(f)](const std::vector<Tensor>& in) mutable {
        return [&]<std::size_t... I>(std::index_sequence<I...>) { return Tensor(f(In(in[I])...)); }(std::make_index_sequence<1 + sizeof...(X)>{});
      },
      {x, In(more, x.at())...});
}

}  // namespace dz
