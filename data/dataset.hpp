#pragma once
// Samples with their labels, and pixels as numbers.

#include <cstdint>
#include <filesystem>

#include <dz/graph/tensor.hpp>

namespace dz {

/// Labelled samples of two classes.
struct Dataset {
  Tensor x;      ///< (m, features), floating
  Tensor y;      ///< (m, 1), the same dtype: 0 or 1
  Array images;  ///< (m, height, width, channels), uint8, where x was made of images; otherwise an empty handle

  /// The number of samples, m.
  std::int64_t size() const { return x ? x.size(0) : 0; }
};

/// Images as rows of numbers from 0 to 1: (m, height, width, channels) uint8 to (m, height·width·channels), each divided by 255 in the
/// given dtype; row, column, channel, as the notes' image2vector. Throws ShapeError for another rank, DtypeError for another dtype.
Tensor pixels(const Array& images, Dtype dtype = float32);

/// The images and labels of an HDF5 file that has one data set NAME_set_x of images (m, height, width, channels), uint8, and NAME_set_y of
/// m labels 0 or 1. Throws FileError where the file or one of the two is missing or of another shape or type, ValueError for another label.
/// Without DZ_HDF5 it throws FileError.
Dataset read_labelled_hdf5(const std::filesystem::path& path, Dtype dtype = float32);

}  // namespace dz
