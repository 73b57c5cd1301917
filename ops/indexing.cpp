#include <dz/ops/indexing.hpp>

#include <fmt/format.h>

#include <dz/graph/basic.hpp>
#include <dz/graph/record.hpp>
#include <dz/ops/shape.hpp>
#include <dz/tensor/kernels/indexing.hpp>
#include <dz/tensor/kernels/kernels.hpp>

namespace dz {

Tensor index_select(In x, In indices, int axis) {
  return record("index_select", [i = indices.value(), axis](const Array& v) { return kernels::index_select(v, i, axis); },
                wrt(x, region([i = indices.detach(), shape = x.shape(), axis](const Tensor& dy) { return index_scatter(dy, i, shape[shape.axis(axis)], axis); },
                              [i = indices.value(), axis](const Array& dx, const Array& dy) { kernels::index_add(dx, dy, i, axis); })));
}

Tensor index_scatter(In x, In indices, std::int64_t n, int axis) {
  return record("index_scatter", [i = indices.value(), n, axis](const Array& v) { return kernels::index_scatter(v, i, n, axis); },
                wrt(x, [i = indices.detach(), axis](const Tensor& dy) { return index_select(dy, i, axis); }));
}

Tensor embedding(In indices, In table) {
  const CallSite site(table.at());
  const Shape shape = detail::run_forward("embedding", detail::call_site(table.at()), [&] {
    if (table.rank() != 2) throw ShapeError(fmt::format("a table has rows and columns, got {}", to_string(table.shape())));
    Shape with_columns = indices.shape();
    with_columns.append(table.size(1));
    return with_columns;
  });
  return reshape(index_select(table, reshape(indices.detach(), {indices.size()}), 0), shape);
}

Tensor gather(In x, In indices, int axis) {
  return record("gather", [i = indices.value(), axis](const Array& v) { return kernels::gather(v, i, axis); },
                wrt(x, region([i = indices.detach(), shape = x.shape(), axis](const Tensor& dy) { return scatter(dy, i, shape[shape.axis(axis)], axis); },
                              [i = indices.value(), axis](const Array& dx, const Array& dy) { kernels::scatter_add(dx, dy, i, axis); })));
}

Tensor scatter(In x, In indices, std::int64_t n, int axis) {
  return record("scatter", [i = indices.value(), n, axis](const Array& v) { return kernels::scatter(v, i, n, axis); },
                wrt(x, [i = indices.detach(), axis](const Tensor& dy) { return gather(dy, i, axis); }));
}

Tensor take_along(In x, In indices, int axis) {
  const CallSite site(x.at());
  const Array all = detail::run_forward("take_along", detail::call_site(x.at()), [&] {
    Shape shape = x.shape();
    const int a = shape.axis(axis);
    if (indices.rank() != x.rank()) throw ShapeError(fmt::format("indices of {} for {}: ranks differ", to_string(indices.shape()), to_string(shape)));
    shape[a] = indices.size(a);
    return indices.value().expand(shape);
  });
  return gather(x, Tensor(all), axis);
}

Tensor scatter_add(In x, In indices, In source, int axis) {
  const CallSite site(x.at());
  const std::int64_t n = detail::run_forward("scatter_add", detail::call_site(x.at()), [&] {
    const int a = x.shape().axis(axis);
    Shape shape = source.shape();
    if (shape.rank() == x.rank()) shape[a] = x.size(a);
    if (shape != x.shape()) throw ShapeError(fmt::format("values of {} into {}: they differ beside axis {}", to_string(source.shape()), to_string(x.shape()), a));
    return x.size(a);
  });
  return x + scatter(source, indices, n, axis);
}

Tensor masked_fill(In x, In mask, double value) {
  return record("masked_fill",
                [m = mask.value(), value](const Array& v) {
                  const Array all = m.same_shape(v) ? m : m.expand(v.shape());
                  return kernels::where(all, Array::number(value), v);
                },
                wrt(x, [m = mask.detach()](const Tensor& dy) { return masked_fill(dy, m, 0); }));
}

Tensor one_hot(In labels, std::int64_t classes, Dtype dtype) {
  return constant("one_hot",
                  [classes, dtype](const Array& v) {
                    if (classes < 0) throw ShapeError(fmt::format("{} classes", classes));
                    Shape shape = v.shape();
                    shape.append(classes);
                    return kernels::one_hot(v.reshape({v.size()}), classes, dtype).reshape(shape);
                  },
                  labels);
}

Tensor argsort(In x, int axis, bool descending) {
  return constant("argsort", [=](const Array& v) { return kernels::argsort(v, axis, descending, v.size(v.shape().axis(axis))); }, x);
}

Sorted sort(In x, int axis, bool descending) {
  const CallSite site(x.at());
  const Tensor indices = constant("sort", [=](const Array& v) { return kernels::argsort(v, axis, descending, v.size(v.shape().axis(axis))); }, x);
  return {gather(x, indices, axis), indices};
}

Sorted topk(In x, std::int64_t k, int axis, bool largest) {
  const CallSite site(x.at());
  const Tensor indices = constant("topk", [=](const Array& v) { return kernels::argsort(v, axis, largest, k); }, x);
  return {gather(x, indices, axis), indices};
}

}  // namespace dz
