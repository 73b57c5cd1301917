#pragma once
// How an operation comes into being: its name, its forward on values, and beside each input the derivative by that input.
//
//   Tensor exp(In x) {
//     return record("exp", kernels::exp, wrt(x, [](const Tensor& dy, const Tensor& y) { return dy * y; }));
//   }
//
// The forward is called with the values of the wrt inputs, in order; whatever else it needs it captures. A derivative is given
// the output's cotangent and, where it takes a second argument, the output; it gives the input's cotangent (the engine sums
// broadcast axes away). Written with operations on Tensors it can itself be differentiated; one that takes `const Array&` is of
// first order only, and says so when a second order is asked. One that takes a Tensor&& dy owns it: an elementwise kernel then
// writes over it where nobody else holds it. What a derivative captures is what is saved, and only where its input needs a
// gradient.

#include <array>
#include <optional>
#include <tuple>
#include <type_traits>

#include <dz/graph/mode.hpp>
#include <dz/graph/node.hpp>

namespace dz {

template <class D> struct Wrt {
  const In& input;
  D derivative;
};
/// The derivative by one input.
template <class D> Wrt<D> wrt(const In& input, D derivative) { return {input, std::move(derivative)}; }

template <class W, class A> struct Region {
  W whole;
  A add;
  Tensor operator()(const Tensor& dy) { return whole(dy); }
};
/// In the place of a derivative by an input of which the operation reads a region: `whole(dy)` gives the input's cotangent, zeros but in the
/// region, written with operations; `add(dx, dy)` adds the same to an array of the input's shape, in place (both are Arrays, dx in row order).
/// So n slices of one tensor cost as much as their elements, and not n times the tensor's.
template <class W, class A> Region<W, A> region(W whole, A add) { return {std::move(whole), std::move(add)}; }

template <class D> struct WrtAll {
  std::vector<In> inputs;
  D derivative;
};
/// The derivatives by several inputs at once, where they share work: derivative(dy, y, wanted) gives a std::vector<Tensor>, one for
/// each input; those that `wanted` (a span of flags) leaves out may be empty.
template <class D> WrtAll<D> wrt_all(std::vector<In> inputs, D derivative) { return {std::move(inputs), std::move(derivative)}; }

/// Which inputs of a wrt_all need their gradient.
using Wanted = std::span<const std::uint8_t>;

template <class D, std::size_t n> struct WrtArray {
  std::array<In, n> inputs;
  D derivative;
};
/// The same for a number of inputs that is known beforehand, and one output: derivative(dy, wanted), or derivative(dy, y, wanted), gives a
/// std::array<Tensor, n>. Recording it costs no more than one derivative by each: `wrt_all(std::array{x, w, b}, …)`.
template <class D, std::size_t n> WrtArray<D, n> wrt_all(std::array<In, n> inputs, D derivative) { return {std::move(inputs), std::move(derivative)}; }

namespace detail {

/// An array that a forward fills for its derivative, beside what it gives.
class Beside {
 public:
  explicit Beside(Array array) : array_(std::move(array)) {}
  const Array& array() const { return array_; }
  /// What the forward is to fill: the array; run again, for a check, another one like it.
  Array room() const { return std::exchange(given_, true) ? Array::make(array_.shape(), array_.dtype()) : array_; }

 private:
  Array array_;
  mutable bool given_ = false;
};

inline constexpr std::size_t max_outputs = 65535;  // a NodeRef has sixteen bits for the number

[[noreturn]] void refuse_second_order(const char* name, At at);

template <class D> inline constexpr bool of_tensors = std::is_invocable_v<D&, Tensor> || std::is_invocable_v<D&, Tensor, const Tensor&>;
template <class D> inline constexpr bool takes_output = std::is_invocable_v<D&, Tensor, const Tensor&> || std::is_invocable_v<D&, const Array&, const Array&>;
template <class D> inline constexpr bool takes_over =
    of_tensors<D> && !std::is_invocable_v<D&, const Tensor&> && !std::is_invocable_v<D&, const Tensor&, const Tensor&>;

/// dy is used up where the derivative takes it over and is the last that wants it.
template <class D> Tensor derive(D& d, const Node& node, Tensor& dy, const Tensor& y, bool last) {
  if constexpr (takes_over<D>) {
    if constexpr (takes_output<D>) return last ? d(std::move(dy), y) : d(Tensor(dy), y);
    else return last ? d(std::move(dy)) : d(Tensor(dy));
  } else if constexpr (of_tensors<D>) {
    if constexpr (takes_output<D>) return d(std::as_const(dy), y);
    else return d(std::as_const(dy));
  } else {
    static_assert(std::is_invocable_v<D&, const Array&> || std::is_invocable_v<D&, const Array&, const Array&>,
                  "a derivative takes (const Tensor& dy) or (const Tensor& dy, const Tensor& y), or Tensor&& dy; of first order only: the same with const Array&");
    if (is_recording()) refuse_second_order(node.name(), node.at());
    if constexpr (takes_output<D>) return Tensor(d(dy.value(), y.value()));
    else return Tensor(d(dy.value()));
  }
}

template <class W, class A> Tensor derive(Region<W, A>& d, const Node& node, Tensor& dy, const Tensor& y, bool last, const NodeRef& operand, Sums* sums) {
  const OutputKind& kind = operand.node()->output(operand.output());
  if (is_recording() || dy.dtype() != kind.dtype()) return derive(d, node, dy, y, last);
  Tensor dx = sums ? sums->take(operand) : Tensor();
  if (!dx) dx = Tensor(Array::full(kind.shape(), 0, kind.dtype()));
  else if (!dx.value().is_spare()) dx = Tensor(dx.value().clone());
  d.add(dx.value(), dy.value());
  return dx;
}
template <class D> Tensor derive(D& d, const Node& node, Tensor& dy, const Tensor& y, bool last, const NodeRef&, Sums*) { return derive(d, node, dy, y, last); }

/// A derivative, or room for one: those of inputs that need none are never made.
template <class D> union Slot {
  Slot() {}
  ~Slot() {}
  D d;
};

/// The forward with its inputs, kept in check mode.
template <class F> class Kept final : public Replay {
 public:
  Kept(F forward, std::vector<Array> inputs) : forward_(std::move(forward)), inputs_(std::move(inputs)) {}
  std::span<const Array> inputs() const override { return inputs_; }
  std::vector<Array> run(std::span<const Array> inputs) const override { return forward_(inputs); }

 private:
  F forward_;
  std::vector<Array> inputs_;
};
template <class F> std::unique_ptr<Replay> keep(F forward, std::vector<Array> inputs) { return std::make_unique<Kept<F>>(std::move(forward), std::move(inputs)); }

/// A node of n inputs and one output, which it keeps where a derivative takes it.
template <std::size_t n> class OneOutput : public Node {
 public:
  void exchange_outputs(std::span<Array> y) noexcept override {
    if (output_) std::swap(output_, y[0]);
  }

 protected:
  template <class... Operand> OneOutput(const char* name, At at, const Array& value, const Operand&... operands) : Node(name, at, value), edges_{operands.from()...} { this->follow(edges_); }
  /// The output as derivatives take it; empty where none does.
  Tensor kept() { return !output_ ? Tensor() : is_recording() ? Tensor(output_, NodeRef::share(this)) : Tensor(output_); }
  void let_go() noexcept {
    output_ = {};
    replay_.reset();
  }

  std::array<NodeRef, n> edges_;
  Array output_;
};

/// Such a node with a derivative for each input.
template <class... D> class Recorded final : public OneOutput<sizeof...(D)> {
  using Base = OneOutput<sizeof...(D)>;
  using Base::edges_, Base::output_;

 public:
  Recorded(const char* name, At at, const Array& value, Wrt<D>&... w) : Base(name, at, value, w.input...) {
    [&]<std::size_t... I>(std::index_sequence<I...>) { ((this->edges_[I] ? void(new (&std::get<I>(slots_).d) D(std::move(w.derivative))) : void()), ...); }(std::index_sequence_for<D...>{});
    if (needs_output()) output_ = value;
  }
  ~Recorded() override { Recorded::spend(); }
  void pull(Pull& pull) override {
    const Tensor y = this->kept();
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((pull.wanted[I] ? void(pull.dx[I] = derive(std::get<I>(slots_).d, *this, pull.dy[0], y, is_last<I>(pull.wanted), edges_[I], pull.sums)) : void()), ...);
    }(std::index_sequence_for<D...>{});
  }
  void spend() noexcept override {
    if (std::exchange(this->spent_, true)) return;
    [&]<std::size_t... I>(std::index_sequence<I...>) { ((edges_[I] ? std::destroy_at(&std::get<I>(slots_).d) : void()), ...); }(std::index_sequence_for<D...>{});
    this->let_go();
  }

 private:
  /// No input after number i is wanted.
  template <std::size_t i> static bool is_last(Wanted wanted) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) { return !(wanted[i + 1 + I] || ...); }(std::make_index_sequence<sizeof...(D) - i - 1>{});
  }
  bool needs_output() const {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return ((takes_output<std::tuple_element_t<I, std::tuple<D...>>> && edges_[I]) || ...);
    }(std::index_sequence_for<D...>{});
  }

  std::tuple<Slot<D>...> slots_;
};

/// Such a node with one derivative for all inputs.
template <class D, std::size_t n> class RecordedArray final : public OneOutput<n> {
 public:
  RecordedArray(const char* name, At at, const Array& value, WrtArray<D, n>& w) : RecordedArray(name, at, value, w, std::make_index_sequence<n>{}) {}
  void pull(Pull& pull) override {
    std::array<Tensor, n> dx = [&] {
      if constexpr (needs_output) return (*derivative_)(std::move(pull.dy[0]), this->kept(), pull.wanted);
      else return (*derivative_)(std::move(pull.dy[0]), pull.wanted);
    }();
    for (std::size_t i = 0; i < n; ++i)
      if (pull.wanted[i]) pull.dx[i] = std::move(dx[i]);
  }
  void spend() noexcept override {
    derivative_.reset();
    this->let_go();
  }

 private:
  template <std::size_t... I>
  RecordedArray(const char* name, At at, const Array& value, WrtArray<D, n>& w, std::index_sequence<I...>) : OneOutput<n>(name, at, value, w.inputs[I]...), derivative_(std::move(w.derivative)) {
    if constexpr (needs_output) this->output_ = value;
  }
  static constexpr bool needs_output = std::is_invocable_v<D&, Tensor, const Tensor&, Wanted>;

  std::optional<D> derivative_;
};

/// A node of any number of inputs or outputs with one derivative for all.
template <class D> class RecordedAll final : public Node {
 public:
  RecordedAll(const char* name, At at, std::span<const Array> values, const std::vector<In>& inputs, D derivative)
      : Node(name, at, values[0], static_cast<unsigned>(values.size())), derivative_(std::move(derivative)), outputs_(values.begin(), values.end()) {
    kinds_.reserve(values.size() - 1);
    for (const Array& v : values.subspan(1)) kinds_.emplace_back(v);
    edges_.reserve(inputs.size());
    for (const In& in : inputs) edges_.push_back(in.from());
    follow(edges_);
  }
  void pull(Pull& pull) override {
    memory::Vector<Tensor> y;
    for (unsigned i = 0; i < outputs_.size(); ++i) y.push_back(is_recording() ? Tensor(outputs_[i], NodeRef::share(this, i)) : Tensor(outputs_[i]));
    std::vector<Tensor> dx;
    constexpr bool of_one = std::is_invocable_v<D&, const Tensor&, const Tensor&, Wanted>;
    static_assert(of_one || std::is_invocable_v<D&, std::span<const Tensor>, std::span<const Tensor>, Wanted>,
                  "the derivative of a wrt_all takes (const Tensor& dy, const Tensor& y, Wanted wanted), of a record_many (std::span<const Tensor> dy, "
                  "std::span<const Tensor> y, Wanted wanted), and gives a std::vector<Tensor>");
    if constexpr (of_one) dx = (*derivative_)(pull.dy[0], y[0], pull.wanted);
    else dx = (*derivative_)(pull.dy, std::span<const Tensor>(y), pull.wanted);
    if (dx.size() != edges_.size()) throw GraphError("its derivative gives " + std::to_string(dx.size()) + " gradients for " + std::to_string(edges_.size()) + " inputs");
    for (std::size_t i = 0; i < dx.size(); ++i)
      if (pull.wanted[i]) pull.dx[i] = std::move(dx[i]);
  }
  void spend() noexcept override {
    derivative_.reset();
    outputs_.clear();
    replay_.reset();
  }
  void exchange_outputs(std::span<Array> y) noexcept override {
    for (std::size_t i = 0; i < outputs_.size(); ++i) std::swap(outputs_[i], y[i]);
  }

 private:
  const OutputKind& further(unsigned number) const override { return kinds_[number - 1]; }

  std::optional<D> derivative_;
  memory::Vector<NodeRef> edges_;
  memory::Vector<OutputKind> kinds_;  // of the outputs beyond the first
  memory::Vector<Array> outputs_;
};

/// Throws ValueError where an element is a NaN or infinite; `what` says of whom.
void require_finite(const Array& a, const std::string& what);
inline void require_finite(const std::vector<Array>& many, const std::string& what) {
  for (const Array& a : many) require_finite(a, what);
}

/// Runs a forward; an error in it gets the operation's name and the user's line.
template <class F> auto run_forward(const char* name, At at, F&& forward) {
  try {
    auto value = forward();
    if constexpr (std::is_same_v<decltype(value), Array> || std::is_same_v<decltype(value), std::vector<Array>>)
      if (thread_state.watching && !thread_state.deriving) [[unlikely]] require_finite(value, "its result");
    return value;
  } catch (Error& e) {
    e.locate(name, at);
    throw;
  }
}

}  // namespace detail

/// Records an operation of one output. Throws whatever the forward throws, with the operation's name and the user's line.
template <class F, class... D> Tensor record(const char* name, F forward, Wrt<D>... w) {
  const At at = detail::call_site(std::get<0>(std::tie(w...)).input.at());
  Array value = detail::run_forward(name, at, [&] { return forward(w.input.value()...); });
  if (!is_recording() || !(w.input.requires_grad() || ...)) return Tensor(std::move(value));
  auto* node = detail::make_node<detail::Recorded<D...>>(name, at, value, w...);
  Tensor y(std::move(value), NodeRef::adopt(node));
  if (detail::thread_state.checking) [[unlikely]] {
    auto again = [forward](std::span<const Array> in) {
      return [&]<std::size_t... I>(std::index_sequence<I...>) { return std::vector<Array>{forward(in[I]...)}; }(std::index_sequence_for<D...>{});
    };
    node->set_replay(detail::keep(std::move(again), {w.input.value()...}));
  }
  return y;
}

/// Records an operation whose derivatives are computed together, of a fixed number of inputs: derivative(dy, wanted), or derivative(dy, y, wanted).
template <class F, class D, std::size_t n> Tensor record(const char* name, F forward, WrtArray<D, n> w) {
  const At at = detail::call_site(w.inputs[0].at());
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    Array value = detail::run_forward(name, at, [&] { return forward(w.inputs[I].value()...); });
    if (!is_recording() || !(w.inputs[I].requires_grad() || ...)) return Tensor(std::move(value));
    auto* node = detail::make_node<detail::RecordedArray<D, n>>(name, at, value, w);
    Tensor y(std::move(value), NodeRef::adopt(node));
    if (detail::thread_state.checking) [[unlikely]] {
      auto again = [forward](std::span<const Array> in) { return std::vector<Array>{forward(in[I]...)}; };
      node->set_replay(detail::keep(std::move(again), {w.inputs[I].value()...}));
    }
    return y;
  }(std::make_index_sequence<n>{});
}

/// An operation whose result is a constant to the graph (an index, a comparison): it has a name and a line for its errors, and no
/// derivative.
template <class F, class... X> Tensor constant(const char* name, F forward, const In& first, const X&... rest) {
  return Tensor(detail::run_forward(name, detail::call_site(first.at()), [&] { return forward(first.value(), rest.value()...); }));
}

namespace detail {

template <class F, class D> std::vector<Tensor> record_all(const char* name, F forward, WrtAll<D> w) {
  const At at = call_site(w.inputs.empty() ? At{} : w.inputs[0].at());
  std::vector<Array> in;
  bool needed = false;
  for (const In& i : w.inputs) {
    in.push_back(i.value());
    needed |= i.requires_grad();
  }
  std::vector<Array> values = run_forward(name, at, [&] { return forward(std::span<const Array>(in)); });
  if (values.empty() || values.size() > max_outputs)
    throw GraphError("its forward gives " + std::to_string(values.size()) + " outputs", name, at);
  std::vector<Tensor> out;
  if (!is_recording() || !needed) {
    for (Array& v : values) out.emplace_back(std::move(v));
    return out;
  }
  auto* node = make_node<RecordedAll<D>>(name, at, values, w.inputs, std::move(w.derivative));
  const NodeRef self = NodeRef::adopt(node);
  for (unsigned i = 0; i < values.size(); ++i) out.emplace_back(values[i], NodeRef::share(node, i));
  if (thread_state.checking) [[unlikely]] node->set_replay(keep(std::move(forward), std::move(in)));
  return out;
}

/// forward(a, b, …) from forward(span), for a fixed number of inputs.
template <class F> auto spread(F forward, std::size_t count) {
  return [forward, count](std::span<const Array> in) -> std::vector<Array> {
    static_cast<void>(count);  // unused where the forward takes the span
    auto call = [&]<std::size_t... I>(std::index_sequence<I...>) -> std::vector<Array> {
      if constexpr (requires { forward(in[I]...); }) return {forward(in[I]...)};
      else throw GraphError("its forward does not take " + std::to_string(in.size()) + " arrays");
    };
    if constexpr (std::is_invocable_v<F&, std::span<const Array>>) return {forward(in)};
    else
      switch (count) {
        case 1: return call(std::make_index_sequence<1>{});
        case 2: return call(std::make_index_sequence<2>{});
        case 3: return call(std::make_index_sequence<3>{});
        case 4: return call(std::make_index_sequence<4>{});
        case 5: return call(std::make_index_sequence<5>{});
        case 6: return call(std::make_index_sequence<6>{});
        default: throw GraphError("a forward of " + std::to_string(count) + " arrays takes them as a span: one to six come one by one");
      }
  };
}

}  // namespace detail

/// Records an operation whose derivatives are computed together: derivative(dy, y, wanted). The forward takes the inputs one by
/// one (up to six) or as a std::span<const Array>.
template <class F, class D> Tensor record(const char* name, F forward, WrtAll<D> w) {
  const std::size_t count = w.inputs.size();
  return std::move(detail::record_all(name, detail::spread(std::move(forward), count), std::move(w))[0]);
}

/// Records an operation of several outputs: the forward takes a std::span<const Array> and gives a std::vector<Array>; the
/// derivative takes (std::span<const Tensor> dy, std::span<const Tensor> y, Wanted); a dy that nothing arrived for is empty.
template <class F, class D> std::vector<Tensor> record_many(const char* name, F forward, WrtAll<D> w) {
  return detail::record_all(name, std::move(forward), std::move(w));
}

}  // namespace dz
