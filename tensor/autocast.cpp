#include <dz/tensor/autocast.hpp>

#include <dz/tensor/kernels/map.hpp>

namespace dz {

constinit thread_local bool detail::autocasting = false;

namespace {
bool processor_has_bfloat16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}
}  // namespace

std::string_view unsupported(Bfloat16) {
  static const bool has_instructions = processor_has_bfloat16();
  if (has_instructions && active_isa() == Isa::avx512) return {};
  return "this processor has no bfloat16 instructions (AVX-512 BF16): autocast(bfloat16) computes in float32";
}

}  // namespace dz
