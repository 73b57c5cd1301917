#pragma once
// A Tensor is an Array together with where it came from: the node that recorded it, if any. Operations take and give Tensors;
// there is no implicit way from an Array to a Tensor, so that a derivative that leaves the graph has to say so.

#include <concepts>
#include <cstdint>
#include <utility>
#include <vector>

#include <dz/tensor/array.hpp>

namespace dz {

class Node;

namespace detail {
/// What a Node begins with, so that a handle can count without knowing more of it.
struct CountedNode {
  Count count{1};
  virtual ~CountedNode() = default;
};
inline void retain(Node* node) noexcept { retain(reinterpret_cast<CountedNode*>(node)->count); }
/// Gives a holder's count back, and with the last one the node.
void release(Node* node) noexcept;
}  // namespace detail

/// A counted reference to one output of a node. The output's number lives in the pointer's upper sixteen bits, which user-space
/// addresses leave free.
class NodeRef {
 public:
  NodeRef() = default;
  /// Takes over one count.
  static NodeRef adopt(Node* node, unsigned output = 0) {
    NodeRef r;
    r.bits_ = reinterpret_cast<std::uintptr_t>(node) | static_cast<std::uintptr_t>(output) << 48;
    return r;
  }
  static NodeRef share(Node* node, unsigned output = 0) {
    detail::retain(node);
    return adopt(node, output);
  }
  NodeRef(const NodeRef& o) noexcept : bits_(o.bits_) {
    if (bits_) detail::retain(node());
  }
  NodeRef(NodeRef&& o) noexcept : bits_(std::exchange(o.bits_, 0)) {}
  NodeRef& operator=(const NodeRef& o) noexcept { return *this = NodeRef(o); }  // two, as for Array
  NodeRef& operator=(NodeRef&& o) noexcept {
    NodeRef last(std::move(o));
    std::swap(bits_, last.bits_);
    return *this;
  }
  friend void swap(NodeRef& a, NodeRef& b) noexcept { std::swap(a.bits_, b.bits_); }
  ~NodeRef() {
    if (bits_) detail::release(node());
  }

  explicit operator bool() const { return bits_ != 0; }
  Node* node() const { return reinterpret_cast<Node*>(bits_ & ((std::uintptr_t{1} << 48) - 1)); }
  unsigned output() const { return static_cast<unsigned>(bits_ >> 48); }
  friend bool operator==(const NodeRef& a, const NodeRef& b) { return a.bits_ == b.bits_; }

 private:
  static_assert(sizeof(std::uintptr_t) == 8);
  std::uintptr_t bits_ = 0;
};

class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Array value) noexcept : value_(std::move(value)) {}
  Tensor(Array value, NodeRef from) noexcept : value_(std::move(value)), from_(std::move(from)) {}

  friend void swap(Tensor& a, Tensor& b) noexcept {
    swap(a.value_, b.value_);
    swap(a.from_, b.from_);
  }

  explicit operator bool() const { return static_cast<bool>(value_); }
  /// The values, without the graph.
  const Array& value() const& { return value_; }
  Array value() && { return std::move(value_); }
  Shape shape() const { return value_.shape(); }
  int rank() const { return value_.rank(); }
  std::int64_t size() const { return value_.size(); }
  /// Of one axis, negative ones counted from the end. Throws ShapeError where there is none such.
  std::int64_t size(int axis, At at = At::here()) const {
    const int rank = value_.rank(), i = axis < 0 ? axis + rank : axis;
    if (i < 0 || i >= rank) [[unlikely]]
      refuse_axis(axis, at);
    return value_.size(i);
  }
  Dtype dtype() const { return value_.dtype(); }
  /// The one element, read on the host. Throws ShapeError where there is not exactly one.
  template <class T = double> T item(At at = At::here()) const {
    if (!value_ || value_.size() != 1) [[unlikely]]
      refuse_item(at);
    return value_.item<T>();
  }
  /// All elements in row order, converted.
  template <class T = double> std::vector<T> to_vector() const { return value_.to_vector<T>(); }

  /// A gradient can be asked with respect to it: it is a leaf or was recorded.
  bool requires_grad() const { return static_cast<bool>(from_); }
  /// It is a leaf: made by variable() or a Parameter, not by an operation.
  bool is_leaf() const;
  const NodeRef& from() const { return from_; }

  /// The gradient that backward() has added up in this leaf; an empty handle where there is none yet. Throws GraphError for a
  /// tensor that is no leaf.
  Tensor grad() const;
  /// Forgets the gradient of this leaf.
  void clear_grad() const;
  /// Puts a gradient of the same shape and dtype in its place (clipping).
  void set_grad(const Tensor& gradient) const;
  /// The same values without the graph.
  Tensor detach() const { return Tensor(value_); }
  /// Copies values into this tensor's storage, in place; derivatives recorded before and still needing the old values will refuse.
  void assign(const Tensor& o, At at = At::here()) { value_.assign(o.value(), at); }
  /// The last two axes swapped; the operation t(x).
  Tensor t(At at = At::here()) const;

 private:
  [[noreturn]] void refuse_axis(int axis, At at) const;
  [[noreturn]] void refuse_item(At at) const;

  Array value_;
  NodeRef from_;
};

/// A leaf of which gradients can be asked. It shares x's values.
Tensor variable(const Tensor& x);

/// An operation's parameter: a tensor by value, so that what a derivative captures cannot dangle, or a number, which takes the
/// dtype of what it meets; and the line of the call.
class In : public Tensor {
 public:
  In(const Tensor& t, At at = At::here()) : Tensor(t), at_(at) {
    if (!t) [[unlikely]]
      refuse_empty(at);
  }
  In(Tensor&& t, At at = At::here()) : Tensor(std::move(t)), at_(at) {
    if (!*this) [[unlikely]]
      refuse_empty(at);
  }
  template <Arithmetic N> In(N v, At at = At::here()) : Tensor(Array::number(static_cast<double>(v))), at_(at) {}

  At at() const { return at_; }

 private:
  [[noreturn]] static void refuse_empty(At at);
  At at_;
};

/// Readable: values, dtype, shape.
std::string to_string(const Tensor& t);

}  // namespace dz
