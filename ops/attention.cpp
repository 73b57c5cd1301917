#include <dz/ops/attention.hpp>

#include <cmath>
#include <limits>

#include <dz/graph/record.hpp>
#include <dz/ops/activation.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/creation.hpp>
#include <dz/ops/matrix.hpp>
#include <dz/ops/reduce.hpp>
#include <dz/ops/shape.hpp>
#include <dz/tensor/kernels/attention.hpp>

namespace dz {
namespace {

/// Whether key j of s is no later than query i of t, of the rank of the scores.
Tensor past(const Tensor& q, const Tensor& k) {
  Shape row, column;
  for (int i = 0; i < q.rank(); ++i) row.append(1), column.append(1);
  const std::int64_t t = q.size(-2), s = k.size(-2);
  column[q.rank() - 2] = t;
  row[q.rank() - 1] = s;
  return less_equal(reshape(arange(0, static_cast<double>(s), 1, float64), row), reshape(arange(static_cast<double>(s - t), static_cast<double>(s), 1, float64), column));
}

/// softmax(q·kᵀ·scale + mask), where nothing is allowed 0. What is not allowed scores −10³⁰ and not −∞, so that no gradient is a NaN.
Tensor weights_by_operations(const Tensor& q, const Tensor& k, const Tensor& mask, const kernels::AttentionOptions& o) {
  const auto allowed_or = [&](Tensor x, double otherwise) {
    if (o.causal) x = where(past(q, k), x, otherwise);
    if (!mask) return x;
    return mask.dtype() == boolean ? where(mask, x, otherwise) : where(equal(mask, -std::numeric_limits<double>::infinity()), otherwise, x);
  };
  const Tensor scores = matmul(q, t(k)) * o.scale;
  return allowed_or(softmax(allowed_or(mask && mask.dtype() != boolean ? scores + mask : scores, -1e30), -1), 0);
}

/// By q, k, v and an added mask, written with operations: what the kernel computes, to be differentiated again.
std::array<Tensor, 4> gradient_by_operations(const Tensor& dy, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, const kernels::AttentionOptions& o) {
  const Tensor p = weights_by_operations(q, k, mask, o), dp = matmul(dy, t(v));
  const Tensor ds = p * (dp - sum(p * dp, -1, true));
  return {matmul(ds, k) * o.scale, matmul(t(ds), q) * o.scale, matmul(t(p), dy), ds};
}

}  // namespace

Tensor attention(In q, In k, In v, const AttentionOptions& options) {
  const CallSite site(q.at());
  const double width = q.rank() > 0 && q.size(-1) > 0 ? static_cast<double>(q.size(-1)) : 1;
  const kernels::AttentionOptions o{options.scale.value_or(1 / std::sqrt(width)), options.causal};
  const Tensor mask = options.mask;
  if (mask.requires_grad())
    return record("attention", [o](const Array& q, const Array& k, const Array& v, const Array& m) { return kernels::attention(q, k, v, m, o); },
                  wrt_all(std::array{q, k, v, In(mask)}, [=](const Tensor& dy, Wanted) { return gradient_by_operations(dy, q, k, v, mask, o); }));
  return record("attention", [o, m = mask.value()](const Array& q, const Array& k, const Array& v) { return kernels::attention(q, k, v, m, o); },
                wrt_all(std::array{q, k, v}, [=](const Tensor& dy, Wanted) {
                  if (is_recording()) {
                    auto d = gradient_by_operations(dy, q, k, v, mask, o);
                    return std::array{std::move(d[0]), std::move(d[1]), std::move(d[2])};  // the mask is a constant
                  }
                  auto d = kernels::attention_gradient(dy.value(), q.value(), k.value(), v.value(), mask.value(), o);
                  return std::array{Tensor(std::move(d[0])), Tensor(std::move(d[1])), Tensor(std::move(d[2]))};
                }));
}

}  // namespace dz
