#include <dz/tensor/kernels/copy.hpp>

#include <dz/tensor/kernels/plan.hpp>

namespace dz::kernels {

void fill(const Array& out, double v) {
  visit_dtype(out.dtype(), [&]<class T>(std::type_identity<T>) { zip<T>([value = convert<T>(v)] { return value; }, out); });
}

void copy(const Array& out, const Array& in) {
  visit_dtype(out.dtype(), [&]<class To>(std::type_identity<To>) {
    visit_dtype(in.dtype(),
                [&]<class From>(std::type_identity<From>) { zip<To, From>([](From x) { return convert<To>(x); }, out, in); });
  });
}

}  // namespace dz::kernels
