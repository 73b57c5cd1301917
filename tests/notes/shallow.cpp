// The notes, part two: the network of two layers. X is (n_x, m), W1 (n_1, n_x), b1 (n_1, 1), W2 (1, n_1), b2 (1, 1).

#include "tests/notes/network.hpp"

using namespace dz;
using namespace dz::notes;

namespace {

struct Shallow {
  Parameter W1, b1, W2, b2;
};
BOOST_DESCRIBE_STRUCT(Shallow, (), (W1, b1, W2, b2))

Shallow random_shallow(std::int64_t n_x, std::int64_t n_1) {
  return {Parameter(gaussian({n_1, n_x})), Parameter(gaussian({n_1, 1}), Role::bias), Parameter(gaussian({1, n_1})),
          Parameter(gaussian({1, 1}), Role::bias)};
}

}  // namespace

TEST_CASE("notes 2.3: the four activations and their derivatives", "[notes]") {
  for (const NotesActivation& g : activations) {
    CAPTURE(g.name);
    const Tensor z = variable(reshape(linspace(-8, 8, 161, float64), {7, 23}));
    const Tensor a = g(z);
    CHECK(largest_difference(a, map(g.g, to_matrix(z))) <= rounding);
    CHECK(largest_difference(grad(sum(a), z), map(g.slope, to_matrix(z))) <= rounding);
  }
}

TEST_CASE("notes 2.3: at z = 0 ReLU's derivative is 0 and leaky ReLU's 0.01; far out sigmoid's and tanh's vanish", "[notes]") {
  const auto slope_at = [](const NotesActivation& g, double at) {
    const Tensor z = variable(full({1, 1}, at, float64));
    return grad(g(z), z).item();
  };
  const auto& [sigmoid, tanh, relu, leaky_relu] = activations;
  CHECK(slope_at(relu, 0) == 0);
  CHECK(slope_at(leaky_relu, 0) == 0.01);
  CHECK(slope_at(sigmoid, 0) == 0.25);
  CHECK(slope_at(tanh, 0) == 1);
  for (double far : {-30.0, 30.0}) {  // on both sides: the notes say "where x is large"
    CHECK(slope_at(sigmoid, far) < 1e-12);
    CHECK(slope_at(tanh, far) < 1e-12);
  }
}

TEST_CASE("notes 2.2: the forward pass is that of every unit and every sample by itself", "[notes]") {
  for (std::uint64_t number = 1; number <= 40; ++number) {
    Draw draw(number);
    const std::int64_t n_x = draw.size(1, 6), n_1 = draw.size(1, 6), m = draw.size(1, 20);
    CAPTURE(number, n_x, n_1, m);
    const Tensor X = gaussian({n_x, m});
    const auto [W1, b1, W2, b2] = random_shallow(n_x, n_1);
    const Tensor Z1 = matmul(W1, X) + b1;
    const Tensor A1 = sigmoid(Z1);
    const Tensor Z2 = matmul(W2, A1) + b2;
    const Tensor A2 = sigmoid(Z2);
    CHECK(A1.shape() == Shape{n_1, m});
    CHECK(A2.shape() == Shape{1, m});

    const Matrix x = to_matrix(X), w1 = to_matrix(W1), c1 = to_matrix(b1), w2 = to_matrix(W2);
    Matrix a1(n_1, m), a2(1, m);
    for (std::int64_t i = 0; i < m; ++i) {      // sample i
      for (std::int64_t k = 0; k < n_1; ++k) {  // unit k: z_k = w_kᵀ·x + b_k
        double z = c1.at(k, 0);
        for (std::int64_t j = 0; j < n_x; ++j) z += w1.at(k, j) * x.at(j, i);
        a1.at(k, i) = sigmoid_of(z);
      }
      double z = b2.item();
      for (std::int64_t k = 0; k < n_1; ++k) z += w2.at(0, k) * a1.at(k, i);
      a2.at(0, i) = sigmoid_of(z);
    }
    CHECK(largest_difference(A1, a1) <= rounding);
    CHECK(largest_difference(A2, a2) <= rounding);
  }
}

TEST_CASE("notes 2.4: the six formulas of the reverse pass, and the step of descent", "[notes]") {
  for (std::uint64_t number = 1; number <= 80; ++number) {
    Draw draw(number);
    const std::int64_t n_x = draw.size(1, 7), n_1 = draw.size(1, 7), m = draw.size(1, 25);
    const NotesActivation& g1 = activations[number % 4];
    CAPTURE(number, g1.name, n_x, n_1, m);
    const Tensor X = gaussian({n_x, m}), Y = coin_flips({1, m});
    Shallow net = random_shallow(n_x, n_1);
    const Matrix x = to_matrix(X), y = to_matrix(Y), w1 = to_matrix(net.W1), c1 = to_matrix(net.b1), w2 = to_matrix(net.W2),
                 c2 = to_matrix(net.b2);

    const Tensor Z1 = matmul(net.W1, X) + net.b1;
    const Tensor A1 = g1(Z1);
    const Tensor Z2 = matmul(net.W2, A1) + net.b2;
    const Tensor A2 = sigmoid(Z2);
    const Tensor J = binary_cross_entropy(A2, Y);
    const std::vector<Tensor> d = grad({J}, {Z2, Z1}, {.retain = true});
    backward(J);

    const double one_over_m = 1 / static_cast<double>(m);
    const Matrix z1 = plus_column(product(w1, x), c1), a1 = map(g1.g, z1);
    const Matrix a2 = map(sigmoid_of, plus_column(product(w2, a1), c2));
    const Matrix dz2 = map([](double a, double t) { return a - t; }, a2, y);
    const Matrix dw2 = scaled(one_over_m, product(dz2, transpose(a1)));
    const Matrix db2 = scaled(one_over_m, row_sums(dz2));
    const Matrix dz1 = times(product(transpose(w2), dz2), map(g1.slope, z1));
    const Matrix dw1 = scaled(one_over_m, product(dz1, transpose(x)));
    const Matrix db1 = scaled(one_over_m, row_sums(dz1));

    CHECK(J.item() == Approx(cost_of(a2, y)).epsilon(rounding));
    CHECK(largest_difference(d[0], scaled(one_over_m, dz2)) <= rounding);  // of the mean J: 1/m of the notes' dz
    CHECK(largest_difference(d[1], scaled(one_over_m, dz1)) <= rounding);
    CHECK(largest_difference(net.W2.grad(), dw2) <= rounding);
    CHECK(largest_difference(net.b2.grad(), db2) <= rounding);
    CHECK(largest_difference(net.W1.grad(), dw1) <= rounding);
    CHECK(largest_difference(net.b1.grad(), db1) <= rounding);

    const double alpha = 0.7;
    const auto stepped = [alpha](double v, double dv) { return v - alpha * dv; };
    GradientDescent{.learning_rate = alpha}.step(net);
    CHECK(largest_difference(net.W1, map(stepped, w1, dw1)) <= rounding);
    CHECK(largest_difference(net.b1, map(stepped, c1, db1)) <= rounding);
    CHECK(largest_difference(net.W2, map(stepped, w2, dw2)) <= rounding);
    CHECK(largest_difference(net.b2, map(stepped, c2, db2)) <= rounding);
  }
}

TEST_CASE("notes 2.2, slips: W is (n_out, n_in), so a layer is W·x and not Wᵀ·x, and takes the layer before", "[notes]") {
  seed(3);
  const Tensor X = gaussian({3, 5});
  const auto [W1, b1, W2, b2] = random_shallow(3, 4);
  CHECK_THROWS_AS(matmul(W1.t(), X), ShapeError);  // (3, 4) x (3, 5)
  CHECK_THROWS_AS(matmul(W2, X), ShapeError);      // the second layer of x instead of a[1]
  CHECK(matmul(W2, matmul(W1, X) + b1).shape() == Shape{1, 5});

  const Tensor square = gaussian({3, 3});  // where Wᵀ·x does have a shape, it is another function
  CHECK(largest_difference(matmul(square.t(), X), to_matrix(matmul(square, X))) > 0.1);
}

TEST_CASE("notes 2.2, slip: one W and one b serve all samples; none is numbered by them", "[notes]") {
  seed(4);
  const Tensor X = gaussian({3, 5}), Y = coin_flips({1, 5}), w = gaussian({1, 3}), b = gaussian({1, 1});
  const Tensor own = variable(expand(b, {1, 5}));  // a bias for each sample has a gradient for each: m times that of a shared one in sum
  const Tensor shared = variable(b);
  const Tensor each = grad(binary_cross_entropy(sigmoid(matmul(w, X) + own), Y), own),
               of_shared = grad(binary_cross_entropy(sigmoid(matmul(w, X) + shared), Y), shared);
  CHECK(each.shape() == Shape{1, 5});
  CHECK(largest_difference(of_shared, row_sums(to_matrix(each))) <= rounding);
}

TEST_CASE("notes 2.4, slips: without g′, without W2 transposed or without 1/m it is no gradient", "[notes]") {
  seed(6);
  const std::int64_t m = 9;
  const Tensor X = gaussian({3, m}), Y = coin_flips({1, m});
  const auto [W1, b1, W2, b2] = random_shallow(3, 4);
  const Tensor A1 = tanh(matmul(W1, X) + b1);
  const Tensor A2 = sigmoid(matmul(W2, A1) + b2);
  backward(binary_cross_entropy(A2, Y));
  const Tensor dZ2 = A2.detach() - Y;
  CHECK_THROWS_AS(matmul(W2, dZ2), ShapeError);
  const auto wrong = [](const Tensor& written, const Tensor& gradient) { return largest_difference(written, to_matrix(gradient)) > 0.1; };
  CHECK(wrong(matmul(matmul(W2.t(), dZ2), X.t()) / m, W1.grad()));
  CHECK(wrong(matmul(dZ2, A1.t()), W2.grad()));
  CHECK_FALSE(wrong(matmul(dZ2, A1.t()) / m, W2.grad()));
}
