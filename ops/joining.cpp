#include <dz/ops/joining.hpp>

#include <fmt/format.h>

#include <dz/graph/basic.hpp>
#include <dz/graph/record.hpp>
#include <dz/ops/creation.hpp>
#include <dz/ops/linear_algebra.hpp>
#include <dz/ops/shape.hpp>
#include <dz/tensor/kernels/copy.hpp>
#include <dz/tensor/kernels/kernels.hpp>
#include <dz/tensor/launch.hpp>

namespace dz {
namespace {

/// Runs what an operation does before it records anything; its errors name it and the user's line.
template <class F> auto prepare(const char* name, const In& x, F f) { return detail::run_forward(name, detail::call_site(x.at()), f); }

Array concat_arrays(std::span<const Array> parts, int axis) {
  Shape shape = parts[0].shape();
  const int a = shape.axis(axis);
  shape[a] = 0;
  for (const Array& p : parts) {
    Shape other = p.shape();
    if (p.dtype() != parts[0].dtype()) throw DtypeError(fmt::format("{} meets {}: cast one of them", name(parts[0].dtype()), name(p.dtype())));
    if (other.rank() == shape.rank()) {
      shape[a] += other[a];
      other[a] = shape[a];
    }
    if (other != shape) throw ShapeError(fmt::format("{} beside {} along axis {}: the other sizes differ", to_string(p.shape()), to_string(parts[0].shape()), a));
  }
  Array out = Array::make(shape, parts[0].dtype());
  std::int64_t at = 0;
  for (const Array& p : parts) {
    launch(kernels::copy, out.slice(a, at, at + p.size(a)), p);
    at += p.size(a);
  }
  return out;
}

std::vector<Array> split_array(const Array& v, const std::vector<std::int64_t>& sizes, int axis) {
  const int a = v.shape().axis(axis);
  std::vector<Array> parts;
  std::int64_t at = 0;
  for (const std::int64_t n : sizes) {
    if (n < 0 || n > v.size(a) - at) break;
    parts.push_back(v.slice(a, at, at + n));
    at += n;
  }
  if (parts.size() != sizes.size() || at != v.size(a))
    throw ShapeError(fmt::format("pieces of {} do not fill axis {} of {}", fmt::join(sizes, ", "), a, to_string(v.shape())));
  return parts;
}

/// Where a matrix is kept: on and below its k-th diagonal, or on and above it.
Array triangle_mask(const Array& v, std::int64_t k, bool lower) {
  const int r = v.rank();
  if (r < 2) throw ShapeError(fmt::format("a triangle needs two axes, got {}", to_string(v.shape())));
  Shape shape = v.shape();
  for (int i = 0; i < r - 2; ++i) shape[i] = 1;
  Array mask = Array::make(shape, boolean);
  const std::int64_t rows = v.size(r - 2), columns = v.size(r - 1);
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j) mask.writable<bool>()[i * columns + j] = lower ? j - i <= k : j - i >= k;
  return mask;
}

Tensor triangle(const char* name, const In& x, std::int64_t k, bool lower, Tensor (*again)(In, std::int64_t)) {
  return record(name, [=](const Array& v) { return kernels::where(triangle_mask(v, k, lower), v, Array::number(0)); },
                wrt(x, [=](const Tensor& dy) { return again(dy, k); }));
}

}  // namespace

Tensor concat(const std::vector<Tensor>& parts, int axis, At at) {
  const CallSite site(at);
  if (parts.empty()) throw ShapeError("there is nothing to put together", "concat", detail::call_site(at));
  std::vector<In> inputs;
  std::vector<std::int64_t> sizes;
  for (const Tensor& p : parts) inputs.emplace_back(p, at);
  const int a = prepare("concat", inputs[0], [&] { return parts[0].shape().axis(axis); });
  for (const Tensor& p : parts) sizes.push_back(a < p.rank() ? p.size(a) : 0);
  return record("concat", [a](std::span<const Array> in) { return concat_arrays(in, a); },
                wrt_all(inputs, [a, sizes](const Tensor& dy, const Tensor&, Wanted) { return split(dy, sizes, a); }));
}

Tensor stack(const std::vector<Tensor>& parts, int axis, At at) {
  const CallSite site(at);
  std::vector<Tensor> longer;
  for (const Tensor& p : parts) {
    if (p && p.shape() != parts[0].shape()) throw ShapeError(fmt::format("{} on {}", to_string(p.shape()), to_string(parts[0].shape())), "stack", detail::call_site(at));
    longer.push_back(unsqueeze(In(p, at), axis));
  }
  return concat(longer, longer.empty() ? 0 : longer[0].shape().axis(axis), at);
}

std::vector<Tensor> split(In x, const std::vector<std::int64_t>& sizes, int axis) {
  if (sizes.empty()) throw ShapeError("no sizes are given", "split", detail::call_site(x.at()));
  return record_many("split", [sizes, axis](std::span<const Array> in) { return split_array(in[0], sizes, axis); },
                     wrt_all({x}, [sizes, axis, shape = x.shape(), dtype = x.dtype()](std::span<const Tensor> dy, std::span<const Tensor>, Wanted) {
                       std::vector<Tensor> parts;
                       for (std::size_t i = 0; i < sizes.size(); ++i) {
                         Shape s = shape;
                         s[s.axis(axis)] = sizes[i];
                         parts.push_back(dy[i] ? dy[i] : zeros(s, dtype));
                       }
                       return std::vector<Tensor>{concat(parts, axis)};
                     }));
}

std::vector<Tensor> chunk(In x, std::int64_t pieces, int axis) {
  const CallSite site(x.at());
  const std::int64_t n = prepare("chunk", x, [&] {
    const std::int64_t size = x.size(axis);
    if (pieces < 1 || size % pieces != 0) throw ShapeError(fmt::format("{} along axis {} in {} equal pieces", to_string(x.shape()), axis, pieces));
    return size / pieces;
  });
  return split(x, std::vector<std::int64_t>(static_cast<std::size_t>(pieces), n), axis);
}

Tensor pad(In x, const std::vector<Padding>& by, double value) {
  const auto inside = [by](Array all, const Shape& x) {
    for (const Padding& p : by) {
      const int a = x.axis(p.axis);
      all = all.slice(a, p.before, all.size(a) - p.after);
    }
    return all;
  };
  return record("pad",
                [by, value, inside](const Array& v) {
                  Shape shape = v.shape();
                  std::uint32_t seen = 0;
                  for (const Padding& p : by) {
                    const int a = shape.axis(p.axis);
                    if (p.before < 0 || p.after < 0) throw ShapeError(fmt::format("a border of {} and {}", p.before, p.after));
                    if (seen >> a & 1) throw ShapeError(fmt::format("axis {} given twice", a));
                    seen |= 1u << a;
                    if (p.before > INT64_MAX - p.after || shape[a] > INT64_MAX - p.before - p.after) throw ShapeError("a size beyond 2^63");
                    shape[a] += p.before + p.after;
                  }
                  Array out = Array::full(shape, value, v.dtype());
                  launch(kernels::copy, inside(out, v.shape()), v);
                  return out;
                },
                wrt(x, [by](const Tensor& dy) {
                  Tensor dx = dy;
                  for (const Padding& p : by) dx = slice(dx, p.axis, p.before, dx.size(p.axis) - p.after);
                  return dx;
                }));
}

Tensor roll(In x, std::int64_t shift, int axis) {
  const CallSite site(x.at());
  const std::int64_t n = prepare("roll", x, [&] { return x.size(axis); });
  if (n == 0) return slice(x, axis, 0);
  const std::int64_t by = (shift % n + n) % n;
  return concat({slice(x, axis, n - by), slice(x, axis, 0, n - by)}, axis, x.at());
}

Tensor repeat(In x, std::int64_t times, int axis) {
  const CallSite site(x.at());
  struct Shapes {
    int axis;
    Shape wide, flat;
  };
  const Shapes s = prepare("repeat", x, [&] {
    if (times < 0) throw ShapeError(fmt::format("{} times", times));
    Shapes s{x.shape().axis(axis), {}, x.shape()};
    for (int i = 0; i < x.rank(); ++i) {
      if (i == s.axis) s.wide.append(times);
      s.wide.append(x.size(i));
    }
    s.flat[s.axis] = checked_product(s.flat[s.axis], times);
    return s;
  });
  return reshape(expand(unsqueeze(x, s.axis), s.wide), s.flat);
}

Tensor tril(In x, std::int64_t k) { return triangle("tril", x, k, true, tril); }
Tensor triu(In x, std::int64_t k) { return triangle("triu", x, k, false, triu); }

Tensor diag(In x) {
  const CallSite site(x.at());
  if (x.rank() != 1 && x.rank() != 2) throw ShapeError(fmt::format("is of vectors and matrices, got {}", to_string(x.shape())), "diag", detail::call_site(x.at()));
  return x.rank() == 1 ? diagonal_matrix(x) : diagonal(x);
}

}  // namespace dz
