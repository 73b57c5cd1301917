#pragma once
// What stands around and between layers.

#include <type_traits>
#include <utility>

#include <dz/graph/mode.hpp>
#include <dz/models/parameters.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/dropout.hpp>

namespace dz {

/// x + inner(x) (He et al., CVPR 2016): the shape has to stay.
template <class Inner> struct Residual {
  Inner inner;

  Tensor operator()(In x) const {
    const CallSite site(x.at());
    return x + inner(x);
  }
  BOOST_DESCRIBE_CLASS(Residual, (), (inner), (), ())
};
template <class Inner> Residual<std::decay_t<Inner>> residual(Inner&& inner) { return {std::forward<Inner>(inner)}; }

/// dropout() as a layer.
struct Dropout {
  double keep_prob = 1;
  Tensor operator()(In x) const { return dropout(std::move(x), keep_prob); }
};
BOOST_DESCRIBE_STRUCT(Dropout, (), (keep_prob))

}  // namespace dz
