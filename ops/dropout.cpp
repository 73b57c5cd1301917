#include <dz/ops/dropout.hpp>

#include <fmt/format.h>

#include <dz/graph/record.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/creation.hpp>

namespace dz {

Tensor dropout(In x, double keep_prob, Generator& g) {
  const CallSite site(x.at());
  if (!(keep_prob > 0 && keep_prob <= 1)) throw ValueError(fmt::format("keep_prob is {}, outside (0, 1]", keep_prob), "dropout", detail::call_site(x.at()));
  if (!is_training() || keep_prob == 1) return x;
  const Tensor mask = detail::run_forward("dropout", detail::call_site(x.at()), [&] { return bernoulli(x.shape(), keep_prob, x.dtype(), g); });
  return x * (mask * (1 / keep_prob));
}

}  // namespace dz
