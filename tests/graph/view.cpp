#include <boost/graph/dominator_tree.hpp>
#include <boost/graph/graph_concepts.hpp>
#include <boost/graph/graphviz.hpp>
#include <boost/graph/topological_sort.hpp>

#include <sstream>
#include <string>

#include <dz/dz.hpp>
#include <dz/graph/view.hpp>

#include "tests/support/support.hpp"

using namespace dz;

BOOST_CONCEPT_ASSERT((boost::VertexListGraphConcept<Graph>));
BOOST_CONCEPT_ASSERT((boost::EdgeListGraphConcept<Graph>));
BOOST_CONCEPT_ASSERT((boost::IncidenceGraphConcept<Graph>));
BOOST_CONCEPT_ASSERT((boost::BidirectionalGraphConcept<Graph>));
BOOST_CONCEPT_ASSERT((boost::ReadablePropertyGraphConcept<Graph, std::size_t, boost::vertex_index_t>));

namespace {

struct Small {
  Tensor w = variable(tensor({1, 2, 3, 4}, {2, 2})), b = variable(zeros({1, 2})), product, moved, squared, J;
  int line;

  Small() {
    line = __LINE__ + 1;
    product = matmul(tensor({1, 0, 0, 1}, {2, 2}), w);
    moved = product + b;
    squared = moved * moved;
    J = sum(squared);
  }
};

}  // namespace

TEST_CASE("a graph has an edge for every operand that needs a gradient, in creation order", "[graph]") {
  const Small s;
  const Graph g(s.J);
  REQUIRE(num_vertices(g) == 6);
  CHECK(num_edges(g) == 6);  // J, both sides of the product of moved with itself, its two operands, matmul's one
  for (auto [v, end] = vertices(g); v != end; ++v)
    for (auto [e, last] = out_edges(*v, g); e != last; ++e) {
      CHECK((*e).source == *v);
      CHECK((*e).target < *v);
    }
  const auto squared = g.vertex(s.squared), moved = g.vertex(s.moved);
  CHECK(out_degree(squared, g) == 2);
  CHECK(in_degree(moved, g) == 2);  // parallel edges
  const auto [e, end] = out_edges(squared, g);
  CHECK(g.slot(*e) == 0);
  CHECK(g.slot(*std::next(e)) == 1);
  CHECK(g.vertex(s.J) == 5);
  const auto [first, none] = out_edges(g.vertex(s.product), g);
  CHECK(g.slot(*first) == 1);  // the constant in slot 0 has no edge
  CHECK(std::next(first) == none);
  CHECK(g.node(g.vertex(s.w)).is_leaf());
  std::size_t into = 0;
  for (std::size_t v = 0; v < num_vertices(g); ++v)
    for (auto [i, last] = in_edges(v, g); i != last; ++i, ++into) CHECK((*i).target == v);
  CHECK(into == num_edges(g));
}

TEST_CASE("Boost's algorithms run on a graph as it is", "[graph]") {
  const Small s;
  const Graph g(s.J);

  std::vector<std::size_t> order;
  boost::topological_sort(g, std::back_inserter(order));  // operands first
  REQUIRE(order.size() == num_vertices(g));
  CHECK(order.back() == g.vertex(s.J));

  std::vector<std::size_t> dominator(num_vertices(g), Graph::null_vertex());
  const auto index = get(boost::vertex_index, g);
  boost::lengauer_tarjan_dominator_tree(g, g.vertex(s.J), boost::make_iterator_property_map(dominator.begin(), index));
  CHECK(dominator[g.vertex(s.w)] == g.vertex(s.product));
  CHECK(dominator[g.vertex(s.moved)] == g.vertex(s.squared));

  std::ostringstream plain;
  boost::write_graphviz(plain, g);
  CHECK(plain.str().find("5->4") != std::string::npos);
}

TEST_CASE("the picture names operation, shape, line and leaves", "[graph]") {
  const Small s;
  const std::string dot = to_dot(Graph(s.J), {{s.w.from().node(), "hidden.\"weight\""}});
  CHECK(dot.find("label=\"matmul\\n(2, 2)\\nview.cpp:" + std::to_string(s.line) + "\"") != std::string::npos);
  CHECK(dot.find("hidden.\\\"weight\\\"") != std::string::npos);
  CHECK(dot.find("label=\"variable\\n(1, 2)\"") != std::string::npos);
  CHECK(dot.find("taillabel=\"1\"") != std::string::npos);
}

TEST_CASE("a graph can be drawn after it was reversed, and outlives its tensors", "[graph]") {
  const auto make = [] {
    Small s;
    backward(s.J);
    return Graph(s.J);
  };
  const Graph g = make();
  CHECK(num_vertices(g) == 6);
  CHECK(to_dot(g).find("sum") != std::string::npos);
}

TEST_CASE("a graph of nothing recorded is refused", "[graph]") {
  CHECK_THROWS_AS(Graph(zeros({2})), GraphError);
  const Small s;
  CHECK_THROWS_AS(Graph(s.J).vertex(variable(zeros({1}))), GraphError);
}
