#include <dz/tensor/parallel.hpp>

#ifdef _OPENMP
#include <omp.h>
#endif

#include <algorithm>

namespace dz::detail {

void parallel_ranges(std::int64_t n, std::int64_t grain, RangeBody body, void* context) {
#ifdef _OPENMP
  const std::int64_t grains = (n + grain - 1) / grain;
  const std::int64_t threads = omp_in_parallel() ? 1 : std::min<std::int64_t>(omp_get_max_threads(), grains);
  if (threads > 1) {
    const std::int64_t share = (grains + threads - 1) / threads * grain;
#pragma omp parallel num_threads(static_cast <int>(threads))
    {
      const std::int64_t begin = omp_get_thread_num() * share, end = std::min(n, begin + share);
      if (begin < end) body(context, begin, end);
    }
    return;
  }
#else
  static_cast<void>(grain);
#endif
  body(context, 0, n);
}

}  // namespace dz::detail
