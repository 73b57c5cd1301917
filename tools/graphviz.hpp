#pragma once
// Pictures of graphs by Graphviz's program dot, where it is installed.

#include <chrono>
#include <string>
#include <string_view>

namespace dz::tool {

/// The SVG file that `dot -Tsvg` makes of a graph in Graphviz's language. Empty where dot is missing, fails, or takes longer than
/// the limit, when it is ended. Throws MemoryError for want of memory only.
std::string render_dot(std::string_view dot, std::chrono::milliseconds limit = std::chrono::seconds(20));

}  // namespace dz::tool
