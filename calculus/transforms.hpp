#pragma once
// What one asks of a function: its gradient as a function, products with its Jacobian, the Jacobian itself and the Hessian.
//
//   auto [J, dW] = value_and_grad(cost)(W);                       // cost: a function of a tensor that gives a single element
//   auto [dW, db] = grad_of([&](In W, In b) { … })(W, b);         // of several tensors: an array of gradients
//   Tensor third = grad_of(grad_of(grad_of(f)))(x);               // of a single element x
//   auto [y, pull] = vjp(f, x);    Tensor dx = pull(dy);          // dyᵀ · ∂y/∂x
//   auto [y, dy] = jvp(f, x, v);                                  // ∂y/∂x · v; of several: jvp(f, {x, w}, {v, u})
//   Tensor H = hessian(f, x), Hv = hvp(f, x, v);
//   auto [J, gradients] = value_and_grad([&](Mlp& net) { return cost(net(X), Y); })(model);
//
// A function of tensors is differentiated by its arguments alone: what it has captured is a constant to it, even where that is the
// argument's own tensor. A function of a model is differentiated by the parameters, in the order of parameters(model); for one that is not
// trained the gradient is an empty handle. No leaf's .grad() is touched, and no graph of the caller's is spent.
//
// What a transform gives is recorded under the rule for operations: where an argument, a tangent, or what f has captured requires a
// gradient, and not under no_grad(). So transforms compose. A model's parameters always require one, so they count only within
// another transform, or where {.create_graph = true} asks. Recording takes time and memory, which no_grad() spares.
//
// f takes its tensors as In (or what that converts to) and gives a Tensor; it is called once. All of these throw ShapeError where f has
// to give a single element and does not, or a cotangent or tangent differs in shape from what it belongs to; and DtypeError
// for arguments that are not float32 or float64 (let f capture those), or a cotangent or tangent of another dtype.

#include <array>
#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <dz/models/parameters.hpp>

namespace dz {

struct TransformOptions {
  bool create_graph = false;  ///< record the gradients even where nothing else asks for it
};

namespace detail {

/// A described struct, const or not.
template <class M>
concept AnyModel = Described<std::remove_const_t<M>>;

/// One evaluation of a function at inputs of its own, and the passes through what it recorded. Where a result is a vector, it has an entry
/// for every argument or parameter.
class Evaluation {
 public:
  Evaluation(const char* name, At at, const std::vector<Tensor>& arguments, TransformOptions options = {});
  Evaluation(const char* name, At at, const std::vector<NamedParameter>& parameters, TransformOptions options = {});

  /// The argument that f is to be called with.
  const In& input(std::size_t i) const { return inputs_[i]; }
  /// Calls f() and keeps what it gives.
  template <class F> void run(F&& f) {
    const Recording recording;
    finish(f());
  }

  Tensor value() const;
  /// Of a single element.
  std::vector<Tensor> gradients() const;
  std::vector<Tensor> pull(const Tensor& dy, At at) const;
  Tensor push(const std::vector<Tensor>& tangents) const;
  /// The gradients' derivative along the tangents.
  std::vector<Tensor> push_gradients(const std::vector<Tensor>& tangents) const;
  std::vector<Tensor> jacobians() const;

 private:
  /// While f runs: everything is recorded, and transforms within know that they are.
  class Recording {
   public:
    Recording();
    ~Recording();
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;

   private:
    bool before_;
  };

  void finish(Tensor y);
  bool carries(const std::vector<Tensor>& directions = {}) const;
  void require_single_element() const;
  void require_like(const Tensor& given, const Tensor& of, const char* what, At at) const;
  std::vector<Tensor> trained_tangents(const std::vector<Tensor>& tangents) const;
  std::vector<Tensor> back(const Tensor& dy, bool record, bool retain) const;
  std::vector<Tensor> in_places(std::vector<Tensor> trained) const;

  const char* name_;
  At at_;
  TransformOptions options_;
  bool recording_, nested_;          // when the transform was called
  bool outside_ = false;             // something recorded outside is in the graph
  std::uint64_t start_ = 0;          // the thread's newest node then
  std::size_t count_;                // of arguments or parameters
  std::vector<std::size_t> places_;  // which of them the inputs are
  std::vector<In> inputs_;
  Tensor y_;
};

/// Calls f with the evaluation's inputs.
template <std::size_t n, class F> void run_at_inputs(Evaluation& e, F& f) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    e.run([&] { return Tensor(f(e.input(I)...)); });
  }
  (std::make_index_sequence<n>{});
}
template <class F, class M> void run_at_model(Evaluation& e, F& f, M& model) {
  if constexpr (std::is_invocable_v<F&, M&>) e.run([&] { return Tensor(f(model)); });
  else e.run([&] { return Tensor(f(const_cast<std::remove_const_t<M>&>(model))); });
}
template <class M> std::vector<NamedParameter> parameters_of(M& model) { return parameters(const_cast<std::remove_const_t<M>&>(model)); }

/// One tensor as itself, several as an array.
template <std::size_t n> auto unpack(std::vector<Tensor> many) {
  if constexpr (n == 1) return std::move(many[0]);
  else {
    std::array<Tensor, n> out;
    std::move(many.begin(), many.end(), out.begin());
    return out;
  }
}
template <std::size_t n> std::vector<Tensor> listed(const Tensor (&x)[n]) { return {x, x + n}; }

}  // namespace detail

/// A value and its gradient: a Tensor, or a std::array or std::vector of them.
template <class Gradient> struct ValueAndGradient {
  Tensor value;
  Gradient gradient;
};

namespace detail {

template <class F> class ValueAndGrad {
 public:
  ValueAndGrad(F f, TransformOptions options, const char* name) : f_(std::move(f)), options_(options), name_(name) {}

  template <std::convertible_to<In>... X> auto operator()(In first, const X&... more) const {
    constexpr std::size_t n = 1 + sizeof...(X);
    Evaluation e(name_, first.at(), {first, In(more)...}, options_);
    run_at_inputs<n>(e, f_);
    return ValueAndGradient<decltype(unpack<n>({}))>{e.value(), unpack<n>(e.gradients())};
  }
  template <AnyModel M> ValueAndGradient<std::vector<Tensor>> operator()(M& model, At at = At::here()) const {
    Evaluation e(name_, at, parameters_of(model), options_);
    run_at_model(e, f_, model);
    return {e.value(), e.gradients()};
  }

 private:
  mutable F f_;
  TransformOptions options_;
  const char* name_;
};

template <class F> class GradOf {
 public:
  GradOf(F f, TransformOptions options) : both_(std::move(f), options, "grad_of") {}
  template <std::convertible_to<In>... X> auto operator()(In first, const X&... more) const {
    return both_(std::move(first), more...).gradient;
  }
  template <AnyModel M> std::vector<Tensor> operator()(M& model, At at = At::here()) const { return both_(model, at).gradient; }

 private:
  ValueAndGrad<F> both_;
};

}  // namespace detail

/// A function that gives f's value and its gradient at x…: the gradient of one tensor is a Tensor of its shape, of several a std::array of
/// them, of a model a std::vector. f gives a single element.
template <class F> auto value_and_grad(F f, TransformOptions options = {}) {
  return detail::ValueAndGrad<F>(std::move(f), options, "value_and_grad");
}
/// The same without the value.
template <class F> auto grad_of(F f, TransformOptions options = {}) { return detail::GradOf<F>(std::move(f), options); }

/// What vjp gives beside the value: pull(dy), of y's shape, is dyᵀ · ∂y/∂x for each x, formed as a gradient is. It can be called again.
template <class Gradient> class Pullback {
 public:
  Gradient operator()(In dy) const {
    std::vector<Tensor> dx = evaluation_->pull(dy, dy.at());
    if constexpr (std::is_same_v<Gradient, std::vector<Tensor>>) return dx;
    else if constexpr (std::is_same_v<Gradient, Tensor>) return detail::unpack<1>(std::move(dx));
    else return detail::unpack<std::tuple_size_v<Gradient>>(std::move(dx));
  }
  explicit Pullback(std::shared_ptr<const detail::Evaluation> e) : evaluation_(std::move(e)) {}

 private:
  std::shared_ptr<const detail::Evaluation> evaluation_;
};
template <class Gradient> struct ValueAndPullback {
  Tensor value;
  Pullback<Gradient> pull;
};

/// f's value at x… and the function that takes a cotangent back to them: reverse mode, split in two.
template <class F, std::convertible_to<In>... X> auto vjp(F f, In first, const X&... more) {
  constexpr std::size_t n = 1 + sizeof...(X);
  auto e = std::make_shared<detail::Evaluation>("vjp", first.at(), std::vector<Tensor>{first, In(more)...});
  detail::run_at_inputs<n>(*e, f);
  Tensor value = e->value();
  return ValueAndPullback<decltype(detail::unpack<n>({}))>{std::move(value), Pullback<decltype(detail::unpack<n>({}))>(std::move(e))};
}
template <class F, detail::AnyModel M> ValueAndPullback<std::vector<Tensor>> vjp(F f, M& model, At at = At::here()) {
  auto e = std::make_shared<detail::Evaluation>("vjp", at, detail::parameters_of(model));
  detail::run_at_model(*e, f, model);
  Tensor value = e->value();
  return {std::move(value), Pullback<std::vector<Tensor>>(std::move(e))};
}

/// A value and how fast it changes.
struct ValueAndTangent {
  Tensor value, tangent;
};

/// f's value at x… and its derivative along the tangents, each of its x's shape: Σ ∂y/∂x · v. By reversing twice.
template <class F, std::size_t n> ValueAndTangent jvp(F f, const Tensor (&x)[n], const Tensor (&tangents)[n], At at = At::here()) {
  detail::Evaluation e("jvp", at, detail::listed(x));
  detail::run_at_inputs<n>(e, f);
  return {e.value(), e.push(detail::listed(tangents))};
}
template <class F> ValueAndTangent jvp(F f, In x, In tangent) { return jvp(std::move(f), {Tensor(x)}, {Tensor(tangent)}, x.at()); }
/// The tangents in the order of parameters(model).
template <class F, detail::AnyModel M> ValueAndTangent jvp(F f, M& model, const std::vector<Tensor>& tangents, At at = At::here()) {
  detail::Evaluation e("jvp", at, detail::parameters_of(model));
  detail::run_at_model(e, f, model);
  return {e.value(), e.push(tangents)};
}

/// ∂y/∂x, of y's shape with x's behind it; of several x, an array of them. A reverse pass for each element of y, or a double one for each
/// element of the x where these are far fewer.
template <class F, std::convertible_to<In>... X> auto jacobian(F f, In first, const X&... more) {
  constexpr std::size_t n = 1 + sizeof...(X);
  detail::Evaluation e("jacobian", first.at(), {first, In(more)...});
  detail::run_at_inputs<n>(e, f);
  return detail::unpack<n>(e.jacobians());
}
template <class F, detail::AnyModel M> std::vector<Tensor> jacobian(F f, M& model, At at = At::here()) {
  detail::Evaluation e("jacobian", at, detail::parameters_of(model));
  detail::run_at_model(e, f, model);
  return e.jacobians();
}

/// ∂²f/∂x², of x's shape twice, for an f that gives a single element. A reverse pass for each element of x.
template <class F> Tensor hessian(F f, In x) { return jacobian(grad_of(std::move(f)), std::move(x)); }

/// The Hessian times v, without forming it: of each x's shape. By reversing twice.
template <class F, std::size_t n> auto hvp(F f, const Tensor (&x)[n], const Tensor (&v)[n], At at = At::here()) {
  detail::Evaluation e("hvp", at, detail::listed(x));
  detail::run_at_inputs<n>(e, f);
  return detail::unpack<n>(e.push_gradients(detail::listed(v)));
}
template <class F> Tensor hvp(F f, In x, In v) { return hvp(std::move(f), {Tensor(x)}, {Tensor(v)}, x.at()); }
/// v and the result in the order of parameters(model).
template <class F, detail::AnyModel M> std::vector<Tensor> hvp(F f, M& model, const std::vector<Tensor>& v, At at = At::here()) {
  detail::Evaluation e("hvp", at, detail::parameters_of(model));
  detail::run_at_model(e, f, model);
  return e.push_gradients(v);
}

}  // namespace dz
