#include <dz/data/hdf5.hpp>

#if !DZ_WITH_HDF5

namespace dz {

bool has_hdf5() { return false; }
Array read_hdf5(const std::filesystem::path& path, std::string_view) {
  throw FileError(path.string() + ": dz was built without HDF5", "read_hdf5");
}
std::vector<std::string> hdf5_datasets(const std::filesystem::path& path) {
  throw FileError(path.string() + ": dz was built without HDF5", "hdf5_datasets");
}

}  // namespace dz

#else

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hdf5.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <utility>

#include <dz/data/bytes.hpp>
#include <dz/data/file.hpp>

namespace dz {
namespace {

using detail::Element;

/// The HDF5 library is not made for several threads unless it was built so.
std::mutex library;

/// While alive: HDF5 keeps its errors to itself.
class Silence {
 public:
  Silence() {
    H5Eget_auto2(H5E_DEFAULT, &print_, &context_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~Silence() {
    H5Eclear2(H5E_DEFAULT);
    H5Eset_auto2(H5E_DEFAULT, print_, context_);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  H5E_auto2_t print_ = nullptr;
  void* context_ = nullptr;
};

/// Throws FileError with what HDF5 says of its innermost mistake.
[[noreturn]] void refuse_by_library(std::string_view what) {
  std::string words;
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_UPWARD,
      [](unsigned n, const H5E_error2_t* error, void* out) -> herr_t {
        if (n == 0 && error->desc) *static_cast<std::string*>(out) = error->desc;
        return 0;
      },
      &words);
  throw FileError(words.empty() ? std::string(what) : fmt::format("{} (HDF5: {})", what, words));
}

/// One of HDF5's handles, closed at the end of its scope.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t), std::string_view what) : id_(id), close_(close) {
    if (id < 0) refuse_by_library(what);
  }
  ~Handle() { close_(id_); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  operator hid_t() const { return id_; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

hid_t open_file(const std::filesystem::path& path) {
  if (H5Fis_hdf5(path.c_str()) <= 0) throw FileError("no HDF5 file, or a truncated one");
  return H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
}

/// Paths of all data sets that the file itself holds: the visit follows neither symbolic nor external links.
std::vector<std::string> list(hid_t file) {
  std::vector<std::string> names;
  const auto visit = [](hid_t, const char* name, const H5O_info_t* info, void* out) noexcept -> herr_t {
    try {
      if (info->type == H5O_TYPE_DATASET) static_cast<std::vector<std::string>*>(out)->emplace_back(name);
      return 0;
    } catch (...) {  // must not pass through C; memory ran out
      return -1;
    }
  };
  if (H5Ovisit2(file, H5_INDEX_NAME, H5_ITER_INC, visit, &names, H5O_INFO_BASIC) < 0) refuse_by_library("its groups cannot be listed");
  std::ranges::sort(names);
  return names;
}

/// The element type to ask HDF5 for, which converts to it from any byte order and width without losing anything.
Element element_of(hid_t type) {
  const H5T_class_t kind = H5Tget_class(type);
  const std::size_t bytes = H5Tget_size(type);
  if (kind == H5T_INTEGER && bytes <= 8) {
    if (H5Tget_sign(type) != H5T_SGN_NONE) return Element::i64;
    return bytes == 1 ? Element::u8 : Element::u64;
  }
  if (kind == H5T_ENUM && bytes == 1 && H5Tget_nmembers(type) == 2) {  // h5py's booleans: FALSE = 0, TRUE = 1
    signed char no = -1, yes = -1;
    if (H5Tenum_valueof(type, "FALSE", &no) >= 0 && H5Tenum_valueof(type, "TRUE", &yes) >= 0 && no == 0 && yes == 1)
      return Element::boolean;
  }
  if (kind == H5T_FLOAT) {
    std::size_t sign = 0, exponent = 0, exponent_bits = 0, fraction = 0, fraction_bits = 0;
    if (H5Tget_fields(type, &sign, &exponent, &exponent_bits, &fraction, &fraction_bits) < 0)
      refuse_by_library("its element type is broken");
    if (exponent_bits <= 8 && fraction_bits <= 23) return Element::f32;
    if (exponent_bits <= 11 && fraction_bits <= 52) return Element::f64;
  }
  throw FileError(kind == H5T_STRING ? "its elements are text, not numbers" : "its elements are of a type that dz has no dtype for");
}

hid_t memory_type(Element element, hid_t stored) {
  switch (element) {
    case Element::f32: return H5T_NATIVE_FLOAT;
    case Element::f64: return H5T_NATIVE_DOUBLE;
    case Element::i64: return H5T_NATIVE_INT64;
    case Element::u8: return H5T_NATIVE_UINT8;
    case Element::u64: return H5T_NATIVE_UINT64;
    default: return stored;
  }
}

std::vector<std::int64_t> sizes_of(hid_t dataset) {
  const Handle space(H5Dget_space(dataset), H5Sclose, "its sizes cannot be read");
  if (H5Sget_simple_extent_type(space) == H5S_NULL) throw FileError("it holds nothing");
  const int rank = H5Sget_simple_extent_ndims(space);
  if (rank < 0) refuse_by_library("its sizes cannot be read");
  std::vector<hsize_t> sizes(static_cast<std::size_t>(rank));
  if (H5Sget_simple_extent_dims(space, sizes.data(), nullptr) < 0) refuse_by_library("its sizes cannot be read");
  std::vector<std::int64_t> checked;
  for (const hsize_t size : sizes) {
    if (size > INT64_MAX) throw FileError(fmt::format("a size of {}", size));
    checked.push_back(static_cast<std::int64_t>(size));
  }
  return checked;
}

/// The bytes of one chunk, which HDF5 takes from memory at once. Of chunks with other axes than the data set's it makes an endless loop.
std::uint64_t chunk_bytes(hid_t properties, std::uint64_t width, std::size_t rank) {
  std::vector<hsize_t> chunk(H5S_MAX_RANK);
  if (H5Pget_chunk(properties, H5S_MAX_RANK, chunk.data()) != static_cast<int>(rank))
    throw FileError("its chunks have not as many axes as it");
  std::uint64_t bytes = width;
  for (std::size_t i = 0; i < rank; ++i)
    if (__builtin_mul_overflow(bytes, chunk[i], &bytes)) throw FileError("its chunks are beyond any memory");
  return bytes;
}

/// The elements' data lie in the file itself, and the file is not so small that they cannot be there. Packed ones (in chunks) may be
/// as small as deflate makes them.
void check_storage(hid_t dataset, std::uint64_t width, const std::vector<std::int64_t>& sizes, std::uint64_t file_bytes) {
  const Handle properties(H5Dget_create_plist(dataset), H5Pclose, "its layout cannot be read");
  const H5D_layout_t layout = H5Pget_layout(properties);
  if (layout == H5D_VIRTUAL || H5Pget_external_count(properties) != 0)
    throw FileError("its data are in other files, which dz does not open");
  if (layout < 0) refuse_by_library("its layout cannot be read");
  std::uint64_t bytes = width, room = file_bytes;
  for (const std::int64_t size : sizes) bytes *= static_cast<std::uint64_t>(size);  // stored_bytes() has seen that they fit
  // HDF5 1.10 reads beyond a compact data set that is smaller than its sizes say.
  if (layout == H5D_COMPACT && H5Dget_storage_size(dataset) != bytes)
    throw FileError(fmt::format("{} bytes are stored of its {}", H5Dget_storage_size(dataset), bytes));
  if (layout == H5D_CHUNKED) {
    room = 1032 * std::min<std::uint64_t>(file_bytes, UINT64_MAX / 1032);
    bytes = bytes == 0 ? 0 : std::max(bytes, chunk_bytes(properties, width, sizes.size()));
  }
  if (bytes > room) throw FileError(fmt::format("{} bytes of data in a file of {}", bytes, file_bytes));
}

Array read(hid_t file, std::string_view name, std::uint64_t file_bytes) {
  const std::vector<std::string> names = list(file);
  const std::string wanted(name.substr(std::min(name.find_first_not_of('/'), name.size())));
  if (std::ranges::find(names, wanted) == names.end())
    throw FileError(names.empty() ? "it is not there, nor is any other"
                                  : fmt::format("it is not there; there are {}", fmt::join(names, ", ")));

  const Handle dataset(H5Dopen2(file, wanted.c_str(), H5P_DEFAULT), H5Dclose, "it cannot be opened");
  const Handle type(H5Dget_type(dataset), H5Tclose, "its element type cannot be read");
  const Element element = element_of(type);
  const std::vector<std::int64_t> sizes = sizes_of(dataset);
  const std::uint64_t bytes = detail::stored_bytes(element, sizes);
  check_storage(dataset, H5Tget_size(type), sizes, file_bytes);
  std::string values(static_cast<std::size_t>(bytes), '\0');
  if (bytes > 0 && H5Dread(dataset, memory_type(element, type), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0)
    refuse_by_library("its data cannot be read");
  return detail::decode(values, element, std::endian::native, Shape(sizes));
}

/// HDF5 reports at the program's end what broken files made it lose; not on our account. Handlers run last in, first out: before HDF5's.
void keep_quiet_at_exit() {
  H5open();
  std::atexit([] { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); });
}

/// What use makes of the open file and its size, under the library's lock and without its messages.
template <class Use> auto with_file(const char* operation, const std::filesystem::path& path, Use use) {
  const std::uint64_t bytes = size_of_file(path);  // HDF5 would wait for a pipe
  const std::lock_guard lock(library);
  static const bool quiet = (keep_quiet_at_exit(), true);
  static_cast<void>(quiet);
  const Silence silence;
  try {
    const Handle file(open_file(path), H5Fclose, "it cannot be opened");
    return use(file, bytes);
  } catch (...) {
    detail::rethrow_of_file(operation, path);
  }
}

}  // namespace

bool has_hdf5() { return true; }

Array read_hdf5(const std::filesystem::path& path, std::string_view dataset) {
  return with_file("read_hdf5", path, [&](hid_t file, std::uint64_t bytes) {
    try {
      return read(file, dataset, bytes);
    } catch (const FileError& e) {
      throw FileError(fmt::format("data set '{}': {}", dataset, e.reason()));
    }
  });
}

std::vector<std::string> hdf5_datasets(const std::filesystem::path& path) {
  return with_file("hdf5_datasets", path, [](hid_t file, std::uint64_t) { return list(file); });
}

}  // namespace dz

#endif
