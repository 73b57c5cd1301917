// Softmax, with which the course goes on where the text of the notes breaks off: A = e^Z / Σ e^Z, L = −Σ y_j·log a_j, dZ = A − Y.
// Classes are rows and samples columns in the notes' layout; dz's cross_entropy takes samples first and integer labels.

#include "tests/notes/matrix.hpp"

using namespace dz;
using namespace dz::notes;

namespace {

struct Case {
  std::int64_t classes, m;
  std::vector<std::int64_t> label;
  Matrix Y;  // one-hot columns
};

Case random_case(Draw& draw) {
  Case c{draw.size(2, 9), draw.size(1, 20), {}, {}};
  c.Y = Matrix(c.classes, c.m);
  for (std::int64_t i = 0; i < c.m; ++i) {
    c.label.push_back(draw.size(0, c.classes - 1));
    c.Y.at(c.label.back(), i) = 1;
  }
  return c;
}

Matrix softmax_of_columns(const Matrix& z) {
  Matrix a = map([](double v) { return std::exp(v); }, z);
  for (std::int64_t i = 0; i < a.columns; ++i) {
    double total = 0;
    for (std::int64_t k = 0; k < a.rows; ++k) total += a.at(k, i);
    for (std::int64_t k = 0; k < a.rows; ++k) a.at(k, i) /= total;
  }
  return a;
}

}  // namespace

TEST_CASE("softmax: of the notes' columns, A and dZ = A − Y", "[notes]") {
  for (std::uint64_t number = 1; number <= 60; ++number) {
    Draw draw(number);
    const Case c = random_case(draw);
    CAPTURE(number, c.classes, c.m);
    const Tensor Z = variable(gaussian({c.classes, c.m}, 2)), Y = tensor(c.Y.values, {c.classes, c.m});
    const Tensor A = softmax(Z, 0);
    const Tensor J = -sum(Y * log(A)) / c.m;
    const Tensor dZ = grad(J, Z);

    const Matrix a = softmax_of_columns(to_matrix(Z));
    double loss = 0;
    for (std::int64_t i = 0; i < c.m; ++i) loss -= std::log(a.at(c.label[static_cast<std::size_t>(i)], i));
    CHECK(largest_difference(A, a) <= rounding);
    CHECK(J.item() == Approx(loss / static_cast<double>(c.m)).epsilon(rounding));
    const Matrix a_minus_y = map([](double v, double y) { return v - y; }, a, c.Y);
    CHECK(largest_difference(dZ, scaled(1 / static_cast<double>(c.m), a_minus_y)) <= rounding);
  }
}

TEST_CASE("softmax: cross_entropy of logits and labels is the same J with the same gradient, samples first", "[notes]") {
  for (std::uint64_t number = 1; number <= 60; ++number) {
    Draw draw(number);
    const Case c = random_case(draw);
    const std::int64_t n_x = draw.size(1, 6);
    CAPTURE(number, c.classes, c.m, n_x);
    const Tensor X = gaussian({n_x, c.m}), W = variable(gaussian({c.classes, n_x})), b = variable(gaussian({c.classes, 1}));
    const Tensor Z = matmul(W, X) + b;
    const Tensor J = cross_entropy(Z.t(), labels(c.label));
    backward(J);

    const Matrix a = softmax_of_columns(plus_column(product(to_matrix(W), to_matrix(X)), to_matrix(b)));
    const Matrix dz = scaled(1 / static_cast<double>(c.m), map([](double v, double y) { return v - y; }, a, c.Y));
    CHECK(largest_difference(W.grad(), product(dz, transpose(to_matrix(X)))) <= rounding);
    CHECK(largest_difference(b.grad(), row_sums(dz)) <= rounding);
  }
}

TEST_CASE("softmax: of two classes it is the sigmoid of their difference", "[notes]") {
  for (std::uint64_t number = 1; number <= 30; ++number) {
    Draw draw(number);
    const std::int64_t m = draw.size(1, 20);
    CAPTURE(number, m);
    const Tensor Z = gaussian({2, m}, 3);
    const Tensor difference = matmul(tensor({1, -1}, {1, 2}, float64), Z);
    const Matrix first = product(
        [] {
          Matrix pick(1, 2);
          pick.at(0, 0) = 1;
          return pick;
        }(),
        to_matrix(softmax(Z, 0)));
    CHECK(largest_difference(sigmoid(difference), first) <= rounding);
  }
}
