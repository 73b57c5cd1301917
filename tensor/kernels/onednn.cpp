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

// ---- products of matrices

/// Sizes, strides and what follows: all that a product's primitive depends on.
using ProductKey = std::array<std::int64_t, 9>;

template <class T> dnnl::memory::desc describe(const Matrix<T>& m) {
  return {{m.rows, m.columns}, dnnl::memory::data_type::f32, dnnl::memory::dims{m.row_stride, m.column_stride}};
}

/// An operand as it is given, and as the primitive takes it: the same, or packed beforehand.
struct ProductOperand {
  dnnl::memory given, taken;
  dnnl::reorder pack;

  ProductOperand() = default;
  ProductOperand(const dnnl::memory::desc& as_given, const dnnl::memory::desc& as_taken) : given(as_given, cpu(), DNNL_MEMORY_NONE) {
    if (as_given == as_taken) taken = given;
    else {
      taken = dnnl::memory(as_taken, cpu(), DNNL_MEMORY_NONE);
      pack = dnnl::reorder(dnnl::reorder::primitive_desc(given, taken));
    }
  }
};

struct Product {
  dnnl::matmul primitive;
  ProductOperand a, b;
  dnnl::memory bias, out;
  std::unordered_map<int, dnnl::memory> arguments;

  Product(const Matrix<float>& y, const Matrix<const float>& x, const Matrix<const float>& w, bool packs, bool with_bias) {
    using namespace dnnl;
    const auto given_a = describe(x), given_b = describe(w);
    const auto as_b = packs ? dnnl::memory::desc({w.rows, w.columns}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::any) : given_b;
    const dnnl::memory::desc as_bias({1, y.columns}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::ab);
    const matmul::desc wanted = with_bias ? matmul::desc(given_a, as_b, as_bias, describe(y)) : matmul::desc(given_a, as_b, describe(y));
    const matmul::primitive_desc chosen(wanted, cpu());
    primitive = matmul(chosen);
    a = ProductOperand(given_a, chosen.src_desc());
    b = ProductOperand(given_b, chosen.weights_desc());
    out = dnnl::memory(describe(y), cpu(), DNNL_MEMORY_NONE);
    arguments = {{DNNL_ARG_SRC, a.taken}, {DNNL_ARG_WEIGHTS, b.taken}, {DNNL_ARG_DST, out}};
    if (with_bias) arguments.emplace(DNNL_ARG_BIAS, bias = dnnl::memory(as_bias, cpu(), DNNL_MEMORY_NONE));
  }
};

/// oneDNN packs a part of b again for every part of a; from so many rows on, packing it once before is quicker.
bool worth_packing(const Matrix<const float>& a) {
  const bool in_columns = a.column_stride != 1 && a.rows > 1;
  return a.rows >= (in_columns ? packed_rows_of_columns : packed_rows);
}

/// Memory for a packed operand while a product runs.
class PackingRoom {
 public:
  explicit PackingRoom(const ProductOperand& operand) : bytes_(operand.pack ? operand.taken.get_desc().get_size() : 0), piece_(bytes_ ? memory::take(bytes_) : nullptr) {}
  ~PackingRoom() {
    if (piece_) memory::give(piece_, bytes_);
  }
  PackingRoom(const PackingRoom&) = delete;
  PackingRoom& operator=(const PackingRoom&) = delete;

  void fill(ProductOperand& operand, const float* data, dnnl::stream& stream) {
    operand.given.set_data_handle(const_cast<float*>(data));
    if (!piece_) return;
    operand.taken.set_data_handle(piece_);
    operand.pack.execute(stream, operand.given, operand.taken);
  }

 private:
  std::size_t bytes_;
  void* piece_;
};

/// Of the thread's own: no lock on the way to a product.
struct ProductCache {
  dnnl::stream stream{cpu()};
  std::unordered_map<ProductKey, Product, Hash> products;
};

// ---- convolutions

using tag = dnnl::memory::format_tag;

/// A convolution's sizes, the map, and whether there is a bias.
using ConvolutionKey = std::array<std::int64_t, 18>;
struct ConvolutionRequest {
  Convolution convolution;
  ConvolutionMap map;
  std::int64_t bias;
};

/// A primitive, and what brings the kernel from rows into the layout that oneDNN chose, or back.
struct Convolving {
  bool fast = false;
  dnnl::primitive primitive;
  dnnl::reorder reorder;  // empty where the layouts are one
  dnnl::memory::desc x, y, bias, plain, chosen;
};

dnnl::memory::dims both(Pair p) { return {p.rows, p.columns}; }

dnnl::memory::desc describe_image(std::int64_t samples, Pair size, std::int64_t channels) {
  return {{samples, channels, size.rows, size.columns}, dnnl::memory::data_type::f32, tag::nhwc};
}
dnnl::memory::desc describe_kernel(const Convolution& c, bool chosen) {
  const auto f32 = dnnl::memory::data_type::f32;
  if (c.groups == 1) return {{c.out, c.in, c.window.rows, c.window.columns}, f32, chosen ? tag::any : tag::oihw};
  return {{c.groups, c.group_out(), c.group_in(), c.window.rows, c.window.columns}, f32, chosen ? tag::any : tag::goihw};
}

Convolving make_convolving(const Convolution& c, ConvolutionMap map, bool with_bias) {
  using namespace dnnl;
  Convolving v;
  v.x = describe_image(c.samples, c.image, c.in);
  v.y = describe_image(c.samples, c.output, c.out);
  v.plain = describe_kernel(c, false);
  if (with_bias) v.bias = {{c.out}, dnnl::memory::data_type::f32, tag::x};
  const auto any = describe_kernel(c, true);
  const auto direct = algorithm::convolution_direct;
  const auto stride = both(c.stride), padding = both(c.padding),
             dilation = both({c.dilation.rows - 1, c.dilation.columns - 1});  // theirs counts from 0
  const convolution_forward::primitive_desc forward(
      {prop_kind::forward_training, direct, v.x, any, v.bias, v.y, stride, dilation, padding, padding}, cpu());
  const auto take = [&](const auto& d, const dnnl::memory::desc& kernel) {
    v.fast = !std::string_view(d.impl_info_str()).starts_with("ref");
    v.chosen = kernel;
    return d;
  };
  if (map == ConvolutionMap::forward) {
    v.primitive = convolution_forward(take(forward, forward.weights_desc()));
  } else if (map == ConvolutionMap::by_input) {
    const convolution_backward_data::primitive_desc d({direct, v.x, any, v.y, stride, dilation, padding, padding}, cpu(), forward);
    v.primitive = convolution_backward_data(take(d, d.weights_desc()));
  } else {
    const convolution_backward_weights::primitive_desc d({direct, v.x, any, v.bias, v.y, stride, dilation, padding, padding}, cpu(),
                                                         forward);
    v.primitive = convolution_backward_weights(take(d, d.diff_weights_desc()));
  }
  if (v.chosen != v.plain) {
    const bool back = map == ConvolutionMap::by_kernel;
    v.reorder = reorder(reorder::primitive_desc(cpu(), back ? v.chosen : v.plain, cpu(), back ? v.plain : v.chosen));
  }
  return v;
}

struct ConvolutionCache {
  dnnl::stream stream{cpu()};
  std::unordered_map<ConvolutionKey, Convolving, Hash> kept;
  dnnl::memory kernel;  // room for a kernel in a chosen layout, as large as the largest so far

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
  void* room(std::size_t bytes) {
    if (!kernel || kernel.get_desc().get_size() < bytes)
      kernel = dnnl::memory({{static_cast<std::int64_t>(bytes)}, dnnl::memory::data_type::u8, tag::x}, cpu());
    return kernel.get_data_handle();
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
    const bool back = map == ConvolutionMap::by_kernel;
    const dnnl::memory plain(v.plain, cpu(), w), chosen(v.chosen, cpu(), v.reorder ? cache.room(v.chosen.get_size()) : w);
    std::unordered_map<int, dnnl::memory> arguments{{map == ConvolutionMap::by_input ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, {v.x, cpu(), x}},
                                                    {back ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, chosen},
                                                    {map == ConvolutionMap::forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, {v.y, cpu(), y}}};
    if (bias) arguments.emplace(back ? DNNL_ARG_DIFF_BIAS : DNNL_ARG_BIAS, dnnl::memory(v.bias, cpu(), bias));
    if (v.reorder && !back) v.reorder.execute(cache.stream, {{DNNL_ARG_FROM, plain}, {DNNL_ARG_TO, chosen}});
    v.primitive.execute(cache.stream, arguments);
    if (v.reorder && back) v.reorder.execute(cache.stream, {{DNNL_ARG_FROM, chosen}, {DNNL_ARG_TO, plain}});
    cache.stream.wait();
  } catch (const dnnl::error& e) {
    throw MemoryError(std::string("oneDNN cannot run a convolution: ") + e.what());
  }
}

bool onednn_matmul(const Matrix<float>& out, const Matrix<const float>& a, const Matrix<const float>& b, const float* bias) {
  const AsManyThreadsAsAsked threads;
  static thread_local ProductCache cache;
  const bool packs = worth_packing(a);
  const ProductKey key{out.rows, out.columns, a.columns, out.row_stride, a.row_stride, a.column_stride, b.row_stride, b.column_stride,
                       (packs ? 2 : 0) + (bias ? 1 : 0)};
  try {
    auto found = cache.products.find(key);
    if (found == cache.products.end()) {
      if (cache.products.size() >= most_kept) cache.products.clear();
      found = cache.products.emplace(key, Product(out, a, b, packs, bias != nullptr)).first;
    }
    Product& p = found->second;
    PackingRoom for_a(p.a), for_b(p.b);
    for_a.fill(p.a, a.data, cache.stream);
    for_b.fill(p.b, b.data, cache.stream);
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
