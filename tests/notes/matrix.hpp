#pragma once
// The other side of the notes' tests: plain matrices of double and the loops that the notes' formulas stand for, with nothing of dz's
// arithmetic in them. Samples are columns: X is (n_x, m), W (n_out, n_in), b (n_out, 1).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include <dz/dz.hpp>

#include "tests/support/support.hpp"

namespace dz::notes {

/// What float64 results of dz may differ by from those of the loops, relative to the largest element.
inline constexpr double rounding = 1e-12;

struct Matrix {
  std::int64_t rows = 0, columns = 0;
  std::vector<double> values;  // in row order

  Matrix() = default;
  Matrix(std::int64_t rows, std::int64_t columns, double value = 0)
      : rows(rows), columns(columns), values(static_cast<std::size_t>(rows * columns), value) {}

  double& at(std::int64_t i, std::int64_t j) { return values.at(index(i, j)); }
  double at(std::int64_t i, std::int64_t j) const { return values.at(index(i, j)); }
  bool same_shape(const Matrix& o) const { return rows == o.rows && columns == o.columns; }

 private:
  std::size_t index(std::int64_t i, std::int64_t j) const {
    if (i < 0 || i >= rows || j < 0 || j >= columns) throw std::out_of_range("no such element of the matrix");
    return static_cast<std::size_t>(i * columns + j);
  }
};

/// A tensor of rank 2; any other rank throws, since (n) is not (n, 1).
inline Matrix to_matrix(const Tensor& x) {
  if (x.rank() != 2) throw ShapeError("no matrix: " + to_string(x.shape()), "to_matrix");
  Matrix out(x.size(0), x.size(1));
  out.values = x.to_vector();
  return out;
}

inline Matrix transpose(const Matrix& a) {
  Matrix out(a.columns, a.rows);
  for (std::int64_t i = 0; i < a.rows; ++i)
    for (std::int64_t j = 0; j < a.columns; ++j) out.at(j, i) = a.at(i, j);
  return out;
}

inline Matrix product(const Matrix& a, const Matrix& b) {
  if (a.columns != b.rows) throw std::invalid_argument("inner sizes differ");
  Matrix out(a.rows, b.columns);
  for (std::int64_t i = 0; i < a.rows; ++i)
    for (std::int64_t j = 0; j < b.columns; ++j)
      for (std::int64_t k = 0; k < a.columns; ++k) out.at(i, j) += a.at(i, k) * b.at(k, j);
  return out;
}

/// f of the elements at each place, of matrices of one shape.
template <class F, class... M> Matrix map(F f, const Matrix& first, const M&... more) {
  if (!(first.same_shape(more) && ...)) throw std::invalid_argument("shapes differ");
  Matrix out(first.rows, first.columns);
  for (std::size_t k = 0; k < out.values.size(); ++k) out.values[k] = f(first.values[k], more.values[k]...);
  return out;
}

inline Matrix scaled(double factor, const Matrix& a) {
  return map([factor](double v) { return factor * v; }, a);
}
inline Matrix times(const Matrix& a, const Matrix& b) {
  return map([](double u, double v) { return u * v; }, a, b);
}

/// The column b added to every column of a.
inline Matrix plus_column(const Matrix& a, const Matrix& b) {
  if (b.rows != a.rows || b.columns != 1) throw std::invalid_argument("not a column of that height");
  Matrix out = a;
  for (std::int64_t i = 0; i < a.rows; ++i)
    for (std::int64_t j = 0; j < a.columns; ++j) out.at(i, j) += b.at(i, 0);
  return out;
}

/// np.sum(a, axis=1, keepdims=True).
inline Matrix row_sums(const Matrix& a) {
  Matrix out(a.rows, 1);
  for (std::int64_t i = 0; i < a.rows; ++i)
    for (std::int64_t j = 0; j < a.columns; ++j) out.at(i, 0) += a.at(i, j);
  return out;
}

/// The largest |got − wanted| over the largest |wanted|; infinite where the shapes differ.
inline double largest_difference(const Matrix& got, const Matrix& wanted) {
  if (!got.same_shape(wanted)) return std::numeric_limits<double>::infinity();
  double difference = 0, largest = 0;
  for (std::size_t k = 0; k < wanted.values.size(); ++k) {
    const double d = std::abs(got.values[k] - wanted.values[k]);
    if (!(d <= difference)) difference = d;  // keeps a NaN
    largest = std::max(largest, std::abs(wanted.values[k]));
  }
  return difference == 0 ? 0 : difference / largest;
}
inline double largest_difference(const Tensor& got, const Matrix& wanted) { return largest_difference(to_matrix(got), wanted); }

/// The loss of one sample, L(ŷ, y).
inline double loss_of(double a, double y) { return -(y * std::log(a)) - (1 - y) * std::log(1 - a); }

/// The mean of L over the samples: the notes' J.
inline double cost_of(const Matrix& a, const Matrix& y) {
  double total = 0;
  for (std::int64_t i = 0; i < a.columns; ++i) total += loss_of(a.at(0, i), y.at(0, i));
  return total / static_cast<double>(a.columns);
}

inline double sigmoid_of(double z) { return 1 / (1 + std::exp(-z)); }

/// One of many random cases: seeds the default generator and draws sizes.
class Draw {
 public:
  explicit Draw(std::uint64_t number) : words_(number) { seed(number); }
  /// Between low and high, both included.
  std::int64_t size(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(words_() % static_cast<std::uint64_t>(high - low + 1));
  }

 private:
  std::mt19937_64 words_;
};

/// Standard normal float64 values times a deviation; a leaf, when asked through variable().
inline Tensor gaussian(const Shape& shape, double deviation = 1) { return normal(shape, 0, deviation, float64); }
/// Labels 0 and 1.
inline Tensor coin_flips(const Shape& shape) { return bernoulli(shape, 0.5, float64); }

}  // namespace dz::notes
