// The rows of linear algebra and einsum in the table of operations.


#include <dz/ops/einsum.hpp>
#include <dz/ops/linear_algebra.hpp>

#include "tests/ops/table.hpp"

namespace dz::test {
namespace {

/// A matrix with three times its size added to its diagonal, which makes it positive definite: its elements lie between −2 and 2.
Tensor lifted(const Tensor& x) { return x + 3 * x.size(-1) * diagonal_matrix(ones_like(diagonal(x))); }

/// An operation of a square matrix.
Operation of_square(std::string name, Tensor (*f)(In), bool to_scalar) {
  return {.name = std::move(name),
          .call = [f](const Tensors& x) { return f(lifted(x[0])); },
          .inputs = {{{2, 3, 3}}},
          .empty = {{{{0, 0}}, to_scalar ? Shape{} : Shape{0, 0}}, {{{0, 3, 3}}, to_scalar ? Shape{0} : Shape{0, 3, 3}}}};
}

Operation of_system(std::string name, std::function<Tensor(In, In)> f) {
  return {.name = std::move(name),
          .call = [f](const Tensors& x) { return f(lifted(x[0]), x[1]); },
          .inputs = {{{2, 3, 3}}, {{1, 3, 2}}},
          .empty = {{{{0, 0}, {0, 2}}, Shape{0, 2}}, {{{3, 3}, {3, 0}}, Shape{3, 0}}, {{{0, 3, 3}, {1, 3, 2}}, Shape{0, 3, 2}}},
          .refused = {{{3, 3}, {3}}, {{3, 3}, {2, 3}}, {{1, 3, 3}, {3, 3}}, {{2, 3, 3}, {3, 3, 1}}}};
}

}  // namespace

void add_linear_algebra(std::vector<Operation>& rows) {
  rows.push_back({.name = "outer",
                  .call = [](const Tensors& x) { return outer(x[0], x[1]); },
                  .inputs = {{{2, 3}}, {{1, 4}}},
                  .empty = {{{{0}, {4}}, Shape{0, 4}}, {{{2, 0}, {1, 3}}, Shape{2, 0, 3}}},
                  .refused = {{{3}, {}}, {{3}, {1, 3}}, {{2, 3}, {3, 3}}}});
  rows.push_back({.name = "dot",
                  .call = [](const Tensors& x) { return dot(x[0], x[1]); },
                  .inputs = {{{2, 4}}, {{1, 4}}},
                  .empty = {{{{0}, {0}}, Shape{}}, {{{0, 3}, {1, 3}}, Shape{0}}},
                  .refused = {{{3}, {4}}, {{3}, {1}}, {{3}, {1, 3}}, {{}, {}}}});
  rows.push_back({.name = "diagonal",
                  .call = [](const Tensors& x) { return diagonal(x[0]); },
                  .inputs = {{{2, 3, 4}}},
                  .empty = {{{{0, 4}}, Shape{0}}, {{{0, 3, 4}}, Shape{0, 3}}},
                  .refused = {{{3}}, {{}}}});
  rows.push_back({.name = "diagonal_matrix",
                  .call = [](const Tensors& x) { return diagonal_matrix(x[0]); },
                  .inputs = {{{2, 3}}},
                  .empty = {{{{0}}, Shape{0, 0}}, {{{0, 3}}, Shape{0, 3, 3}}},
                  .refused = {{{}}}});
  rows.push_back({.name = "trace",
                  .call = [](const Tensors& x) { return trace(x[0]); },
                  .inputs = {{{2, 3, 3}}},
                  .empty = {{{{0, 0}}, Shape{}}, {{{0, 3, 3}}, Shape{0}}},
                  .refused = {{{3}}, {{3, 4}}, {{}}}});
  rows.push_back(of_square("cholesky", cholesky, false));
  rows.back().passes_nan = false;  // not from above the diagonal
  rows.push_back(of_square("inverse", inverse, false));
  rows.push_back(of_square("logdet", logdet, true));
  rows.push_back(of_square("slogdet", [](In a) { return slogdet(a).logarithm; }, true));
  rows.push_back(of_system("solve", [](In a, In b) { return solve(a, b); }));
  rows.push_back(of_system("triangular_solve", [](In a, In b) { return triangular_solve(a, b); }));
  rows.push_back(of_system("triangular_solve of another triangle",
                           [](In a, In b) { return triangular_solve(a, b, {.upper = true, .transposed = true, .unit = true}); }));
  rows.back().passes_nan = false;  // not from the diagonal
  rows.push_back({.name = "einsum",
                  .call = [](const Tensors& x) { return einsum("iij,jk->ki", x[0], x[1]); },
                  .inputs = {{{3, 3, 4}}, {{4, 2}}},
                  .empty = {{{{0, 0, 4}, {4, 2}}, Shape{2, 0}}, {{{3, 3, 0}, {0, 2}}, Shape{2, 3}}},
                  .refused = {{{3, 3}, {3, 2}}, {{2, 3, 4}, {4, 2}}, {{3, 3, 4}, {3, 2}}}});
  rows.push_back({.name = "einsum of three",
                  .call = [](const Tensors& x) { return einsum("...i,...ij,j", x[0], x[1], x[2]); },
                  .inputs = {{{2, 3}}, {{1, 3, 4}}, {{4}}},
                  .empty = {{{{0, 3}, {1, 3, 4}, {4}}, Shape{0}}, {{{2, 0}, {1, 0, 0}, {0}}, Shape{2}}},
                  .refused = {{{3}, {1, 3, 4}, {4}}, {{2, 3}, {3, 3, 4}, {4}}}});
}

}  // namespace dz::test

