#include <dz/data/picture.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>
#include <vector>

#include <dz/data/augment.hpp>
#include <dz/data/file.hpp>
#include <dz/data/inflate.hpp>

#ifdef DZ_WITH_PICTURES
#include <png.h>
#include <turbojpeg.h>
#endif

namespace dz {
namespace fs = std::filesystem;
namespace {

#ifdef DZ_WITH_PICTURES

constexpr std::uint64_t most_pixels = std::uint64_t{1} << 26;

/// Before memory is taken: a pixel has at least one bit, and no format packs better than deflate.
void require_size(std::uint64_t width, std::uint64_t height, std::size_t packed) {
  if (width == 0 || height == 0 || width * height > most_pixels || width * height / 8 / detail::deflate_ratio > packed)
    throw FileError(
        fmt::format("{} by {} pixels are more than {} bytes can hold, or than the {} that are read", width, height, packed, most_pixels));
}

Array parse_png(std::string_view bytes, std::int64_t channels) {
  struct Image {
    png_image png{};
    ~Image() { png_image_free(&png); }
  } image;
  image.png.version = PNG_IMAGE_VERSION;
  const auto require = [&](int good) {
    if (!good || image.png.warning_or_error) throw FileError(fmt::format("a PNG file that libpng refuses: {}", image.png.message));
  };
  require(png_image_begin_read_from_memory(&image.png, bytes.data(), bytes.size()));
  require_size(image.png.width, image.png.height, bytes.size());
  image.png.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  const Array pixels = Array::make({image.png.height, image.png.width, channels}, uint8);
  const png_color black{0, 0, 0};
  require(png_image_finish_read(&image.png, &black, pixels.writable<std::uint8_t>(), 0, nullptr));
  return pixels;
}

Array parse_jpeg(std::string_view bytes, std::int64_t channels) {
  struct Handle {
    tjhandle jpeg = tjInitDecompress();
    ~Handle() {
      if (jpeg) tjDestroy(jpeg);
    }
  } handle;
  if (!handle.jpeg) throw MemoryError("libjpeg has no memory");
  const auto require = [&](int code) {
    if (code != 0) throw FileError(fmt::format("a JPEG file that libjpeg refuses: {}", tjGetErrorStr2(handle.jpeg)));
  };
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  int width = 0, height = 0, sampling = 0, space = 0;
  require(tjDecompressHeader3(handle.jpeg, data, bytes.size(), &width, &height, &sampling, &space));
  require_size(static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height), bytes.size());
  const Array pixels = Array::make({height, width, channels}, uint8);
  require(tjDecompress2(handle.jpeg, data, bytes.size(), pixels.writable<std::uint8_t>(), width, 0, height,
                        channels == 1 ? TJPF_GRAY : TJPF_RGB, TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS));
  return pixels;
}

Array parse_picture(std::string_view bytes, std::int64_t channels) {
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return parse_png(bytes, channels);
  if (bytes.starts_with("\xff\xd8\xff")) return parse_jpeg(bytes, channels);
  throw FileError("neither a PNG nor a JPEG file");
}

#else

Array parse_picture(std::string_view, std::int64_t) { throw FileError("dz was built without pictures (DZ_PICTURES)"); }

#endif

bool is_picture(const fs::path& path) {
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
}

/// What a folder holds of that kind, in the order of the names.
template <class Wanted> std::vector<fs::path> entries(const fs::path& folder, Wanted wanted, const char* reader = "read_picture_folder") {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (wanted(it->path())) found.push_back(it->path());
  if (error) throw FileError(fmt::format("{}: {}", folder.string(), error.message()), reader);
  std::ranges::sort(found);
  return found;
}

/// All of one size.
Array read_all(const std::vector<fs::path>& files, const PictureOptions& options) {
  const Array images = Array::make({files.size(), options.rows, options.columns, options.channels}, uint8);
  for (std::size_t i = 0; i < files.size(); ++i) {
    const Array one = read_picture(files[i], options.channels);
    const auto at = static_cast<std::int64_t>(i);
    images.slice(0, at, at + 1).assign(resize(one.reshape({1, one.size(0), one.size(1), one.size(2)}), options.rows, options.columns));
  }
  return images;
}

}  // namespace

bool has_pictures() {
#ifdef DZ_WITH_PICTURES
  return true;
#else
  return false;
#endif
}

Array read_picture(const fs::path& path, std::int64_t channels) {
  if (channels != 1 && channels != 3) throw ValueError(fmt::format("pictures have 1 channel or 3, not {}", channels), "read_picture");
  return detail::parse_file("read_picture", path, [channels](std::string_view bytes) { return parse_picture(bytes, channels); });
}

Dataset read_picture_folder(const fs::path& folder, const PictureOptions& options) {
  const std::vector<fs::path> folders = entries(folder, [](const fs::path& path) {
    std::error_code ignored;
    return fs::is_directory(path, ignored);
  });
  if (folders.size() < 2)
    throw FileError(fmt::format("{}: {} folders of pictures, where each class has one", folder.string(), folders.size()),
                    "read_picture_folder");
  Dataset set;
  std::vector<fs::path> files;
  std::vector<std::int64_t> labels;
  for (const fs::path& of_class : folders) {
    const std::vector<fs::path> found = entries(of_class, is_picture);
    if (found.empty()) throw FileError(fmt::format("{}: no picture in it", of_class.string()), "read_picture_folder");
    files.insert(files.end(), found.begin(), found.end());
    labels.resize(files.size(), std::ssize(set.classes));
    set.classes.push_back(of_class.filename().string());
  }
  set.images = read_all(files, options);
  set.x = pixels(set.images, options.dtype);
  set.y = Tensor(Array::of(labels, {std::ssize(labels)}));
  return set;
}

PictureFiles read_pictures(const fs::path& folder, const PictureOptions& options) {
  const std::vector<fs::path> files = entries(folder, is_picture, "read_pictures");
  if (files.empty()) throw FileError(fmt::format("{}: no picture in it", folder.string()), "read_pictures");
  PictureFiles all{read_all(files, options), {}};
  for (const fs::path& path : files) all.names.push_back(path.filename().string());
  return all;
}

}  // namespace dz
