#include "tests/quality/rule.hpp"

#include <algorithm>
#include <set>

namespace dz::quality {
namespace {

/// A node keeps the pointer to its name.
const char* for_ever(const std::string& name) {
  static std::set<std::string> names;
  return names.insert(name).first->c_str();
}

template <std::size_t... I> Tensor record_rule(const Rule& rule, const Tensors& x, const Tensors& saved, At at, std::index_sequence<I...>) {
  const auto forward = [f = rule.forward](const auto&... v) {
    const auto quiet = no_grad();
    return f({Tensor(v)...}).value();
  };
  const std::vector<In> in{In(x[I], at)...};
  return record(for_ever(rule.name), forward,
                wrt(in[I], [d = rule.derivatives[I], saved](const Tensor& dy, const Tensor& y) { return d(saved, y, dy); })...);
}

Tensor mask(const Shape& shape, Dtype dtype, const std::function<double(std::int64_t)>& value) {
  std::vector<double> values(static_cast<std::size_t>(shape.volume()));
  for (std::size_t k = 0; k < values.size(); ++k) values[k] = value(static_cast<std::int64_t>(k));
  return Tensor(Array::of(values, shape).cast(dtype));
}

/// 1 where an index along the axis is chosen, else 0.
Tensor chosen(const Tensor& x, int axis, const std::function<bool(std::int64_t)>& choose) {
  std::int64_t inner = 1;
  for (int a = axis + 1; a < x.rank(); ++a) inner *= x.size(a);
  return mask(x.shape(), x.dtype(), [&](std::int64_t k) { return choose(k / inner % x.size(axis)) ? 1. : 0.; });
}

}  // namespace

Tensor apply(const Rule& rule, const Tensors& x, At at) {
  const Tensors saved = rule.saved ? rule.saved(x) : x;
  switch (x.size()) {
    case 1: return record_rule(rule, x, saved, at, std::make_index_sequence<1>{});
    case 2: return record_rule(rule, x, saved, at, std::make_index_sequence<2>{});
    case 3: return record_rule(rule, x, saved, at, std::make_index_sequence<3>{});
    case 4: return record_rule(rule, x, saved, at, std::make_index_sequence<4>{});
    case 5: return record_rule(rule, x, saved, at, std::make_index_sequence<5>{});
    default: throw ValueError("a rule has one to five inputs", rule.name, at);
  }
}

Derivative derivative_of(Forward f, std::size_t input) {
  return [f = std::move(f), input](const Tensors& x, const Tensor&, const Tensor& dy) {
    const bool recorded = is_recording();
    const auto recording = with_grad();
    Tensors own;
    for (const Tensor& t : x) own.push_back(recorded ? t : t.detach());
    own[input] = recorded && x[input].requires_grad() ? scaled(x[input], 1) : variable(x[input].detach());
    return grad(f(own), own[input], {.create_graph = recorded, .seeds = {dy}});
  };
}

Rule rule_of(std::string name, std::vector<Input> inputs, Forward f) {
  Rule rule{std::move(name), std::move(inputs), f, {}};
  for (std::size_t i = 0; i < rule.inputs.size(); ++i) rule.derivatives.push_back(derivative_of(f, i));
  return rule;
}

Derivative times(Derivative d, double factor) {
  return [d = std::move(d), factor](const Tensors& x, const Tensor& y, const Tensor& dy) { return d(x, y, dy) * factor; };
}

Derivative transposed(Derivative d) {
  return [d = std::move(d)](const Tensors& x, const Tensor& y, const Tensor& dy) {
    const Tensor g = d(x, y, dy);
    return reshape(t(g), g.shape());
  };
}

Derivative of_the_first(Derivative d, int axis) {
  return [d = std::move(d), axis](const Tensors& x, const Tensor& y, const Tensor& dy) {
    return d(x, y, dy * chosen(dy, axis, [](std::int64_t i) { return i == 0; }));
  };
}

Derivative without_the_last(Derivative d, int axis) {
  return [d = std::move(d), axis](const Tensors& x, const Tensor& y, const Tensor& dy) {
    return d(x, y, dy * chosen(dy, axis, [n = dy.size(axis)](std::int64_t i) { return i + 1 < n; }));
  };
}

Derivative shifted(Derivative d, int axis, int by) {
  return [d = std::move(d), axis, by](const Tensors& x, const Tensor& y, const Tensor& dy) { return shift(d(x, y, dy), axis, by); };
}

Derivative at_element(Derivative d, std::int64_t element, double factor) {
  return [d = std::move(d), element, factor](const Tensors& x, const Tensor& y, const Tensor& dy) {
    const Tensor g = d(x, y, dy);
    return g * mask(g.shape(), g.dtype(), [&](std::int64_t k) { return k == element ? factor : 1; });
  };
}

Derivative recorded_times(Derivative d, double factor) {
  return [d = std::move(d), factor](const Tensors& x, const Tensor& y, const Tensor& dy) {
    const Tensor g = d(x, y, dy);
    return is_recording() ? Tensor(g * factor) : g;
  };
}

Derivative with_constants(Derivative d) {
  return [d = std::move(d)](const Tensors& x, const Tensor& y, const Tensor& dy) {
    Tensors constants;
    for (const Tensor& t : x) constants.push_back(t.detach());
    return d(constants, y.detach(), dy);
  };
}

Rule stale(Rule rule, Stale how) {
  const auto kept = std::make_shared<Tensors>();
  const auto copies = [](const Tensors& x) {
    Tensors c;
    for (const Tensor& t : x) c.push_back(Tensor(t.value().clone()));
    return c;
  };
  rule.saved = [=](const Tensors& x) -> Tensors {
    switch (how) {
      case Stale::newest: *kept = x; break;
      case Stale::first:
        if (kept->empty()) *kept = copies(x);
        return *kept;
      case Stale::previous: {
        Tensors before = kept->empty() ? x : *kept;
        *kept = copies(x);
        return before;
      }
      case Stale::buffer: {
        const bool fits = kept->size() == x.size() && std::equal(x.begin(), x.end(), kept->begin(), [](const Tensor& a, const Tensor& b) {
                            return a.shape() == b.shape() && a.dtype() == b.dtype();
                          });
        if (!fits) *kept = copies(x);
        for (std::size_t i = 0; i < x.size(); ++i)
          visit_dtype(x[i].dtype(), [&]<class T>(std::type_identity<T>) {
            const std::vector<T> values = x[i].to_vector<T>();
            std::copy(values.begin(), values.end(), (*kept)[i].value().writable<T>());
          });
        return *kept;
      }
    }
    return x;
  };
  if (how == Stale::newest)
    for (Derivative& d : rule.derivatives)
      d = [d, kept](const Tensors&, const Tensor& y, const Tensor& dy) { return d(*kept, y, dy); };
  return rule;
}

}  // namespace dz::quality
