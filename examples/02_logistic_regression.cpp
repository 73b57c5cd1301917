// Logistic regression, line by line as in the notes (part one): samples are columns, and what they derive by hand is what the reverse pass gives.
#include <dz/dz.hpp>

#include <cstdio>

using namespace dz;

int main() {
  const std::int64_t n_x = 2, m = 200;
  const Tensor X = normal({n_x, m}), Y = cast(less(sum(X, 0, true), 0), float32);  // (n_x, m) and (1, m)
  Parameter w(zeros({n_x, 1})), b(zeros({1, 1}), Role::bias);
  const double alpha = 1;
  for (int step = 0; step <= 100; ++step) {
    const Tensor Z = matmul(w.t(), X) + b;  // b is broadcast
    const Tensor A = sigmoid(Z);
    const Tensor J = binary_cross_entropy(A, Y);  // (1/m)·Σ L(a, y)
    backward(J);
    if (step == 0) {
      const Tensor dZ = A.detach() - Y;  // the notes' lines
      const Tensor dw = matmul(X, dZ.t()) / m, db = sum(dZ) / m;
      std::printf("dw by hand %s, by dz %s\n", to_string(dw.t()).c_str(), to_string(w.grad().t()).c_str());
      std::printf("db by hand %.6f, by dz %.6f\n", db.item(), b.grad().item());
    }
    if (step % 20 == 0) std::printf("iteration %3d  cost %.4f\n", step, J.item());
    GradientDescent{.learning_rate = alpha}.step({{"w", &w}, {"b", &b}});  // w := w − α·dw, b := b − α·db
  }
  const auto guard = no_grad();
  const Tensor right = equal(greater(matmul(w.t(), X) + b, 0), cast(Y, boolean));
  std::printf("accuracy %.3f\n", mean(cast(right, float32)).item());
}
