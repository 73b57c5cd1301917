// A user's operations under the automatic tests of the installed dz::testing: one line each, and no main of one's own.
#include <dz/testing/operation.hpp>

using namespace dz;

Tensor scale_rows(In x, In s) {
  return record("scale_rows", [](const Array& x, const Array& s) { return (Tensor(x) * Tensor(s)).value(); },
                wrt(x, [s](const Tensor& dy) { return dy * s; }), wrt(s, [x](const Tensor& dy) { return sum(dy * x, 1, true); }));
}
Tensor swish(In z) {
  return elementwise("swish", [](auto z) { return z / (1 + exp(-z)); }, z);
}

DZ_TEST_OPERATION(scale_rows, real({3, 4}), real({3, 1}));
DZ_TEST_OPERATION(swish, real({3, 4}));
