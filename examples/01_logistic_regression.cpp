// Logistic regression, line by line as in the notes: samples are columns.
#include <dz/dz.hpp>

#include <cstdio>

using namespace dz;

int main() {
  const Tensor X = normal({2, 200}), Y = cast(less(sum(X, 0, true), 0), float32);  // (n_x, m) and (1, m)
  Parameter W(zeros({1, 2})), b(zeros({1, 1}), Role::bias);
  for (int step = 0; step < 100; ++step) {
    const Tensor A = sigmoid(matmul(W, X) + b);
    const Tensor J = binary_cross_entropy(A, Y);  // the mean over the samples
    backward(J);                                  // W.grad() is (1/m)·(A − Y)·Xᵀ
    GradientDescent{.learning_rate = 1}.step({{"W", &W}, {"b", &b}});
    if (step % 20 == 0) std::printf("cost %.4f\n", J.item());
  }
  std::printf("W %s\n", to_string(W).c_str());
}
