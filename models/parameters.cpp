#include <dz/models/parameters.hpp>

#include <fmt/format.h>

#include <cmath>

#include <dz/graph/mode.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/loss.hpp>

namespace dz {

std::string detail::path(const std::string& prefix, std::string_view name) {
  return prefix.empty() ? std::string(name) : prefix + "." + std::string(name);
}

std::string detail::path(const std::string& prefix, std::string_view name, std::size_t i) { return path(prefix, name) + fmt::format("_l{}", i); }

ParameterList::ParameterList(const std::vector<NamedParameter>& parameters)
    : source_(const_cast<std::vector<NamedParameter>*>(&parameters)),
      named_([](void* source) { return *static_cast<std::vector<NamedParameter>*>(source); }) {
  for (const NamedParameter& p : parameters) all_.push_back(p.parameter);
}

void copy_values(const std::vector<NamedParameter>& from, const std::vector<NamedParameter>& to, At at) {
  const auto refuse = [&]<class E>(std::type_identity<E>, std::string reason) { throw E(std::move(reason), "copy_values", at); };
  if (from.size() != to.size())
    refuse(std::type_identity<ValueError>{}, fmt::format("{} parameters for a model of {}", from.size(), to.size()));
  for (std::size_t i = 0; i < to.size(); ++i) {
    const Parameter &a = *from[i].parameter, &b = *to[i].parameter;
    if (from[i].name != to[i].name)
      refuse(std::type_identity<ValueError>{}, fmt::format("parameter '{}' where the model has '{}'", from[i].name, to[i].name));
    if (!a || !b || a.shape() != b.shape())
      refuse(std::type_identity<ShapeError>{}, fmt::format("'{}' is {}, in the model {}", to[i].name, a ? to_string(a.shape()) : "empty",
                                                           b ? to_string(b.shape()) : "empty"));
    if (a.dtype() != b.dtype())
      refuse(std::type_identity<DtypeError>{}, fmt::format("'{}' is {}, in the model {}", to[i].name, name(a.dtype()), name(b.dtype())));
  }
  for (std::size_t i = 0; i < to.size(); ++i) to[i].parameter->assign(*from[i].parameter, at);
}

void cast_parameters(const std::vector<NamedParameter>& parameters, Dtype dtype) {
  for (const auto& [name, p] : parameters)
    if (*p && is_floating(p->dtype())) *p = Parameter(Tensor(p->value().cast(dtype)), p->role());
}

Tensor l2_cost(const std::vector<NamedParameter>& parameters, double lambda, std::int64_t m, At at) {
  if (!(lambda >= 0) || !std::isfinite(lambda)) throw ValueError(fmt::format("lambda is {}: it is at least 0", lambda), "l2_cost", at);
  if (m < 1) throw ValueError(fmt::format("{} samples", m), "l2_cost", at);
  const CallSite site(at);
  Tensor norms;
  for (const auto& [name, p] : parameters)
    if (*p && p->role() == Role::weight) norms = norms ? norms + squared_frobenius_norm(*p) : squared_frobenius_norm(*p);
  if (!norms) throw ValueError("the model has no weights", "l2_cost", at);
  return norms * (lambda / (2 * static_cast<double>(m)));
}

}  // namespace dz
