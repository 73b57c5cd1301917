#pragma once
// gradcheck(f, x…): is the gradient that a reverse pass gives the slope of the function? In float64, whatever the inputs were.
//
//   CHECK_THAT(gradcheck(swish, normal({3, 4})), Passes());            // <dz/calculus/catch.hpp>
//   if (auto check = gradcheck([&](Mlp& net) { return cost(net(X), Y); }, model); !check) std::puts(to_string(check).c_str());

#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <type_traits>

#include <dz/calculus/differences.hpp>
#include <dz/models/parameters.hpp>

namespace dz {

/// What a gradient check found, input by input.
struct GradcheckResult {
  std::vector<InputCheck> inputs;
  std::string trouble;     ///< why nothing could be compared; empty as a rule
  std::string culprits;    ///< where a gradient is wrong: the operations that check_graph finds wrong
  std::uint64_t seed = 0;  ///< repeats it: gradcheck(…).seed(s)

  bool passed() const;
};
std::string to_string(const GradcheckResult& result);

/// A gradient check that is evaluated when it is asked; prints itself.
class Gradcheck {
 public:
  using Function = std::function<std::vector<Tensor>()>;
  struct Input {
    std::string name;
    Tensor leaf;
  };
  /// f computes its outputs from the inputs' leaves, which are float64 and the check's own.
  Gradcheck(Function f, std::vector<Input> inputs) : f_(std::move(f)), inputs_(std::move(inputs)) {}

  /// Of the cotangent that outputs are contracted with, and of random operations.
  Gradcheck& seed(std::uint64_t s);
  /// 2: checks the gradient of the gradient as well.
  Gradcheck& order(int n);

  const GradcheckResult& result() const;
  bool passed() const { return result().passed(); }
  explicit operator bool() const { return passed(); }

  friend std::string to_string(const Gradcheck& check) { return to_string(check.result()); }
  friend std::ostream& operator<<(std::ostream& out, const Gradcheck& check);

 private:
  Function f_;
  std::vector<Input> inputs_;
  std::uint64_t seed_ = 1;
  int order_ = 1;
  mutable std::optional<GradcheckResult> result_;
};

namespace detail {

Tensor float64_leaf(const Tensor& x);

inline std::vector<Tensor> as_outputs(Tensor y) { return {std::move(y)}; }
inline std::vector<Tensor> as_outputs(std::vector<Tensor> y) { return y; }

}  // namespace detail

/// Checks f, a function of tensors that gives a tensor or several: the outputs are contracted with a random cotangent; every floating
/// input's gradient is compared with central differences of two step sizes. Constants that f captured in float32 are widened;
/// random operations repeat. Where f throws, so does the evaluation.
template <class F, std::convertible_to<In>... X> Gradcheck gradcheck(F f, In first, const X&... more) {
  std::vector<In> leaves;
  std::vector<Gradcheck::Input> inputs;
  const auto add = [&](const Tensor& t) {
    leaves.emplace_back(detail::float64_leaf(t), first.at());  // what f does with it directly reports the line of the check
    if (is_floating(t.dtype())) inputs.push_back({"input " + std::to_string(leaves.size() - 1), leaves.back()});
  };
  add(first);
  (add(In(more)), ...);
  auto call = [f = std::move(f), leaves]() mutable {
    return [&]<std::size_t... I>(std::index_sequence<I...>) { return detail::as_outputs(f(leaves[I]...)); }(std::make_index_sequence<1 + sizeof...(X)>{});
  };
  return Gradcheck(std::move(call), std::move(inputs));
}

/// The same for a function of a model: its parameters are the inputs. Works on a copy of the model.
template <class F, Described M> Gradcheck gradcheck(F f, const M& model) requires std::is_invocable_v<F&, M&> {
  auto copy = std::make_shared<M>(model);
  const auto found = parameters(*copy);
  cast_parameters(found, float64);
  std::vector<Gradcheck::Input> inputs;
  for (const auto& [name, p] : found)
    if (*p && p->requires_grad()) inputs.push_back({name, *p});
  return Gradcheck([f = std::move(f), copy]() mutable { return detail::as_outputs(f(*copy)); }, std::move(inputs));
}

}  // namespace dz
