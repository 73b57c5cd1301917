#include <dz/tensor/array.hpp>

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <new>

#include <dz/tensor/kernels/copy.hpp>
#include <dz/tensor/launch.hpp>
#include <dz/tensor/memory.hpp>

namespace dz {
namespace detail {

constinit thread_local ReadLimit read_limit;
constinit thread_local Listening listening;

constinit std::atomic<std::uint64_t> last_write{0};

namespace {
constexpr std::int64_t header_bytes(int rank) {
  return static_cast<std::int64_t>(offsetof(ArrayBody, dims)) + 16 * static_cast<std::int64_t>(rank);
}

void fill_dims(ArrayBody& body, std::span<const std::int64_t> sizes, std::span<const std::int64_t> strides) {
  std::ranges::copy(sizes, body.dims);
  std::ranges::copy(strides, body.dims + sizes.size());
  std::int64_t expected = 1;
  body.contiguous = true;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    if (sizes[i] != 1 && strides[i] != expected) body.contiguous = false;
    expected *= sizes[i];
  }
  body.contiguous |= body.size == 0;
}

[[gnu::noinline]] void release_slow(ArrayBody* body) noexcept {
  Storage* const storage = body->storage;
  if (body->is_owner()) {
    memory::count_array(-1, -body->size * static_cast<std::int64_t>(size_of(body->dtype)));
  } else {
    memory::count_array(-1, 0);
    memory::give(body, static_cast<std::size_t>(header_bytes(body->rank)));
  }
  if (drop(storage->count)) memory::give(storage, static_cast<std::size_t>(storage->piece_bytes));
}
}  // namespace

void release(ArrayBody* body) noexcept {
  if (!drop(body->count)) return;
  Storage* const storage = body->storage;
  const std::int64_t bytes = body->size * static_cast<std::int64_t>(size_of(body->dtype));
  if (!body->is_owner() || storage->count.load(std::memory_order_acquire) != 1 || !memory::detail::give_cached(storage, static_cast<std::size_t>(storage->piece_bytes))) [[unlikely]]
    return release_slow(body);
  memory::detail::cache.count_array(-1, -bytes);
}

void stale_read(const Storage& storage) {
  throw GraphError(fmt::format("a value that its derivative needs was written in place after the operation was recorded (written at {})",
                               to_string(At{storage.written_file, storage.written_line})));
}

void empty_handle() { throw ValueError("an empty handle is used: it was never given a value, or moved from"); }

void wrong_dtype(Dtype is, Dtype asked) { throw DtypeError(fmt::format("an array of {} is read as {}", name(is), name(asked))); }

}  // namespace detail

using detail::ArrayBody;
using detail::Storage;

// One piece: storage header, body, sizes and strides, then the elements; those of more than 32 bytes begin on a cache line.

namespace {

struct Piece {
  std::int64_t bytes, offset;  // of all, and of the elements in it
};
[[gnu::always_inline]] inline Piece piece_of(int rank, std::int64_t bytes) {
  std::int64_t offset = static_cast<std::int64_t>(sizeof(Storage)) + detail::header_bytes(rank);
  if (bytes <= 32) return {offset + bytes, offset};
  offset = (offset + 63) / 64 * 64;
  if (bytes > INT64_MAX - 4096) throw MemoryError(fmt::format("the system does not give {} bytes", bytes));
  return {offset + (bytes + 63) / 64 * 64, offset};
}

/// The headers of an array that lies in row order in a piece of its own; sizes and strides are still to be filled in.
inline ArrayBody* open_piece(void* memory, Piece piece, std::uint32_t kind, std::int64_t volume) {
  auto* storage = new (memory) Storage;
  storage->piece_bytes = piece.bytes;
  auto* body = new (static_cast<std::byte*>(memory) + sizeof(Storage)) ArrayBody;
  body->set_kind(kind);
  body->storage = storage;
  body->data = static_cast<std::byte*>(memory) + piece.offset;
  body->size = volume;
  return body;
}

[[gnu::always_inline]] inline ArrayBody* lay_out(void* memory, Piece piece, const std::int64_t* sizes, int rank, std::int64_t volume, Dtype dtype) {
  ArrayBody* const body = open_piece(memory, piece, detail::kind_of(dtype, static_cast<std::uint8_t>(rank), 1, 0), volume);
  std::int64_t stride = 1;
  for (int i = rank; i-- > 0;) {
    body->dims[i] = sizes[i];
    body->dims[rank + i] = stride;
    stride *= std::max<std::int64_t>(sizes[i], 1);
  }
  return body;
}

/// What make() does where the thread has no piece at hand; by itself, so that the usual way saves no registers.
[[gnu::noinline]] ArrayBody* make_slow(const std::int64_t* sizes, int rank, std::int64_t volume, Dtype dtype) {
  const std::int64_t bytes = volume * static_cast<std::int64_t>(size_of(dtype));
  const Piece piece = piece_of(rank, bytes);
  ArrayBody* const body = lay_out(memory::take(static_cast<std::size_t>(piece.bytes)), piece, sizes, rank, volume, dtype);
  memory::count_array(1, bytes);
  return body;
}

inline ArrayBody* make_body(const std::int64_t* sizes, int rank, std::int64_t volume, Dtype dtype) {
  const std::int64_t bytes = checked_product(volume, static_cast<std::int64_t>(size_of(dtype)));
  if (bytes <= static_cast<std::int64_t>(memory::detail::small_limit)) [[likely]] {
    const Piece piece = piece_of(rank, bytes);
    if (void* const memory = memory::detail::take_cached(static_cast<std::size_t>(piece.bytes))) [[likely]] {
      memory::detail::cache.count_array(1, bytes);
      return lay_out(memory, piece, sizes, rank, volume, dtype);
    }
  }
  return make_slow(sizes, rank, volume, dtype);
}

/// One that is laid out as `like`, which was made with its storage: what the two have in common need not be computed again. Null where the thread
/// has no piece at hand.
inline ArrayBody* make_twin(const ArrayBody& like) {
  const Piece piece{like.storage->piece_bytes, like.data - reinterpret_cast<const std::byte*>(like.storage)};
  void* const memory = memory::detail::take_cached(static_cast<std::size_t>(piece.bytes));
  if (!memory) [[unlikely]]
    return nullptr;
  memory::detail::cache.count_array(1, like.size * static_cast<std::int64_t>(size_of(like.dtype)));
  ArrayBody* const body = open_piece(memory, piece, like.kind() & detail::kind_of(Dtype{0xff}, 0xff, 0xff, 0), like.size);
  if (like.rank == 1) std::memcpy(body->dims, like.dims, 16);  // by themselves, as most are: no call
  else if (like.rank == 2) std::memcpy(body->dims, like.dims, 32);
  else std::memcpy(body->dims, like.dims, std::size_t{16} * like.rank);
  return body;
}

[[gnu::noinline]] ArrayBody* make_like_slow(const ArrayBody& like) { return make_body(like.dims, like.rank, like.size, like.dtype); }

}  // namespace

Array Array::make(const std::int64_t* sizes, int rank, std::int64_t volume, Dtype dtype) { return Array(make_body(sizes, rank, volume, dtype)); }
Array Array::make(const Shape& shape, Dtype dtype) { return make(shape.begin(), shape.rank(), shape.volume(), dtype); }
Array Array::make_like(const Array& a) {
  const ArrayBody& like = *a.body();
  ArrayBody* const twin = like.is_owner() ? make_twin(like) : nullptr;
  return Array(twin ? twin : make_like_slow(like));
}

Array Array::number(double v) {
  Array a = make(nullptr, 0, 1, float64);
  *a.writable<double>() = v;
  a.body_->number = true;
  return a;
}

Array Array::view(std::span<const std::int64_t> sizes, std::span<const std::int64_t> strides, std::int64_t offset) const {
  const int rank = static_cast<int>(sizes.size());
  std::int64_t size = 1;
  for (std::int64_t s : sizes) size = checked_product(size, s);
  void* memory = memory::take(static_cast<std::size_t>(detail::header_bytes(rank)));
  auto* body = new (memory) ArrayBody;
  body->set_kind(detail::kind_of(body_->dtype, static_cast<std::uint8_t>(rank), 1, 0));
  body->storage = body_->storage;
  body->data = body_->data + offset * static_cast<std::int64_t>(size_of(body_->dtype));
  body->size = size;
  detail::fill_dims(*body, sizes, strides);
  detail::retain(body_->storage->count);
  memory::count_array(1, 0);
  return Array(body);
}

Array Array::full(const Shape& shape, double v, Dtype dtype) {
  Array a = make(shape, dtype);
  launch(kernels::fill, a, v);
  return a;
}

Array Array::scalar(double v, Dtype dtype) {
  Array a = make({}, dtype);
  visit_dtype(dtype, [&]<class T>(std::type_identity<T>) { *a.writable<T>() = convert<T>(v); });
  return a;
}

void Array::check_count(std::int64_t count, const Shape& shape) {
  if (count != shape.volume()) throw ShapeError(fmt::format("{} values for the shape {}", count, to_string(shape)));
}

void Array::require_one() const {
  if (size() != 1) throw ShapeError(fmt::format("one element is asked for, {} has {}", to_string(shape()), size()));
}

Array Array::t() const {
  if (rank() < 2) throw ShapeError(fmt::format("a transposition needs two axes, got {}", to_string(shape())));
  const auto r = static_cast<std::size_t>(rank());
  std::array<std::int64_t, max_rank> sizes, strides;
  std::copy_n(body_->dims, r, sizes.begin());
  std::copy_n(body_->strides(), r, strides.begin());
  std::swap(sizes[r - 1], sizes[r - 2]);
  std::swap(strides[r - 1], strides[r - 2]);
  return view(std::span(sizes).first(r), std::span(strides).first(r), 0);
}

Array Array::permute(std::span<const int> axes) const {
  if (static_cast<int>(axes.size()) != rank()) throw ShapeError(fmt::format("{} axes given for {}", axes.size(), to_string(shape())));
  std::array<std::int64_t, max_rank> sizes{}, strides{};
  std::uint32_t seen = 0;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const int axis = shape().axis(axes[i]);
    if (seen >> axis & 1) throw ShapeError(fmt::format("axis {} given twice", axes[i]));
    seen |= 1u << axis;
    sizes[i] = size(axis);
    strides[i] = stride(axis);
  }
  return view(std::span(sizes).first(axes.size()), std::span(strides).first(axes.size()), 0);
}

namespace {

/// The strides of a's elements in `shape`, of as many; false where they have none, because an axis would have to be joined of axes that do not lie in
/// one row. a has elements, and so does what is asked for.
bool split_axes(const Array& a, const Shape& shape, std::array<std::int64_t, max_rank>& strides) {
  int from = a.rank() - 1, to = shape.rank() - 1;
  while (from >= 0) {
    std::int64_t run = a.size(from), stride = a.stride(from);  // axes of a that are one in memory
    for (--from; from >= 0 && (a.size(from) == 1 || run == 1 || a.stride(from) == stride * run); --from) {
      if (run == 1) stride = a.stride(from);
      run *= a.size(from);
    }
    for (; to >= 0 && (run > 1 || shape[to] == 1); --to) {
      if (run % shape[to] != 0) return false;
      strides[static_cast<std::size_t>(to)] = stride;
      stride *= shape[to];
      run /= shape[to];
    }
    if (run != 1) return false;
  }
  for (; to >= 0; --to) strides[static_cast<std::size_t>(to)] = 1;
  return true;
}

}  // namespace

Array Array::reshape(const Shape& asked) const {
  Shape shape = asked;
  std::int64_t known = 1;
  int wildcard = -1;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == -1 && wildcard < 0) wildcard = i;
    else if (shape[i] < 0) throw ShapeError(fmt::format("cannot reshape to {}", to_string(asked)));
    else known = checked_product(known, shape[i]);
  }
  if (wildcard >= 0) shape[wildcard] = known > 0 && size() % known == 0 ? size() / known : -1;
  if ((wildcard >= 0 && shape[wildcard] < 0) || shape.volume() != size())
    throw ShapeError(fmt::format("{} has {} elements, not those of {}", to_string(this->shape()), size(), to_string(asked)));
  std::array<std::int64_t, max_rank> strides{};
  if (!is_contiguous() && !split_axes(*this, shape, strides)) return clone().reshape(shape);
  if (is_contiguous()) {
    std::int64_t stride = 1;
    for (int i = shape.rank(); i-- > 0;) {
      strides[static_cast<std::size_t>(i)] = stride;
      stride *= std::max<std::int64_t>(shape[i], 1);
    }
  }
  return view({shape.begin(), shape.end()}, std::span(strides).first(static_cast<std::size_t>(shape.rank())), 0);
}

Array Array::expand(const Shape& target) const {
  if (rank() != 0 && rank() != target.rank())
    throw ShapeError(fmt::format("cannot expand {} to {}: ranks differ", to_string(shape()), to_string(target)));
  target.volume();
  std::array<std::int64_t, max_rank> strides{};
  for (int i = 0; i < rank(); ++i) {
    if (size(i) != target[i] && size(i) != 1)
      throw ShapeError(fmt::format("cannot expand {} to {}", to_string(shape()), to_string(target)));
    strides[static_cast<std::size_t>(i)] = size(i) == target[i] ? stride(i) : 0;
  }
  return view({target.begin(), target.end()}, std::span(strides).first(static_cast<std::size_t>(target.rank())), 0);
}

Array Array::slice(int axis, std::int64_t start, std::int64_t stop, std::int64_t step) const {
  const int a = shape().axis(axis);
  const std::int64_t n = size(a), from = start < 0 ? start + n : start, to = stop < 0 ? stop + n : stop;
  if (step < 1) throw ShapeError(fmt::format("a slice steps forward, got step {}", step));
  if (from < 0 || to > n || from > to)
    throw ShapeError(fmt::format("slice [{}, {}) of {} along axis {}", start, stop, to_string(shape()), axis));
  std::array<std::int64_t, max_rank> sizes{}, strides{};
  for (int i = 0; i < rank(); ++i) {
    sizes[static_cast<std::size_t>(i)] = size(i);
    strides[static_cast<std::size_t>(i)] = stride(i);
  }
  sizes[static_cast<std::size_t>(a)] = (to - from) / step + ((to - from) % step != 0);
  strides[static_cast<std::size_t>(a)] = sizes[static_cast<std::size_t>(a)] > 1 ? stride(a) * step : stride(a);
  const auto r = static_cast<std::size_t>(rank());
  return view(std::span(sizes).first(r), std::span(strides).first(r), from < n ? from * stride(a) : 0);
}

Array Array::flip(std::uint32_t axes) const {
  std::array<std::int64_t, max_rank> strides{};
  std::int64_t offset = 0;
  for (int i = 0; i < rank(); ++i) {
    const bool reversed = (axes >> i & 1) && size() > 0;
    strides[static_cast<std::size_t>(i)] = reversed ? -stride(i) : stride(i);
    if (reversed) offset += (size(i) - 1) * stride(i);
  }
  return view(sizes(), std::span(strides).first(static_cast<std::size_t>(rank())), offset);
}

Array Array::clone() const {
  Array copy = make(shape(), dtype());
  launch(kernels::copy, copy, *this);
  return copy;
}

Array Array::cast(Dtype to) const {
  if (to == dtype()) return *this;
  Array out = make(shape(), to);
  launch(kernels::copy, out, *this);
  return out;
}

void Array::mark_written(At at) const {
  Storage& s = *body()->storage;
  s.written_file = at.file;
  s.written_line = at.line;
  if (detail::is_alone()) {
    s.written = detail::last_write.load(std::memory_order_relaxed) + 1;
    detail::last_write.store(s.written, std::memory_order_relaxed);
  } else {
    s.written = detail::last_write.fetch_add(1, std::memory_order_acq_rel) + 1;
  }
}

void Array::assign(const Array& o, At at) {
  try {
    Array source = o.same_shape(*this) ? o : o.expand(shape());
    for (int i = 0; i < rank(); ++i)
      if (stride(i) == 0 && size(i) > 1)
        throw ShapeError(fmt::format("an expanded array {} repeats its elements and cannot be written", to_string(shape())));
    if (source.shares_storage(*this)) source = source.clone();
    mark_written(at);
    launch(kernels::copy, *this, source);
  } catch (Error& e) {
    e.locate("assign", at);
    throw;
  }
}

namespace {
void print(std::string& out, const Array& a, const double* values, int axis, std::int64_t offset) {
  if (axis == a.rank()) {
    out += fmt::format("{:.6g}", values[offset]);
    return;
  }
  std::int64_t step = 1;
  for (int i = axis + 1; i < a.rank(); ++i) step *= a.size(i);
  out += '[';
  for (std::int64_t i = 0; i < a.size(axis); ++i) {
    if (a.size(axis) > 8 && i == 3) {
      out += ", …";
      i = a.size(axis) - 3;
    }
    if (i) out += ", ";
    print(out, a, values, axis + 1, offset + i * step);
  }
  out += ']';
}
}  // namespace

std::string to_string(const Array& a) {
  if (!a) return "(none)";
  std::string out;
  const std::vector<double> values = a.to_vector<double>();
  print(out, a, values.data(), 0, 0);
  return fmt::format("{} {} {}", out, name(a.dtype()), to_string(a.shape()));
}

}  // namespace dz
