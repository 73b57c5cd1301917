#include <dz/tensor/parallel.hpp>

#ifdef _OPENMP
#include <omp.h>
#endif

#include <algorithm>
#include <exception>

namespace dz {

void loop_alone() {
#ifdef _OPENMP
  omp_set_num_threads(1);
#endif
}

std::int64_t loop_threads() {
#ifdef _OPENMP
  return omp_in_parallel() ? 1 : omp_get_max_threads();
#else
  return 1;
#endif
}

}  // namespace dz

namespace dz::detail {

void parallel_ranges(std::int64_t n, std::int64_t grain, RangeBody body, void* context) {
#ifdef _OPENMP
  const std::int64_t grains = (n + grain - 1) / grain;
  const std::int64_t threads = std::min(loop_threads(), grains);
  if (threads > 1) {
    const std::int64_t share = (grains + threads - 1) / threads * grain;
    // OpenMP may give fewer threads than asked for (OMP_THREAD_LIMIT, OMP_DYNAMIC): the shares are dealt out among those that came.
    std::exception_ptr trouble;  // what leaves a parallel region would end the process
#pragma omp parallel num_threads(static_cast <int>(threads))
    for (std::int64_t part = omp_get_thread_num(); part * share < n; part += omp_get_num_threads()) try {
        body(context, part * share, std::min(n, (part + 1) * share));
      } catch (...) {
#pragma omp critical(dz_trouble)
        if (!trouble) trouble = std::current_exception();
      }
    if (trouble) std::rethrow_exception(trouble);
    return;
  }
#else
  static_cast<void>(grain);
#endif
  body(context, 0, n);
}

}  // namespace dz::detail
