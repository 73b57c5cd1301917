// Elements by the million: the notes' cost written out, and layer normalisation with GELU.

#include "workload.hpp"

using namespace dz;

namespace bench {
namespace {

Step bce1m() {
  return [z = variable(values(1, {1000000}, 4)), y = cast(labels(2, 1000000, 2), float32)] {
    const Tensor a = sigmoid(z);
    Tensor J = -mean(y * log(a) + (1 - y) * log(1 - a));
    backward(J);
    z.clear_grad();
    return J;
  };
}

Step norm_gelu() {
  return [x = variable(values(1, {1024, 1024})), norm = LayerNorm(1024)] {
    Tensor J = mean(square(gelu(norm(x))));
    backward(J);
    for (const Tensor& leaf : {x, Tensor(norm.weight), Tensor(norm.bias)}) leaf.clear_grad();
    return J;
  };
}

}  // namespace

std::vector<Workload> elementwise() { return {{"bce1m", bce1m}, {"norm_gelu", norm_gelu}}; }

}  // namespace bench
