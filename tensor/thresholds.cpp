#include <dz/tensor/thresholds.hpp>

namespace dz {

constinit std::int64_t elementwise_grain = 16384, loop_product = 512, pack_product = 16384, tile_product = 200'000, tile_side = 8, dot_terms = 256, dot_columns = 24, dot_rows = 64,
                       window_elements = 1 << 18;

}  // namespace dz
