// Everything that speaks to oneDNN. Primitives are made once and kept, by shape and layout.

#include <dnnl.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <string_view>
#include <unordered_map>

#include <dz/tensor/kernels/convolution.hpp>
#include <dz/tensor/kernels/gemm.hpp>
#include <dz/tensor/kernels/map.hpp>
#include <dz/tensor/kernels/matmul.hpp>
#include <dz/tensor/memory.hpp>
#include <dz/tensor/thresholds.hpp>

// oneDNN's OpenMP, which is there whether dz's own loops use it or not.
extern "C" {
[[gnu::weak]] int omp_get_max_threads();
[[gnu::weak]] int omp_get_thread_limit();
[[gnu::weak]] int omp_get_dynamic();
[[gnu::weak]] void omp_set_dynamic(int);
[[gnu::weak]] void omp_set_num_threads(int);
}

namespace dz::kernels::detail {
namespace {

dnnl::engine& cpu() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

/// While one lives, OpenMP gives this thread as many threads as it is asked for. Threads of oneDNN wait for each other without looking how
/// many there are: where OMP_THREAD_LIMIT or OMP_DYNAMIC let fewer come, they would wait for ever.
class AsManyThreadsAsAsked {
 public:
  AsManyThreadsAsAsked() {
    if (!omp_get_thread_limit) return;
    most_ = omp_get_max_threads(), limit_ = omp_get_thread_limit(), dynamic_ = omp_get_dynamic();
    if (dynamic_) omp_set_dynamic(0);
    if (most_ > limit_) omp_set_num_threads(limit_);
  }
  ~AsManyThreadsAsAsked() {
    if (dynamic_) omp_set_dynamic(dynamic_);
    if (most_ > limit_) omp_set_num_threads(most_);
  }
  AsManyThreadsAsAsked(const AsManyThreadsAsAsked&) = delete;
  AsManyThreadsAsAsked& operator=(const AsManyThreadsAsAsked&) = delete;

 private:
  int most_ = 0, limit_ = 0, dynamic_ = 0;
};

constexpr std::size_t most_kept = 4096;  // primitives of a kind: shapes without end must not grow a cache without end

struct Hash {
  template <std::size_t n> std::size_t operator()(const std::array<std::int64_t, n>& key) const {
    std::uint64_t h = 0;
    for (std::int64_t k : key) h = (h ^ static_cast<std::uint64_t>(k)) * 0x9e3779b97f4a7c15 + (h >> 29);
    return static_cast<std::size_t>(h);
  }
};

constexpr auto f32 = dnnl::memory::data_type::f32;

using tag = dnnl::memory::format_tag;

// ---- products of matrices

/// Sizes, strides, and whether there is a bias: all that a product's primitive depends on.
using ProductKey = std::array<std::int64_t, 9>;

struct Product {
  dnnl::matmul primitive;
  dnnl::memory a, b, bias, out;
  std::unordered_map<int, dnnl::memory> arguments;

  Product(const Matrix<float>& y, const Matrix<const float>& x, const Matrix<const float>& w, bool with_bias) {
    const auto describe = [](const auto& m) {
      return dnnl::memory::desc({m.rows, m.columns}, f32, dnnl::memory::dims{m.row_stride, m.column_stride});
    };
    const auto room = [](const dnnl::memory::desc& d) { return dnnl::memory(d, cpu(), DNNL_MEMORY_NONE); };
    const auto as_a = describe(x), as_b = describe(w), as_out = describe(y);
    const dnnl::memory::desc as_bias({1, y.columns}, f32, tag::ab);
    primitive = dnnl::matmul(dnnl::matmul::primitive_desc(with_bias ? dnnl::matmul::desc(as_a, as_b, as_bias, as_out) : dnnl::matmul::desc(as_a, as_b, as_out), cpu()));
    a = room(as_a), b = room(as_b), out = room(as_out);
    arguments = {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, out}};
    if (with_bias) arguments.emplace(DNNL_ARG_BIAS, bias = room(as_bias));
  }
};

/// Of the thread's own: no lock on the way to a product.
struct ProductCache {
  dnnl::stream stream{cpu()};
  std::unordered_map<ProductKey, Product, Hash> products;
};

// ---- convolutions

/// A convolution's sizes, the map, and whether there is a bias.
using ConvolutionKey = std::array<std::int64_t, 18>;
struct ConvolutionRequest {
  Convolution convolution;
  ConvolutionMap map;
  std::int64_t bias;
};

dnnl::memory::desc describe_image(std::int64_t samples, Pair size, std::int64_t channels) { return {{samples, channels, size.rows, size.columns}, f32, tag::nhwc}; }

/// One of a convolution's arrays: as dz has it, and as the primitive takes or gives it, in another layout.
struct ConvolutionArray {
  dnnl::memory plain, taken;  // one where they are the same; their data is there while the map runs
  dnnl::reorder reorder;      // from the one to the other; for what the map gives it leads back

  ConvolutionArray() = default;
  ConvolutionArray(const dnnl::memory::desc& as_plain, const dnnl::memory::desc& as_taken, bool given_back)
      : plain(as_plain, cpu(), DNNL_MEMORY_NONE), taken(as_plain == as_taken ? plain : dnnl::memory(as_taken, cpu(), DNNL_MEMORY_NONE)) {
    if (as_plain != as_taken) reorder = given_back ? dnnl::reorder(taken, plain) : dnnl::reorder(plain, taken);
  }
};

struct Convolving {
  bool fast = false;
  dnnl::primitive primitive;
  ConvolutionArray kernel;
  dnnl::memory x, y, bias;
  std::unordered_map<int, dnnl::memory> arguments;
};

dnnl::memory::dims both(Pair p) { return {p.rows, p.columns}; }

dnnl::memory::desc describe_kernel(const Convolution& c, bool chosen) {
  if (c.groups == 1) return {{c.out, c.in, c.window.rows, c.window.columns}, f32, chosen ? tag::any : tag::oihw};
  return {{c.groups, c.group_out(), c.group_in(), c.window.rows, c.window.columns}, f32, chosen ? tag::any : tag::goihw};
}

Convolving make_convolving(const Convolution& c, ConvolutionMap map, bool with_bias) {
  using namespace dnnl;
  Convolving v;
  const auto x = describe_image(c.samples, c.image, c.in), y = describe_image(c.samples, c.output, c.out), any = describe_kernel(c, true);
  v.x = dnnl::memory(x, cpu(), DNNL_MEMORY_NONE), v.y = dnnl::memory(y, cpu(), DNNL_MEMORY_NONE);
  const auto as_bias = with_bias ? dnnl::memory::desc({c.out}, f32, tag::x) : dnnl::memory::desc();
  const auto direct = algorithm::convolution_direct;
  const auto stride = both(c.stride), padding = both(c.padding),
             dilation = both({c.dilation.rows - 1, c.dilation.columns - 1});  // theirs counts from 0
  const auto take = [&](const auto& d, const dnnl::memory::desc& kernel) {
    v.fast = !std::string_view(d.impl_info_str()).starts_with("ref");
    const bool by_kernel = map == ConvolutionMap::by_kernel;
    v.kernel = {describe_kernel(c, false), kernel, by_kernel};
    v.arguments = {{map == ConvolutionMap::by_input ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, v.x},
                   {by_kernel ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, v.kernel.taken},
                   {map == ConvolutionMap::forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, v.y}};
    if (with_bias) v.arguments.emplace(by_kernel ? DNNL_ARG_DIFF_BIAS : DNNL_ARG_BIAS, v.bias = dnnl::memory(as_bias, cpu(), DNNL_MEMORY_NONE));
    return d;
  };
  const convolution_forward::primitive_desc forward({prop_kind::forward_training, direct, x, any, as_bias, y, stride, dilation, padding, padding}, cpu());
  if (map == ConvolutionMap::forward) {
    v.primitive = convolution_forward(take(forward, forward.weights_desc()));
    return v;
  }
  // The reverse maps are described by the forward one as well.
  if (map == ConvolutionMap::by_input) {
    const convolution_backward_data::primitive_desc d({direct, x, any, y, stride, dilation, padding, padding}, cpu(), forward);
    v.primitive = convolution_backward_data(take(d, d.weights_desc()));
  } else {
    const convolution_backward_weights::primitive_desc d({direct, x, any, as_bias, y, stride, dilation, padding, padding}, cpu(), forward);
    v.primitive = convolution_backward_weights(take(d, d.diff_weights_desc()));
  }
  return v;
}

struct ConvolutionCache {
  dnnl::stream stream{cpu()};
  std::unordered_map<ConvolutionKey, Convolving, Hash> kept;

  static ConvolutionCache& own() {
    static thread_local ConvolutionCache cache;
    return cache;
  }
  Convolving& find(const Convolution& c, ConvolutionMap map, bool bias) {
    const auto key = std::bit_cast<ConvolutionKey>(ConvolutionRequest{c, map, bias});
    if (auto found = kept.find(key); found != kept.end()) return found->second;
    if (kept.size() >= most_kept) kept.clear();
    Convolving made;
    try {
      made = make_convolving(c, map, bias);
    } catch (const dnnl::error&) {  // not implemented: remembered as not fast
    }
    return kept.emplace(key, std::move(made)).first->second;
  }
};

}  // namespace

bool onednn_convolves(const Convolution& c, ConvolutionMap map, bool bias) {
  const AsManyThreadsAsAsked threads;
  return ConvolutionCache::own().find(c, map, bias).fast;
}

void onednn_convolve(const Convolution& c, ConvolutionMap map, float* x, float* w, float* bias, float* y) {
  const AsManyThreadsAsAsked threads;
  ConvolutionCache& cache = ConvolutionCache::own();
  try {
    Convolving& v = cache.find(c, map, bias != nullptr);
    ConvolutionArray& kernel = v.kernel;
    const memory::Room room(kernel.reorder ? kernel.taken.get_desc().get_size() : 0);
    v.x.set_data_handle(x), v.y.set_data_handle(y), kernel.plain.set_data_handle(w);
    if (kernel.reorder) kernel.taken.set_data_handle(room.piece());
    if (bias) v.bias.set_data_handle(bias);
    const bool given_back = map == ConvolutionMap::by_kernel;
    if (kernel.reorder && !given_back) kernel.reorder.execute(cache.stream, kernel.plain, kernel.taken);
    v.primitive.execute(cache.stream, v.arguments);
    if (kernel.reorder && given_back) kernel.reorder.execute(cache.stream, kernel.taken, kernel.plain);
    cache.stream.wait();
  } catch (const dnnl::error& e) {
    throw MemoryError(std::string("oneDNN cannot run a convolution: ") + e.what());
  }
}

bool onednn_matmul(const Matrix<float>& out, const Matrix<const float>& a, const Matrix<const float>& b, const float* bias) {
  const AsManyThreadsAsAsked threads;
  static thread_local ProductCache cache;
  const ProductKey key{out.rows, out.columns, a.columns, out.row_stride, a.row_stride, a.column_stride, b.row_stride, b.column_stride, bias ? 1 : 0};
  try {
    auto found = cache.products.find(key);
    if (found == cache.products.end()) {
      if (cache.products.size() >= most_kept) cache.products.clear();
      found = cache.products.emplace(key, Product(out, a, b, bias != nullptr)).first;
    }
    Product& p = found->second;
    p.a.set_data_handle(const_cast<float*>(a.data));
    p.b.set_data_handle(const_cast<float*>(b.data));
    if (bias) p.bias.set_data_handle(const_cast<float*>(bias));
    p.out.set_data_handle(out.data);
    p.primitive.execute(cache.stream, p.arguments);
    cache.stream.wait();
    return true;
  } catch (const dnnl::error&) {
    return false;
  }
}

void onednn_gemm(float* out, std::int64_t out_step, std::int64_t m, std::int64_t n, std::int64_t k, Operand<float> a, Operand<float> b,
                 float factor, float keep) {
  const AsManyThreadsAsAsked threads;
  const auto flag = [](const Operand<float>& o) { return o.transposed ? 'T' : 'N'; };
  const auto step = [](std::int64_t i) { return std::max<std::int64_t>(i, 1); };
  if (dnnl::sgemm(flag(a), flag(b), m, n, k, factor, a.data, step(a.step), b.data, step(b.step), keep, out, step(out_step)) ==
      dnnl::status::success)
    return;
  for (std::int64_t i = 0; i < m; ++i)  // parallel loops call this: it must not throw
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::int64_t l = 0; l < k; ++l)
        sum += static_cast<double>(a.data[a.transposed ? l * a.step + i : i * a.step + l]) *
               static_cast<double>(b.data[b.transposed ? j * b.step + l : l * b.step + j]);
      float& y = out[i * out_step + j];
      y = static_cast<float>(static_cast<double>(factor) * sum) + (keep == 0 ? 0 : keep * y);
    }
}

}  // namespace dz::kernels::detail
