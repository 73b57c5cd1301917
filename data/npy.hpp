#pragma once
// NumPy's files: one array in .npy, several by name in .npz (a zip archive of them).
//
// Reading takes either byte order, both orders of elements and versions 1 to 3 of the format. What NumPy stores becomes the nearest of
// dz's dtypes without losing anything: f2 and f4 float32, f8 float64, u1 uint8, b1 boolean, every other integer int64. Pickled objects
// are never unpacked.

#include <filesystem>
#include <map>
#include <string>

#include <dz/tensor/array.hpp>

namespace dz {

/// The array of a .npy file, in row order. Throws FileError where the file is missing, truncated, foreign, of more than eight axes or
/// of elements that dz has no dtype for.
Array read_npy(const std::filesystem::path& path);

/// Writes one array, little-endian and in row order; a view is written as what it shows. Throws FileError, and then a file that was
/// there before is unchanged.
void write_npy(const std::filesystem::path& path, const Array& array);

/// The arrays of a .npz file by name, without the ending .npy; members may be stored or deflated. Throws FileError as read_npy does,
/// where a checksum is wrong, and for a name that leads out of the archive (../a, /a). A member's header is read first: no more is unpacked
/// than the array that it describes.
std::map<std::string, Array> read_npz(const std::filesystem::path& path);

/// Writes arrays by name, stored as NumPy's savez does. Throws FileError, and then a file that was there before is unchanged; ValueError
/// for a name that a zip archive cannot hold.
void write_npz(const std::filesystem::path& path, const std::map<std::string, Array>& arrays);

}  // namespace dz
