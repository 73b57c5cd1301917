#pragma once
// A node is one recorded operation: what it was called, where, on which other nodes' outputs, and how to pull gradients back
// through it. A leaf is a node without operands that holds the gradient which backward() adds up.

#include <algorithm>
#include <atomic>
#include <memory>
#include <span>

#include <dz/graph/mode.hpp>
#include <dz/graph/tensor.hpp>
#include <dz/tensor/autocast.hpp>
#include <dz/tensor/memory.hpp>

namespace dz {

/// Shape and dtype of a node's output, which outlive its values.
class OutputKind {
 public:
  OutputKind() = default;
  explicit OutputKind(const Array& a) : dtype_(a.dtype()), rank_(static_cast<std::uint8_t>(a.rank())) {
    if (rank_ > inline_rank) [[unlikely]]
      keep_many(a);
    else
      for (int i = 0; i < rank_; ++i) sizes_.few[i] = a.size(i);
  }
  OutputKind(OutputKind&& o) noexcept;
  OutputKind& operator=(OutputKind&&) = delete;
  ~OutputKind() {
    if (rank_ > inline_rank) memory::give(sizes_.many, many_bytes());
  }
  Dtype dtype() const { return dtype_; }
  Shape shape() const { return Shape(std::span(sizes(), static_cast<std::size_t>(rank_))); }
  bool fits(const Array& a) const {
    if (a.dtype() != dtype_ || a.rank() != rank_) return false;
    if (rank_ > inline_rank) [[unlikely]] return std::ranges::equal(a.sizes(), std::span(sizes_.many, rank_));
    return (rank_ < 1 || a.size(0) == sizes_.few[0]) && (rank_ < 2 || a.size(1) == sizes_.few[1]);
  }

 private:
  static constexpr int inline_rank = 2;
  void keep_many(const Array& a);
  std::size_t many_bytes() const { return rank_ * sizeof(std::int64_t); }
  const std::int64_t* sizes() const { return rank_ > inline_rank ? sizes_.many : sizes_.few; }

  Dtype dtype_ = float32;
  std::uint8_t rank_ = 0;
  union {
    std::int64_t few[inline_rank];
    std::int64_t* many;
  } sizes_;
};

/// The cotangents that a reverse pass has added up so far.
class Sums {
 public:
  /// Takes an operand's out, to be given back as its dx; empty where nothing has arrived for it yet.
  virtual Tensor take(const NodeRef& operand) = 0;

 protected:
  ~Sums() = default;
};

/// One node's part of a reverse pass: the cotangents of its outputs, which it may use up, the gradients to fill in, and which of them are wanted.
struct Pull {
  std::span<Tensor> dy;
  std::span<Tensor> dx;
  std::span<const std::uint8_t> wanted;
  Sums* sums = nullptr;
};

/// In check mode: the forward again, on inputs of one's choice.
class Replay {
 public:
  virtual ~Replay() = default;
  virtual std::span<const Array> inputs() const = 0;
  virtual std::vector<Array> run(std::span<const Array> inputs) const = 0;
};

class Node;
namespace detail {
extern std::atomic<void (*)(const char*)> hearing;  // see listen.hpp
void release_last(Node* node) noexcept;
/// A node in a pooled piece.
template <class N, class... A> N* make_node(A&&... arguments);
}  // namespace detail

class Node : public detail::CountedNode {
 public:
  /// `first` is the value of its first output.
  Node(const char* name, At at, const Array& first, unsigned output_count = 1)
      : output_count_(static_cast<std::uint16_t>(output_count)), line_(at.line), number_(++detail::thread_state.created),
        recorded_(detail::write_clock()), name_(name), file_(at.file), first_(first) {
    if (const auto hear = detail::hearing.load(std::memory_order_relaxed); hear && at) [[unlikely]] hear(name);  // a leaf has no place
  }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Fills dx where wanted. Called at most by one pass at a time unless the passes retain.
  virtual void pull(Pull& pull) = 0;
  /// Lets go of derivatives and saved values; names, shapes and edges stay.
  virtual void spend() noexcept = 0;
  /// Exchanges the outputs that it keeps for its derivatives with these: a check may have computed them in a higher precision.
  virtual void exchange_outputs(std::span<Array>) noexcept {}
  const OutputKind& output(unsigned number) const { return number == 0 ? first_ : further(number); }
  /// The outputs it was computed from; empty where one needs no gradient.
  std::span<const NodeRef> edges() const { return {operands_, operand_count_}; }

  const char* name() const { return name_; }
  At at() const { return {file_, line_}; }
  /// Greater than that of everything it was computed from.
  std::uint64_t number() const { return number_; }
  std::uint64_t recorded() const { return recorded_; }
  unsigned output_count() const { return output_count_; }
  bool is_leaf() const { return leaf_; }
  /// It was recorded under autocast.
  bool autocasts() const { return autocasts_; }
  const Replay* replay() const { return replay_.get(); }
  void set_replay(std::unique_ptr<Replay> replay) { replay_ = std::move(replay); }

 protected:
  /// Called by the constructors of those below, once the operands are known, which stay where they are.
  void follow(std::span<const NodeRef> operands) {
    operands_ = operands.data();
    operand_count_ = static_cast<std::uint32_t>(operands.size());
    for (const NodeRef& o : operands)
      if (o && o.node()->number_ >= number_) [[unlikely]] outrun(o.node()->number_);
  }
  /// The kind of an output beyond the first.
  virtual const OutputKind& further(unsigned) const { return first_; }

  bool leaf_ = false, spent_ = false, autocasts_ = detail::autocasting;

 private:
  friend class Pass;
  friend void detail::release_last(Node*) noexcept;
  template <class N, class... A> friend N* detail::make_node(A&&... arguments);

  std::uint16_t output_count_;
  int line_;
  std::uint32_t piece_bytes_, operand_count_ = 0;
  std::atomic<std::uint64_t> claim_{0};  // see reverse.cpp
  std::uint64_t number_, recorded_;
  const char *name_, *file_;
  const NodeRef* operands_ = nullptr;
  OutputKind first_;

  void outrun(std::uint64_t number);

 protected:
  std::unique_ptr<Replay> replay_;
};

/// A leaf and its gradient.
class Leaf final : public Node {
 public:
  explicit Leaf(const Array& value, const char* name = "variable");
  void pull(Pull&) override {}
  void spend() noexcept override {}

  Tensor gradient() const;
  void set_gradient(Tensor g);

 private:
  friend class Pass;
  Tensor gradient_;
};

namespace detail {
/// Of the leaf behind t; throws GraphError naming `what` where t is none.
Leaf& leaf_of(const Tensor& t, const char* what);

/// Guards every leaf's gradient; held for a handle's exchange, or a commit.
class [[nodiscard]] GradientLock {
 public:
  GradientLock();
  ~GradientLock();
  GradientLock(const GradientLock&) = delete;
  GradientLock& operator=(const GradientLock&) = delete;

 private:
  bool locks_;
};
}  // namespace detail

}  // namespace dz

namespace dz::detail {

template <class N, class... A> N* make_node(A&&... arguments) {
  void* memory = memory::take(sizeof(N));
  try {
    N* node = new (memory) N(std::forward<A>(arguments)...);
    node->piece_bytes_ = sizeof(N);
    memory::count_node(1);
    return node;
  } catch (...) {
    memory::give(memory, sizeof(N));
    throw;
  }
}

}  // namespace dz::detail
