#include <dz/ops/shape.hpp>

#include <algorithm>

#include <dz/graph/record.hpp>
#include <dz/tensor/kernels/copy.hpp>
#include <dz/tensor/kernels/kernels.hpp>
#include <dz/tensor/launch.hpp>

namespace dz {

Tensor t(In x) {
  return record("t", [](const Array& v) { return v.t(); }, wrt(x, [](const Tensor& dy) { return t(dy); }));
}
Tensor Tensor::t(At at) const { return dz::t(In(*this, at)); }

Tensor reshape(In x, const Shape& shape) {
  return record("reshape", [shape](const Array& v) { return v.reshape(shape); },
                wrt(x, [from = x.shape()](const Tensor& dy) { return reshape(dy, from); }));
}

Tensor flatten(In x) {
  const CallSite site(x.at());
  if (x.rank() < 1) throw ShapeError("a scalar has no samples to keep", "flatten", detail::call_site(x.at()));
  std::int64_t features = 1;  // spelt out: −1 could not tell the features of an empty batch
  for (int i = 1; i < x.rank(); ++i) features *= x.size(i);
  return reshape(x, {x.size(0), features});
}

Tensor permute(In x, const std::vector<int>& axes) {
  return record("permute", [axes](const Array& v) { return v.permute(axes); },
                wrt(x, [axes, rank = x.rank()](const Tensor& dy) {
                  std::vector<int> back(axes.size());
                  for (std::size_t i = 0; i < axes.size(); ++i) back[static_cast<std::size_t>(axes[i] < 0 ? axes[i] + rank : axes[i])] = static_cast<int>(i);
                  return permute(dy, back);
                }));
}

Tensor squeeze(In x, const Axes& axis) {
  return record("squeeze",
                [axis](const Array& v) {
                  const std::uint32_t mask = axis.mask(v.rank());
                  const bool all = axis.mask(max_rank) == Axes().mask(max_rank);
                  Shape shape;
                  for (int i = 0; i < v.rank(); ++i) {
                    const bool goes = (mask >> i & 1) && (v.size(i) == 1 || !all);
                    if (goes && v.size(i) != 1) throw ShapeError("axis " + std::to_string(i) + " of " + to_string(v.shape()) + " is not of size 1");
                    if (!goes) shape.append(v.size(i));
                  }
                  return v.reshape(shape);
                },
                wrt(x, [from = x.shape()](const Tensor& dy) { return reshape(dy, from); }));
}

Tensor unsqueeze(In x, int axis) {
  return record("unsqueeze",
                [axis](const Array& v) {
                  Shape shape, longer = v.shape();
                  longer.append(1);
                  const int at = longer.axis(axis);
                  for (int i = 0, from = 0; i < longer.rank(); ++i) shape.append(i == at ? 1 : v.size(from++));
                  return v.reshape(shape);
                },
                wrt(x, [from = x.shape()](const Tensor& dy) { return reshape(dy, from); }));
}

Tensor slice(In x, int axis, std::int64_t start, std::int64_t stop, std::int64_t step) {
  const auto part = [=](const Array& v) { return v.slice(axis, start, stop == axis_end ? v.size(v.shape().axis(axis)) : stop, step); };
  return record("slice", part,
                wrt(x, region([=, from = x.shape()](const Tensor& dy) { return place(dy, from, axis, start < 0 ? start + from[from.axis(axis)] : start, step); },
                              [part](const Array& dx, const Array& dy) { kernels::add_to(part(dx), dy); })));
}

namespace {

/// Behind the last of n elements at start, start + step, …; throws ShapeError where that is no place.
std::int64_t behind(std::int64_t n, std::int64_t start, std::int64_t step) {
  std::int64_t last = start;
  if (start < 0 || step < 1 || (n > 0 && (__builtin_mul_overflow(n - 1, step, &last) || __builtin_add_overflow(last, start, &last) || last == axis_end)))
    throw ShapeError(std::to_string(n) + " elements from " + std::to_string(start) + " on by steps of " + std::to_string(step));
  return n > 0 ? last + 1 : start;
}

}  // namespace

Tensor place(In x, const Shape& shape, int axis, std::int64_t start, std::int64_t step) {
  return record("place",
                [=](const Array& v) {
                  if (v.rank() != shape.rank()) throw ShapeError("puts " + to_string(v.shape()) + " into " + to_string(shape) + ": ranks differ");
                  const int a = shape.axis(axis);
                  Array out = Array::full(shape, 0, v.dtype());
                  Array part = out.slice(a, start, behind(v.size(a), start, step), step);
                  if (!part.same_shape(v)) throw ShapeError("puts " + to_string(v.shape()) + " into " + to_string(part.shape()) + " of " + to_string(shape));
                  launch(kernels::copy, part, v);
                  return out;
                },
                wrt(x, [=, part = x.shape()](const Tensor& dy) {
                  return slice(dy, axis, start, behind(part[part.axis(axis)], start, step), step);
                }));
}

Tensor flip(In x, const Axes& axis) {
  return record("flip", [axis](const Array& v) { return v.flip(axis.mask(v.rank())).clone(); }, wrt(x, [axis](const Tensor& dy) { return flip(dy, axis); }));
}

}  // namespace dz
