#pragma once
// Random networks with a wrong operation somewhere inside, which check_graph is to find.

#include <cstdint>

namespace dz::quality {

struct Named {
  int networks = 0, named = 0, least_nodes = 1 << 30;
};
/// In so many networks of at least thirty operations: is the wrong operation named with its line, and no other?
Named name_culprits(int networks, std::uint64_t seed);

}  // namespace dz::quality
