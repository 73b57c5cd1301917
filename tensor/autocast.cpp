#include <dz/tensor/autocast.hpp>

#include <dz/tensor/kernels/map.hpp>
#include <dz/tensor/kernels/matmul.hpp>

namespace dz {

constinit thread_local bool detail::autocasting = false;

std::string_view unsupported(Bfloat16) {
  static const bool has_instructions = kernels::detail::onednn_has_bfloat16();
  if (has_instructions && active_isa() == Isa::avx512) return {};
  return "this processor has no bfloat16 instructions (AVX-512 BF16): autocast(bfloat16) computes in float32";
}

}  // namespace dz
