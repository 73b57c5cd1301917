// What an operation costs beside its arithmetic: a chain of single elements, and a network of three small layers.

#include "workload.hpp"

using namespace dz;

namespace bench {
namespace {

constexpr int links = 1000;

Step chain() {
  return [w = variable(full({1}, 1.01)), b = variable(full({1}, 0.01))] {
    Tensor x = full({1}, 0.5);
    for (int i = 0; i < links; ++i) x = tanh(x * w + b);
    backward(x);
    w.clear_grad();
    b.clear_grad();
    return x;
  };
}

struct Network {
  Linear first{2, 16}, second{16, 16}, output{16, 1};
  Tensor operator()(In x) const { return output(relu(second(relu(first(x))))); }
};
BOOST_DESCRIBE_STRUCT(Network, (), (first, second, output))

Step network(std::int64_t m) {
  Network model;
  start(model);
  const Tensor y = reshape(cast(labels(2, m, 2), float32), {m, 1});
  return [model = std::move(model), descent = GradientDescent{.learning_rate = 0.01}, x = values(1, {m, 2}), y]() mutable {
    Tensor J = binary_cross_entropy_with_logits(model(x), y);
    backward(J);
    descent.step(model);
    return J;
  };
}

}  // namespace

std::vector<Workload> tiny() {
  return {{"chain", chain, 3 * links}, {"tiny1", [] { return network(1); }}, {"tiny32", [] { return network(32); }}};
}

}  // namespace bench
