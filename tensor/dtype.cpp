#include <dz/tensor/dtype.hpp>

namespace dz {

std::string_view name(Dtype dtype) {
  switch (dtype) {
    case Dtype::float32: return "float32";
    case Dtype::float64: return "float64";
    case Dtype::int64: return "int64";
    case Dtype::uint8: return "uint8";
    case Dtype::boolean: break;
  }
  return "boolean";
}

}  // namespace dz
