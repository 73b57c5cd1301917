#pragma once

#include <dz/models/parameters.hpp>

namespace dz {

/// What an optimiser keeps of a model from step to step: one buffer for each of its parameters, in their order, empty where there
/// never was a gradient. A copy has values of its own.
using Gathered = std::vector<Parameter>;

}  // namespace dz
