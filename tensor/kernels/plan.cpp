#include <dz/tensor/kernels/plan.hpp>

namespace dz::kernels::detail {

int merge_axes(const Array* const* operands, std::size_t count, std::int64_t* sizes, std::int64_t* strides) {
  const Array& out = *operands[0];
  bool plain = true;  // all contiguous in the output's shape, or of one element: a single axis
  for (std::size_t k = 0; k < count; ++k)
    plain &= operands[k]->is_contiguous() && (operands[k]->size() == out.size() || operands[k]->size() == 1);
  if (plain) {
    sizes[0] = out.size();
    for (std::size_t k = 0; k < count; ++k) strides[k * max_rank] = operands[k]->size() == 1 ? 0 : 1;
    strides[0] = 1;
    return 1;
  }
  auto stride = [&](std::size_t k, int axis) {
    const Array& a = *operands[k];
    return a.rank() == 0 || (a.size(axis) == 1 && out.size(axis) != 1) ? 0 : a.stride(axis);
  };
  int rank = 0;
  for (int axis = 0; axis < out.rank(); ++axis) {
    if (out.size(axis) == 1) continue;
    bool merges = rank > 0;
    for (std::size_t k = 0; k < count && merges; ++k)
      merges = strides[k * max_rank + static_cast<std::size_t>(rank) - 1] == stride(k, axis) * out.size(axis);
    if (!merges) ++rank;
    const auto slot = static_cast<std::size_t>(rank) - 1;
    sizes[slot] = merges ? sizes[slot] * out.size(axis) : out.size(axis);
    for (std::size_t k = 0; k < count; ++k) strides[k * max_rank + slot] = stride(k, axis);
  }
  return rank;
}

template void walk_rows(const Plan<1>&, RowBody<1>, void*);
template void walk_rows(const Plan<2>&, RowBody<2>, void*);
template void walk_rows(const Plan<3>&, RowBody<3>, void*);
template void walk_rows(const Plan<4>&, RowBody<4>, void*);
template void walk_rows(const Plan<5>&, RowBody<5>, void*);

}  // namespace dz::kernels::detail
