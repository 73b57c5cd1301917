// A wrong derivative in the depth of a network, and how dz says where it is.
#include <dz/calculus/check_graph.hpp>
#include <dz/dz.hpp>

#include <cstdio>

using namespace dz;

// tanh with a derivative that forgets the square: 1 − a instead of 1 − a².
Tensor hasty_tanh(In z) {
  return record("hasty_tanh", [](const Array& v) { return kernels::map([](auto z) { return tanh(z); }, v); },
                wrt(z, [](const Tensor& da, const Tensor& a) { return da * (1 - a); }));
}

int main() {
  seed(1);
  const Mlp network = mlp({8, 16, 16, 1});
  const auto guard = checked();  // operations keep what an examination needs
  Tensor a = normal({5, 8});
  for (std::size_t l = 0; l < 2; ++l) a = hasty_tanh(network.layers[l](a));
  const GraphCheck check = check_graph(mean(square(network.layers[2](a))));
  std::printf("%s", to_string(check).c_str());
  return check.passed() ? 1 : 0;  // it must be found
}
