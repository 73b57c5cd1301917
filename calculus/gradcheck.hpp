#pragma once
// gradcheck(f, x…): is the gradient that a reverse pass gives the slope of the function, and does the code that ships keep to it?
//
//   CHECK_THAT(gradcheck(swish, normal({3, 4})), Passes());            // <dz/calculus/catch.hpp>
//   if (auto check = gradcheck([&](Mlp& net) { return cost(net(X), Y); }, model); !check) std::puts(to_string(check).c_str());
//
// The gradient is compared with differences in float64 (differences.hpp), the float32 code with that (precision.hpp), and what a
// derivative owes beyond its value is tried (contracts.hpp). docs/gradient_check.md says how.

#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <type_traits>

#include <dz/calculus/comparison.hpp>
#include <dz/calculus/subject.hpp>
#include <dz/models/parameters.hpp>

namespace dz {

/// What a gradient check found.
struct GradcheckResult {
  std::vector<InputCheck> inputs;      ///< each input's gradient against differences
  std::vector<std::string> findings;   ///< what else is wrong: in float32, with other layouts, called twice, …
  std::string trouble;                 ///< why nothing could be compared; empty as a rule
  std::string culprits;                ///< where a gradient is wrong: the operations that check_graph finds wrong
  std::uint64_t seed = 0;              ///< repeats it: gradcheck(…).seed(s)
  int order = 1;                       ///< of the derivatives in which this was found

  Verdict verdict() const;
  bool passed() const { return verdict() == Verdict::right; }
};
std::string to_string(const GradcheckResult& result);

/// A gradient check that is evaluated when it is asked; prints itself.
class Gradcheck {
 public:
  using Function = std::function<std::vector<Tensor>()>;
  using Input = detail::NamedLeaf;
  /// Makes the function with arguments of its own: in float64, or as it ships.
  using Maker = std::function<detail::Subject(bool in_float64)>;

  explicit Gradcheck(Maker make) : make_(std::move(make)) {}
  /// f computes its outputs from the inputs' leaves, which are float64 and the check's own.
  Gradcheck(Function f, std::vector<Input> inputs);

  /// Of the cotangent that outputs are contracted with, and of all else that is drawn.
  Gradcheck& seed(std::uint64_t s);
  /// 2: checks the gradient of the gradient as well.
  Gradcheck& order(int n);

  const GradcheckResult& result() const;
  bool passed() const { return result().passed(); }
  explicit operator bool() const { return passed(); }

  friend std::string to_string(const Gradcheck& check) { return to_string(check.result()); }
  friend std::ostream& operator<<(std::ostream& out, const Gradcheck& check);

 private:
  Maker make_;
  std::uint64_t seed_ = 1;
  int order_ = 1;
  mutable std::optional<GradcheckResult> result_;
};

namespace detail {

inline Tensors as_outputs(Tensor y) { return {std::move(y)}; }
inline Tensors as_outputs(Tensors y) { return y; }

/// f(model?, a[0], a[1], …); what f does with an argument directly reports the line of the check.
template <std::size_t n, class F, class... M> Tensors call_with(F& f, At at, const Tensors& a, M&... model) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) { return as_outputs(f(model..., In(a[I], at)...)); }(std::make_index_sequence<n>{});
}
/// The maker of a function of tensors.
Gradcheck::Maker maker_of(std::function<Tensors(const Tensors&)> call, Tensors given);
void add_parameters(Subject& s, const std::vector<NamedParameter>& parameters);

}  // namespace detail

/// Checks f, a function of tensors that gives a tensor or several. Every floating input's gradient is compared in float64 with central
/// differences of two step sizes, the outputs contracted with a random cotangent and, where they are few, one by one. Where the
/// inputs are float32, so is then f itself compared. Constants that f captured in float32 are widened; random operations repeat. Where f
/// throws, so does the evaluation.
template <class F, std::convertible_to<In>... X> Gradcheck gradcheck(F f, In first, const X&... more) {
  auto call = [f = std::move(f), at = first.at()](const detail::Tensors& a) mutable { return detail::call_with<1 + sizeof...(X)>(f, at, a); };
  return Gradcheck(detail::maker_of(std::move(call), {first, In(more)...}));
}

/// The same for a function of a model, and of tensors beside it where they are given: the model's parameters are inputs. Works on copies of the
/// model.
template <class F, Described M, std::convertible_to<In>... X> Gradcheck gradcheck(F f, const M& model, const X&... x) requires std::is_invocable_v<F&, M&, const X&...> {
  return Gradcheck([f = std::move(f), model, given = detail::Tensors{In(x)...}](bool in_float64) {
    auto copy = std::make_shared<M>(model);
    if (in_float64) cast_parameters(parameters(*copy), float64);
    auto call = [f, copy](const detail::Tensors& a) mutable { return detail::call_with<sizeof...(X)>(f, At{}, a, *copy); };
    detail::Subject s = detail::maker_of(std::move(call), given)(in_float64);
    detail::add_parameters(s, parameters(*copy));
    return s;
  });
}

}  // namespace dz
