// What was recorded is a Boost graph: it is drawn, and questioned by Boost's algorithms as they are.
#include <dz/dz.hpp>
#include <dz/graph/view.hpp>

#include <boost/graph/dag_shortest_paths.hpp>
#include <boost/graph/dominator_tree.hpp>
#include <boost/graph/topological_sort.hpp>

#include <algorithm>
#include <cstdio>
#include <iterator>

using namespace dz;

/// By the numbers of the vertices.
template <class T> auto map_of(std::vector<T>& values, const Graph& graph) {
  return boost::make_iterator_property_map(values.begin(), get(boost::vertex_index, graph));
}

int main() {
  Mlp network = mlp({2, 3, 1});
  const Tensor J = binary_cross_entropy_with_logits(network(normal({5, 2})), ones({5, 1})) + l2_cost(network, 0.1, 5);
  const Graph graph(J);
  NodeNames names;
  for (const auto& [name, parameter] : parameters(network)) names[parameter->from().node()] = name;
  const auto name_of = [&](std::size_t v) {
    const auto named = names.find(&graph.node(v));
    return named == names.end() ? std::string(graph.node(v).name()) : named->second;
  };

  std::printf("In the order of their computation:\n");
  std::vector<std::size_t> order;
  boost::topological_sort(graph, std::back_inserter(order));  // operands first
  for (const std::size_t v : order) std::printf("  %-38s uses %zu, used by %zu\n", name_of(v).c_str(), out_degree(v, graph), in_degree(v, graph));

  // The dominator of a value is what every way from the cost to it passes last: all of its gradient comes through there.
  std::vector<std::size_t> dominator(num_vertices(graph), Graph::null_vertex());
  boost::lengauer_tarjan_dominator_tree(graph, graph.vertex(J), map_of(dominator, graph));
  for (const auto& [name, parameter] : parameters(network))
    std::printf("all of the gradient of %-15s comes through %s\n", name.c_str(), name_of(dominator[graph.vertex(*parameter)]).c_str());

  // The longest way down from the cost, every edge counting 1: so many derivatives are multiplied at most. (The shortest of lengths −1.)
  std::vector<int> length(num_vertices(graph), 0), weight(num_edges(graph), -1);
  std::vector<std::size_t> before(num_vertices(graph));
  boost::dag_shortest_paths(graph, graph.vertex(J), boost::distance_map(map_of(length, graph)).predecessor_map(map_of(before, graph)).weight_map(
                            boost::make_iterator_property_map(weight.begin(), get(boost::edge_index, graph))));
  const auto deepest = static_cast<std::size_t>(std::min_element(length.begin(), length.end()) - length.begin());
  std::printf("%d operations between the cost and %s\n\n", -length[deepest], name_of(deepest).c_str());

  std::printf("%s", to_dot(graph, names).c_str());  // for Graphviz: dot -Tsvg
}
