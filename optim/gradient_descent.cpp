#include <dz/optim/gradient_descent.hpp>

#include <dz/ops/creation.hpp>
#include <dz/optim/step.hpp>

namespace dz {

namespace {

/// The remainders of these parameters: zeros the first time.
std::vector<Tensor> remainders_of(const ParameterList& parameters, std::vector<Tensor> so_far, At at) {
  if (so_far.empty())
    for (std::size_t i = 0; i < parameters.size(); ++i) so_far.push_back(parameters[i] ? zeros_like(parameters[i]) : Tensor());
  bool fits = so_far.size() == parameters.size();
  for (std::size_t i = 0; fits && i < so_far.size(); ++i) {
    const Tensor &p = parameters[i], &r = so_far[i];
    fits = p ? r && r.shape() == p.shape() && r.dtype() == p.dtype() : !r;
  }
  if (!fits) throw ShapeError("the remainders are those of other parameters", "GradientDescent", at);
  return so_far;
}

constexpr auto plain_step = [](auto& w, const auto& g, const auto& rate, const auto& decay) { w = w - rate * (g + decay * w); };

/// w + remainder is exactly what w + step would be.
constexpr auto compensated_step = [](auto& w, const auto& g, auto& remainder, const auto& rate, const auto& decay) {
  const auto step = remainder - rate * (g + decay * w);
  w = detail::two_sum(w, step, remainder);
};

}  // namespace

void GradientDescent::step(const ParameterList& parameters, std::int64_t samples, At at) {
  detail::require_setting(learning_rate, "learning_rate", "GradientDescent", at);
  detail::require_setting(l2, "l2", "GradientDescent", at);
  if (l2 > 0 && samples < 1) throw ValueError("l2 is divided by the number of samples, which step() was not given", "GradientDescent", at);
  const auto steps = detail::stepping(parameters, "GradientDescent", at);
  const auto decay = [&](const detail::Stepping& s) {
    return s.parameter->role() == Role::weight && l2 > 0 ? l2 / static_cast<double>(samples) : 0;
  };
  if (compensated) {
    remainders = remainders_of(parameters, std::move(remainders), at);
    auto updates = detail::updates_of<1, 2>(steps, [&](auto& u, const auto& s) {
      u.state = {remainders[s.index].value()};
      u.number = {learning_rate, decay(s)};
    });
    return detail::run_step(compensated_step, std::move(updates), steps, at);
  }
  detail::run_step(plain_step, detail::updates_of<0, 2>(steps, [&](auto& u, const auto& s) { u.number = {learning_rate, decay(s)}; }), steps, at);
}

}  // namespace dz
