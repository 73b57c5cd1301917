// The rows of shapes, joining and indexing in the table of operations.

#include "tests/ops/table.hpp"

namespace dz::test {
namespace {

void add_views(std::vector<Operation>& rows) {
  rows.push_back({.name = "permute",
                  .call = [](const Tensors& x) { return permute(x[0], {2, 0, -2}); },
                  .inputs = {real({2, 3, 4})},
                  .empty = {{{{2, 0, 4}}, Shape{4, 2, 0}}},
                  .refused = {{{2, 3}}, {{2, 3, 4, 5}}, {{}}}});
  rows.push_back({.name = "squeeze",
                  .call = [](const Tensors& x) { return squeeze(x[0]); },
                  .inputs = {real({2, 1, 3, 1})},
                  .empty = {{{{0, 1}}, Shape{0}}, {{{}}, Shape{}}}});
  rows.push_back({.name = "squeeze of one axis",
                  .call = [](const Tensors& x) { return squeeze(x[0], -2); },
                  .inputs = {real({2, 1, 3})},
                  .empty = {{{{0, 1, 0}}, Shape{0, 0}}},
                  .refused = {{{2, 3}}, {{3}}}});
  rows.push_back({.name = "unsqueeze",
                  .call = [](const Tensors& x) { return unsqueeze(x[0], -2); },
                  .inputs = {real({2, 3})},
                  .empty = {{{{0, 3}}, Shape{0, 1, 3}}, {{{3}}, Shape{1, 3}}},
                  .refused = {{{}}, {{1, 1, 1, 1, 1, 1, 1, 1}}}});
  rows.push_back({.name = "slice",
                  .call = [](const Tensors& x) { return slice(x[0], 1, 1, axis_end, 2); },
                  .inputs = {real({2, 6})},
                  .empty = {{{{0, 3}}, Shape{0, 1}}, {{{2, 1}}, Shape{2, 0}}},
                  .refused = {{{2, 0}}, {{3}}},
                  .passes_nan = false});
  rows.push_back({.name = "slice from the end",
                  .call = [](const Tensors& x) { return slice(x[0], -1, -3, -1); },
                  .inputs = {real({2, 5})},
                  .empty = {{{{0, 3}}, Shape{0, 2}}},
                  .refused = {{{2, 2}}, {{}}},
                  .passes_nan = false});
  rows.push_back({.name = "place",
                  .call = [](const Tensors& x) { return place(x[0], {2, 9}, 1, 2, 3); },
                  .inputs = {real({2, 3})},
                  .empty = {{{{2, 0}}, Shape{2, 9}}},
                  .refused = {{{2, 4}}, {{3, 3}}, {{2}}}});
  rows.push_back({.name = "flip",
                  .call = [](const Tensors& x) { return flip(x[0], {0, -1}); },
                  .inputs = {real({2, 3, 4})},
                  .empty = {{{{0, 3}}, Shape{0, 3}}},
                  .refused = {{{}}, {{3}}}});
}

void add_joining(std::vector<Operation>& rows) {
  rows.push_back({.name = "concat",
                  .call = [](const Tensors& x) { return concat({x[0], x[1], x[0]}, -1); },
                  .inputs = {real({2, 3}), real({2, 4})},
                  .empty = {{{{2, 0}, {2, 0}}, Shape{2, 0}}, {{{0, 3}, {0, 1}}, Shape{0, 7}}},
                  .refused = {{{2, 3}, {3, 3}}, {{2, 3}, {3}}, {{}, {}}}});
  rows.push_back({.name = "stack",
                  .call = [](const Tensors& x) { return stack({x[0], x[1]}, 1); },
                  .inputs = {real({2, 3}), real({2, 3})},
                  .empty = {{{{0, 3}, {0, 3}}, Shape{0, 2, 3}}},
                  .refused = {{{2, 3}, {3, 3}}, {{2, 3}, {3}}}});
  rows.push_back({.name = "split",
                  .call =
                      [](const Tensors& x) {
                        const std::int64_t n = x[0].rank() > 1 ? x[0].size(1) : 2;
                        const auto parts = split(x[0], {n / 2, 0, n - n / 2}, 1);
                        return parts[0].size() < parts[2].size() ? parts[2] : parts[0] * parts[2];
                      },
                  .inputs = {real({2, 6})},
                  .empty = {{{{0, 4}}, Shape{0, 2}}},
                  .refused = {{{3}}, {{}}},
                  .passes_nan = false});
  rows.push_back({.name = "chunk",
                  .call =
                      [](const Tensors& x) {
                        const auto parts = chunk(x[0], 2);
                        return parts[0] * exp(parts[1]);
                      },
                  .inputs = {real({4, 3})},
                  .empty = {{{{0, 3}}, Shape{0, 3}}},
                  .refused = {{{3, 4}}, {{}}}});
  rows.push_back({.name = "pad",
                  .call = [](const Tensors& x) { return pad(x[0], {{.axis = -1, .before = 2, .after = 1}, {.axis = 0, .after = 1}}, 0.5); },
                  .inputs = {real({2, 3})},
                  .empty = {{{{0, 3}}, Shape{1, 6}}, {{{2, 0}}, Shape{3, 3}}},
                  .refused = {{{}}, {{3}}}});
  rows.push_back({.name = "roll",
                  .call = [](const Tensors& x) { return roll(x[0], -4, 1); },
                  .inputs = {real({2, 3})},
                  .empty = {{{{2, 0}}, Shape{2, 0}}, {{{0, 3}}, Shape{0, 3}}},
                  .refused = {{{3}}, {{}}}});
  rows.push_back({.name = "repeat",
                  .call = [](const Tensors& x) { return repeat(x[0], 3, -1); },
                  .inputs = {real({2, 3})},
                  .empty = {{{{0, 3}}, Shape{0, 9}}, {{{2, 0}}, Shape{2, 0}}},
                  .refused = {{{}}, {{1, 1, 1, 1, 1, 1, 1, 1}}}});
  const std::pair<const char*, Tensor (*)(In, std::int64_t)> triangles[] = {{"tril", tril}, {"triu", triu}};
  for (const auto& [name, f] : triangles)
    rows.push_back({.name = name,
                    .call = [f = f](const Tensors& x) { return f(x[0], 1); },
                    .inputs = {real({2, 3, 4})},
                    .empty = {{{{0, 3}}, Shape{0, 3}}, {{{0, 2, 3}}, Shape{0, 2, 3}}},
                    .refused = {{{3}}, {{}}},
                    .passes_nan = false});
  rows.push_back({.name = "diag",
                  .call = [](const Tensors& x) { return diag(x[0]); },
                  .inputs = {real({4})},
                  .empty = {{{{0}}, Shape{0, 0}}, {{{0, 3}}, Shape{0}}},
                  .refused = {{{}}, {{2, 3, 4}}}});
}

void add_indexing(std::vector<Operation>& rows) {
  rows.push_back({.name = "index_select",
                  .call = [](const Tensors& x) { return index_select(x[0], x[1], -1); },
                  .inputs = {real({2, 5}), labels_below({7}, 5)},
                  .empty = {{{{0, 5}, {7}}, Shape{0, 7}}, {{{2, 5}, {0}}, Shape{2, 0}}},
                  .refused = {{{2, 5}, {7, 1}}, {{2, 5}, {}}, {{}, {3}}},
                  .passes_nan = false});
  rows.push_back({.name = "index_scatter",
                  .call = [](const Tensors& x) { return index_scatter(x[0], x[1], 5, 0); },
                  .inputs = {real({7, 2}), labels_below({7}, 5)},
                  .empty = {{{{7, 0}, {7}}, Shape{5, 0}}, {{{0, 2}, {0}}, Shape{5, 2}}},
                  .refused = {{{7, 2}, {6}}, {{7, 2}, {7, 1}}, {{}, {}}}});
  rows.push_back({.name = "embedding",
                  .call = [](const Tensors& x) { return embedding(x[0], x[1]); },
                  .inputs = {labels_below({3, 2}, 4), real({4, 5})},
                  .empty = {{{{0, 2}, {4, 5}}, Shape{0, 2, 5}}, {{{3}, {4, 0}}, Shape{3, 0}}},
                  .refused = {{{3}, {4}}, {{3}, {}}, {{1, 1, 1, 1, 1, 1, 1, 1}, {4, 5}}},
                  .passes_nan = false});
  rows.push_back({.name = "gather",
                  .call = [](const Tensors& x) { return gather(x[0], x[1], 1); },
                  .inputs = {real({2, 4, 3}), labels_below({2, 5, 3}, 4)},
                  .empty = {{{{0, 4, 3}, {0, 5, 3}}, Shape{0, 5, 3}}, {{{2, 4, 3}, {2, 0, 3}}, Shape{2, 0, 3}}},
                  .refused = {{{2, 4, 3}, {2, 5, 2}}, {{2, 4}, {4}}, {{}, {}}},
                  .passes_nan = false});
  rows.push_back({.name = "take_along",
                  .call = [](const Tensors& x) { return take_along(x[0], x[1], 0); },
                  .inputs = {real({4, 3}), labels_below({5, 1}, 4)},
                  .empty = {{{{4, 0}, {5, 1}}, Shape{5, 0}}},
                  .refused = {{{4, 3}, {5, 2}}, {{4, 3}, {5}}, {{}, {}}},
                  .passes_nan = false});
  rows.push_back({.name = "scatter",
                  .call = [](const Tensors& x) { return scatter(x[0], x[1], 4, -1); },
                  .inputs = {real({2, 6}), labels_below({2, 6}, 4)},
                  .empty = {{{{0, 6}, {0, 6}}, Shape{0, 4}}, {{{2, 0}, {2, 0}}, Shape{2, 4}}},
                  .refused = {{{2, 6}, {2, 5}}, {{2, 6}, {6}}, {{}, {}}}});
  rows.push_back({.name = "scatter_add",
                  .call = [](const Tensors& x) { return scatter_add(x[0], x[1], x[2], 1); },
                  .inputs = {real({2, 4}), labels_below({2, 6}, 4), real({2, 6})},
                  .empty = {{{{0, 4}, {0, 6}, {0, 6}}, Shape{0, 4}}},
                  .refused = {{{2, 4}, {2, 6}, {3, 6}}, {{2, 4}, {2, 6}, {6}}, {{2, 4}, {2, 5}, {2, 6}}}});
  rows.push_back({.name = "masked_fill",
                  .call = [](const Tensors& x) { return masked_fill(x[0], x[1], -3); },
                  .inputs = {real({3, 4}), booleans({3, 1})},
                  .empty = {{{{0, 4}, {1, 4}}, Shape{0, 4}}},
                  .refused = {{{3, 1}, {3, 4}}, {{3, 4}, {2, 4}}, {{3, 4}, {4}}},
                  .passes_nan = false});
  rows.push_back({.name = "one_hot",
                  .call = [](const Tensors& x) { return one_hot(x[0], 4); },
                  .inputs = {labels_below({2, 3}, 4)},
                  .empty = {{{{0, 3}}, Shape{0, 3, 4}}, {{{}}, Shape{4}}},
                  .refused = {{{1, 1, 1, 1, 1, 1, 1, 1}}},
                  .constant = true});
  rows.push_back({.name = "argsort",
                  .call = [](const Tensors& x) { return argsort(x[0], 0); },
                  .inputs = {apart({4, 3})},
                  .empty = {{{{0, 3}}, Shape{0, 3}}},
                  .refused = {{{}}},
                  .constant = true,
                  .passes_nan = false});
  rows.push_back({.name = "sort",
                  .call = [](const Tensors& x) { return sort(x[0], -2, true).values; },
                  .inputs = {apart({4, 3})},
                  .empty = {{{{0, 3}}, Shape{0, 3}}, {{{3, 0}}, Shape{3, 0}}},
                  .refused = {{{}}, {{3}}}});
  rows.push_back({.name = "topk",
                  .call = [](const Tensors& x) { return topk(x[0], 2).values; },
                  .inputs = {apart({3, 5})},
                  .empty = {{{{0, 5}}, Shape{0, 2}}},
                  .refused = {{{3, 1}}, {{}}},
                  .passes_nan = false});
}

}  // namespace

void add_shapes_and_indices(std::vector<Operation>& rows) {
  add_views(rows);
  add_joining(rows);
  add_indexing(rows);
}

}  // namespace dz::test
