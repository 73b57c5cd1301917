#pragma once
// Where kernels change their way: from a loop to a library, from one thread to two, from one block to the next. All of them stand in this
// file, so that the tests of every operation find the sizes on both sides of each (<dz/testing/…>). A kernel with a new one adds it here
// and to the list at the end.

#include <cstdint>

namespace dz {

// ---- those that a test may move (<dz/tensor/force.hpp>); nothing else writes them

/// Elements a thread should have before a second one pays (an empty parallel region costs about 0.6 µs).
extern constinit std::int64_t elementwise_grain;
/// Multiply-adds up to which a float64 product of matrices is a loop: calling BLAS costs more than computing.
extern constinit std::int64_t loop_product;
/// The same for float32, whose loops are of packs.
extern constinit std::int64_t pack_product;
/// Multiply-adds from which a float32 product is gone through in tiles, on AVX-512, or, from five times as many on, is oneDNN's; below it is BLAS's, and a convolution oneDNN's.
extern constinit std::int64_t tile_product;
/// The rows, and columns, that such a product has at least: one of fewer is BLAS's; and the channels in a group of a convolution's result.
extern constinit std::int64_t tile_side;
/// A float32 product of which rows of a and columns of b lie along the common axis is taken as dot products from so many terms on, and up to so
/// many columns or, of float32 operands that are not to be rounded, rows.
extern constinit std::int64_t dot_terms, dot_columns, dot_rows;
/// Elements of a convolution's matrix of windows that are laid out at a time.
extern constinit std::int64_t window_elements;

// ---- those that are built into a kernel

namespace thresholds {
inline constexpr std::int64_t pack_bytes = 64;              ///< elementwise: a pack; what remains at the end of a row goes through a buffer
inline constexpr std::int64_t sum_block = 4096;             ///< sums: elements summed by one thread, each block by itself
inline constexpr std::int64_t sum_chunk = 256;              ///< sums: summed in the element type before they go over into double
inline constexpr std::int64_t sum_columns = 256;            ///< sums along an outer axis: columns summed at a time
inline constexpr std::int64_t summed_strip = 64;            ///< a dense layer's bias gradient: columns gone through together
inline constexpr std::int64_t summed_rows = 16;             ///< the same: rows summed in the element type before they go over into double
inline constexpr std::int64_t summed_block = 256;           ///< the same: rows summed by one thread, each block by itself
inline constexpr std::int64_t normalised_runs = 64;         ///< normalisation: runs whose parts of the scale's gradient are added together
inline constexpr std::int64_t normalised_channels = 128;    ///< normalisation: channels gone through together
inline constexpr std::int64_t pooled_channels = 64;         ///< pooling: channels gone through together
inline constexpr std::int64_t factorised_size = 32;         ///< factorisations: size of a matrix up to which threads share a batch
}  // namespace thresholds

/// A threshold by name, with the size at which it lies at this moment.
struct Threshold {
  const char* name;
  const std::int64_t* size;
};

inline constexpr Threshold all_thresholds[] = {
    {"elementwise_grain", &elementwise_grain},
    {"loop_product", &loop_product},
    {"pack_product", &pack_product},
    {"tile_product", &tile_product},
    {"tile_side", &tile_side},
    {"dot_terms", &dot_terms},
    {"dot_columns", &dot_columns},
    {"dot_rows", &dot_rows},
    {"pack_bytes", &thresholds::pack_bytes},
    {"sum_block", &thresholds::sum_block},
    {"sum_chunk", &thresholds::sum_chunk},
    {"sum_columns", &thresholds::sum_columns},
    {"summed_strip", &thresholds::summed_strip},
    {"summed_rows", &thresholds::summed_rows},
    {"summed_block", &thresholds::summed_block},
    {"normalised_runs", &thresholds::normalised_runs},
    {"normalised_channels", &thresholds::normalised_channels},
    {"pooled_channels", &thresholds::pooled_channels},
    {"factorised_size", &thresholds::factorised_size},
    {"window_elements", &window_elements},
};

}  // namespace dz
