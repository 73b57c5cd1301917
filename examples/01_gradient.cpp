// A gradient in a few lines: ordinary C++ computes, and one reverse pass gives the derivative by every input.
#include <dz/calculus/transforms.hpp>
#include <dz/dz.hpp>

#include <cstdio>

using namespace dz;

int main() {
  const Tensor x = variable(tensor({1, 2, 3}, {3})), w = variable(full({3}, 0.5));
  Tensor a = x;
  for (int i = 0; i < 2; ++i) a = tanh(a * w);  // what runs is what is recorded: loops and conditions are C++'s
  const Tensor J = sum(square(a));
  backward(J);
  std::printf("J = %.4f\ndJ/dx = %s\ndJ/dw = %s\n", J.item(), to_string(x.grad()).c_str(), to_string(w.grad()).c_str());

  const auto f = [](In z) { return sum(square(z) * z); };  // and of functions: the derivative of z³, and its own
  std::printf("f′ = %s\n", to_string(grad_of(f)(x)).c_str());
  std::printf("f″ = %s\n", to_string(grad_of([&](In z) { return sum(grad_of(f)(z)); })(x)).c_str());
}
