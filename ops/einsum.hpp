#pragma once
// Einstein's summation: products of tensors written by the names of their axes.
//
//   einsum("ij,jk->ik", a, b)            matmul          einsum("bij,bjk->bik", a, b)   a batch of them
//   einsum("ii", a)                      trace           einsum("ii->i", a)             diagonal
//   einsum("i,j->ij", v, w)              outer           einsum("...ij->...ji", a)      transposed

#include <concepts>
#include <string_view>
#include <vector>

#include <dz/graph/tensor.hpp>

namespace dz {

/// The product of the operands, summed over every index that the output does not name. The spec has a term for each operand, with a
/// letter for each of its axes: equal letters are equal indices, of equal size; twice in a term they take its diagonal. `->` names
/// the output's axes, in order; without it these are the letters that occur once, in alphabetical order. `...` stands for the axes
/// without a letter: as many in every term that has it, a size of 1 stretches, and the output has them, too (first, without `->`).
/// Blanks are skipped. Operands are multiplied pair by pair, the cheapest pair first, by matmul or mul.
/// Throws ValueError for a spec that is none, naming the place in it (from 0); ShapeError where operands do not fit it;
/// DtypeError where matmul, mul or sum do.
Tensor einsum(std::string_view spec, const std::vector<Tensor>& operands, At at = At::here());

template <std::convertible_to<In>... X> Tensor einsum(std::string_view spec, In first, const X&... more) {
  const At at = first.at();
  return einsum(spec, std::vector<Tensor>{std::move(first), In(more)...}, at);
}

}  // namespace dz
