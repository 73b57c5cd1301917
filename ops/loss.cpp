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
  if (!a.value().same_shape(y.value()))
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

Tensor logistic_gradient(const Tensor& dy, const Tensor& z, const Tensor& y) {
  return elementwise("binary_cross_entropy_with_logits_gradient", [](auto dy, auto z, auto y) { return dy * (sigmoid(z) - y); }, dy, z, y);
}

/// The labels of a cross-entropy that ignores one: which rows count, and the others' labels replaced by one that can be looked up.
struct Counted {
  Tensor labels, mask;
  std::int64_t count = 0;
};
Counted counted(const Tensor& labels, std::optional<std::int64_t> ignored) {
  if (!ignored || labels.dtype() != int64) return {labels, {}, 0};
  const Tensor mask = not_equal(labels, Tensor(Array::scalar(static_cast<double>(*ignored), int64)));
  return {where(mask, labels, Tensor(Array::scalar(0, int64))), mask, sum(mask).item<std::int64_t>()};
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
                  wrt(z, [z, y](const Tensor& dy) { return logistic_gradient(dy, z, y); }),
                  wrt(y, [z](const Tensor& dy) { return -dy * z; }));
  });
}

Tensor cross_entropy(In logits, In labels, Reduction reduction) {
  return cross_entropy(std::move(logits), std::move(labels), CrossEntropyOptions{.reduction = reduction});
}

// −Σ t·log softmax(z), t the label's mass: (1 − s)·one-hot + s/n. Its derivative is softmax(z) − t.
Tensor cross_entropy(In logits, In labels, const CrossEntropyOptions& options) {
  const CallSite site(logits.at());
  const double s = options.label_smoothing;
  if (!(s >= 0 && s <= 1)) throw ValueError(fmt::format("label_smoothing is {}, outside [0, 1]", s), "cross_entropy", detail::call_site(logits.at()));
  const Counted rows = counted(labels, options.ignored_label);
  auto losses = [labels = rows.labels.value(), s](const Array& z) {
    if (z.rank() != 2) throw ShapeError(fmt::format("logits are (samples, classes), got {}", to_string(z.shape())));
    return kernels::cross_entropy(z, labels, s);
  };
  const Tensor each = record("cross_entropy", losses, wrt(logits, [logits, labels = rows.labels, s](const Tensor& dy) {
                               if (!is_recording()) return Tensor(kernels::cross_entropy_gradient(dy.value(), logits.value(), labels.value(), s));
                               const std::int64_t n = logits.size(1);
                               const Tensor target = Tensor(kernels::one_hot(labels.value(), n, logits.dtype())) * (1 - s) + s / static_cast<double>(n);
                               return (softmax(logits, 1) - target) * reshape(dy, {dy.size(), 1});
                             }));
  if (!options.ignored_label) return reduce(each, options.reduction, "cross_entropy");
  const Tensor kept = where(rows.mask, each, 0);
  return options.reduction == Reduction::mean ? sum(kept) / static_cast<double>(std::max<std::int64_t>(1, rows.count)) : reduce(kept, options.reduction, "cross_entropy");
}

Tensor nll(In log_probabilities, In labels, Reduction reduction) {
  const CallSite site(log_probabilities.at());
  auto losses = [labels = labels.value()](const Array& p) { return kernels::neg(kernels::pick(p, labels)); };
  return reduce(record("nll", losses, wrt(log_probabilities, [labels, n = log_probabilities.rank() == 2 ? log_probabilities.size(1) : 0](const Tensor& dy) {
                         return -Tensor(kernels::one_hot(labels.value(), n, dy.dtype())) * reshape(dy, {dy.size(), 1});
                       })),
                reduction, "cross_entropy");
}

Tensor mean_squared(In a, In y, Reduction reduction) {
  return loss(a, y, "mean_squared", reduction, false, [&] { return square(a - y); });
}

Tensor l1(In a, In y, Reduction reduction) {
  return loss(a, y, "l1", reduction, false, [&] { return abs(a - y); });
}

Tensor huber(In a, In y, double delta, Reduction reduction) {
  if (!(delta > 0)) throw ValueError(fmt::format("delta is {}: above 0", delta), "huber", detail::call_site(a.at()));
  return loss(a, y, "huber", reduction, false, [&] {
    return elementwise("huber", [delta](auto a, auto y) {
      const auto d = abs(a - y), near = min(d, delta);
      return near * (d - 0.5 * near);
    }, a, y);
  });
}

Tensor hinge(In a, In y, Reduction reduction) {
  return loss(a, y, "hinge", reduction, false, [&] {
    const Tensor target = y.detach();
    if (any(logical_and(not_equal(abs(target), 1), equal(target, target))).item<bool>())  // a NaN passes on as a NaN
      throw ValueError("a target is neither -1 nor 1", "hinge", detail::call_site(a.at()));
    return elementwise("hinge", [](auto a, auto y) { return max(1 - y * a, 0); }, a, y);
  });
}

Tensor kl_divergence(In log_q, In p, Reduction reduction) {
  return loss(log_q, p, "kl_divergence", reduction, false, [&] {
    require_probabilities(p, "target", "kl_divergence", detail::call_site(log_q.at()));
    const Tensor is_zero = equal(p.detach(), 0);
    return sum(where(is_zero, 0, p * (log(where(is_zero, 1, p)) - where(is_zero, 0, log_q))), -1);
  });
}

Tensor cosine(In a, In y, Reduction reduction) {
  return loss(a, y, "cosine", reduction, false, [&] {
    const auto unit = [](const Tensor& x) {
      const Tensor length = norm(x, -1, true);
      return x / where(equal(length, 0), 1, length);
    };
    return 1 - sum(unit(a) * unit(y), -1);
  });
}

Tensor squared_frobenius_norm(In w) {
  const CallSite site(w.at());
  return sum(square(w));
}

}  // namespace dz
