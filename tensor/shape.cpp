#include <dz/tensor/shape.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace dz {

void Shape::refuse_axes() { throw ShapeError(fmt::format("more than {} axes", max_rank)); }

/// Of sizes that are not all positive, or beyond 2^63 together: 0, or what is wrong with them as an error.
std::int64_t Shape::empty_volume() const {
  std::int64_t volume = 1;
  for (std::int64_t s : *this) {
    if (s < 0) throw ShapeError(fmt::format("negative size in {}", to_string(*this)));
    volume = checked_product(volume, std::max<std::int64_t>(s, 1));  // strides pass over sizes of 0
  }
  return 0;
}

int Shape::axis(std::int64_t a) const {
  if (a < -rank_ || a >= rank_) throw ShapeError(fmt::format("axis {} of {}", a, to_string(*this)));
  return static_cast<int>(a < 0 ? a + rank_ : a);
}

std::string to_string(const Shape& shape) { return fmt::format("({})", fmt::join(shape.begin(), shape.end(), ", ")); }

void refuse_product(std::int64_t a, std::int64_t b) { throw ShapeError(fmt::format("{} x {} elements are beyond 2^63", a, b)); }

Shape broadcast(const Shape& a, const Shape& b) {
  if (a == b || b.rank() == 0) return a;
  if (a.rank() == 0) return b;
  if (a.rank() != b.rank())
    throw ShapeError(fmt::format("ranks differ: {} and {} (only equal ranks and scalars broadcast)", to_string(a), to_string(b)));
  Shape out = a;
  for (int i = 0; i < a.rank(); ++i) {
    if (a[i] != b[i] && a[i] != 1 && b[i] != 1)
      throw ShapeError(fmt::format("shapes do not broadcast: {} and {}", to_string(a), to_string(b)));
    if (a[i] == 1) out[i] = b[i];
  }
  return out;
}

Axes::Axes(std::initializer_list<int> axes) {
  if (axes.size() > max_rank) throw ShapeError(fmt::format("{} axes given, there are at most {}", axes.size(), max_rank));
  for (int a : axes) axes_[static_cast<std::size_t>(count_++)] = a;
}

std::uint32_t Axes::mask(int rank) const {
  if (count_ == 0) return (1u << rank) - 1;
  std::uint32_t mask = 0;
  for (int i = 0; i < count_; ++i) {
    const int given = axes_[static_cast<std::size_t>(i)], axis = given < 0 ? given + rank : given;
    if (axis < 0 || axis >= rank) throw ShapeError(fmt::format("axis {} of an array of rank {}", given, rank));
    if (mask >> axis & 1) throw ShapeError(fmt::format("axis {} given twice", given));
    mask |= 1u << axis;
  }
  return mask;
}

Shape reduced(const Shape& shape, std::uint32_t mask, bool keepdims) {
  Shape out;
  for (int i = 0; i < shape.rank(); ++i) {
    if (!(mask >> i & 1)) out.append(shape[i]);
    else if (keepdims) out.append(1);
  }
  return out;
}

}  // namespace dz
