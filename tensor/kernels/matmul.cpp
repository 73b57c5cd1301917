// Matrix products: tiles for small and for large float32 ones (oneDNN for these without AVX-512), OpenBLAS for those between and float64, loops
// where calling costs more than computing. Which serves where was measured (docs/kernels.md).

#include <dz/tensor/kernels/matmul.hpp>

#include <cblas.h>
#include <fmt/format.h>

#include <climits>

#include <dz/tensor/kernels/kernels.hpp>
#include <dz/tensor/kernels/small_product.hpp>
#include <dz/tensor/kernels/tiles.hpp>
#include <dz/tensor/kernels/vectorised.hpp>
#include <dz/tensor/launch.hpp>

namespace dz::kernels {
namespace {

using detail::Finish;
using detail::Matrix;

template <class T> void loop_matmul(const Matrix<T>& out, const Matrix<const T>& a, const Matrix<const T>& b) {
  for (std::int64_t i = 0; i < out.rows; ++i)
    for (std::int64_t j = 0; j < out.columns; ++j) {
      T sum{};
      for (std::int64_t k = 0; k < a.columns; ++k)
        sum += a.data[i * a.row_stride + k * a.column_stride] * b.data[k * b.row_stride + j * b.column_stride];
      out.data[i * out.row_stride + j] = sum;
    }
}

// ---- small float32 products

constexpr std::int64_t most_panel = 8192;  // floats of b laid out in whole packs on the stack

/// Σ a[k]·b[k].
DZ_INLINE float dot(const float* a, const float* b, std::int64_t n) {
  constexpr std::int64_t width = Pack<float>::width;
  if (n < width) {
    float sum = 0;
    for (std::int64_t k = 0; k < n; ++k) sum += a[k] * b[k];
    return sum;
  }
  Pack<float> sums(0);
  for (std::int64_t k = 0; k < n; k += width) sums = sums + detail::load<float>(a + k, 1, n - k) * detail::load<float>(b + k, 1, n - k);
  return detail::sum_of(sums);
}

bool is_small(const Matrix<float>& out, std::int64_t inner) {
  return inner <= pack_product && out.rows <= pack_product && out.columns <= pack_product && out.rows * out.columns <= pack_product &&
         out.rows * out.columns * inner <= pack_product && inner * detail::in_packs<float>(out.columns) <= most_panel;
}

/// out = a·b (+ bias along every row) where is_small.
void small_matmul(const Matrix<float>& out, const Matrix<const float>& a, const Matrix<const float>& b, const float* bias = nullptr) {
  if (a.column_stride == 1 && b.row_stride == 1 && (out.rows < 4 || out.columns < 4))
    return detail::vectorised([&, out = out, a = a, b = b]() __attribute__((always_inline)) {
      for (std::int64_t i = 0; i < out.rows; ++i)
        for (std::int64_t j = 0; j < out.columns; ++j)
          out.data[i * out.row_stride + j] = (bias ? bias[j] : 0) + dot(a.data + i * a.row_stride, b.data + j * b.column_stride, a.columns);
    });
  alignas(64) float panel[most_panel];
  float* room = panel;
  detail::small_product(out, a, detail::in_packed_rows(b, room), {.bias = bias});
}

/// How BLAS is told of a layout: in rows, or in columns (the transposed matrix in rows).
struct BlasLayout {
  CBLAS_TRANSPOSE transpose;
  int leading;
};
template <class T> BlasLayout blas_layout(const Matrix<T>& m) {
  const bool in_rows = m.column_stride == 1 || m.columns == 1;
  return {in_rows ? CblasNoTrans : CblasTrans, static_cast<int>(in_rows ? std::max({m.row_stride, m.columns, std::int64_t{1}})
                                                                        : std::max({m.column_stride, m.rows, std::int64_t{1}}))};
}

template <class T> void blas_matmul(const Matrix<T>& out, const Matrix<const T>& a, const Matrix<const T>& b) {
  const auto la = blas_layout(a), lb = blas_layout(b);
  const int m = static_cast<int>(out.rows), n = static_cast<int>(out.columns), k = static_cast<int>(a.columns);
  const int lc = static_cast<int>(std::max<std::int64_t>(out.row_stride, out.columns));
  if constexpr (std::is_same_v<T, float>)
    cblas_sgemm(CblasRowMajor, la.transpose, lb.transpose, m, n, k, 1, a.data, la.leading, b.data, lb.leading, 0, out.data, lc);
  else cblas_dgemm(CblasRowMajor, la.transpose, lb.transpose, m, n, k, 1, a.data, la.leading, b.data, lb.leading, 0, out.data, lc);
}

/// Finishing as a pass of its own.
template <class T> void finish_rows(const Matrix<T>& out, const Finish<T>& finish) {
  if (!finish.bias && !finish.relu) return;
  parallel_for(out.rows, std::max<std::int64_t>(1, elementwise_grain / out.columns), [&](std::int64_t begin, std::int64_t end) {
    detail::vectorised([&] {
      for (std::int64_t i = begin; i < end; ++i) {
        T* const y = out.data + i * out.row_stride;
        if (finish.bias)
          for (std::int64_t j = 0; j < out.columns; ++j) y[j] += finish.bias[j];
        if (finish.relu)
          for (std::int64_t j = 0; j < out.columns; ++j) y[j] = y[j] < 0 ? T{0} : y[j];  // a NaN stays
      }
    });
  });
}

/// Where the product is large: true, and it is computed.
bool large_matmul(const Matrix<float>& out, const Matrix<const float>& a, const Matrix<const float>& b, Precision precision, const Finish<float>& finish) {
  constexpr double onednn_times = 5;  // what a call of oneDNN takes beside the multiplying pays later
  const bool avx512 = active_isa() == Isa::avx512;
  const double products = static_cast<double>(out.rows) * static_cast<double>(out.columns) * static_cast<double>(a.columns);
  if (products == 0 || products < static_cast<double>(tile_product) * (avx512 ? 1 : onednn_times)) return false;
  if (detail::is_dot_product(a, b, precision)) {
    detail::dot_matmul(out, a, b);
    finish_rows(out, finish);
  } else if (avx512) {
    if (std::min(out.rows, out.columns) < tile_side) return false;
    detail::tiled_product(out, detail::bands_of(a, precision), detail::strips_of(b, precision), precision, finish);
  } else {
    if (!detail::onednn_matmul(out, a, b, finish.bias)) return false;
    finish_rows(out, {nullptr, finish.relu});
  }
  return true;
}

template <class T> void multiply(const Matrix<T>& out, const Matrix<const T>& a, const Matrix<const T>& b, Precision precision, Finish<T> finish = {}) {
  const std::int64_t outer = out.rows * out.columns;
  if (outer == 0) return;
  if constexpr (std::is_same_v<T, float>)
    if (is_small(out, a.columns)) {
      small_matmul(out, a, b, finish.bias);
      return finish_rows(out, {nullptr, finish.relu});
    }
  if (a.columns <= loop_product && outer <= loop_product && outer * a.columns <= loop_product) {
    loop_matmul(out, a, b);
    return finish_rows(out, finish);
  }
  if constexpr (std::is_same_v<T, float>)
    if (large_matmul(out, a, b, precision, finish)) return;
  blas_matmul(out, a, b);
  finish_rows(out, finish);
}

template <class T> Matrix<T> last_axes(const Array& a, T* data) {
  const int r = a.rank();
  return {data, a.size(r - 2), a.size(r - 1), a.stride(r - 2), a.stride(r - 1)};
}

void matmul_kernel(const Array& out, const Array& a, const Array& b, Precision precision) {
  visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
    auto y = last_axes<T>(out, out.writable<T>());
    auto left = last_axes<const T>(a, a.data<T>());
    auto right = last_axes<const T>(b, b.data<T>());
    if (out.rank() == 2) return multiply(y, left, right, precision);
    const std::int64_t step = y.rows * y.columns;
    if (step == 0) return;
    for (std::int64_t batch = 0; batch < out.size() / step; ++batch) {
      std::int64_t from_a = 0, from_b = 0;
      for (std::int64_t rest = batch, i = out.rank() - 2; i-- > 0;) {
        const int axis = static_cast<int>(i);
        const std::int64_t index = rest % out.size(axis);
        rest /= out.size(axis);
        from_a += a.size(axis) == 1 ? 0 : index * a.stride(axis);
        from_b += b.size(axis) == 1 ? 0 : index * b.stride(axis);
      }
      y.data = out.writable<T>() + batch * step;
      left.data = a.data<T>() + from_a;
      right.data = b.data<T>() + from_b;
      multiply(y, left, right, precision);
    }
  });
}

Dtype dtype_of_both(const Array& a, const Array& b) { return a.dtype() == b.dtype() && !a.is_number() && !b.is_number() ? a.dtype() : common_dtype({&a, &b}); }

/// BLAS wants unit steps along one of the last two axes and sizes within an int: a itself, or a copy in `room` where it is otherwise, or of another dtype.
const Array& multipliable(const Array& given, Dtype dtype, Array& room) {
  if (given.is_plain(dtype) && given.size() <= INT_MAX) [[likely]]
    return given;
  if (given.dtype() != dtype) room = in_dtype(given, dtype);
  const Array& a = room ? room : given;
  const int r = a.rank();
  const std::int64_t rs = a.stride(r - 2), cs = a.stride(r - 1), rows = a.size(r - 2), columns = a.size(r - 1);
  if (rows > INT_MAX || columns > INT_MAX) throw ShapeError(fmt::format("a matrix of {} is too large to multiply", to_string(a.shape())));
  const bool in_rows = (cs == 1 || columns == 1) && (rs >= columns || rows == 1) && rs <= INT_MAX;
  const bool in_columns = (rs == 1 || rows == 1) && (cs >= rows || columns == 1) && cs <= INT_MAX;
  if (in_rows || in_columns) return a;
  return room = a.clone();
}

}  // namespace

Array matmul(const Array& a, const Array& b) {
  const int r = a.rank();
  const Dtype dtype = dtype_of_both(a, b);
  if (r < 2 || b.rank() != r)
    throw ShapeError(fmt::format("multiplies matrices of equal rank, got {} x {}", to_string(a.shape()), to_string(b.shape())));
  if (a.size(r - 1) != b.size(r - 2))
    throw ShapeError(fmt::format("inner sizes differ: {} x {}", to_string(a.shape()), to_string(b.shape())));
  const auto shape = [&]() -> Shape {
    if (r == 2) return {a.size(0), b.size(1)};
    Shape left = a.shape(), right = b.shape();
    left[r - 1] = right[r - 1];
    right[r - 2] = left[r - 2];
    return broadcast(left, right);
  };
  Array out = Array::make(shape(), dtype);
  Array left, right;
  launch(matmul_kernel, out, multipliable(a, dtype, left), multipliable(b, dtype, right), product_precision());
  return out;
}

Array linear(const Array& x, const Array& w, const Array& b, bool relu) {
  if (x.rank() != 2 || w.rank() != 2 || b.rank() != 1 || x.size(1) != w.size(1) || b.size(0) != w.size(0))
    throw ShapeError(fmt::format("x {}, W {} and b {} are not (m, n_in), (n_out, n_in) and (n_out)", to_string(x.shape()), to_string(w.shape()), to_string(b.shape())));
  const Dtype dtype = dtype_of_both(x, w) == b.dtype() ? b.dtype() : common_dtype({&x, &w, &b});
  Array out = Array::make({x.size(0), w.size(0)}, dtype);
  const auto kernel = [](const Array& out, const Array& x, const Array& w, const Array& b, Precision precision, bool relu) {
    visit_floating(out.dtype(), [&]<class T>(std::type_identity<T>) {
      multiply<T>(last_axes<T>(out, out.writable<T>()), last_axes<const T>(x, x.data<T>()), transposed(last_axes<const T>(w, w.data<T>())), precision, {b.data<T>(), relu});
    });
  };
  Array left, right;
  launch(kernel, out, multipliable(x, dtype, left), multipliable(w, dtype, right), in_dtype(b, dtype).contiguous(), product_precision(), relu);
  return out;
}

namespace {

/// dx and dw, where they are not empty.
void linear_gradient_kernel(const Array& dx, const Array& dw, const Array& dz, const Array& x, const Array& w, Precision precision) {
  visit_floating(dz.dtype(), [&]<class T>(std::type_identity<T>) {
    const auto along = last_axes<const T>(dz, dz.data<T>());
    if (dx) multiply(last_axes<T>(dx, dx.writable<T>()), along, last_axes<const T>(w, w.data<T>()), precision);
    if (dw) multiply(last_axes<T>(dw, dw.writable<T>()), transposed(along), last_axes<const T>(x, x.data<T>()), precision);
  });
}

}  // namespace

LinearGradient linear_gradient(const Array& dz, const Array& x, const Array& w, bool by_x, bool by_w, bool by_b) {
  const Dtype dtype = dtype_of_both(x, w) == dz.dtype() ? dz.dtype() : common_dtype({&dz, &x, &w});
  LinearGradient d;
  if (by_x) d.x = Array::make({dz.size(0), w.size(1)}, dtype);
  if (by_w) d.w = Array::make({dz.size(1), x.size(1)}, dtype);
  if (by_b) d.b = column_sums(dz);
  Array rows, left, right;
  launch(linear_gradient_kernel, d.x, d.w, multipliable(dz, dtype, rows), multipliable(x, dtype, left), multipliable(w, dtype, right), product_precision());
  return d;
}

}  // namespace dz::kernels
