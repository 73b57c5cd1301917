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

template Array map_formula(const Formula<1, 16>&, const Operands<1>&, std::index_sequence<0>);
template Array map_formula(const Formula<2, 16>&, const Operands<2>&, std::index_sequence<0, 1>);
template Array map_formula(const Formula<3, 16>&, const Operands<3>&, std::index_sequence<0, 1, 2>);
template Array map_formula(const Formula<4, 16>&, const Operands<4>&, std::index_sequence<0, 1, 2, 3>);

}  // namespace detail
}  // namespace kernels
}  // namespace dz
