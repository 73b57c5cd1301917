// The rows of convolution, pooling, normalisation and attention in the table of operations.


#include <dz/ops/attention.hpp>
#include <dz/ops/convolution.hpp>
#include <dz/ops/normalisation.hpp>
#include <dz/ops/pooling.hpp>

#include "tests/ops/table.hpp"

namespace dz::test {
namespace {

using Call = std::function<Tensor(const Tensors&)>;

/// An operation whose inputs lie around 0, but for those given as apart.
Operation row(std::string name, Call call, Shapes inputs, std::vector<Empty> empty, std::vector<Shapes> refused,
              Input::Kind kind = Input::Kind::real) {
  Operation o{.name = std::move(name), .call = std::move(call), .inputs = {}, .empty = std::move(empty), .refused = std::move(refused)};
  for (const Shape& s : inputs) o.inputs.push_back({s, -2, 2, kind});
  return o;
}

void add_convolutions(std::vector<Operation>& rows) {
  const Conv2dOptions o{.stride = {2, 1}, .padding = 1};
  rows.push_back(
      row("conv2d", [=](const Tensors& x) { return conv2d(x[0], x[1], o); }, {{2, 4, 3, 2}, {3, 2, 3, 2}},
          {{{{0, 4, 3, 2}, {3, 2, 3, 2}}, Shape{0, 2, 4, 3}}, {{{2, 4, 3, 0}, {3, 0, 3, 2}}, Shape{2, 2, 4, 3}}},
          {{{4, 3, 2}, {3, 2, 3, 2}}, {{2, 4, 3, 2}, {3, 1, 3, 2}}, {{2, 4, 3, 2}, {3, 2, 7, 2}}, {{2, 4, 3, 2}, {3, 2, 0, 2}}}));
  rows.push_back(row("conv2d with a bias", [=](const Tensors& x) { return conv2d(x[0], x[1], x[2], o); }, {{2, 4, 3, 2}, {3, 2, 3, 2}, {3}},
                     {{{{0, 4, 3, 2}, {3, 2, 3, 2}, {3}}, Shape{0, 2, 4, 3}}},
                     {{{2, 4, 3, 2}, {3, 2, 3, 2}, {2}}, {{2, 4, 3, 2}, {3, 2, 3, 2}, {1, 3}}}));
  rows.push_back(row("conv2d_relu", [=](const Tensors& x) { return conv2d(x[0], x[1], x[2], o, relu); }, {{2, 4, 3, 2}, {3, 2, 3, 2}, {3}},
                     {{{{0, 4, 3, 2}, {3, 2, 3, 2}, {3}}, Shape{0, 2, 4, 3}}},
                     {{{2, 4, 3, 2}, {3, 2, 3, 2}, {2}}, {{2, 4, 3, 2}, {3, 2, 3, 2}, {1, 3}}}));
  rows.push_back(row("conv2d in groups", [](const Tensors& x) { return conv2d(x[0], x[1], {.dilation = 2, .groups = 2}); },
                     {{1, 4, 4, 4}, {2, 2, 2, 2}}, {{{{0, 4, 4, 4}, {2, 2, 2, 2}}, Shape{0, 2, 2, 2}}}, {{{1, 4, 4, 4}, {3, 2, 2, 2}}}));
  rows.push_back(row("conv2d_by_input",
                     [=](const Tensors& x) {
                       return conv2d_by_input(x[0], x[1], {4, 3}, o);
                     },
                     {{2, 2, 4, 3}, {3, 2, 3, 2}}, {{{{0, 2, 4, 3}, {3, 2, 3, 2}}, Shape{0, 4, 3, 2}}},
                     {{{2, 2, 3, 3}, {3, 2, 3, 2}}, {{2, 4, 3}, {3, 2, 3, 2}}, {{2, 2, 4, 3}, {3, 2, 3}}}));
  rows.push_back(row("conv2d_by_kernel",
                     [=](const Tensors& x) {
                       return conv2d_by_kernel(x[0], x[1], {3, 2}, o);
                     },
                     {{2, 2, 4, 3}, {2, 4, 3, 2}}, {{{{0, 2, 4, 3}, {0, 4, 3, 2}}, Shape{3, 2, 3, 2}}},
                     {{{2, 2, 3, 3}, {2, 4, 3, 2}}, {{1, 2, 4, 3}, {2, 4, 3, 2}}, {{2, 2, 4, 3}, {4, 3, 2}}}));
  rows.push_back(row("transposed_conv2d",
                     [](const Tensors& x) {
                       return transposed_conv2d(x[0], x[1], x[2], {.stride = 2, .padding = 1, .output_padding = {1, 0}});
                     },
                     {{2, 2, 3, 2}, {2, 3, 3, 2}, {3}}, {{{{0, 2, 3, 2}, {2, 3, 3, 2}, {3}}, Shape{0, 4, 4, 3}}},
                     {{{2, 2, 3, 2}, {3, 3, 3, 2}, {3}}, {{2, 2, 3, 2}, {2, 3, 3, 2}, {2}}, {{2, 0, 3, 2}, {2, 3, 3, 2}, {3}}}));
  rows.push_back(row("conv1d", [](const Tensors& x) { return conv1d(x[0], x[1], x[2], {.stride = 2, .padding = 1}); },
                     {{2, 5, 2}, {3, 2, 3}, {3}}, {{{{0, 5, 2}, {3, 2, 3}, {3}}, Shape{0, 3, 3}}},
                     {{{5, 2}, {3, 2, 3}, {3}}, {{2, 5, 3}, {3, 2, 3}, {3}}, {{2, 5, 2}, {3, 2, 8}, {3}}}));
  rows.push_back(row("transposed_conv1d", [](const Tensors& x) { return transposed_conv1d(x[0], x[1], {.stride = 2}); },
                     {{2, 3, 2}, {2, 3, 3}}, {{{{0, 3, 2}, {2, 3, 3}}, Shape{0, 7, 3}}}, {{{3, 2}, {2, 3, 3}}, {{2, 3, 3}, {2, 3, 3}}}));
}

void add_pooling(std::vector<Operation>& rows) {
  const auto image = [&](std::string name, Call call, const Shape& empty_gives) {
    rows.push_back(row(std::move(name), std::move(call), {{2, 5, 4, 3}}, {{{{0, 5, 4, 3}}, empty_gives}}, {{{5, 4, 3}}, {{2, 0, 4, 3}}},
                       Input::Kind::apart));
  };
  image("max_pool2d", [](const Tensors& x) { return max_pool2d(x[0], {.window = 3, .stride = 2, .padding = 1}); }, {0, 3, 2, 3});
  image("average_pool2d", [](const Tensors& x) { return average_pool2d(x[0], {.window = 3, .stride = 2, .padding = 1}); }, {0, 3, 2, 3});
  image("average_pool2d without padding",
        [](const Tensors& x) {
          return average_pool2d(x[0], {.window = {3, 2}, .stride = 2, .padding = 1, .count_padding = false});
        },
        {0, 3, 3, 3});
  image("adaptive_average_pool2d", [](const Tensors& x) { return adaptive_average_pool2d(x[0], {3, 1}); }, {0, 3, 1, 3});
  image("adaptive_max_pool2d", [](const Tensors& x) { return adaptive_max_pool2d(x[0], {2, 3}); }, {0, 2, 3, 3});
  rows.push_back(row(
      "max_pool1d", [](const Tensors& x) { return max_pool1d(x[0], {.window = 2}); }, {{2, 6, 3}}, {{{{0, 6, 3}}, Shape{0, 3, 3}}},
      {{{6, 3}}, {{2, 1, 3}}}, Input::Kind::apart));
  rows.push_back(row("average_pool1d", [](const Tensors& x) { return average_pool1d(x[0], {.window = 3, .stride = 1, .padding = 1}); },
                     {{2, 6, 3}}, {{{{0, 6, 3}}, Shape{0, 6, 3}}}, {{{6, 3}}, {{2, 0, 3}}}));
}

void add_normalisation(std::vector<Operation>& rows) {
  rows.push_back(row("batch_norm in training", [](const Tensors& x) { return batch_norm(x[0], x[1], x[2]).y; }, {{3, 2, 4}, {4}, {4}},
                     {{{{0, 4}, {4}, {4}}, std::nullopt}, {{{3, 0}, {0}, {0}}, std::nullopt}},
                     {{{3, 4}, {3}, {4}}, {{3, 4}, {4}, {1, 4}}, {{4}, {4}, {4}}}));
  rows.back().smallest = 2;
  rows.push_back(row("batch_norm in evaluation", [](const Tensors& x) { return batch_norm(x[0], x[1], x[2], x[3], x[4]); },
                     {{3, 2, 4}, {4}, {4}, {4}, {4}}, {{{{0, 4}, {4}, {4}, {4}, {4}}, Shape{0, 4}}},
                     {{{3, 4}, {4}, {4}, {1}, {4}}, {{4}, {4}, {4}, {4}, {4}}}));
  rows.back().inputs[4] = {{4}, 0.5, 2};
  rows.push_back(row("layer_norm", [](const Tensors& x) { return layer_norm(x[0], x[1], x[2]); }, {{3, 2, 5}, {5}, {5}},
                     {{{{0, 4}, {4}, {4}}, Shape{0, 4}}, {{{3, 0}, {0}, {0}}, Shape{3, 0}}},
                     {{{3, 4}, {3}, {4}}, {{3, 4}, {4}, {}}, {{}, {}, {}}}));
  rows.back().smallest = 3;
  rows.push_back(row("group_norm", [](const Tensors& x) { return group_norm(x[0], 2, x[1], x[2]); }, {{2, 3, 4}, {4}, {4}},
                     {{{{0, 4}, {4}, {4}}, Shape{0, 4}}, {{{2, 0, 4}, {4}, {4}}, Shape{2, 0, 4}}},
                     {{{2, 5}, {5}, {5}}, {{2, 4}, {2}, {4}}, {{4}, {4}, {4}}}));
  rows.push_back(row("rms_norm", [](const Tensors& x) { return rms_norm(x[0], x[1]); }, {{3, 2, 5}, {5}}, {{{{0, 4}, {4}}, Shape{0, 4}}},
                     {{{3, 4}, {3}}, {{}, {}}}));
  rows.back().smallest = 2;
}

void add_attention(std::vector<Operation>& rows) {
  const std::vector<Empty> empty{{{{0, 3, 2}, {0, 4, 2}, {0, 4, 3}}, Shape{0, 3, 3}}, {{{2, 0, 2}, {2, 4, 2}, {2, 4, 3}}, Shape{2, 0, 3}}};
  const std::vector<Shapes> refused{{{2, 3, 2}, {2, 4, 3}, {2, 4, 3}},
                                    {{2, 3, 2}, {2, 4, 2}, {2, 3, 3}},
                                    {{2, 3, 2}, {1, 4, 2}, {2, 4, 3}},
                                    {{3, 2}, {2, 4, 2}, {2, 4, 3}},
                                    {{2}, {2}, {2}}};
  rows.push_back(row(
      "attention", [](const Tensors& x) { return attention(x[0], x[1], x[2]); }, {{2, 3, 2}, {2, 4, 2}, {2, 4, 3}}, empty, refused));
  rows.push_back(row("attention to the past", [](const Tensors& x) { return attention(x[0], x[1], x[2], {.causal = true}); },
                     {{2, 3, 2}, {2, 4, 2}, {2, 4, 3}}, empty, {{{2, 5, 2}, {2, 4, 2}, {2, 4, 3}}}));
  rows.push_back(row("attention with a mask", [](const Tensors& x) { return attention(x[0], x[1], x[2], {.mask = x[3], .scale = 0.5}); },
                     {{2, 3, 2}, {2, 4, 2}, {2, 4, 3}, {1, 3, 4}}, {}, {{{2, 3, 2}, {2, 4, 2}, {2, 4, 3}, {3, 4}}}));
  rows.push_back(row("self_attention", [](const Tensors& x) { return self_attention(x[0], 2, {.causal = true}); }, {{2, 3, 12}},
                     {{{{0, 3, 12}}, Shape{0, 3, 4}}, {{{2, 0, 12}}, Shape{2, 0, 4}}}, {{{2, 3, 9}}, {{3, 12}}, {{2, 3, 4}}}));
}

}  // namespace

void add_layers(std::vector<Operation>& rows) {
  add_convolutions(rows);
  add_pooling(rows);
  add_normalisation(rows);
  add_attention(rows);
}

}  // namespace dz::test

