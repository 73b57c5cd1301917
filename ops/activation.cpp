#include <dz/ops/activation.hpp>

#include <dz/graph/record.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/elementwise.hpp>
#include <dz/ops/reduce.hpp>
#include <dz/tensor/kernels/kernels.hpp>

#include <numbers>

namespace dz {

Tensor sigmoid(In z) {
  return record("sigmoid", [](const Array& v) { return kernels::map([](auto z) { return sigmoid(z); }, v); },
                wrt(z, [](Tensor&& da, const Tensor& a) {
                  return elementwise("sigmoid_gradient", [](auto da, auto a) { return da * a * (1 - a); }, std::move(da), a);
                }));
}

Tensor tanh(In z) {
  return record("tanh", [](const Array& v) { return kernels::map([](auto z) { return tanh(z); }, v); },
                wrt(z, [](Tensor&& da, const Tensor& a) {
                  return elementwise("tanh_gradient", [](auto da, auto a) { return da * (1 - a * a); }, std::move(da), a);
                }));
}

Tensor relu(In z) {
  return elementwise("relu", [](auto z) { return max(z, 0); }, z);
}

Tensor leaky_relu(In z, double slope) {
  return elementwise("leaky_relu", [slope](auto z) { return where(less(0, z), z, slope * z); }, z);
}

Tensor prelu(In z, In slope) {
  return elementwise("prelu", [](auto z, auto slope) { return where(less(0, z), z, slope * z); }, z, slope);
}

Tensor elu(In z, double alpha) {  // the bound keeps e^z finite where it is not chosen, and lies beyond the kink
  return elementwise("elu", [alpha](auto z) { return where(less(0, z), z, alpha * expm1(min(z, 1))); }, z);
}

Tensor selu(In z) {
  auto f = [scale = 1.0507009873554805, alpha = 1.6732632423543772](auto z) { return scale * where(less(0, z), z, alpha * expm1(min(z, 1))); };
  return elementwise("selu", f, z);
}

Tensor gelu(In z) {
  const auto f = [](auto z) { return 0.5 * z * (1 + erf(z * std::numbers::sqrt2 / 2)); };
  const auto by_z = [](auto dy, auto z, auto y) {  // dy·(Φ(z) + z·φ(z)); Φ(z) is y/z, which spares the error function, and ½ where y has no digits left
    return dy * (where(less(abs(z), 1e-19), 0.5, y / z) + z * exp(-0.5 * z * z) * (std::numbers::inv_sqrtpi / std::numbers::sqrt2));
  };
  return record("gelu", [f](const Array& v) { return kernels::map(f, v); },
                wrt(z, [f, by_z, z = Tensor(z)](Tensor&& dy, const Tensor& y) -> Tensor {
                  if (is_recording()) return dy * detail::slope_by<0, Number>(f, Number(z));
                  return Tensor(kernels::map_over(by_z, std::move(dy).value(), z.value(), y.value()));
                }));
}

Tensor gelu_tanh(In z) {
  auto f = [](auto z) {
    const auto c = clamp(z, -10, 10);  // beyond, tanh is ±1 to the last bit, and z³ would overflow: the slope would be 0·∞
    return 0.5 * z * (1 + tanh(0.7978845608028654 * (c + 0.044715 * c * c * c)));
  };
  return elementwise("gelu_tanh", f, z);
}

Tensor silu(In z) {
  return elementwise("silu", [](auto z) { return z * sigmoid(z); }, z);
}

Tensor log_sigmoid(In z) {
  return elementwise("log_sigmoid", [](auto z) { return -softplus(-z); }, z);
}

Tensor softplus(In z) {
  return elementwise("softplus", [](auto z) { return softplus(z); }, z);
}

Tensor softsign(In z) {
  return record("softsign", [](const Array& v) { return kernels::map([](auto z) { return z / (1 + abs(z)); }, v); },
                wrt(z, [z](const Tensor& da) {  // the quotient's rule would subtract two that are nearly equal
                  return elementwise("softsign_gradient", [](auto da, auto z) { const auto s = 1 / (1 + abs(z)); return da * s * s; }, da, z);
                }));
}

Tensor mish(In z) {
  return elementwise("mish", [](auto z) { return z * tanh(softplus(z)); }, z);
}

Tensor hardtanh(In z, double low, double high) {
  return elementwise("hardtanh", [low, high](auto z) { return clamp(z, low, high); }, z);
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
