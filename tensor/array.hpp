#pragma once
// Arrays: values without any notion of gradients. An Array is a counted handle on shape, strides, dtype and storage, all in one
// piece of memory; views have a piece of their own and share the storage. What kernels take and give.

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include <dz/tensor/dtype.hpp>
#include <dz/tensor/error.hpp>
#include <dz/tensor/shape.hpp>

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#endif

namespace dz {

namespace detail {

/// This thread is the process's only one: a word that threads share can be changed without a locked instruction. (The start of a
/// second thread orders all that came before it.)
inline bool is_alone() {
#if __has_include(<sys/single_threaded.h>)
  return __libc_single_threaded;
#else
  return false;
#endif
}

using Count = std::atomic<std::uint32_t>;

[[gnu::always_inline]] inline void retain(Count& count) {
  if (is_alone()) count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  else count.fetch_add(1, std::memory_order_relaxed);
}
/// True for the last one; alone, a holder need not pay for a locked instruction.
[[gnu::always_inline]] inline bool drop(Count& count) {
  const std::uint32_t before = count.load(std::memory_order_acquire);
  if (before == 1) return true;
  if (!is_alone()) return count.fetch_sub(1, std::memory_order_acq_rel) == 1;
  count.store(before - 1, std::memory_order_relaxed);
  return false;
}

struct Storage {
  Count count{1};
  int written_line;           // set, as written_file is, with the first write in place
  std::uint64_t written = 0;  // the last time, by the write clock
  const char* written_file;
  std::int64_t piece_bytes;  // of the pool's piece that this header opens
};

/// As ArrayBody has them, in one word.
constexpr std::uint32_t kind_of(Dtype dtype, std::uint8_t rank, std::uint8_t contiguous, std::uint8_t number) {
  return std::bit_cast<std::uint32_t>(std::array{static_cast<std::uint8_t>(dtype), rank, contiguous, number});
}

struct ArrayBody {
  Count count{1};
  Dtype dtype;
  std::uint8_t rank;
  bool contiguous;
  bool number;          // a number among tensors: takes the dtype of those it meets
  Storage* storage;
  std::byte* data;
  std::int64_t size;
  std::int64_t dims[1];  // sizes, then strides (in elements); as many as rank asks for

  const std::int64_t* strides() const { return dims + rank; }
  /// It was made together with its storage, behind it in the same piece.
  bool is_owner() const { return reinterpret_cast<const std::byte*>(this) == reinterpret_cast<const std::byte*>(storage) + sizeof(Storage); }
  std::uint32_t kind() const {  // dtype, rank, contiguous and number at once
    std::uint32_t k;
    std::memcpy(&k, reinterpret_cast<const std::byte*>(this) + offsetof(ArrayBody, dtype), sizeof k);
    return k;
  }
  /// In one store: kind() would have to wait for several.
  void set_kind(std::uint32_t k) { std::memcpy(reinterpret_cast<std::byte*>(this) + offsetof(ArrayBody, dtype), &k, sizeof k); }
  bool is_plain(Dtype d) const {
    return (kind() & kind_of(Dtype{0xff}, 0, 0xff, 0xff)) == kind_of(d, 0, 1, 0);
  }
};

static_assert(offsetof(ArrayBody, number) == offsetof(ArrayBody, dtype) + 3);

/// Gives a holder's count back, and with the last one the memory.
void release(ArrayBody* body) noexcept;

/// While a derivative runs: arrays that were written in place after its operation was recorded must not be read, but for what
/// it has written itself since it began. Otherwise no limit.
struct ReadLimit {
  std::uint64_t time = UINT64_MAX, begun = UINT64_MAX;
};
extern constinit thread_local ReadLimit read_limit;
[[noreturn]] void stale_read(const Storage& storage);
[[noreturn]] void empty_handle();
[[noreturn]] void wrong_dtype(Dtype is, Dtype asked);

extern std::atomic<std::uint64_t> last_write;
/// The number of writes in place so far, in the whole process.
inline std::uint64_t write_clock() { return last_write.load(std::memory_order_acquire); }

}  // namespace detail

class Array {
 public:
  Array() = default;
  /// A new array with unset elements, contiguous in row order. Throws ShapeError, MemoryError.
  static Array make(const Shape& shape, Dtype dtype = float32);
  /// The same for the shape and dtype of an array that is there.
  static Array make_like(const Array& a);
  /// A scalar (rank 0) holding v.
  static Array scalar(double v, Dtype dtype = float32);
  static Array full(const Shape& shape, double v, Dtype dtype = float32);
  /// A number as it stands in a formula: a scalar that takes the dtype of the arrays it meets. (An array of numbers chosen by a
  /// condition does so too.)
  static Array number(double v);
  bool is_number() const { return body()->number; }
  void become_number() { body()->number = true; }
  /// A copy of values in row order; throws ShapeError where their number is not the shape's.
  template <class T> static Array of(std::span<const T> values, const Shape& shape) {
    check_count(static_cast<std::int64_t>(values.size()), shape);
    Array a = make(shape, dtype_of<T>);
    std::copy(values.begin(), values.end(), a.writable<T>());
    return a;
  }
  template <class T> static Array of(const std::vector<T>& values, const Shape& shape) { return of(std::span<const T>(values), shape); }

  [[gnu::always_inline]] Array(const Array& o) noexcept : body_(o.body_) {
    if (body_) detail::retain(body_->count);
  }
  Array(Array&& o) noexcept : body_(std::exchange(o.body_, nullptr)) {}
  // Not one assignment by value: Clang 14 forgets to destroy the parameter of `a = {}` within a template.
  Array& operator=(const Array& o) noexcept { return *this = Array(o); }
  Array& operator=(Array&& o) noexcept {
    Array last(std::move(o));
    std::swap(body_, last.body_);
    return *this;
  }
  friend void swap(Array& a, Array& b) noexcept { std::swap(a.body_, b.body_); }
  [[gnu::always_inline]] ~Array() {
    if (body_) detail::release(body_);
  }

  explicit operator bool() const { return body_ != nullptr; }
  Dtype dtype() const { return body()->dtype; }
  int rank() const { return body()->rank; }
  /// The number of elements.
  std::int64_t size() const { return body()->size; }
  std::int64_t size(int axis) const { return body()->dims[axis]; }
  std::int64_t stride(int axis) const { return body()->strides()[axis]; }
  Shape shape() const { return Shape(std::span(body()->dims, static_cast<std::size_t>(body()->rank))); }
  std::span<const std::int64_t> sizes() const { return {body()->dims, static_cast<std::size_t>(body()->rank)}; }
  bool same_shape(const Array& o) const {
    if (rank() != o.rank()) return false;
    for (int i = 0; i < rank(); ++i)
      if (size(i) != o.size(i)) return false;
    return true;
  }
  /// Both are of one dtype and rank, and both lie in row order or neither does; neither is a number, or both are.
  bool same_kind(const Array& o) const { return body()->kind() == o.body()->kind(); }
  /// The same, and of one shape.
  bool same_layout(const Array& o) const { return same_kind(o) && same_shape(o); }
  /// Of that dtype, in row order, and no number.
  bool is_plain(Dtype dtype) const { return body()->is_plain(dtype); }
  /// Elements lie one after the other in row order.
  bool is_contiguous() const { return body()->contiguous; }
  /// All elements are one in memory: a scalar, or one that was expanded.
  bool repeats_one() const {
    for (int i = 0; i < rank(); ++i)
      if (stride(i) != 0 && size(i) != 1) return false;
    return true;
  }
  bool same_handle(const Array& o) const { return body_ == o.body_; }
  bool shares_storage(const Array& o) const { return body()->storage == o.body()->storage; }
  /// Nobody else holds this handle or its storage: its memory may be used again.
  bool is_unique() const {
    const detail::ArrayBody* const b = body();
    return b->count.load(std::memory_order_acquire) == 1 && b->storage->count.load(std::memory_order_acquire) == 1;
  }

  /// That, and its elements lie in row order: a result of its shape may be written over it.
  bool is_spare() const { return is_unique() && is_contiguous(); }

  /// The first element, for reading. Throws DtypeError for another element type, and GraphError inside a derivative where the
  /// storage was written in place after its operation was recorded.
  template <class T> [[gnu::always_inline]] const T* data() const {
    if (body()->dtype != dtype_of<T>) detail::wrong_dtype(body()->dtype, dtype_of<T>);
    check_fresh();
    return reinterpret_cast<const T*>(body()->data);
  }
  const std::byte* bytes() const {
    check_fresh();
    return body()->data;
  }
  /// The first element, for a kernel that fills its output. Writing an array that others may have read is assign()'s affair.
  template <class T> T* writable() const {
    if (body()->dtype != dtype_of<T>) detail::wrong_dtype(body()->dtype, dtype_of<T>);
    return reinterpret_cast<T*>(body()->data);
  }
  std::byte* writable_bytes() const { return body()->data; }

  /// The one element, read on the host. Throws ShapeError where there is not exactly one.
  template <class T = double> T item() const;
  /// All elements in row order, converted.
  template <class T> std::vector<T> to_vector() const;

  /// Views: the same storage seen otherwise. Each throws ShapeError.
  Array t() const;  ///< the last two axes swapped
  Array permute(std::span<const int> axes) const;
  Array reshape(const Shape& shape) const;  ///< one size may be −1; copies where strides do not allow a view
  Array expand(const Shape& shape) const;   ///< sizes of 1 repeated by stride 0; a scalar becomes any shape
  Array slice(int axis, std::int64_t start, std::int64_t stop,
              std::int64_t step = 1) const;  ///< [start, stop), negative from the end; step > 0

  Array flip(std::uint32_t axes) const;     ///< the masked axes reversed, by negative strides: to be copied, not for kernels at large

  /// This array, or a copy of it in row order.
  Array contiguous() const { return is_contiguous() ? *this : clone(); }
  Array clone() const;
  Array cast(Dtype dtype) const;

  /// Copies o's values (broadcast, cast) into this array's storage in place: ticks the write clock and notes the place.
  void assign(const Array& o, At at = At::here());
  /// For writers of one's own (optimisers): notes that the storage is being written in place.
  void mark_written(At at = At::here()) const;

 private:
  explicit Array(detail::ArrayBody* body) : body_(body) {}
  detail::ArrayBody* body() const {
    if (!body_) [[unlikely]]
      detail::empty_handle();
    return body_;
  }
  static Array make(const std::int64_t* sizes, int rank, std::int64_t volume, Dtype dtype);
  Array view(std::span<const std::int64_t> sizes, std::span<const std::int64_t> strides, std::int64_t offset) const;
  static void check_count(std::int64_t count, const Shape& shape);
  void require_one() const;
  void check_fresh() const {
    if (const std::uint64_t written = body()->storage->written; written > detail::read_limit.time && written <= detail::read_limit.begun) [[unlikely]]
      detail::stale_read(*body_->storage);
  }

  detail::ArrayBody* body_ = nullptr;
};

template <class T> T Array::item() const {
  require_one();
  return visit_dtype(dtype(), [&]<class E>(std::type_identity<E>) { return convert<T>(*data<E>()); });
}

template <class T> std::vector<T> Array::to_vector() const {
  const Array a = cast(dtype_of<T>).contiguous();
  const T* p = a.data<T>();
  return std::vector<T>(p, p + a.size());
}

/// A readable picture of the values, long axes abridged: "[[1, 2], [3, 4]] float32 (2, 2)".
std::string to_string(const Array& a);

}  // namespace dz
