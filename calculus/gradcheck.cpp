#include <dz/calculus/gradcheck.hpp>

#include <fmt/format.h>

#include <cmath>
#include <ostream>

#include <dz/calculus/check_graph.hpp>
#include <dz/graph/mode.hpp>
#include <dz/graph/reverse.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/creation.hpp>
#include <dz/ops/reduce.hpp>
#include <dz/tensor/widen.hpp>

namespace dz {
namespace {

/// One function under examination: evaluated at its leaves' present values, always with the same random numbers.
class Examination {
 public:
  Examination(const Gradcheck::Function& f, const std::vector<Gradcheck::Input>& inputs, std::uint64_t seed, int order)
      : f_(f), inputs_(inputs), seed_(seed), order_(order), start_(default_generator()) {}
  ~Examination() { default_generator() = start_; }

  GradcheckResult run() {
    GradcheckResult result;
    result.seed = seed_;
    const Widening widening;
    if (inputs_.empty()) {
      result.trouble = "there is no floating input";
      return result;
    }
    const std::vector<Tensor> outputs = evaluate();
    draw_cotangents(outputs);
    const double first = contract(outputs), again = contracted();
    if (!(first == again || (std::isnan(first) && std::isnan(again)))) {
      result.trouble = fmt::format("two equal calls give {:.17g} and {:.17g}: the function keeps a state", first, again);
      return result;
    }
    std::vector<Array> values;
    for (const auto& input : inputs_) values.push_back(input.leaf.value());
    const detail::Probe probe{values, [this] { return contracted(); }};
    const std::vector<Tensor> gradients = gradients_of(outputs);
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      result.inputs.push_back(detail::compare(probe, i, gradients[i].value(), inputs_[i].name, seed_));
    for (const InputCheck& c : result.inputs)
      if (c.verdict == Verdict::wrong && result.culprits.empty()) result.culprits = culprits();
    return result;
  }

 private:
  std::vector<Tensor> leaves() const {
    std::vector<Tensor> all;
    for (const auto& input : inputs_) all.push_back(input.leaf);
    return all;
  }

  /// The outputs; of the second order, their gradients along fixed cotangents.
  std::vector<Tensor> evaluate() {
    default_generator() = start_;
    if (order_ == 1) return f_();
    const auto recording = with_grad();
    const std::vector<Tensor> y = f_();
    if (inner_.empty()) inner_ = random_like(y, seed_ + 1);
    std::vector<Tensor> recorded, seeds;
    for (std::size_t i = 0; i < y.size(); ++i)
      if (y[i].requires_grad()) recorded.push_back(y[i]), seeds.push_back(inner_[i]);
    return recorded.empty() ? std::vector<Tensor>{} : grad(recorded, leaves(), {.create_graph = true, .seeds = seeds});
  }

  /// Random and asymmetric: a sum alone would hide errors that cancel (the gradient of sum(softmax(x)) is 0 whatever the code says).
  static std::vector<Tensor> random_like(const std::vector<Tensor>& y, std::uint64_t seed) {
    std::vector<Tensor> c;
    Generator g(seed);
    for (const Tensor& t : y) c.push_back(is_floating(t.dtype()) ? normal(t.shape(), 0.3, 1, t.dtype(), g) : zeros(t.shape(), float64));
    return c;
  }

  void draw_cotangents(const std::vector<Tensor>& outputs) { cotangents_ = random_like(outputs, seed_); }

  double contract(const std::vector<Tensor>& y) const {
    if (y.size() != cotangents_.size()) throw ValueError("the function gives another number of outputs than before", "gradcheck");
    double total = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::vector<double> a = y[i].to_vector(), c = cotangents_[i].to_vector();
      if (a.size() != c.size()) throw ValueError("the function gives outputs of another shape than before", "gradcheck");
      for (std::size_t k = 0; k < a.size(); ++k) total += a[k] * c[k];
    }
    return total;
  }

  double contracted() {
    const auto quiet = no_grad();
    return contract(evaluate());
  }

  std::vector<Tensor> gradients_of(const std::vector<Tensor>& outputs) const {
    std::vector<Tensor> recorded, seeds;
    for (std::size_t i = 0; i < outputs.size(); ++i)
      if (outputs[i].requires_grad()) recorded.push_back(outputs[i]), seeds.push_back(cotangents_[i]);
    if (!recorded.empty()) return grad(recorded, leaves(), {.seeds = seeds});
    std::vector<Tensor> none;
    for (const auto& input : inputs_) none.push_back(zeros_like(input.leaf));
    return none;
  }

  /// The lines of the operations that are wrong by themselves.
  std::string culprits() {
    const auto guard = checked();
    const std::vector<Tensor> outputs = evaluate();
    GraphCheck found;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (!outputs[i].requires_grad()) continue;
      for (OperationCheck& o : check_graph(outputs[i], seed_).operations)
        if (o.verdict == Verdict::wrong) found.operations.push_back(std::move(o));
    }
    return found.operations.empty() ? "every operation is right by itself: is something detached, or changed in place?\n"
                                    : to_string(found);
  }

  const Gradcheck::Function& f_;
  const std::vector<Gradcheck::Input>& inputs_;
  std::uint64_t seed_;
  int order_;
  Generator start_;
  std::vector<Tensor> cotangents_, inner_;
};

}  // namespace

Tensor detail::float64_leaf(const Tensor& x) {
  return is_floating(x.dtype()) ? variable(Tensor(x.value().cast(float64).clone())) : x.detach();
}

bool GradcheckResult::passed() const {
  if (!trouble.empty()) return false;
  for (const InputCheck& c : inputs)
    if (c.verdict != Verdict::right) return false;
  return true;
}

std::string to_string(const GradcheckResult& r) {
  if (!r.trouble.empty()) return "gradcheck cannot decide: " + r.trouble;
  std::string text = r.passed() ? "gradcheck: the gradient is right\n" : "gradcheck: the gradient is NOT shown to be right\n";
  for (const InputCheck& c : r.inputs) text += "  " + to_string(c) + "\n";
  if (!r.culprits.empty()) text += r.culprits;
  return text + fmt::format("  (seed {})", r.seed);
}

Gradcheck& Gradcheck::seed(std::uint64_t s) {
  seed_ = s;
  result_.reset();
  return *this;
}

Gradcheck& Gradcheck::order(int n) {
  if (n != 1 && n != 2) throw ValueError(fmt::format("order {}: it is 1 or 2", n), "gradcheck");
  order_ = n;
  result_.reset();
  return *this;
}

const GradcheckResult& Gradcheck::result() const {
  if (!result_) {
    GradcheckResult found = Examination(f_, inputs_, seed_, 1).run();
    if (order_ == 2 && found.passed()) found = Examination(f_, inputs_, seed_, 2).run();
    result_ = std::move(found);
  }
  return *result_;
}

std::ostream& operator<<(std::ostream& out, const Gradcheck& check) { return out << to_string(check); }

}  // namespace dz
