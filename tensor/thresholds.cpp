#include <dz/tensor/thresholds.hpp>

namespace dz {

constinit std::int64_t elementwise_grain = 16384, loop_product = 512, onednn_product = 1'000'000, window_elements = 1 << 18;

}  // namespace dz
