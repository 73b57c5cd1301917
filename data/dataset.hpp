#pragma once
// Samples with their labels, and pixels as numbers.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <dz/graph/tensor.hpp>

namespace dz {

/// Labelled samples.
struct Dataset {
  Tensor x;                            ///< (m, features), floating
  Tensor y;                            ///< (m, 1) of x's dtype, 0 or 1, for a network of one output; or (m), int64, numbers of classes
  Array images;                        ///< (m, height, width, channels), uint8, where x was made of images; otherwise an empty handle
  std::vector<std::string> classes{};  ///< what the classes are called, where that is known

  /// The number of samples, m.
  std::int64_t size() const { return x ? x.size(0) : 0; }
};

/// Images as rows of numbers from 0 to 1: (m, height, width, channels) uint8 to (m, height·width·channels), each divided by 255 in the
/// given dtype; row, column, channel, as the notes' image2vector. Throws ShapeError for another rank, DtypeError for another dtype.
Tensor pixels(const Array& images, Dtype dtype = float32);

/// These samples, in this order; one may come several times. Throws ValueError for a number outside [0, m).
Dataset samples_of(const Dataset& set, std::span<const std::int64_t> samples);

/// Every sample's class as a number, from either kind of y.
std::vector<std::int64_t> class_numbers(const Dataset& set);
/// The number of classes: that of the names, where there are any; 2 for a y of (m, 1); otherwise the largest label and one more.
std::int64_t class_count(const Dataset& set);
/// The same samples with labels for a network of so many outputs: (m, 1), 0 or 1, for one; (m), int64, for more. Throws ValueError for
/// a label that the outputs do not reach.
Dataset labelled_for(Dataset set, std::int64_t outputs);

/// The same samples with their classes numbered as in `names`, by what they are called. The classes of a set without names are called "0", "1", …, unless no
/// name is a number: then they are places in `names`. Without any `names` the numbers are the classes. Throws ValueError for a class that is none of them.
Dataset renumbered(Dataset set, const std::vector<std::string>& names);

/// A CRC-32 of all samples and labels, to tell sets apart.
std::uint32_t checksum(const Dataset& set);

/// Throws ValueError for the first element of x that is not finite and the first label that is none, naming sample and feature.
void require_sound(const Dataset& set);

/// The images and labels of an HDF5 file that has one data set NAME_set_x of images (m, height, width, channels), uint8, and NAME_set_y of
/// m labels 0 or 1. Throws FileError where the file or one of the two is missing or of another shape or type, ValueError for another label.
/// Without DZ_HDF5 it throws FileError.
Dataset read_labelled_hdf5(const std::filesystem::path& path, Dtype dtype = float32);

/// The samples and labels of a .npz file: x of (m, …) numbers, or pictures (m, height, width) or (m, height, width, channels) of uint8, and
/// y of m whole numbers, the classes; in capitals, too. Throws FileError where one is missing or of another shape or type, ValueError for a
/// label below 0 and a number that is not finite.
Dataset read_labelled_npz(const std::filesystem::path& path, Dtype dtype = float32);

/// The samples of such files without their labels, if they have any. A file that holds one array, or one data set, may call it as it likes. Throw likewise.
Dataset read_unlabelled_hdf5(const std::filesystem::path& path, Dtype dtype = float32);
Dataset read_unlabelled_npz(const std::filesystem::path& path, Dtype dtype = float32);

}  // namespace dz
