#pragma once
// Tensors from nothing. None of them requires a gradient: variable(…) makes a leaf of one.

#include <initializer_list>

#include <dz/graph/tensor.hpp>
#include <dz/tensor/random.hpp>

namespace dz {

Tensor zeros(const Shape& shape, Dtype dtype = float32);
Tensor ones(const Shape& shape, Dtype dtype = float32);
Tensor full(const Shape& shape, double value, Dtype dtype = float32);
Tensor zeros_like(const Tensor& x);
Tensor ones_like(const Tensor& x);
Tensor full_like(const Tensor& x, double value);
/// The identity matrix (n, n).
Tensor eye(std::int64_t n, Dtype dtype = float32);
/// start, start + step, … below stop. Throws ValueError where step leads nowhere.
Tensor arange(double start, double stop, double step = 1, Dtype dtype = float32);
/// count values from first to last, both included.
Tensor linspace(double first, double last, std::int64_t count, Dtype dtype = float32);
/// The given values in row order; throws ShapeError where their number is not the shape's.
Tensor tensor(std::initializer_list<double> values, const Shape& shape, Dtype dtype = float32);
template <class T> Tensor tensor(const std::vector<T>& values, const Shape& shape) { return Tensor(Array::of(values, shape)); }
/// Integer labels, int64, of shape (m).
Tensor labels(const std::vector<std::int64_t>& values);

Tensor uniform(const Shape& shape, double low = 0, double high = 1, Dtype dtype = float32, Generator& g = default_generator());
Tensor normal(const Shape& shape, double mean = 0, double deviation = 1, Dtype dtype = float32, Generator& g = default_generator());
Tensor bernoulli(const Shape& shape, double p, Dtype dtype = float32, Generator& g = default_generator());
/// Of x's shape and dtype.
Tensor uniform_like(const Tensor& x, double low = 0, double high = 1, Generator& g = default_generator());
Tensor normal_like(const Tensor& x, double mean = 0, double deviation = 1, Generator& g = default_generator());
Tensor bernoulli_like(const Tensor& x, double p, Generator& g = default_generator());
Tensor permutation(std::int64_t n, Generator& g = default_generator());

}  // namespace dz
