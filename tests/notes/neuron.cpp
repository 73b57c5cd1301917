// The notes, part one, sections two and three: one neuron and one sample.

#include "tests/notes/matrix.hpp"

using namespace dz;
using namespace dz::notes;

namespace {

struct Neuron {
  Parameter w, b;
};
BOOST_DESCRIBE_STRUCT(Neuron, (), (w, b))

Neuron random_neuron(std::int64_t n_x) { return {Parameter(gaussian({n_x, 1})), Parameter(gaussian({1, 1}), Role::bias)}; }

}  // namespace

TEST_CASE("notes 1.2: sigmoid of a vector is taken element by element, and its derivative is σ(1 − σ)", "[notes]") {
  for (std::uint64_t number = 1; number <= 40; ++number) {
    Draw draw(number);
    CAPTURE(number);
    const Tensor x = variable(gaussian({draw.size(1, 30), 1}, 4));
    const Tensor s = sigmoid(x);
    const Tensor ds = grad(sum(s), x);

    const Matrix hand = map(sigmoid_of, to_matrix(x));
    CHECK(largest_difference(s, hand) <= rounding);
    CHECK(largest_difference(ds, map([](double a) { return a * (1 - a); }, hand)) <= rounding);
  }
}

TEST_CASE("notes 1.2: the loss of one sample, and dL/da = −y/a + (1 − y)/(1 − a)", "[notes]") {
  for (std::uint64_t number = 1; number <= 40; ++number) {
    Draw draw(number);
    CAPTURE(number);
    const Tensor a = variable(uniform({1, 1}, 0.01, 0.99, float64)), y = coin_flips({1, 1});
    const Tensor L = binary_cross_entropy(a, y);
    const Tensor da = grad(L, a);

    CHECK(L.item() == Approx(loss_of(a.item(), y.item())).epsilon(rounding));
    CHECK(da.item() == Approx(-y.item() / a.item() + (1 - y.item()) / (1 - a.item())).epsilon(rounding));
  }
}

TEST_CASE("notes 1.2: for y = 1 the loss falls as ŷ rises, for y = 0 it rises", "[notes]") {
  const Tensor y_hat = linspace(0.05, 0.95, 19, float64);
  const std::vector<double> if_one = binary_cross_entropy(y_hat, ones_like(y_hat), Reduction::none).to_vector(),
                            if_zero = binary_cross_entropy(y_hat, zeros_like(y_hat), Reduction::none).to_vector();
  CHECK(std::is_sorted(if_one.rbegin(), if_one.rend()));
  CHECK(std::is_sorted(if_zero.begin(), if_zero.end()));
}

TEST_CASE("notes 1.3: da/dz = a(1 − a), dz = a − y, dw_j = x_j·dz, db = dz", "[notes]") {
  for (std::uint64_t number = 1; number <= 60; ++number) {
    Draw draw(number);
    const std::int64_t n_x = draw.size(1, 8);
    CAPTURE(number, n_x);
    const Tensor x = gaussian({n_x, 1}), y = coin_flips({1, 1});
    const Neuron neuron = random_neuron(n_x);
    const auto& [w, b] = neuron;
    const Tensor z = matmul(w.t(), x) + b;
    const Tensor a = sigmoid(z);
    const Tensor L = binary_cross_entropy(a, y);
    const Tensor da_dz = grad(a, z, {.retain = true});
    const Tensor dz = grad(L, z, {.retain = true});
    backward(L);

    double hand_z = b.item();
    for (std::int64_t j = 0; j < n_x; ++j) hand_z += to_matrix(w).at(j, 0) * to_matrix(x).at(j, 0);
    const double hand_a = sigmoid_of(hand_z), hand_dz = hand_a - y.item();
    Matrix hand_dw(n_x, 1);
    for (std::int64_t j = 0; j < n_x; ++j) hand_dw.at(j, 0) = to_matrix(x).at(j, 0) * hand_dz;

    CHECK(z.item() == Approx(hand_z).epsilon(rounding));
    CHECK(da_dz.item() == Approx(hand_a * (1 - hand_a)).epsilon(rounding));
    CHECK(dz.item() == Approx(hand_dz).epsilon(rounding));
    CHECK(largest_difference(w.grad(), hand_dw) <= rounding);
    CHECK(b.grad().item() == Approx(hand_dz).epsilon(rounding));
  }
}

TEST_CASE("notes 1.3: one step of descent is w_j − α·dw_j and b − α·db", "[notes]") {
  for (std::uint64_t number = 1; number <= 30; ++number) {
    Draw draw(number);
    const std::int64_t n_x = draw.size(1, 8);
    CAPTURE(number, n_x);
    const double alpha = 0.1 * static_cast<double>(number);
    const Tensor x = gaussian({n_x, 1}), y = coin_flips({1, 1});
    Neuron neuron = random_neuron(n_x);
    const Matrix w = to_matrix(neuron.w), b = to_matrix(neuron.b), hand_x = to_matrix(x);
    const double dz = sigmoid_of(plus_column(product(transpose(w), hand_x), b).at(0, 0)) - y.item();

    backward(binary_cross_entropy(sigmoid(matmul(neuron.w.t(), x) + neuron.b), y));
    GradientDescent{.learning_rate = alpha}.step(neuron);

    CHECK(largest_difference(neuron.w, map([&](double w_j, double x_j) { return w_j - alpha * (x_j * dz); }, w, hand_x)) <= rounding);
    CHECK(largest_difference(neuron.b, map([&](double v) { return v - alpha * dz; }, b)) <= rounding);
  }
}

// The notes say that the cost has a lowest point because of the sigmoid. It is the logarithm that makes it convex.
TEST_CASE("notes 1.2, a slip: the cross-entropy makes the cost convex, the sigmoid alone does not", "[notes]") {
  const auto second_derivative = [](const Tensor& loss, const Tensor& z) {
    const Tensor dz = grad(sum(loss), z, {.create_graph = true});
    return grad(sum(dz), z);
  };
  const Tensor z = variable(linspace(-6, 6, 49, float64)), y = ones_like(z), a = sigmoid(z);
  const std::vector<double> entropy = second_derivative(binary_cross_entropy(a, y, Reduction::none), z).to_vector(),
                            squares = second_derivative(square(sigmoid(z) - y), z).to_vector(), probability = a.to_vector();
  for (std::size_t k = 0; k < entropy.size(); ++k) CHECK(entropy[k] == Approx(probability[k] * (1 - probability[k])).epsilon(1e-9));
  CHECK(*std::min_element(squares.begin(), squares.end()) < -0.01);
}

TEST_CASE("notes 1.2, a slip: over samples that a line separates the cost has no lowest point", "[notes]") {
  const Tensor x = tensor({-2, -1, 1, 2}, {1, 4}, float64), y = tensor({0, 0, 1, 1}, {1, 4}, float64);
  double last = std::log(2.0);
  for (double w = 1; w <= 8; w *= 2) {
    const double J = binary_cross_entropy(sigmoid(w * x), y).item();
    CHECK(J < 0.7 * last);
    last = J;
  }
}
