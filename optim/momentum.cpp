#include <dz/optim/momentum.hpp>

#include <dz/optim/step.hpp>

namespace dz {

void Momentum::step(const ParameterList& parameters, At at) {
  constexpr const char* name = "Momentum";
  detail::require_setting(learning_rate, "learning_rate", name, at);
  detail::require_setting(momentum, "momentum", name, at);
  detail::require_setting(dampening, "dampening", name, at);
  if (momentum >= 1) throw ValueError(fmt::format("momentum is {}: it is below 1", momentum), name, at);
  if (dampening > 1) throw ValueError(fmt::format("dampening is {}: it is at most 1", dampening), name, at);
  const auto steps = detail::stepping(parameters, name, at);
  detail::fit_gathered(velocities, parameters, steps, name, at);

  // W moves by α·(ahead·v + part·dW): the velocity alone, or the look ahead.
  const double ahead = nesterov ? momentum : 1, part = nesterov ? 1 - dampening : 0;
  auto updates = detail::updates_of<1, 4>(steps, [&](auto& u, const auto& s) {
    u.state = {velocities[s.index].value()};
    u.number = {momentum, 1 - dampening, -learning_rate * ahead, -learning_rate * part};
  });
  detail::run_step(
      [](auto& w, const auto& g, auto& v, const auto& kept, const auto& added, const auto& along, const auto& beside) {
        v = kept * v + added * g;
        w = w + along * v + beside * g;
      },
      std::move(updates), steps, at);
}

}  // namespace dz
