#include <dz/graph/view.hpp>

#include <boost/graph/graphviz.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace dz {

Graph::Graph(const std::vector<Tensor>& outputs, At at) {
  const auto add = [this](const NodeRef& r) {
    if (index_.emplace(r.node(), 0).second) nodes_.push_back(NodeRef::share(r.node()));
  };
  for (const Tensor& y : outputs) {
    if (!y.requires_grad()) throw GraphError("nothing was recorded for this tensor", "Graph", at);
    add(y.from());
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    for (const NodeRef& operand : nodes_[i].node()->edges())
      if (operand) add(operand);
  std::stable_sort(nodes_.begin(), nodes_.end(),
                   [](const NodeRef& a, const NodeRef& b) { return a.node()->number() < b.node()->number(); });
  for (std::size_t v = 0; v < nodes_.size(); ++v) index_[nodes_[v].node()] = v;

  in_begin_.assign(nodes_.size() + 1, 0);
  for (std::size_t v = 0; v < nodes_.size(); ++v) {
    out_begin_.push_back(edges_.size());
    const auto operands = nodes_[v].node()->edges();
    for (std::size_t slot = 0; slot < operands.size(); ++slot) {
      if (!operands[slot]) continue;
      const std::size_t to = index_.at(operands[slot].node());
      edges_.push_back({v, to, edges_.size()});
      slots_.push_back(slot);
      outputs_.push_back(operands[slot].output());
      ++in_begin_[to + 1];
    }
  }
  out_begin_.push_back(edges_.size());
  for (std::size_t v = 0; v < nodes_.size(); ++v) in_begin_[v + 1] += in_begin_[v];
  in_edges_.resize(edges_.size());
  std::vector<std::size_t> next(in_begin_.begin(), in_begin_.end() - 1);
  for (const edge_descriptor& e : edges_) in_edges_[next[e.target]++] = e.index;
}

Graph::vertex_descriptor Graph::vertex(const Tensor& t, At at) const {
  const auto found = t.requires_grad() ? index_.find(t.from().node()) : index_.end();
  if (found == index_.end()) throw GraphError("the tensor is not in this graph", "Graph", at);
  return found->second;
}

namespace {

/// In quotation marks, as Graphviz reads it; line breaks stay.
std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') out += "\\n";
    else if (static_cast<unsigned char>(c) >= 32) out += c;
  }
  return out + '"';
}

std::string label_of(const Node& n, const NodeNames& names) {
  const auto named = names.find(&n);
  std::string label = named == names.end() ? n.name() : named->second;
  for (unsigned o = 0; o < n.output_count(); ++o) label += (o ? " " : "\n") + to_string(n.output(o).shape());
  std::string place = to_string(n.at());
  place.erase(0, place.rfind('/') + 1);
  return place.empty() ? label : label + "\n" + place;
}

}  // namespace

std::string to_dot(const Graph& g, const NodeNames& names) {
  std::ostringstream out;
  boost::write_graphviz(
      out, g,
      [&](std::ostream& o, std::size_t v) {
        const Node& n = g.node(v);
        o << fmt::format("[label={} shape={} style=\"{}\" fillcolor=\"{}\"]", in_quotes(label_of(n, names)),
                         n.is_leaf() ? "ellipse" : "box", n.is_leaf() ? "filled" : "filled,rounded", n.is_leaf() ? "#d7e8f7" : "#f4f1e8");
      },
      [&](std::ostream& o, const Graph::edge_descriptor& e) {
        o << "[dir=back";
        if (out_degree(e.source, g) > 1) o << " labeldistance=2 labelangle=-35 taillabel=\"" << g.slot(e) << '"';
        o << ']';
      },
      [](std::ostream& o) {
        o << "rankdir=BT\nnode [fontname=\"Helvetica\" fontsize=11 color=\"#555555\"]\nedge [fontname=\"Helvetica\" fontsize=9 color=\"#777777\"]\n";
      });
  return out.str();
}

}  // namespace dz
