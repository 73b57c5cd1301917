#include <dz/testing/operation.hpp>

#include <algorithm>

namespace dz::testing {

Input real(const Shape& shape, double low, double high) { return {shape, low, high}; }
Input apart(const Shape& shape) { return {shape, 0, 0, Input::Kind::apart}; }
Input labels_below(const Shape& shape, double n) { return {shape, 0, n, Input::Kind::label}; }
Input booleans(const Shape& shape) { return {shape, 0, 1, Input::Kind::boolean}; }

Tensor Input::draw(Dtype dtype, Generator& g) const {
  const std::int64_t n = shape.volume();
  switch (kind) {
    case Kind::real: return Tensor(uniform(shape, low, high, float32, g).value().cast(dtype));
    case Kind::apart: {
      const double step = std::min(0.1, 6.0 / static_cast<double>(std::max<std::int64_t>(n, 1)));
      const Tensor places = cast(permutation(n, g), float64);
      return Tensor(reshape((places * 2 - static_cast<double>(n / 2 * 2 - 1)) * step, shape).value().cast(float32).cast(dtype));
    }
    case Kind::label: return Tensor(uniform(shape, 0, high, float64, g).value().cast(int64));
    case Kind::boolean: break;
  }
  return less(uniform(shape, 0, 1, float32, g), 0.5);
}

Tensors Operation::draw(Dtype dtype, std::uint64_t seed) const {
  Generator g(seed);
  Tensors drawn;
  for (const Input& i : inputs) drawn.push_back(i.draw(dtype, g));
  return drawn;
}

Operation Operation::of(const Shapes& shapes) const {
  Operation o = *this;
  for (std::size_t i = 0; i < shapes.size(); ++i) o.inputs[i].shape = shapes[i];
  return o;
}

namespace {
std::deque<Operation>& all() {  // references to its members last
  static std::deque<Operation> operations;
  return operations;
}
}  // namespace

Operation& add(Operation o) { return all().emplace_back(std::move(o)); }
const std::deque<Operation>& registered() { return all(); }

}  // namespace dz::testing
