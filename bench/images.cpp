// Small images through two convolutions.

#include "workload.hpp"

using namespace dz;

namespace bench {
namespace {

struct Network {
  Conv2d first{1, 32, 3, {.padding = 1}}, second{32, 64, 3, {.padding = 1}};
  Linear hidden{7 * 7 * 64, 128}, output{128, 10};
  Tensor operator()(In x) const {
    const Tensor a = max_pool2d(first(x, relu), {.window = 2}), b = max_pool2d(second(a, relu), {.window = 2});
    return output(hidden(reshape(b, {x.size(0), 7 * 7 * 64}), relu));
  }
};
BOOST_DESCRIBE_STRUCT(Network, (), (first, second, hidden, output))

Step conv() {
  Network model;
  start(model);
  // Features flatten as (row, column, channel); the shared values count them as (channel, row, column).
  const Tensor shared = reshape(model.hidden.weight.detach(), {128, 64, 7, 7});
  model.hidden.weight.assign(reshape(einsum("ocij->oijc", shared), {128, 7 * 7 * 64}));
  return [model = std::move(model), adam = Adam{}, x = values(1, {64, 28, 28, 1}), y = labels(2, 64, 10)]() mutable {
    Tensor J = cross_entropy(model(x), y);
    backward(J);
    adam.step(model);
    return J;
  };
}

}  // namespace

std::vector<Workload> images() { return {{"conv", conv}}; }

}  // namespace bench
