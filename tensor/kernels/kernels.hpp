#pragma once
// What can be computed with arrays. Each function checks shapes and dtypes, makes its output and launches one kernel; each throws
// ShapeError or DtypeError where its operands do not fit. They know nothing of gradients: the operations of ops/ use them as
// their forwards.

#include <dz/tensor/array.hpp>
#include <dz/tensor/random.hpp>

namespace dz::kernels {

// ---- arithmetic, broadcast
Array add(const Array& a, const Array& b);
Array sub(const Array& a, const Array& b);
Array mul(const Array& a, const Array& b);
Array scaled(const Array& a, double factor);
/// The same of floats, written over a where that has the result's shape and nobody else holds it.
Array add_over(Array&& a, const Array& b);
Array mul_over(Array&& a, const Array& b);
Array div(const Array& a, const Array& b);
Array pow(const Array& a, const Array& b);
Array neg(const Array& a);
/// sum += a, in place; the sum is the caller's alone and of a's shape and dtype.
void add_to(const Array& sum, const Array& a);

// ---- comparisons and choice: boolean results
Array less(const Array& a, const Array& b);
Array less_equal(const Array& a, const Array& b);
Array equal(const Array& a, const Array& b);
Array not_equal(const Array& a, const Array& b);
// Of booleans.
Array logical_and(const Array& a, const Array& b);
Array logical_or(const Array& a, const Array& b);
Array logical_xor(const Array& a, const Array& b);
Array logical_not(const Array& a);
Array where(const Array& condition, const Array& a, const Array& b);

// ---- one argument
Array square(const Array& a);
Array sqrt(const Array& a);
Array abs(const Array& a);
Array sign(const Array& a);
Array exp(const Array& a);
Array log(const Array& a);

// ---- reductions over the masked axes (Axes::mask)
Array sum(const Array& a, std::uint32_t axes, bool keepdims);
Array max(const Array& a, std::uint32_t axes, bool keepdims);
Array min(const Array& a, std::uint32_t axes, bool keepdims);
Array prod(const Array& a, std::uint32_t axes, bool keepdims);
/// Of booleans.
Array any(const Array& a, std::uint32_t axes, bool keepdims);
Array all(const Array& a, std::uint32_t axes, bool keepdims);
/// a summed down to a shape that it was broadcast from.
Array sum_to(const Array& a, const Shape& shape);
/// Index of the largest element along one axis, the first of equals; int64.
Array argmax(const Array& a, int axis);
Array argmin(const Array& a, int axis);

// ---- matrices
/// (…, m, k) · (…, k, n): the last two axes multiply, the others broadcast; a transposed view costs no copy.
Array matmul(const Array& a, const Array& b);
/// x·wᵀ + b: (m, n_in), (n_out, n_in) and (n_out) give (m, n_out); with `relu`, what is below 0 becomes 0.
Array linear(const Array& x, const Array& w, const Array& b, bool relu);
/// The sums over the rows of (m, n) floating values.
Array column_sums(const Array& a);
/// What a dense layer's inputs are given of the cotangents dz (m, n_out) of x·wᵀ + b; those that are not wanted are empty.
struct LinearGradient {
  Array x, w, b;
};
LinearGradient linear_gradient(const Array& dz, const Array& x, const Array& w, bool by_x, bool by_w, bool by_b);
/// Of (m, n) cotangents da and values a = max(z, 0): the cotangents of z, da where a > 0, and their sums over the rows. `over`: da lies in row order,
/// and the cotangents of z are written over it.
std::pair<Array, Array> relu_gradient(const Array& da, const Array& a, bool over);

// ---- along one axis
Array softmax(const Array& z, int axis);
Array log_softmax(const Array& z, int axis);
Array logsumexp(const Array& z, int axis, bool keepdims);
/// Running sums along the axis, from its end with `reverse`.
Array cumsum(const Array& a, int axis, bool reverse);
/// h[i] = a[i]·h[i − 1] + b[i] along the axis, h[−1] = initial; from the end with `reverse`. a and b have one shape and dtype.
Array recurrence(const Array& a, const Array& b, int axis, double initial, bool reverse);
/// y[i] = a[i − by] along the axis, fill where there is none.
Array shift(const Array& a, int axis, std::int64_t by, double fill);
/// (m) labels below n as (m, n) rows with a one each. Throws ValueError for a label outside, naming its index.
Array one_hot(const Array& labels, std::int64_t n, Dtype dtype);
/// (m, n) logits and labels (m): −Σ t·log softmax(z) of each row, t = (1 − smoothing)·one-hot(label) + smoothing/n; and its
/// gradient dy·(softmax(z) − t). Throws as one_hot.
Array cross_entropy(const Array& logits, const Array& labels, double smoothing);
Array cross_entropy_gradient(const Array& dy, const Array& logits, const Array& labels, double smoothing);
/// (m, n) and labels (m): (m) the element of each row that its label names. Throws as one_hot.
Array pick(const Array& a, const Array& labels);

}  // namespace dz::kernels
