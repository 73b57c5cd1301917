#include <dz/ops/reduce.hpp>

#include <dz/graph/record.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/shape.hpp>
#include <dz/tensor/kernels/kernels.hpp>

namespace dz {
namespace {

/// What a reduction took away, given back: the kept axes as they are, the reduced ones repeated.
Tensor spread(const Tensor& reduced, const Shape& from, std::uint32_t mask) { return expand(reshape(reduced, dz::reduced(from, mask, true)), from); }

std::uint32_t mask_of(const In& x, const Axes& axis, const char* name) {
  return detail::run_forward(name, detail::call_site(x.at()), [&] { return axis.mask(x.rank()); });
}

}  // namespace

Tensor sum(In x, const Axes& axis, bool keepdims) {
  const std::uint32_t mask = mask_of(x, axis, "sum");
  return record("sum", [=](const Array& v) { return kernels::sum(v, mask, keepdims); },
                wrt(x, [mask, from = x.shape()](const Tensor& dy) { return spread(dy, from, mask); }));
}

Tensor mean(In x, const Axes& axis, bool keepdims) {
  const CallSite site(x.at());
  if (!is_floating(x.dtype())) throw DtypeError("needs float32 or float64, got " + std::string(name(x.dtype())), "mean", detail::call_site(x.at()));
  mask_of(x, axis, "mean");
  const Tensor total = sum(x, axis, keepdims);
  return total * (static_cast<double>(total.size()) / static_cast<double>(x.size()));
}

Tensor max(In x, const Axes& axis, bool keepdims) {
  const std::uint32_t mask = mask_of(x, axis, "max");
  return record("max", [=](const Array& v) { return kernels::max(v, mask, keepdims); },
                wrt(x, [=](const Tensor& dy, const Tensor& y) {
                  const Tensor is_largest = cast(equal(x, spread(y, x.shape(), mask)), x.dtype());
                  return is_largest * spread(dy / sum(is_largest, axis, keepdims), x.shape(), mask);
                }));
}

Tensor argmax(In x, int axis) {
  return Tensor(detail::run_forward("argmax", detail::call_site(x.at()), [&] { return kernels::argmax(x.value(), axis); }));
}

}  // namespace dz
