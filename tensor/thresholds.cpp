#include <dz/tensor/thresholds.hpp>

namespace dz {

constinit std::int64_t elementwise_grain = 16384, loop_product = 512, pack_product = 16384, onednn_product = 1'000'000, dot_terms = 1024, dot_columns = 24,
                       packed_rows = 512, packed_rows_of_columns = 2048, window_elements = 1 << 18;

}  // namespace dz
