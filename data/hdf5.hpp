#pragma once
// Data sets of an HDF5 file. Where dz was built without DZ_HDF5 (it is on by default), reading throws FileError that says so.
//
// Integers become int64, unsigned bytes uint8, h5py's booleans boolean, and floating numbers float32 or float64, without losing anything.
// Only what lies in the file itself is read: links to other files are not followed.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <dz/tensor/array.hpp>

namespace dz {

/// dz was built with HDF5.
bool has_hdf5();

/// The data set of that path ("train_set_x", "group/x"). Throws FileError that names the file, the data set and the reason; where there
/// is none of that name, it lists those present.
Array read_hdf5(const std::filesystem::path& path, std::string_view dataset);

/// The paths of all data sets in the file, groups included, in the order of their names. Throws FileError.
std::vector<std::string> hdf5_datasets(const std::filesystem::path& path);

}  // namespace dz
