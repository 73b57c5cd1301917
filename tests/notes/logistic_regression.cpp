// The notes, part one, sections three and four: logistic regression over m samples, as loops and vectorised. X is (n_x, m), Y (1, m),
// w (n_x, 1), b (1, 1).

#include "tests/notes/matrix.hpp"

using namespace dz;
using namespace dz::notes;

namespace {

struct LogisticRegression {
  Parameter w, b;
};
BOOST_DESCRIBE_STRUCT(LogisticRegression, (), (w, b))

LogisticRegression random_model(std::int64_t n_x) { return {Parameter(gaussian({n_x, 1})), Parameter(gaussian({1, 1}), Role::bias)}; }

struct Gradients {
  double J = 0, db = 0;
  std::vector<double> dw;
};

/// The notes' loop over the samples from `first` on, with its inner loop over the features.
Gradients notes_loop(const Matrix& X, const Matrix& Y, const Matrix& w, double b, std::int64_t first = 0) {
  Gradients g{.dw = std::vector<double>(w.values.size())};
  const auto m = static_cast<double>(X.columns);
  for (std::int64_t i = first; i < X.columns; ++i) {
    double z_i = b;
    for (std::int64_t j = 0; j < X.rows; ++j) z_i += w.at(j, 0) * X.at(j, i);
    const double a_i = sigmoid_of(z_i);
    g.J += loss_of(a_i, Y.at(0, i));
    const double dz_i = a_i - Y.at(0, i);
    for (std::int64_t j = 0; j < X.rows; ++j) g.dw[static_cast<std::size_t>(j)] += X.at(j, i) * dz_i;
    g.db += dz_i;
  }
  g.J /= m;
  for (double& dw_j : g.dw) dw_j /= m;
  g.db /= m;
  return g;
}

Gradients notes_loop(const Tensor& X, const Tensor& Y, const LogisticRegression& model, std::int64_t first = 0) {
  return notes_loop(to_matrix(X), to_matrix(Y), to_matrix(model.w), model.b.item(), first);
}

Matrix column(const std::vector<double>& values) {
  Matrix out(static_cast<std::int64_t>(values.size()), 1);
  out.values = values;
  return out;
}

}  // namespace

TEST_CASE("notes 1.3 and 1.4: the cost and its gradients are those of the loop over the samples", "[notes]") {
  for (std::uint64_t number = 1; number <= 60; ++number) {
    Draw draw(number);
    const std::int64_t n_x = draw.size(1, 9), m = draw.size(1, 40);
    CAPTURE(number, n_x, m);
    const Tensor X = gaussian({n_x, m}), Y = coin_flips({1, m});
    const LogisticRegression model = random_model(n_x);
    const auto& [w, b] = model;
    const Tensor Z = matmul(w.t(), X) + b;
    const Tensor A = sigmoid(Z);
    const Tensor J = binary_cross_entropy(A, Y);
    backward(J);

    const Gradients loop = notes_loop(X, Y, model);
    CHECK(Z.shape() == Shape{1, m});
    CHECK(J.item() == Approx(loop.J).epsilon(rounding));
    CHECK(largest_difference(w.grad(), column(loop.dw)) <= rounding);
    CHECK(largest_difference(b.grad(), column({loop.db})) <= rounding);
  }
}

TEST_CASE("notes 1.4: dZ = A − Y, dw = (1/m)·X·dZᵀ, db = (1/m)·Σ dZ", "[notes]") {
  for (std::uint64_t number = 1; number <= 60; ++number) {
    Draw draw(number);
    const std::int64_t n_x = draw.size(1, 9), m = draw.size(1, 40);
    CAPTURE(number, n_x, m);
    const Tensor X = gaussian({n_x, m}), Y = coin_flips({1, m});
    const LogisticRegression model = random_model(n_x);
    const auto& [w, b] = model;
    const Tensor Z = matmul(w.t(), X) + b;
    const Tensor A = sigmoid(Z);
    const Tensor dZ = grad(binary_cross_entropy(A, Y, Reduction::sum), Z, {.retain = true});  // of Σ L: the notes' dZ has no 1/m
    backward(binary_cross_entropy(A, Y));

    const Matrix hand_A = map(sigmoid_of, plus_column(product(transpose(to_matrix(w)), to_matrix(X)), to_matrix(b)));
    const Matrix hand_dZ = map([](double a, double y) { return a - y; }, hand_A, to_matrix(Y));
    const double one_over_m = 1 / static_cast<double>(m);
    CHECK(largest_difference(A, hand_A) <= rounding);
    CHECK(largest_difference(dZ, hand_dZ) <= rounding);
    CHECK(largest_difference(w.grad(), scaled(one_over_m, product(to_matrix(X), transpose(hand_dZ)))) <= rounding);
    CHECK(largest_difference(b.grad(), scaled(one_over_m, row_sums(hand_dZ))) <= rounding);
  }
}

TEST_CASE("notes 1.4: from the logits the same J and the same gradients come", "[notes]") {
  for (std::uint64_t number = 1; number <= 40; ++number) {
    Draw draw(number);
    const std::int64_t n_x = draw.size(1, 9), m = draw.size(1, 40);
    CAPTURE(number, n_x, m);
    const Tensor X = gaussian({n_x, m}), Y = coin_flips({1, m});
    const LogisticRegression model = random_model(n_x);
    const Tensor Z = matmul(model.w.t(), X) + model.b;
    const Tensor J = binary_cross_entropy_with_logits(Z, Y);
    backward(J);

    const Gradients loop = notes_loop(X, Y, model);
    CHECK(J.item() == Approx(loop.J).epsilon(rounding));
    CHECK(largest_difference(model.w.grad(), column(loop.dw)) <= rounding);
    CHECK(largest_difference(model.b.grad(), column({loop.db})) <= rounding);
  }
}

TEST_CASE("notes 1.3: many steps of gradient descent follow the loop", "[notes]") {
  for (std::uint64_t number = 1; number <= 24; ++number) {
    Draw draw(number);
    const std::int64_t n_x = draw.size(1, 6), m = draw.size(2, 20);
    CAPTURE(number, n_x, m);
    const double alpha = 0.2;
    const Tensor X = gaussian({n_x, m}), Y = coin_flips({1, m});
    LogisticRegression model = random_model(n_x);
    Matrix w = to_matrix(model.w);
    double b = model.b.item();
    for (int step = 0; step < 20; ++step) {
      backward(binary_cross_entropy(sigmoid(matmul(model.w.t(), X) + model.b), Y));
      GradientDescent{.learning_rate = alpha}.step(model);

      const Gradients loop = notes_loop(to_matrix(X), to_matrix(Y), w, b);
      w = map([&](double w_j, double dw_j) { return w_j - alpha * dw_j; }, w, column(loop.dw));
      b -= alpha * loop.db;
    }
    CHECK(largest_difference(model.w, w) <= rounding);
    CHECK(largest_difference(model.b, column({b})) <= rounding);
  }
}

TEST_CASE("notes 1.4, slips: what stands there for db is dw; z is not w * x; the samples are not 1 … m", "[notes]") {
  const std::int64_t n_x = 3, m = 7;
  seed(5);
  const Tensor X = gaussian({n_x, m}), Y = coin_flips({1, m});
  const LogisticRegression model = random_model(n_x);
  const auto& [w, b] = model;
  const Tensor A = sigmoid(matmul(w.t(), X) + b);
  backward(binary_cross_entropy(A, Y));
  const Tensor dZ = A.detach() - Y;

  SECTION("(1/m)·X·dZᵀ is dw, of another shape than b") {
    const Tensor written = matmul(X, dZ.t()) / m;
    CHECK(written.shape() != b.shape());
    CHECK(largest_difference(written, to_matrix(w.grad())) <= rounding);
  }
  SECTION("w * x + b is a column of n_x numbers where z is one") {
    const Tensor x = Tensor(X.value().slice(1, 0, 1));
    const Tensor written = w * x + b, z = matmul(w.t(), x) + b;
    CHECK(written.shape() == Shape{n_x, 1});
    CHECK(z.shape() == Shape{1, 1});
    CHECK(sum(w * x).item() + b.item() == Approx(z.item()));
  }
  SECTION("a loop over range(1, m + 1) misses x[0] and reads beyond x[m − 1]") {
    const Gradients late = notes_loop(X, Y, model, 1);
    CHECK(largest_difference(column(late.dw), to_matrix(w.grad())) > 0.01);
    CHECK(std::abs(late.db - b.grad().item()) > 0.01);
    CHECK_THROWS_AS(to_matrix(X).at(0, m), std::out_of_range);
  }
  SECTION("Z is the row (1, m) that wᵀX + b is, not the column that is drawn; as a column it does not meet Y") {
    CHECK(A.shape() == Shape{1, m});
    CHECK_THROWS_AS(binary_cross_entropy(A.t(), Y), ShapeError);
  }
  SECTION("what the cost compares with Y is A; Z does not approach Y, and is no probability") {
    CHECK_THROWS_AS(binary_cross_entropy(matmul(w.t(), X) + b + 5, Y), ValueError);
  }
  SECTION("the gradient of the sum is m times that of the mean J") {
    const Tensor of_sum = grad(binary_cross_entropy(sigmoid(matmul(w.t(), X) + b), Y, Reduction::sum), w);
    CHECK(largest_difference(of_sum, scaled(m, to_matrix(w.grad()))) <= rounding);
  }
}
