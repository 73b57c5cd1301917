#include <dz/ops/pooling.hpp>

#include <fmt/format.h>

#include <dz/graph/record.hpp>
#include <dz/ops/shape.hpp>
#include <dz/tensor/kernels/pooling.hpp>

namespace dz {
namespace {

using kernels::Windows;

Pair stride_of(Pair stride, Pair window) { return {stride.rows == 0 ? window.rows : stride.rows, stride.columns == 0 ? window.columns : stride.columns}; }

template <class F> Windows windows_of(const In& x, const char* name, F find) { return detail::run_forward(name, detail::call_site(x.at()), find); }

// With the choice held fast, taking the chosen elements and putting them back are linear, each the other's derivative.

Tensor put_back(In dy, const Array& which, const Windows& w);

Tensor take_chosen(In x, const Array& which, const Windows& w) {
  return record("max_pool2d_pick", [=](const Array& x) { return kernels::pick_pool2d(x, which, w); },
                wrt(x, [=](const Tensor& dy) { return put_back(dy, which, w); }));
}

Tensor put_back(In dy, const Array& which, const Windows& w) {
  return record("max_pool2d_by_input", [=](const Array& dy) { return kernels::max_pool2d_by_input(dy, which, w); },
                wrt(dy, [=](const Tensor& dx) { return take_chosen(dx, which, w); }));
}

Tensor max_pool(const In& x, const Windows& w, const char* name) {
  const detail::Beside which(detail::run_forward(name, detail::call_site(x.at()), [&] { return kernels::choices(x.shape(), w); }));
  return record(name, [which, w](const Array& x) { return kernels::max_pool2d(x, which.room(), w); },
                wrt(x, [which = which.array(), w](const Tensor& dy) { return put_back(dy, which, w); }));
}

Tensor average_by_input(In dy, const Windows& w, bool count_padding, const char* name);

Tensor average_pool(In x, const Windows& w, bool count_padding, const char* name) {
  return record(name, [=](const Array& x) { return kernels::average_pool2d(x, w, count_padding); },
                wrt(x, [=](const Tensor& dy) { return average_by_input(dy, w, count_padding, name); }));
}

Tensor average_by_input(In dy, const Windows& w, bool count_padding, const char* name) {
  return record("average_pool2d_by_input", [=](const Array& dy) { return kernels::average_pool2d_by_input(dy, w, count_padding); },
                wrt(dy, [=](const Tensor& dx) { return average_pool(dx, w, count_padding, name); }));
}

}  // namespace

Tensor max_pool2d(In x, const MaxPool2dOptions& o) {
  const Windows w = windows_of(x, "max_pool2d", [&] { return kernels::sliding_windows(x.shape(), o.window, stride_of(o.stride, o.window), o.padding); });
  return max_pool(x, w, "max_pool2d");
}

Tensor average_pool2d(In x, const AveragePool2dOptions& o) {
  const Windows w = windows_of(x, "average_pool2d", [&] { return kernels::sliding_windows(x.shape(), o.window, stride_of(o.stride, o.window), o.padding); });
  return average_pool(x, w, o.count_padding, "average_pool2d");
}

Tensor adaptive_max_pool2d(In x, Pair size) {
  return max_pool(x, windows_of(x, "adaptive_max_pool2d", [&] { return kernels::parting_windows(x.shape(), size); }), "adaptive_max_pool2d");
}

Tensor adaptive_average_pool2d(In x, Pair size) {
  return average_pool(x, windows_of(x, "adaptive_average_pool2d", [&] { return kernels::parting_windows(x.shape(), size); }), false, "adaptive_average_pool2d");
}

// Sequences are images of one row.

namespace {

Tensor as_image(const In& x, const char* name) {
  if (x.rank() != 3) throw ShapeError(fmt::format("a sequence is (samples, length, channels), got {}", to_string(x.shape())), name, detail::call_site(x.at()));
  return reshape(x, {x.size(0), 1, x.size(1), x.size(2)});
}
Tensor as_sequence(const Tensor& y) { return reshape(y, {y.size(0), y.size(2), y.size(3)}); }

}  // namespace

Tensor max_pool1d(In x, const MaxPool1dOptions& o) {
  const CallSite site(x.at());
  return as_sequence(max_pool2d(as_image(x, "max_pool1d"), {.window = {1, o.window}, .stride = {1, o.stride}, .padding = {0, o.padding}}));
}

Tensor average_pool1d(In x, const AveragePool1dOptions& o) {
  const CallSite site(x.at());
  return as_sequence(average_pool2d(as_image(x, "average_pool1d"), {.window = {1, o.window}, .stride = {1, o.stride}, .padding = {0, o.padding}, .count_padding = o.count_padding}));
}

}  // namespace dz
