#include <dz/optim/early_stopping.hpp>

#include <fmt/format.h>

namespace dz {

void EarlyStopping::report(const std::vector<NamedParameter>& parameters, double cost) {
  if (cost < best - least_gain || (best_report < 0 && cost < best)) {
    std::vector<Parameter> values;
    for (const auto& [name, p] : parameters) values.emplace_back(*p, Role::buffer);
    best_values = std::move(values);
    best = cost;
    best_report = reports;
  }
  ++reports;
}

void EarlyStopping::restore(const std::vector<NamedParameter>& parameters, At at) const {
  if (best_report < 0) return;
  if (best_values.size() != parameters.size())
    throw ValueError(fmt::format("values of {} parameters for a model of {}", best_values.size(), parameters.size()), "EarlyStopping", at);
  std::vector<NamedParameter> from;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!best_values[i] && !*parameters[i].parameter) continue;
    from.push_back({parameters[i].name, const_cast<Parameter*>(&best_values[i])});
  }
  std::vector<NamedParameter> to;
  for (const NamedParameter& p : parameters)
    if (*p.parameter || best_values[static_cast<std::size_t>(&p - parameters.data())]) to.push_back(p);
  copy_values(from, to, at);
  for (const auto& [name, p] : to)
    if (p->is_leaf()) p->clear_grad();
}

}  // namespace dz
