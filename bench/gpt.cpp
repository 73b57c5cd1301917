// A small language model of characters.

#include "workload.hpp"

using namespace dz;

namespace bench {
namespace {

constexpr std::int64_t vocabulary = 65, tokens = 64, batch = 12;

Step language() {
  Gpt model({.vocabulary = vocabulary, .tokens = tokens});
  start(model);
  // dz's AdamW decays what has the role of a weight; the workload's decays everything.
  for (const auto& [name, p] : parameters(model)) *p = Parameter(*p, Role::weight);
  const Tensor x = reshape(labels(1, batch * tokens, vocabulary), {batch, tokens});
  return [model = std::move(model), adam = AdamW{}, x, y = labels(2, batch * tokens, vocabulary)]() mutable {
    Tensor J = cross_entropy(reshape(model(x), {batch * tokens, vocabulary}), y);
    backward(J);
    adam.step(model);
    return J;
  };
}

}  // namespace

std::vector<Workload> gpt() { return {{"gpt", language}}; }

}  // namespace bench
