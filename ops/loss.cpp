#include <dz/ops/loss.hpp>

#include <fmt/format.h>

#include <dz/ops/creation.hpp>
#include <dz/ops/elementwise.hpp>
#include <dz/ops/reduce.hpp>
#include <dz/ops/shape.hpp>
#include <dz/tensor/kernels/kernels.hpp>

namespace dz {
namespace {

/// Inside the loss's call site.
Tensor reduce(const Tensor& losses, Reduction reduction, const char* name) {
  if (losses.size() == 0 && reduction == Reduction::mean) throw ShapeError("the mean over no samples", name, detail::call_site({}));
  return reduction == Reduction::none ? losses : reduction == Reduction::sum ? sum(losses) : mean(losses);
}

void require_same_shape(const In& a, const In& y, const char* name) {
  if (a.shape() != y.shape())
    throw ShapeError(fmt::format("prediction {} and target {} differ (losses never broadcast)", to_string(a.shape()), to_string(y.shape())), name, detail::call_site(a.at()));
}

void require_probabilities(const In& x, const char* what, const char* name, At at) {
  visit_floating(x.dtype(), [&]<class T>(std::type_identity<T>) {
    const Array plain = x.value().contiguous();
    const T* p = plain.data<T>();
    bool fine = true;
    for (std::int64_t i = 0; i < plain.size(); ++i) fine &= !(p[i] < 0 || p[i] > 1);  // a NaN passes on as a NaN
    for (std::int64_t i = 0; !fine && i < plain.size(); ++i)
      if (p[i] < 0 || p[i] > 1) throw ValueError(fmt::format("{} {} at element {} is outside [0, 1]", what, p[i], i), name, at);
  });
}

template <class F> Tensor loss(const In& a, const In& y, const char* name, Reduction reduction, bool probabilities, F losses) {
  const CallSite site(a.at());
  require_same_shape(a, y, name);
  if (!is_floating(a.dtype())) throw DtypeError(fmt::format("predictions are float32 or float64, not {}", dz::name(a.dtype())), name, detail::call_site(a.at()));
  if (!is_floating(y.dtype())) throw DtypeError(fmt::format("targets are float32 or float64, not {}", dz::name(y.dtype())), name, detail::call_site(a.at()));
  if (probabilities) require_probabilities(a, "probability", name, detail::call_site(a.at()));
  return reduce(losses(), reduction, name);
}

constexpr double least = 1e-12;  // what a probability counts at least as, where its logarithm is taken or it is divided by

Tensor entropy_by_probability(const Tensor& dy, const Tensor& a, const Tensor& y) {
  return elementwise("binary_cross_entropy_gradient",
                     [](auto dy, auto a, auto y) { return dy * ((1 - y) / max(1 - a, least) - y / max(a, least)); }, dy, a, y);
}

Tensor entropy_by_target(const Tensor& dy, const Tensor& a) {
  return elementwise("binary_cross_entropy_gradient", [](auto dy, auto a) { return dy * (log(max(1 - a, least)) - log(max(a, least))); }, dy, a);
}

}  // namespace

Tensor binary_cross_entropy(In a, In y, Reduction reduction) {
  return loss(a, y, "binary_cross_entropy", reduction, true, [&] {
    require_probabilities(y, "target", "binary_cross_entropy", detail::call_site(a.at()));
    auto losses = [](auto a, auto y) { return -(y * log(max(a, least)) + (1 - y) * log(max(1 - a, least))); };
    return record("binary_cross_entropy", [losses](const Array& a, const Array& y) { return kernels::map(losses, a, y); },
                  wrt(a, [a, y](const Tensor& dy) { return entropy_by_probability(dy, a, y); }),
                  wrt(y, [a](const Tensor& dy) { return entropy_by_target(dy, a); }));
  });
}

Tensor binary_cross_entropy_with_logits(In z, In y, Reduction reduction) {
  return loss(z, y, "binary_cross_entropy_with_logits", reduction, false, [&] {
    require_probabilities(y, "target", "binary_cross_entropy_with_logits", detail::call_site(z.at()));
    auto losses = [](auto z, auto y) { return max(z, 0) - z * y + log1p(exp(-abs(z))); };
    return record("binary_cross_entropy_with_logits", [losses](const Array& z, const Array& y) { return kernels::map(losses, z, y); },
                  wrt(z, [z, y](const Tensor& dy) { return dy * (sigmoid(z) - y); }),
                  wrt(y, [z](const Tensor& dy) { return -dy * z; }));
  });
}

Tensor cross_entropy(In logits, In labels, Reduction reduction) {
  const CallSite site(logits.at());
  auto losses = [labels = labels.value()](const Array& z) {
    if (z.rank() != 2) throw ShapeError(fmt::format("logits are (samples, classes), got {}", to_string(z.shape())));
    return kernels::neg(kernels::pick(kernels::log_softmax(z, 1), labels));
  };
  return reduce(record("cross_entropy", losses, wrt(logits, [logits, labels](const Tensor& dy) {
                         const Tensor target(kernels::one_hot(labels.value(), logits.size(1), logits.dtype()));
                         return (softmax(logits, 1) - target) * reshape(dy, {dy.size(), 1});
                       })),
                reduction, "cross_entropy");
}

Tensor mean_squared(In a, In y, Reduction reduction) {
  return loss(a, y, "mean_squared", reduction, false, [&] { return square(a - y); });
}

Tensor squared_frobenius_norm(In w) {
  const CallSite site(w.at());
  return sum(square(w));
}

}  // namespace dz
