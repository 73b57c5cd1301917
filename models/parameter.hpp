#pragma once
// A Parameter is a leaf that belongs to a model, with a role. As a value it behaves like one: copying copies its numbers, so a copied
// model is a model of its own, never an alias.

#include <dz/graph/tensor.hpp>

namespace dz {

/// What a parameter is for: regularisation looks at weights only; a buffer is state that no gradient trains.
enum class Role { weight, bias, buffer };
std::string_view name(Role role);

class Parameter : public Tensor {
 public:
  Parameter() = default;
  /// A leaf with a copy of these values. Throws DtypeError where a weight or bias is not float32 or float64.
  explicit Parameter(const Tensor& initial, Role role = Role::weight);
  Parameter(const Parameter& o) : Parameter(o, o.role_) {}
  Parameter(Parameter&&) noexcept = default;
  Parameter& operator=(const Parameter& o) { return *this = Parameter(o); }
  Parameter& operator=(Parameter&&) noexcept = default;

  Role role() const { return role_; }

 private:
  Role role_ = Role::weight;
};

}  // namespace dz
