// What the installed library owes its users: this compiles, links and runs with nothing but the installed files.
#include <dz/dz.hpp>

int main() {
  using namespace dz;
  Tensor w = variable(full({}, 3.0));
  backward(w * w);
  return w.grad().item<double>() == 6.0 ? 0 : 1;
}
