#include <dz/ops/activation.hpp>

#include <dz/graph/record.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/elementwise.hpp>
#include <dz/ops/reduce.hpp>
#include <dz/tensor/kernels/kernels.hpp>

namespace dz {

Tensor sigmoid(In z) {
  return record("sigmoid", [](const Array& v) { return kernels::map([](auto z) { return 1 / (1 + exp(-z)); }, v); },
                wrt(z, [](const Tensor& da, const Tensor& a) {
                  return elementwise("sigmoid_gradient", [](auto da, auto a) { return da * a * (1 - a); }, da, a);
                }));
}

Tensor tanh(In z) {
  return record("tanh", [](const Array& v) { return kernels::map([](auto z) { return tanh(z); }, v); },
                wrt(z, [](const Tensor& da, const Tensor& a) {
                  return elementwise("tanh_gradient", [](auto da, auto a) { return da * (1 - a * a); }, da, a);
                }));
}

Tensor relu(In z) {
  return elementwise("relu", [](auto z) { return max(z, 0); }, z);
}

Tensor leaky_relu(In z, double slope) {
  return elementwise("leaky_relu", [slope](auto z) { return where(less(0, z), z, slope * z); }, z);
}

Tensor softmax(In z, int axis) {
  return record("softmax", [axis](const Array& v) { return kernels::softmax(v, axis); },
                wrt(z, [axis](const Tensor& da, const Tensor& a) { return a * (da - sum(da * a, axis, true)); }));
}

Tensor log_softmax(In z, int axis) {
  return record("log_softmax", [axis](const Array& v) { return kernels::log_softmax(v, axis); },
                wrt(z, [axis](const Tensor& dy, const Tensor& y) { return dy - exp(y) * sum(dy, axis, true); }));
}

}  // namespace dz
