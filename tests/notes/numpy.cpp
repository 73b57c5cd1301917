// What the notes do with arrays: image2vector (part one, section one), arrays of rank 1 (part one, section six), keepdims (part two,
// section four), broadcasting (part one, section four) and normalised inputs (part four, section five). The examples of broadcasting and
// of normalised rows are the course's; the text of the notes has the rules alone.

#include "tests/notes/matrix.hpp"

using namespace dz;
using namespace dz::notes;

TEST_CASE("notes 1.1: image2vector makes (h, w, 3) a column, in row order", "[notes]") {
  for (std::uint64_t number = 1; number <= 40; ++number) {
    Draw draw(number);
    const std::int64_t h = draw.size(1, 6), w = draw.size(1, 6);
    CAPTURE(number, h, w);
    const Tensor image = gaussian({h, w, 3});
    const Tensor v = reshape(image, {h * w * 3, 1});
    CHECK(v.shape() == Shape{h * w * 3, 1});
    const Array pixels = image.value();
    for (std::int64_t i = 0; i < h; ++i)
      for (std::int64_t j = 0; j < w; ++j)
        for (std::int64_t c = 0; c < 3; ++c)
          CHECK(to_matrix(v).at((i * w + j) * 3 + c, 0) == pixels.slice(0, i, i + 1).slice(1, j, j + 1).slice(2, c, c + 1).item());
  }
}

TEST_CASE("notes 1.1, slip: the vector goes pixel by pixel; three layers one after the other are another order", "[notes]") {
  const Tensor image = reshape(arange(0, 12, 1, float64), {2, 2, 3});  // red 0 3 6 9, green 1 4 7 10, blue 2 5 8 11
  CHECK(reshape(image, {12, 1}).to_vector() == std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  const int layers_first[] = {2, 0, 1};
  CHECK(Tensor(image.value().permute(layers_first)).to_vector() == std::vector<double>{0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11});
}

TEST_CASE("notes 1.1: X = [x(1) … x(m)] has the images' vectors as its columns", "[notes]") {
  for (std::uint64_t number = 1; number <= 30; ++number) {
    Draw draw(number);
    const std::int64_t m = draw.size(1, 5), h = draw.size(1, 4), w = draw.size(1, 4);
    CAPTURE(number, m, h, w);
    const Tensor images = gaussian({m, h, w, 3});
    const Matrix X = to_matrix(flatten(images).t());
    CHECK(X.rows == h * w * 3);
    CHECK(X.columns == m);
    for (std::int64_t i = 0; i < m; ++i) {
      const Tensor v = reshape(Tensor(images.value().slice(0, i, i + 1)), {h * w * 3, 1});
      for (std::int64_t k = 0; k < X.rows; ++k) CHECK(X.at(k, i) == to_matrix(v).at(k, 0));
    }
  }
}

TEST_CASE("notes 1.6: (5) is neither a row nor a column, and never meets (5, 1)", "[notes]") {
  const Tensor a = uniform({5}), column = uniform({5, 1}), row = uniform({1, 5});
  for (const Tensor& matrix : {column, row}) {
    CHECK_THROWS_AS(a + matrix, ShapeError);
    CHECK_THROWS_AS(matrix - a, ShapeError);
    CHECK_THROWS_AS(a * matrix, ShapeError);
    CHECK_THROWS_AS(matrix / a, ShapeError);
    CHECK_THROWS_AS(matmul(a, matrix), ShapeError);
    CHECK_THROWS_AS(matmul(matrix, a), ShapeError);
    CHECK_THROWS_AS(less(a, matrix), ShapeError);
    CHECK_THROWS_AS(mean_squared(a, matrix), ShapeError);
    CHECK_THROWS_AS(binary_cross_entropy(matrix, a), ShapeError);
  }
  CHECK_THROWS_AS(a.t(), ShapeError);  // where numpy's a.T is a again
  CHECK(matmul(column, column.t()).shape() == Shape{5, 5});
  CHECK(matmul(column.t(), column).shape() == Shape{1, 1});
  CHECK((reshape(a, {5, 1}) + column).shape() == Shape{5, 1});
  CHECK_THROWS_AS(mean_squared(row, column), ShapeError);  // nor does a loss stretch (1, 5) and (5, 1) to (5, 5)
}

TEST_CASE("notes 2.4: sum along axis 1 with keepdims is (n, 1), without it (n), which no (n, m) takes", "[notes]") {
  for (std::uint64_t number = 1; number <= 40; ++number) {
    Draw draw(number);
    const std::int64_t n = draw.size(1, 8), m = draw.size(1, 20);
    CAPTURE(number, n, m);
    const Tensor dZ = gaussian({n, m});
    const Tensor kept = sum(dZ, 1, true), dropped = sum(dZ, 1);
    CHECK(kept.shape() == Shape{n, 1});
    CHECK(dropped.shape() == Shape{n});
    CHECK(largest_difference(kept, row_sums(to_matrix(dZ))) <= rounding);
    CHECK(kept.to_vector() == dropped.to_vector());
    CHECK(reshape(dropped, {n, 1}).to_vector() == kept.to_vector());
    CHECK((dZ + kept).shape() == Shape{n, m});
    CHECK_THROWS_AS(dZ + dropped, ShapeError);
    CHECK(largest_difference(sum(dZ, 0, true), transpose(row_sums(transpose(to_matrix(dZ))))) <= rounding);
  }
}

TEST_CASE("notes 1.4: b of (1, 1) and (n, 1) stretches over the samples, and its gradient is summed back", "[notes]") {
  for (std::uint64_t number = 1; number <= 40; ++number) {
    Draw draw(number);
    const std::int64_t n = draw.size(1, 6), m = draw.size(1, 12);
    CAPTURE(number, n, m);
    const Tensor Z = gaussian({n, m}), weight = gaussian({n, m}), b = variable(gaussian({n, 1})), c = variable(gaussian({1, m}));
    const Tensor y = (Z + b) * c;
    const std::vector<Tensor> d = grad({sum(y * weight)}, {b, c});
    Matrix db(n, 1), dc(1, m), value(n, m);
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < m; ++j) {
        const double shifted = to_matrix(Z).at(i, j) + to_matrix(b).at(i, 0);
        value.at(i, j) = shifted * to_matrix(c).at(0, j);
        db.at(i, 0) += to_matrix(weight).at(i, j) * to_matrix(c).at(0, j);
        dc.at(0, j) += to_matrix(weight).at(i, j) * shifted;
      }
    CHECK(largest_difference(y, value) <= rounding);
    CHECK(largest_difference(d[0], db) <= rounding);
    CHECK(largest_difference(d[1], dc) <= rounding);
  }
}

TEST_CASE("broadcasting: (4, 1) + 100, (2, 3) + (1, 3), (2, 3) + (2, 1)", "[notes]") {
  CHECK((tensor({1, 2, 3, 4}, {4, 1}) + 100).to_vector() == std::vector<double>{101, 102, 103, 104});
  const Tensor a = tensor({1, 2, 3, 4, 5, 6}, {2, 3});
  CHECK((a + tensor({100, 200, 300}, {1, 3})).to_vector() == std::vector<double>{101, 202, 303, 104, 205, 306});
  CHECK((a + tensor({100, 200}, {2, 1})).to_vector() == std::vector<double>{101, 102, 103, 204, 205, 206});
  CHECK_THROWS_AS(a + tensor({100, 200, 300}, {3}), ShapeError);  // the rows are (1, 3), not (3)
  CHECK_THROWS_AS(a + tensor({100, 200}, {1, 2}), ShapeError);
}

TEST_CASE("broadcasting: calories, the sums of the columns and each entry's percentage of its column", "[notes]") {
  const Tensor A = tensor({56, 0, 4.4, 68, 1.2, 104, 52, 8, 1.8, 135, 99, 0.9}, {3, 4}, float64);  // carbohydrate, protein, fat
  const Tensor cal = sum(A, 0, true);
  const Tensor percentage = 100 * A / cal;
  CHECK(cal.shape() == Shape{1, 4});
  const double of_apples[] = {100 * 56 / 59.0, 100 * 1.2 / 59, 100 * 1.8 / 59}, totals[] = {59, 239, 155.4, 76.9};
  for (std::int64_t j = 0; j < 4; ++j) {
    CHECK(to_matrix(cal).at(0, j) == Approx(totals[j]).epsilon(rounding));
    CHECK(to_matrix(sum(percentage, 0, true)).at(0, j) == Approx(100).epsilon(rounding));
  }
  for (std::int64_t i = 0; i < 3; ++i) CHECK(to_matrix(percentage).at(i, 0) == Approx(of_apples[i]).epsilon(rounding));
  CHECK_THROWS_AS(100 * A / sum(A, 0), ShapeError);  // numpy takes (4) for (1, 4)
}

TEST_CASE("normalised rows: x / ‖x‖ along axis 1, keepdims, has rows of length 1", "[notes]") {
  const Tensor x = tensor({0, 3, 4, 2, 6, 4}, {2, 3}, float64);
  const Tensor length = sqrt(sum(square(x), 1, true));
  CHECK(length.to_vector() == std::vector<double>{5, std::sqrt(56.0)});
  for (std::uint64_t number = 1; number <= 40; ++number) {
    Draw draw(number);
    const std::int64_t n = draw.size(1, 6), m = draw.size(1, 9);
    CAPTURE(number, n, m);
    const Tensor rows = gaussian({n, m});
    const Tensor normalised = rows / sqrt(sum(square(rows), 1, true));
    Matrix hand = to_matrix(rows);
    for (std::int64_t i = 0; i < n; ++i) {
      double squares = 0;
      for (std::int64_t j = 0; j < m; ++j) squares += hand.at(i, j) * hand.at(i, j);
      for (std::int64_t j = 0; j < m; ++j) hand.at(i, j) /= std::sqrt(squares);
    }
    CHECK(largest_difference(normalised, hand) <= rounding);
  }
}

TEST_CASE("notes 4.5: (X − μ)/σ of every feature over the samples; a test set takes the training set's μ and σ", "[notes]") {
  for (std::uint64_t number = 1; number <= 40; ++number) {
    Draw draw(number);
    const std::int64_t n_x = draw.size(1, 6), m = draw.size(2, 30);
    CAPTURE(number, n_x, m);
    const Tensor X = 3 * gaussian({n_x, m}) + 5 * gaussian({n_x, 1}), X_test = 3 * gaussian({n_x, 4});
    const Tensor mu = mean(X, 1, true);
    const Tensor sigma = sqrt(mean(square(X - mu), 1, true));
    const Tensor X_std = (X - mu) / sigma;

    Matrix hand_mu(n_x, 1), hand_sigma(n_x, 1), hand(n_x, m), hand_test(n_x, 4);
    for (std::int64_t k = 0; k < n_x; ++k) {
      for (std::int64_t i = 0; i < m; ++i) hand_mu.at(k, 0) += to_matrix(X).at(k, i) / static_cast<double>(m);
      for (std::int64_t i = 0; i < m; ++i)
        hand_sigma.at(k, 0) += std::pow(to_matrix(X).at(k, i) - hand_mu.at(k, 0), 2) / static_cast<double>(m);
      hand_sigma.at(k, 0) = std::sqrt(hand_sigma.at(k, 0));
      for (std::int64_t i = 0; i < m; ++i) hand.at(k, i) = (to_matrix(X).at(k, i) - hand_mu.at(k, 0)) / hand_sigma.at(k, 0);
      for (std::int64_t i = 0; i < 4; ++i) hand_test.at(k, i) = (to_matrix(X_test).at(k, i) - hand_mu.at(k, 0)) / hand_sigma.at(k, 0);
    }
    CHECK(largest_difference(mu, hand_mu) <= rounding);
    CHECK(largest_difference(sigma, hand_sigma) <= rounding);
    CHECK(largest_difference(X_std, hand) <= rounding);
    CHECK(largest_difference((X_test - mu) / sigma, hand_test) <= rounding);
    CHECK(max(abs(mean(X_std, 1))).item() < 1e-12);
    CHECK(max(abs(mean(square(X_std), 1) - 1)).item() < 1e-12);
  }
}

TEST_CASE("notes 4.5, slips: m counts the samples, not the features; a feature that never changes has no σ to divide by", "[notes]") {
  const Tensor X = tensor({1, 2, 3, 40, 50, 60}, {2, 3}, float64);
  const Tensor over_features = (X - mean(X, 0, true)) / sqrt(mean(square(X - mean(X, 0, true)), 0, true));
  CHECK(over_features.to_vector() == std::vector<double>{-1, -1, -1, 1, 1, 1});  // nothing of the samples is left
  const Tensor constant = full({1, 3}, 7, float64);
  const Tensor sigma = sqrt(mean(square(constant - mean(constant, 1, true)), 1, true));
  CHECK(std::isnan(((constant - mean(constant, 1, true)) / sigma).to_vector()[0]));
}
