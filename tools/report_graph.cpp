// The recorded graph in a report.

#include <fmt/format.h>

#include <cctype>

#include "tools/graphviz.hpp"
#include "tools/report_parts.hpp"
#include "tools/svg.hpp"

namespace dz::tool {

namespace {

constexpr std::size_t most_bytes = 4 << 20;  // a larger picture makes a page that browsers struggle with

/// Removes every piece from `open` to `close`, both included.
void remove_all(std::string& text, std::string_view open, std::string_view close) {
  std::string out;
  std::size_t from = 0;
  for (;;) {
    const std::size_t begin = text.find(open, from), end = begin == text.npos ? begin : text.find(close, begin + open.size());
    if (end == text.npos) break;
    out.append(text, from, begin - from);
    from = end + close.size();
  }
  text = out.append(text, from);
}

/// As it may stand inside a page: from <svg> to </svg>, without comments, the vertices' numbers as tooltips, and the names of
/// XML namespaces, which HTML does not need.
std::string for_page(std::string svg) {
  const std::size_t begin = svg.find("<svg"), end = svg.rfind("</svg>");
  if (begin == svg.npos || end == svg.npos || end < begin) return {};
  svg = svg.substr(begin, end + 6 - begin);
  remove_all(svg, "<!--", "-->");
  remove_all(svg, "<title>", "</title>");
  remove_all(svg, " xmlns=\"", "\"");
  remove_all(svg, " xmlns:xlink=\"", "\"");
  return svg.size() <= most_bytes ? svg : std::string();
}

struct Counts {
  std::size_t nodes = 0, edges = 0;
};

/// Of a graph as to_dot writes it: a statement a line, `3[…];` a node and `3->1 […];` an edge.
Counts counts_of(std::string_view dot) {
  Counts counts;
  while (!dot.empty()) {
    const std::string_view line = dot.substr(0, dot.find('\n'));
    dot.remove_prefix(std::min(dot.size(), line.size() + 1));
    std::size_t i = 0;
    while (i < line.size() && std::isdigit(static_cast<unsigned char>(line[i]))) ++i;
    if (i == 0 || i == line.size()) continue;
    if (line.substr(i, 2) == "->") ++counts.edges;
    else if (line[i] == '[' || line[i] == ';') ++counts.nodes;
  }
  return counts;
}

std::string counted(std::size_t count, std::string_view what) { return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s"); }

}  // namespace

std::string graph_section(const std::string& dot) {
  if (dot.empty()) return {};
  const Counts counts = counts_of(dot);
  std::string out = "<section><h2>Recorded graph</h2><p class=\"note\">" + counted(counts.nodes, "node") + " and " +
                    counted(counts.edges, "edge") + ": what one iteration computes, with the line of the source it comes from.</p>";
  const std::string svg = for_page(render_dot(dot));
  if (!svg.empty())
    return out + "<div class=\"graph\" tabindex=\"0\" role=\"img\" aria-label=\"The recorded graph\">" + svg + "</div></section>\n";
  return out + "<details><summary>The graph in Graphviz’s language</summary><pre>" + escape(dot) + "</pre></details></section>\n";
}

}  // namespace dz::tool
