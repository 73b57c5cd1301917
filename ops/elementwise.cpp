#include <dz/ops/elementwise.hpp>

namespace dz {

Tensor log1p(In x) {
  return elementwise("log1p", [](auto v) { return log1p(v); }, x);
}

Tensor sin(In x) {
  return elementwise("sin", [](auto v) { return sin(v); }, x);
}

Tensor cos(In x) {
  return elementwise("cos", [](auto v) { return cos(v); }, x);
}

}  // namespace dz
