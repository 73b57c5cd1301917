// What was recorded is a Boost graph: its algorithms run on it as they are.
#include <dz/dz.hpp>
#include <dz/graph/view.hpp>

#include <boost/graph/topological_sort.hpp>

#include <cstdio>
#include <iterator>

using namespace dz;

int main() {
  const Mlp network = mlp({2, 3, 1});
  const Tensor J = binary_cross_entropy_with_logits(network(normal({5, 2})), ones({5, 1}));
  const Graph graph(J);

  std::vector<std::size_t> order;
  boost::topological_sort(graph, std::back_inserter(order));  // operands first
  for (const std::size_t v : order)
    std::printf("%-34s uses %zu, used by %zu\n", graph.node(v).name(), out_degree(v, graph), in_degree(v, graph));
  std::printf("\n%s", to_dot(graph).c_str());  // for Graphviz: dot -Tsvg
}
