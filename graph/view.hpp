#pragma once
// The recorded computation as a Boost graph: a snapshot of all that was recorded on the way to some tensors. Vertices are operations and
// leaves, numbered in the order of their creation; an edge goes from an operation to each of its operands that needs a gradient.
// It models VertexListGraph, EdgeListGraph and BidirectionalGraph, so Boost's algorithms run on it as they are. Analysis and drawing
// go through it; recording and reversing do not.

#include <boost/graph/graph_traits.hpp>
#include <boost/graph/properties.hpp>
#include <boost/iterator/counting_iterator.hpp>
#include <boost/iterator/transform_iterator.hpp>

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <dz/graph/node.hpp>

namespace dz {

class Graph {
 public:
  using vertex_descriptor = std::size_t;
  /// From an operation to its operand. index numbers all edges of the graph, those of one operation in the order of its operands.
  struct edge_descriptor {
    std::size_t source = 0, target = 0, index = 0;
    friend bool operator==(const edge_descriptor&, const edge_descriptor&) = default;
    friend auto operator<=>(const edge_descriptor& a, const edge_descriptor& b) { return a.index <=> b.index; }
  };

  /// Everything that y was computed from. Throws GraphError where nothing was recorded for y.
  explicit Graph(const Tensor& y, At at = At::here()) : Graph(std::vector<Tensor>{y}, at) {}
  explicit Graph(const std::vector<Tensor>& outputs, At at = At::here());

  const Node& node(vertex_descriptor v) const { return *nodes_[v].node(); }
  const NodeRef& reference(vertex_descriptor v) const { return nodes_[v]; }
  /// The vertex of a tensor's node. Throws GraphError where it is not in the graph.
  vertex_descriptor vertex(const Tensor& t, At at = At::here()) const;
  /// Which operand of its source an edge is, counted from 0; and which of the target's outputs it uses.
  std::size_t slot(const edge_descriptor& e) const { return slots_[e.index]; }
  unsigned output(const edge_descriptor& e) const { return outputs_[e.index]; }

  // What Boost.Graph asks for.
  struct traversal_category : boost::vertex_list_graph_tag, boost::edge_list_graph_tag, boost::bidirectional_graph_tag {};
  using directed_category = boost::bidirectional_tag;
  using edge_parallel_category = boost::allow_parallel_edge_tag;  // x * x
  using vertices_size_type = std::size_t;
  using edges_size_type = std::size_t;
  using degree_size_type = std::size_t;
  static vertex_descriptor null_vertex() { return SIZE_MAX; }

  struct EdgeAt {
    const Graph* graph = nullptr;
    edge_descriptor operator()(std::size_t i) const { return graph->edges_[i]; }
  };
  struct InEdgeAt {
    const Graph* graph = nullptr;
    edge_descriptor operator()(std::size_t i) const { return graph->edges_[graph->in_edges_[i]]; }
  };
  using vertex_iterator = boost::counting_iterator<std::size_t>;
  using edge_iterator = boost::transform_iterator<EdgeAt, boost::counting_iterator<std::size_t>>;
  using out_edge_iterator = edge_iterator;
  using in_edge_iterator = boost::transform_iterator<InEdgeAt, boost::counting_iterator<std::size_t>>;

  friend std::size_t num_vertices(const Graph& g) { return g.nodes_.size(); }
  friend std::size_t num_edges(const Graph& g) { return g.edges_.size(); }
  friend std::pair<vertex_iterator, vertex_iterator> vertices(const Graph& g) {
    return {vertex_iterator(0), vertex_iterator(g.nodes_.size())};
  }
  friend std::pair<edge_iterator, edge_iterator> edges(const Graph& g) { return g.range<EdgeAt>(0, g.edges_.size()); }
  friend std::pair<out_edge_iterator, out_edge_iterator> out_edges(std::size_t v, const Graph& g) {
    return g.range<EdgeAt>(g.out_begin_[v], g.out_begin_[v + 1]);
  }
  friend std::pair<in_edge_iterator, in_edge_iterator> in_edges(std::size_t v, const Graph& g) {
    return g.range<InEdgeAt>(g.in_begin_[v], g.in_begin_[v + 1]);
  }
  friend std::size_t out_degree(std::size_t v, const Graph& g) { return g.out_begin_[v + 1] - g.out_begin_[v]; }
  friend std::size_t in_degree(std::size_t v, const Graph& g) { return g.in_begin_[v + 1] - g.in_begin_[v]; }
  friend std::size_t degree(std::size_t v, const Graph& g) { return out_degree(v, g) + in_degree(v, g); }
  friend std::size_t source(const edge_descriptor& e, const Graph&) { return e.source; }
  friend std::size_t target(const edge_descriptor& e, const Graph&) { return e.target; }

  struct EdgeIndex {
    using key_type = edge_descriptor;
    using value_type = std::size_t;
    using reference = std::size_t;
    using category = boost::readable_property_map_tag;
    friend std::size_t get(EdgeIndex, const edge_descriptor& e) { return e.index; }
  };
  using VertexIndex = boost::typed_identity_property_map<std::size_t>;
  friend VertexIndex get(boost::vertex_index_t, const Graph&) { return {}; }
  friend EdgeIndex get(boost::edge_index_t, const Graph&) { return {}; }
  friend std::size_t get(boost::vertex_index_t, const Graph&, std::size_t v) { return v; }
  friend std::size_t get(boost::edge_index_t, const Graph&, const edge_descriptor& e) { return e.index; }

 private:
  template <class At, class Iterator = boost::transform_iterator<At, boost::counting_iterator<std::size_t>>>
  std::pair<Iterator, Iterator> range(std::size_t first, std::size_t last) const {
    return {Iterator(boost::counting_iterator<std::size_t>(first), At{this}),
            Iterator(boost::counting_iterator<std::size_t>(last), At{this})};
  }

  std::vector<NodeRef> nodes_;
  std::unordered_map<const Node*, std::size_t> index_;
  std::vector<edge_descriptor> edges_;
  std::vector<std::size_t> slots_, out_begin_, in_begin_, in_edges_;
  std::vector<unsigned> outputs_;
};

/// What leaves are called in a picture, by their node (`w.from().node()`).
using NodeNames = std::unordered_map<const Node*, std::string>;

/// A picture in Graphviz's language: leaves on top, results below; on every node its operation or name, its shape and its source line.
std::string to_dot(const Graph& g, const NodeNames& names = {});

}  // namespace dz

template <> struct boost::property_map<dz::Graph, boost::vertex_index_t> {
  using type = dz::Graph::VertexIndex;
  using const_type = type;
};
template <> struct boost::property_map<dz::Graph, boost::edge_index_t> {
  using type = dz::Graph::EdgeIndex;
  using const_type = type;
};
