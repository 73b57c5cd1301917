#include <dz/ops/relu_gradient.hpp>

#include <algorithm>

#include <dz/graph/mode.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/control.hpp>
#include <dz/ops/reduce.hpp>
#include <dz/tensor/kernels/kernels.hpp>

namespace dz::detail {

ReluGradient relu_gradient(Tensor&& da, const Tensor& a, const Axes& summed, bool wanted) {
  if (is_recording()) {
    Tensor dz = where(less(0, a), da, 0), db = wanted ? sum(dz, summed) : Tensor();
    return {std::move(dz), std::move(db)};
  }
  const std::int64_t n = a.size(a.rank() - 1);
  const Shape rows{a.size() / std::max<std::int64_t>(1, n), n};
  const bool over = da.value().is_spare();
  auto [dz, db] = kernels::relu_gradient(da.value().reshape(rows), a.value().reshape(rows), over);
  return {Tensor(dz.reshape(a.shape())), Tensor(std::move(db))};
}

}  // namespace dz::detail
