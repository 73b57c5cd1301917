#pragma once
// Images in the cells that tiles multiply, with the zeros around them that a convolution's windows reach: so that what a place sees of a row of the image
// lies there as it is wanted, and nothing is gathered. For AVX-512.

#include <dz/tensor/kernels/convolution.hpp>
#include <dz/tensor/kernels/packing.hpp>
#include <dz/tensor/memory.hpp>

namespace dz::kernels::detail {

/// Images (samples, size.rows, size.columns, channels), channels in groups.
struct Images {
  const float* data;
  std::int64_t samples;
  Pair size;
  std::int64_t channels, groups;
};

/// Which two elements are one cell of bfloat16: neighbouring channels of a group, or the same point of neighbouring samples. One that has no neighbour
/// has 0 beside it.
enum class Pairs { none, channels, samples };

/// How many rows and columns of zeros there are.
struct Margin {
  Pair before = 0, after = 0;
};

/// Such images, laid out where they have to be: where they are float32 and all is as wanted, they are read as they lie.
class CellImages {
 public:
  /// Each group of channels is filled up with zeros to a multiple of `unit` cells.
  CellImages(const Images& images, Pairs pairs, const Margin& margin, std::int64_t unit);

  std::int64_t samples() const { return samples_; }
  std::int64_t group() const { return group_; }    ///< cells of a group of channels
  std::int64_t point() const { return point_; }    ///< cells from a point to the next, from a row to the next, and from a sample
  std::int64_t row() const { return row_; }
  std::int64_t sample() const { return sample_; }
  const Cell* data() const { return data_; }  ///< where the margin begins

 private:
  void lay_row(Cell* to, const Images& images, Pairs pairs, const Margin& margin, std::int64_t sample, std::int64_t row) const;
  void lay_channels(Cell* to, const Images& images, Pairs pairs, const float* from, const float* other) const;

  std::int64_t samples_, group_, point_, row_, sample_;
  memory::Room room_;
  const Cell* data_;
};

}  // namespace dz::kernels::detail
