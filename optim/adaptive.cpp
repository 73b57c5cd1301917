#include <dz/optim/adaptive.hpp>

#include <dz/optim/step.hpp>

namespace dz {
namespace {

/// s := kept·s + added·dW², W := W − α·dW/(√s + ε)
void scaled_step(Gathered& squares, double rate, double epsilon, double kept, double added, const ParameterList& parameters,
                 const char* name, At at) {
  detail::require_setting(rate, "learning_rate", name, at);
  detail::require_setting(epsilon, "epsilon", name, at);
  const auto steps = detail::stepping(parameters, name, at);
  detail::fit_gathered(squares, parameters, steps, name, at);
  auto updates = detail::updates_of<1, 4>(steps, [&](auto& u, const auto& s) {
    u.state = {squares[s.index].value()};
    u.number = {kept, added, -rate, epsilon};
  });
  detail::run_step(
      [](auto& w, const auto& g, auto& square, const auto& keep, const auto& add, const auto& back, const auto& least) {
        square = keep * square + add * g * g;
        w = w + back * g / (sqrt(square) + least);
      },
      std::move(updates), steps, at);
}

}  // namespace

void Adagrad::step(const ParameterList& parameters, At at) {
  scaled_step(squares, learning_rate, epsilon, 1, 1, parameters, "Adagrad", at);
}

void RmsProp::step(const ParameterList& parameters, At at) {
  detail::require_setting(decay, "decay", "RmsProp", at);
  if (decay >= 1) throw ValueError(fmt::format("decay is {}: it is below 1", decay), "RmsProp", at);
  scaled_step(squares, learning_rate, epsilon, decay, 1 - decay, parameters, "RmsProp", at);
}

}  // namespace dz
