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
Array div(const Array& a, const Array& b);
Array pow(const Array& a, const Array& b);
Array neg(const Array& a);
/// sum += a, in place; the sum is the caller's alone and of a's shape and dtype.
void add_to(const Array& sum, const Array& a);
/// y += factor·x in place, of equal shapes and dtypes.
void axpy(const Array& y, double factor, const Array& x);

// ---- comparisons and choice: boolean results
Array less(const Array& a, const Array& b);
Array less_equal(const Array& a, const Array& b);
Array equal(const Array& a, const Array& b);
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
/// a summed down to a shape that it was broadcast from.
Array sum_to(const Array& a, const Shape& shape);
/// Index of the largest element along one axis, the first of equals; int64.
Array argmax(const Array& a, int axis);

// ---- matrices
/// (…, m, k) · (…, k, n): the last two axes multiply, the others broadcast; a transposed view costs no copy.
Array matmul(const Array& a, const Array& b);

// ---- along one axis
Array softmax(const Array& z, int axis);
Array log_softmax(const Array& z, int axis);
/// (m) labels below n as (m, n) rows with a one each. Throws ValueError for a label outside, naming its index.
Array one_hot(const Array& labels, std::int64_t n, Dtype dtype);
/// (m, n) and labels (m): (m) the element of each row that its label names. Throws as one_hot.
Array pick(const Array& a, const Array& labels);

}  // namespace dz::kernels
