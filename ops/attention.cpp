#include <dz/ops/attention.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <dz/graph/record.hpp>
#include <dz/ops/activation.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/creation.hpp>
#include <dz/ops/joining.hpp>
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

kernels::AttentionOptions options_for(std::int64_t width, const AttentionOptions& o) {
  return {o.scale.value_or(1 / std::sqrt(static_cast<double>(std::max<std::int64_t>(width, 1)))), o.causal};
}

// Tokens (m, t, heads·width), and (m, heads, t, width).
Tensor by_heads(const Tensor& x, std::int64_t heads) { return permute(reshape(x, {x.size(0), x.size(1), heads, x.size(2) / heads}), {0, 2, 1, 3}); }
Tensor by_tokens(const Tensor& x) { return reshape(permute(x, {0, 2, 1, 3}), {x.size(0), x.size(2), x.size(1) * x.size(3)}); }

/// Queries, keys and values by heads.
std::array<Tensor, 3> parted(const Tensor& x, std::int64_t heads) {
  const std::int64_t width = x.size(2) / 3;
  const auto part = [&](std::int64_t i) { return by_heads(slice(x, 2, i * width, (i + 1) * width), heads); };
  return {part(0), part(1), part(2)};
}

}  // namespace

Tensor attention(In q, In k, In v, const AttentionOptions& options) {
  const CallSite site(q.at());
  const kernels::AttentionOptions o = options_for(q.rank() > 0 ? q.size(-1) : 0, options);
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

Tensor self_attention(In x, std::int64_t heads, const AttentionOptions& options) {
  const CallSite site(x.at());
  const kernels::AttentionOptions o = options_for(x.rank() == 3 && heads > 0 ? x.size(2) / 3 / heads : 0, options);
  const Tensor mask = options.mask;
  const auto by_operations = [=](const Tensor& dy) {
    const auto [q, k, v] = parted(x, heads);
    auto d = gradient_by_operations(by_heads(dy, heads), q, k, v, mask, o);
    return std::array{concat({by_tokens(d[0]), by_tokens(d[1]), by_tokens(d[2])}, 2), std::move(d[3])};
  };
  if (mask.requires_grad())
    return record("self_attention", [=](const Array& x, const Array& m) { return kernels::self_attention(x, heads, m, o); },
                  wrt_all(std::array{x, In(mask)}, [=](const Tensor& dy, Wanted) { return by_operations(dy); }));
  return record("self_attention", [=, m = mask.value()](const Array& x) { return kernels::self_attention(x, heads, m, o); },
                wrt(x, [=](const Tensor& dy) {
                  return is_recording() ? by_operations(dy)[0] : Tensor(kernels::self_attention_gradient(dy.value(), x.value(), heads, mask.value(), o));
                }));
}

}  // namespace dz
