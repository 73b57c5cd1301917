#pragma once
// Models put together from others.

#include <tuple>
#include <utility>

#include <dz/graph/mode.hpp>
#include <dz/models/residual.hpp>

namespace dz {

/// One after the other: layers, and functions of a tensor between them. Parameters are named by their place, "layers.0.weight".
///
///   auto model = sequential(Linear(784, 128), relu, Dropout{0.8}, Linear(128, 10));
template <class... Layers> struct Sequential {
  std::tuple<Layers...> layers;

  Tensor operator()(In x) const {
    const CallSite site(x.at());
    Tensor a = std::move(x);
    std::apply([&a](const auto&... layer) { ((a = layer(a)), ...); }, layers);
    return a;
  }
  BOOST_DESCRIBE_CLASS(Sequential, (), (layers), (), ())
};
template <class... L> Sequential<std::decay_t<L>...> sequential(L&&... layers) { return {{std::forward<L>(layers)...}}; }

}  // namespace dz
