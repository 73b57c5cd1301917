// Operations of one's own, in the three forms that the built-in ones have, and the check of their gradients.
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

int main() {
  const Tensor x = normal({4, 3});
  const auto a = gradcheck(swish, x).order(2), b = gradcheck(smooth_relu, x).order(2), c = gradcheck(standardise, x);
  for (const auto& check : {a, b, c}) std::printf("%s\n", to_string(check).c_str());
  return a && b && c ? 0 : 1;
}
