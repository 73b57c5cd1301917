#include <dz/tensor/force.hpp>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace dz::force {

#ifdef _OPENMP
Threads::Threads(int count) : before_(omp_get_max_threads()) { omp_set_num_threads(count); }
Threads::~Threads() { omp_set_num_threads(before_); }
#else
Threads::Threads(int) : before_(1) {}
Threads::~Threads() = default;
#endif

}  // namespace dz::force
