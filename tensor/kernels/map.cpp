#include <dz/tensor/kernels/map.hpp>

#include <fmt/format.h>

#include <atomic>

#include <dz/tensor/widen.hpp>

namespace dz {
namespace {

Isa best_isa() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return Isa::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
  return Isa::baseline;
}

}  // namespace

std::atomic<Isa> detail::isa{best_isa()};

void limit_isa(Isa limit) { detail::isa.store(std::min(limit, best_isa()), std::memory_order_relaxed); }

namespace detail {
constinit thread_local bool widening = false;
}

Widening::Widening() : before_(std::exchange(detail::widening, true)) {}
Widening::~Widening() { detail::widening = before_; }

namespace kernels {

Dtype common_dtype(std::initializer_list<const Array*> operands) {
  const Array* first = nullptr;
  Dtype dtype = float64;
  for (const Array* a : operands) {
    if (a->is_number()) continue;
    if (!first) {
      first = a;
      dtype = a->dtype();
    } else if (a->dtype() != dtype) {
      if (!dz::detail::widening || !is_floating(dtype) || !is_floating(a->dtype()))
        throw DtypeError(fmt::format("{} meets {}: cast one of them", name(dtype), name(a->dtype())));
      dtype = float64;
    }
  }
  return dtype;
}

Array in_dtype(const Array& a, Dtype dtype) {
  if (a.dtype() == dtype) return a;
  if (a.is_number() && !is_floating(dtype)) {
    for (const double v : a.to_vector<double>())
      if (v != std::floor(v) || std::abs(v) > 9007199254740992.0 || (dtype == uint8 && (v < 0 || v > 255)) ||
          (dtype == boolean && v != 0 && v != 1))
        throw DtypeError(fmt::format("{} is no {}", v, name(dtype)));
  }
  return a.cast(dtype);
}

Shape common_shape(std::initializer_list<const Array*> operands) {
  Shape shape;
  for (const Array* a : operands) shape = broadcast(shape, a->shape());
  return shape;
}

namespace detail {

void refuse_dtype(Dtype dtype) { throw DtypeError(fmt::format("needs float32 or float64, got {}", name(dtype))); }

namespace {
/// n elements of so many bytes from `from` on, `from_step` apart, to `to` on, `to_step` apart.
template <std::size_t size> void move_elements(std::byte* to, std::int64_t to_step, const std::byte* from, std::int64_t from_step, std::int64_t n) {
  constexpr auto bytes = static_cast<std::int64_t>(size);
  for (std::int64_t i = 0; i < n; ++i) std::memcpy(to + i * to_step * bytes, from + i * from_step * bytes, size);
}

void move_row(std::byte* to, std::int64_t to_step, const std::byte* from, std::int64_t from_step, std::int64_t n, std::int64_t size) {
  if (to_step == 1 && from_step == 1) std::memcpy(to, from, static_cast<std::size_t>(n * size));
  else if (size == 4) move_elements<4>(to, to_step, from, from_step, n);
  else if (size == 8) move_elements<8>(to, to_step, from, from_step, n);
  else move_elements<1>(to, to_step, from, from_step, n);
}
}  // namespace

void gather_row(std::byte* to, const std::byte* from, std::int64_t step, std::int64_t n, std::int64_t size) {
  move_row(to, 1, from, step, n, size);
  const std::int64_t end = (n * size + thresholds::pack_bytes - 1) / thresholds::pack_bytes * thresholds::pack_bytes;
  std::memset(to + n * size, 0, static_cast<std::size_t>(end - n * size));
}

void scatter_row(std::byte* to, std::int64_t step, const std::byte* from, std::int64_t n, std::int64_t size) { move_row(to, step, from, 1, n, size); }

template void run_row(RowLoop<1>, const void*, const Row<1>&, std::int64_t);
template void run_row(RowLoop<2>, const void*, const Row<2>&, std::int64_t);
template void run_row(RowLoop<3>, const void*, const Row<3>&, std::int64_t);
template void run_row(RowLoop<4>, const void*, const Row<4>&, std::int64_t);

template Array map_formula(const Formula<1, 16>&, const Operands<1>&, Array*);
template Array map_formula(const Formula<2, 16>&, const Operands<2>&, Array*);
template Array map_formula(const Formula<3, 16>&, const Operands<3>&, Array*);
template Array map_formula(const Formula<4, 16>&, const Operands<4>&, Array*);

}  // namespace detail
}  // namespace kernels
}  // namespace dz
