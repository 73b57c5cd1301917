#pragma once

#include <dlfcn.h>

namespace dz::test {

/// While alive, dz's loops (and BLAS) run on at most so many threads, as with OMP_NUM_THREADS. The tests are not compiled with OpenMP, so
/// its runtime, which the library brings, is looked up.
class LoopThreads {
 public:
  explicit LoopThreads(int count) : before_(call<int (*)()>("omp_get_max_threads", 1)) { set(count); }
  ~LoopThreads() { set(before_); }
  LoopThreads(const LoopThreads&) = delete;
  LoopThreads& operator=(const LoopThreads&) = delete;

 private:
  template <class F> static int call(const char* name, int otherwise) {
    auto f = reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
    return f ? f() : otherwise;
  }
  static void set(int count) {
    if (auto f = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"))) f(count);
  }

  int before_;
};

}  // namespace dz::test
