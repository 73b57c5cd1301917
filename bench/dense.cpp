// Dense networks: digits in three batch sizes, the notes' network on photographs, and a wide one.

#include "workload.hpp"

using namespace dz;

namespace bench {
namespace {

struct Digits {
  Linear first{784, 512}, second{512, 256}, output{256, 10};
  Tensor operator()(In x) const { return output(second(first(x, relu), relu)); }
};
BOOST_DESCRIBE_STRUCT(Digits, (), (first, second, output))

struct Wide {
  Linear first{4096, 4096}, second{4096, 4096}, output{4096, 4096};
  Tensor operator()(In x) const { return output(second(first(x, relu), relu)); }
};
BOOST_DESCRIBE_STRUCT(Wide, (), (first, second, output))

Step digits(std::int64_t m) {
  Digits model;
  start(model);
  return [model = std::move(model), adam = Adam{}, x = values(1, {m, 784}), y = labels(2, m, 10)]() mutable {
    Tensor J = cross_entropy(model(x), y);
    backward(J);
    adam.step(model);
    return J;
  };
}

Step cat() {
  Mlp model = mlp({12288, 20, 7, 5, 1});
  start(model);
  const std::int64_t m = 209;
  const Tensor y = reshape(cast(labels(2, m, 2), float32), {m, 1});
  return [model = std::move(model), descent = GradientDescent{.learning_rate = 0.0075}, x = values(1, {m, 12288}), y]() mutable {
    Tensor J = binary_cross_entropy_with_logits(model(x), y);
    backward(J);
    descent.step(model);
    return J;
  };
}

Step wide() {
  Wide model;
  start(model);
  return [model = std::move(model), descent = GradientDescent{}, x = values(1, {256, 4096}), y = labels(2, 256, 4096)]() mutable {
    Tensor J = cross_entropy(model(x), y);
    backward(J);
    descent.step(model);
    return J;
  };
}

}  // namespace

std::vector<Workload> dense() {
  return {{"mlp32", [] { return digits(32); }},
          {"mlp128", [] { return digits(128); }},
          {"mlp1024", [] { return digits(1024); }},
          {"cat", cat},
          {"wide", wide}};
}

}  // namespace bench
