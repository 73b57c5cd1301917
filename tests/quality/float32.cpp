// Kernels that are right in float64, and in float32 on all ways but one.

#include <algorithm>
#include <cmath>

#include "tests/quality/mutants.hpp"

namespace dz::quality {
namespace {

/// The elements that one way computes, of n.
struct Path {
  std::int64_t size;  // at which it is taken
  bool (*takes)(std::int64_t k, std::int64_t n);
  double factor;  // what they are multiplied by
  std::optional<Isa> isa = std::nullopt;
};

Tensor spoiled(const Tensor& x, const Path& p) {
  if (x.dtype() != float32 || (p.isa && active_isa() != *p.isa)) return x;
  const Array values = x.value().contiguous().clone();
  for (std::int64_t k = 0; k < values.size(); ++k)
    if (p.takes(k, values.size())) values.writable<float>()[k] *= static_cast<float>(p.factor);
  return Tensor(values);
}

const std::vector<Path>& paths() {
  static const std::vector<Path> all{
      {37, [](std::int64_t k, std::int64_t n) { return k >= n - n % 16; }, 0},                               // a tail that is left out
      {45, [](std::int64_t k, std::int64_t n) { return k >= n - n % 8; }, 1.01},                             // a tail of half a pack
      {61, [](std::int64_t k, std::int64_t n) { return k == n - 1; }, -1},                                   // the last of an odd number
      {20'011, [](std::int64_t k, std::int64_t n) { return n >= 16'384 && k >= 16'384; }, 1.001},            // from a size on, what lies beyond it
      {70'000, [](std::int64_t k, std::int64_t n) { return n >= 65'536 && k == n / 2; }, 0},                 // the boundary of two threads
      {70'001, [](std::int64_t k, std::int64_t n) { return n >= 65'536 && k >= n / 2 && k < n / 2 + 16; }, 2},  // the second one's first pack
      {9'000, [](std::int64_t k, std::int64_t n) { return n > 4096 && k % 4096 == 0 && k > 0; }, 0.5},       // the first of each further block
      {100, [](std::int64_t k, std::int64_t n) { return k >= n - n % 16; }, 0.99, Isa::avx512},
      {100, [](std::int64_t k, std::int64_t n) { return k >= n - n % 8; }, 0, Isa::avx2},
      {100, [](std::int64_t k, std::int64_t) { return k % 4 == 3; }, 1.001, Isa::baseline},
  };
  return all;
}

void add(std::vector<Mutant>& all, Rule r, const Path& p, bool in_forward) {
  if (in_forward) r.forward = [f = r.forward, p](const Tensors& x) { return spoiled(f(x), p); };
  else
    r.derivatives[0] = [d = r.derivatives[0], p](const Tensors& x, const Tensor& y, const Tensor& dy) { return spoiled(d(x, y, dy), p); };
  for (Input& i : r.inputs) i.shape = {p.size};
  all.push_back({"one way of float32 only", std::move(r), 1, p.isa});
}

/// Products that lose something from an inner size on.
Tensor short_product(const Tensors& x) {
  const Tensor y = matmul(x[0], x[1]);
  const std::int64_t k = x[0].size(1);
  if (y.dtype() != float32 || k <= 256) return y;
  const auto last = [&](const Tensor& m, int axis, std::int64_t from) { return Tensor(m.value().slice(axis, from, k)); };
  return y - matmul(last(x[0], 1, k - k % 256), last(x[1], 0, k - k % 256));  // the last block of the inner axis
}

}  // namespace

std::vector<Mutant> wrong_in_float32() {
  std::vector<Mutant> all;
  bool in_forward = false;
  for (const Path& p : paths())
    for (const char* name : {"exp", "tanh", "mul", "silu", "div"}) add(all, formula(name), p, in_forward = !in_forward);
  const auto product = sized(formula("matmul"), {{3, 300}, {300, 4}});
  Rule r = product;
  r.forward = short_product;
  all.push_back({"one way of float32 only", r, 1});
  r = sized(formula("matmul"), {{3, 4}, {4, 300}});
  r.derivatives[0] = D(short_product({dy.detach(), t(x[1]).detach()}));
  all.push_back({"one way of float32 only", r, 1});
  r = sized(formula("sum along an axis"), {{3, 5000}});
  r.forward = [](const Tensors& x) {
    const std::int64_t n = x[0].size(1);
    return x[0].dtype() == float32 && n > 4096 ? sum(Tensor(x[0].value().slice(1, 0, n - n % 256)), 1) : sum(x[0], 1);
  };
  all.push_back({"one way of float32 only", r, 1});
  return all;
}

}  // namespace dz::quality
