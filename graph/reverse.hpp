#pragma once
// The reverse pass: from an output back through everything that it was computed from, in falling creation number.

#include <initializer_list>

#include <dz/graph/tensor.hpp>

namespace dz {

struct BackwardOptions {
  bool retain = false;  ///< keep the graph for another pass
  Tensor seed{};        ///< the cotangent to start from; 1 for a single element
};

/// Adds the gradient of y into `.grad()` of every leaf that y was computed from. Not recorded itself. The gradients are committed
/// together at the end: after an exception each is as it was. Without `retain` the graph is spent afterwards.
/// Throws GraphError where y was not recorded, has more than one element and no seed, or was spent before.
void backward(In y, BackwardOptions options = {});

struct GradOptions {
  bool create_graph = false;  ///< record the pass, so that the gradients can be differentiated (implies retain)
  bool retain = false;
  std::vector<Tensor> seeds{};  ///< a cotangent for each output; without them each output has one element
};

/// The gradients of the outputs' sum with respect to the inputs (leaves or intermediate results), in their order; zeros for an
/// input that no output depends on. Touches no leaf.
std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs, const GradOptions& options = {},
                         At at = At::here());
Tensor grad(const Tensor& output, const Tensor& input, const GradOptions& options = {}, At at = At::here());

namespace detail {
/// One node pulled by itself, with these outputs where they are given, not those that it kept: for each of its edges the gradient, summed to
/// the operand's shape (empty where there is no edge).
std::vector<Tensor> pull_alone(const NodeRef& node, const std::vector<Tensor>& cotangents, std::vector<Array> outputs = {});
}  // namespace detail

}  // namespace dz
