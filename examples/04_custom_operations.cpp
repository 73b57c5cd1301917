// Operations of one's own, in the three forms that the built-in ones have, and the check of their gradients; and one with a wrong
// derivative, in the depth of a network, that the check finds.
#include <dz/calculus/check_graph.hpp>
#include <dz/calculus/gradcheck.hpp>
#include <dz/dz.hpp>

#include <cmath>
#include <cstdio>

using namespace dz;

// From one lambda: the vector loop and the derivatives of any order are generated.
Tensor swish(In z) {
  return elementwise("swish", [](auto z) { return z / (1 + exp(-z)); }, z);
}

// A loop of one's own, and the derivative written with operations, so that it can be differentiated again.
Array smooth_relu_loop(const Array& z) {
  const Array in = z.contiguous(), out = Array::make(z.shape(), z.dtype());
  visit_floating(z.dtype(), [&]<class T>(std::type_identity<T>) {
    for (std::int64_t i = 0; i < in.size(); ++i) out.writable<T>()[i] = std::log1p(std::exp(in.data<T>()[i]));
  });
  return out;
}
Tensor smooth_relu(In z) {
  return record("smooth_relu", smooth_relu_loop, wrt(z, [z](const Tensor& dy) { return dy * sigmoid(z); }));
}

// A composition needs nothing but its formula; the CallSite makes errors name the caller's line.
Tensor standardise(In x) {
  const CallSite site(x.at());
  const Tensor centred = x - mean(x, 0, true);
  return centred / sqrt(mean(square(centred), 0, true) + 1e-5);
}

// Wrong: a derivative of tanh that forgets the square, 1 − a instead of 1 − a².
Tensor hasty_tanh(In z) {
  return record("hasty_tanh", [](const Array& v) { return kernels::map([](auto z) { return tanh(z); }, v); },
                wrt(z, [](const Tensor& da, const Tensor& a) { return da * (1 - a); }));
}

/// Every operation that a network recorded, examined by itself.
GraphCheck check_hasty_network() {
  const Mlp network = mlp({8, 16, 16, 1});
  const auto guard = checked();  // operations keep what an examination needs
  Tensor a = normal({5, 8});
  for (std::size_t l = 0; l < 2; ++l) a = hasty_tanh(network.layers[l](a));
  return check_graph(mean(square(network.layers[2](a))));
}

int main() {
  seed(1);
  const Tensor x = normal({4, 3});
  const auto a = gradcheck(swish, x).order(2), b = gradcheck(smooth_relu, x).order(2), c = gradcheck(standardise, x);
  for (const auto& check : {a, b, c}) std::printf("%s\n", to_string(check).c_str());

  const GraphCheck check = check_hasty_network();
  std::printf("%s", to_string(check).c_str());
  return a && b && c && !check.passed() ? 0 : 1;  // the wrong one must be found
}
