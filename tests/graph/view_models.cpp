// The recorded graph of real models under Boost's algorithms: the notes' deep network and a block of attention.

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/dominator_tree.hpp>
#include <boost/graph/edmonds_karp_max_flow.hpp>
#include <boost/graph/graphviz.hpp>
#include <boost/graph/topological_sort.hpp>

#include <algorithm>
#include <iterator>
#include <sstream>
#include <string>

#include <dz/dz.hpp>
#include <dz/graph/view.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

struct Block {
  Linear q{4, 4}, k{4, 4}, v{4, 4}, out{4, 4};
  Parameter scale{ones({4})}, shift{zeros({4})};
  Tensor operator()(In x) const {
    const Tensor y = layer_norm(x, scale, shift);  // (tokens, width)
    const auto heads = [&](const Tensor& t) { return reshape(t, {1, t.size(0), t.size(1)}); };
    return x + out(reshape(attention(heads(q(y)), heads(k(y)), heads(v(y)), {.causal = true}), x.shape()));
  }
};
BOOST_DESCRIBE_STRUCT(Block, (), (q, k, v, out, scale, shift))

/// A model's cost, with what it was computed from.
struct Recorded {
  std::string name;
  Tensor J, input;
  std::vector<Tensor> parameters;
};

Recorded deep_network() {
  seed(1);
  Mlp net = mlp({12, 20, 7, 5, 1});
  const Tensor x = variable(normal({6, 12})), y = cast(less(uniform({6, 1}), 0.5), float32);
  Tensor J = binary_cross_entropy(sigmoid(net(x)), y);
  for (const Linear& layer : net.layers) J = J + 0.01 * squared_frobenius_norm(layer.weight);
  Recorded r{"the notes' deep network", J, x, {}};
  for (const auto& [name, p] : parameters(net)) r.parameters.push_back(*p);
  return r;
}

Recorded attention_model() {
  seed(2);
  Block first, second;
  const Tensor x = variable(normal({3, 4}));
  Recorded r{"two blocks of attention", mean(square(second(first(x)))), x, {}};
  for (Block* block : {&first, &second})
    for (const auto& [name, p] : parameters(*block)) r.parameters.push_back(*p);
  return r;
}

/// Reachable from the cost without passing a vertex.
std::vector<bool> reached_without(const Graph& g, std::size_t from, std::size_t removed) {
  std::vector<bool> seen(num_vertices(g));
  if (from == removed) return seen;
  seen[from] = true;
  for (std::size_t v = num_vertices(g); v-- > 0;)  // operands come before what is computed from them
    if (seen[v] && v != removed)
      for (auto [e, end] = out_edges(v, g); e != end; ++e) seen[target(*e, g)] = seen[target(*e, g)] || target(*e, g) != removed;
  return seen;
}

using Traits = boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::directedS>;
using Flow = boost::adjacency_list<
    boost::vecS, boost::vecS, boost::directedS, boost::no_property,
    boost::property<boost::edge_capacity_t, long,
                    boost::property<boost::edge_residual_capacity_t, long, boost::property<boost::edge_reverse_t, Traits::edge_descriptor>>>>;

/// How many ways lead from the cost to a vertex that share no edge: the maximal flow with capacities of 1.
long ways_apart(const Graph& g, std::size_t from, std::size_t to) {
  Flow flow(num_vertices(g));
  const auto capacity = get(boost::edge_capacity, flow);
  const auto back = get(boost::edge_reverse, flow);
  for (auto [e, end] = edges(g); e != end; ++e) {
    const auto there = add_edge(source(*e, g), target(*e, g), flow).first, again = add_edge(target(*e, g), source(*e, g), flow).first;
    capacity[there] = 1, capacity[again] = 0;
    back[there] = again, back[again] = there;
  }
  return boost::edmonds_karp_max_flow(flow, from, to);
}

}  // namespace

TEST_CASE("real models: sorted topologically, a graph is in creation order", "[graph]") {
  for (const Recorded& model : {deep_network(), attention_model()}) {
    INFO(model.name);
    const Graph g(model.J);
    CHECK(num_vertices(g) > 20);
    std::vector<std::size_t> order, numbers;
    boost::topological_sort(g, std::back_inserter(order));
    REQUIRE(order.size() == num_vertices(g));
    for (std::size_t i = 0; i < order.size(); ++i) CHECK(order[i] == i);
    for (const std::size_t v : order) numbers.push_back(g.node(v).number());
    CHECK(std::ranges::is_sorted(numbers));
    CHECK(order.back() == g.vertex(model.J));
    for (const Tensor& p : model.parameters) CHECK(out_degree(g.vertex(p), g) == 0);
  }
}

TEST_CASE("real models: dominators are what no way from the cost goes around", "[graph]") {
  for (const Recorded& model : {deep_network(), attention_model()}) {
    INFO(model.name);
    const Graph g(model.J);
    const std::size_t root = g.vertex(model.J);
    std::vector<std::size_t> dominator(num_vertices(g), Graph::null_vertex());
    boost::lengauer_tarjan_dominator_tree(g, root, boost::make_iterator_property_map(dominator.begin(), get(boost::vertex_index, g)));
    for (std::size_t removed = 0; removed < num_vertices(g); ++removed) {
      const std::vector<bool> reached = reached_without(g, root, removed);
      for (std::size_t v = 0; v < num_vertices(g); ++v) {
        bool dominates = v == removed;  // along the tree
        for (std::size_t up = v; !dominates && up != Graph::null_vertex(); up = dominator[up]) dominates = up == removed;
        CHECK(dominates == !reached[v]);
      }
    }
  }
}

TEST_CASE("real models: the maximal flow from the cost to a leaf counts its ways", "[graph]") {
  const Recorded deep = deep_network(), block = attention_model();
  const Graph of_deep(deep.J), of_block(block.J);
  // The network is a chain: one way to its input. Its cost is the entropy with the layers' norms added one after another, so only the
  // last weight has a way past the edge that all others share.
  CHECK(ways_apart(of_deep, of_deep.vertex(deep.J), of_deep.vertex(deep.input)) == 1);
  const std::size_t last_weight = of_deep.vertex(deep.parameters[deep.parameters.size() - 2]);
  for (const Tensor& p : deep.parameters)
    CHECK(ways_apart(of_deep, of_deep.vertex(deep.J), of_deep.vertex(p)) == (of_deep.vertex(p) == last_weight ? 2 : 1));
  // Everything behind the mean passes one edge; from the sum that the second block gives, the first block's result is reached past it
  // and through the norm.
  CHECK(ways_apart(of_block, of_block.vertex(block.J), of_block.vertex(block.input)) == 1);
  std::size_t last_sum = of_block.vertex(block.J);
  while (std::string(of_block.node(last_sum).name()) != "add") --last_sum;
  CHECK(ways_apart(of_block, last_sum, of_block.vertex(block.input)) == 2);
}

TEST_CASE("real models: write_graphviz names every vertex and edge", "[graph]") {
  for (const Recorded& model : {deep_network(), attention_model()}) {
    INFO(model.name);
    const Graph g(model.J);
    std::ostringstream out;
    boost::write_graphviz(out, g, [&](std::ostream& o, std::size_t v) { o << "[label=\"" << g.node(v).name() << "\"]"; });
    const std::string text = out.str();
    const auto count = [&](const std::string& what) {
      std::size_t n = 0;
      for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++n;
      return n;
    };
    CHECK(count("->") == num_edges(g));
    CHECK(count("label=") == num_vertices(g));
    CHECK(count("\"linear") >= 4);  // linear_relu too
    CHECK(text.starts_with("digraph"));
  }
}
