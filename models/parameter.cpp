#include <dz/models/parameter.hpp>

namespace dz {

std::string_view name(Role role) { return role == Role::weight ? "weight" : role == Role::bias ? "bias" : "buffer"; }

Parameter::Parameter(const Tensor& initial, Role role) : role_(role) {
  if (!initial) return;  // a copy of an empty one
  const Tensor own(initial.value().clone());
  Tensor::operator=(role == Role::buffer ? own : variable(own));
}

}  // namespace dz
