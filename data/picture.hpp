#pragma once
// PNG and JPEG pictures, through libpng and libjpeg-turbo. Where dz was built without DZ_PICTURES (it is on by default), reading throws
// FileError that says so.

#include <filesystem>

#include <dz/data/dataset.hpp>

namespace dz {

/// dz was built with libpng and libjpeg-turbo.
bool has_pictures();

/// (height, width, channels), uint8; which format it is, is seen from the file. One channel is grey, three are red, green and blue; what is
/// transparent stands on black. Throws FileError for a file that is missing, foreign, truncated, larger than 64 million pixels or than its
/// bytes could unpack to; ValueError for another number of channels.
Array read_picture(const std::filesystem::path& path, std::int64_t channels = 3);

struct PictureOptions {
  std::int64_t rows = 64, columns = 64;  ///< every picture is resized to this
  std::int64_t channels = 3;
  Dtype dtype = float32;
};

/// A folder of folders: each holds the pictures of one class (.png, .jpg, .jpeg, in the order of their names; other files are passed over)
/// and has its name. Throws as read_picture, and FileError where there are fewer than two folders or one without a picture.
Dataset read_picture_folder(const std::filesystem::path& folder, const PictureOptions& options = {});

/// Pictures that stand in a folder itself.
struct PictureFiles {
  Array images;                    ///< (m, rows, columns, channels), uint8
  std::vector<std::string> names;  ///< of the files, in their order
};
/// All of a folder, without labels. Throws as read_picture, and FileError where there is none.
PictureFiles read_pictures(const std::filesystem::path& folder, const PictureOptions& options = {});

}  // namespace dz
