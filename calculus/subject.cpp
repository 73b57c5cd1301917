#include <dz/calculus/subject.hpp>

#include <algorithm>
#include <cmath>

#include <dz/graph/mode.hpp>
#include <dz/graph/reverse.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/creation.hpp>

namespace dz::detail {

Tensors Subject::leaves() const {
  Tensors all;
  for (const NamedLeaf& input : inputs) all.push_back(input.leaf);
  return all;
}

Tensor own_copy(const Tensor& x, Dtype dtype) {
  return is_floating(x.dtype()) ? variable(Tensor(x.value().cast(dtype).clone())) : Tensor(x.value().clone());
}

Subject with_arguments(const Subject& s, const Tensors& arguments) {
  Subject other{s.call, {}, {}};
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const Tensor& x = arguments[i];
    other.arguments.push_back(is_floating(x.dtype()) ? variable(x.detach()) : x);
    if (is_floating(x.dtype())) other.inputs.push_back({"input " + std::to_string(i), other.arguments.back()});
  }
  return other;
}

Subject with_other_values(const Subject& s) {
  Tensors elsewhere;
  for (const Tensor& x : s.arguments) elsewhere.push_back(is_floating(x.dtype()) ? Tensor(x.detach() * 0.875) : x);
  return with_arguments(s, elsewhere);
}

Subject gradient_subject(const Subject& s, const Generator& start, std::uint64_t seed) {
  Tensors inner = cotangents_like(run(s, start), seed);
  Subject gradient{{}, s.arguments, s.inputs};
  gradient.call = [s, inner](const Tensors& arguments) {
    const auto recording = with_grad();  // also where the differences are quiet
    const Tensors y = s.call(arguments);
    Tensors recorded, seeds;
    for (std::size_t i = 0; i < y.size(); ++i)
      if (y[i].requires_grad()) recorded.push_back(y[i]), seeds.push_back(inner[i]);
    return recorded.empty() ? Tensors{} : grad(recorded, s.leaves(), {.create_graph = true, .seeds = seeds});
  };
  return gradient;
}

Tensors run(const Subject& s, const Generator& start) {
  default_generator() = start;
  return s.call(s.arguments);
}

Tensors cotangents_like(const Tensors& outputs, std::uint64_t seed) {
  Tensors c;
  Generator g(seed);
  for (const Tensor& t : outputs)
    c.push_back(is_floating(t.dtype()) ? Tensor(normal(t.shape(), 0.3, 1, float32, g).value().cast(t.dtype())) : zeros(t.shape(), float64));
  return c;
}

std::vector<double> contraction_terms(const Tensors& outputs, const Tensors& cotangents) {
  if (outputs.size() != cotangents.size()) throw ValueError("the function gives another number of outputs than before", "gradcheck");
  std::vector<double> terms;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::vector<double> a = outputs[i].to_vector(), c = cotangents[i].to_vector();
    if (a.size() != c.size()) throw ValueError("the function gives outputs of another shape than before", "gradcheck");
    for (std::size_t k = 0; k < a.size(); ++k) terms.push_back(a[k] * c[k]);
  }
  return terms;
}

double contraction(const Tensors& outputs, const Tensors& cotangents) {
  double total = 0, lost = 0;  // compensated (Kahan 1965): the noise is to be the function's, not the sum's
  for (const double t : contraction_terms(outputs, cotangents)) {
    const double term = t - lost, next = total + term;
    lost = next - total - term;
    total = next;
  }
  return total;
}

Tensors gradients(const Tensors& outputs, const Tensors& cotangents, const Tensors& leaves, bool retain) {
  Tensors recorded, seeds;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i].requires_grad() && cotangents[i]) recorded.push_back(outputs[i]), seeds.push_back(cotangents[i]);
  if (!recorded.empty()) return grad(recorded, leaves, {.retain = retain, .seeds = seeds});
  Tensors none;
  for (const Tensor& x : leaves) none.push_back(zeros_like(x));
  return none;
}

std::vector<double> gradient_noise(const Subject& s, const Generator& start, std::uint64_t seed, double rounding) {
  const Tensors y = run(s, start), leaves = s.leaves(), c = cotangents_like(y, seed), rest = gradients(y, c, leaves, true);
  double terms = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::vector<double> a = y[i].to_vector(), b = c[i].to_vector();
    for (std::size_t k = 0; k < a.size(); ++k)
      if (const double term = std::abs(a[k] * b[k]); std::isfinite(term)) terms += term;
  }
  std::vector<double> noise(leaves.size(), rounding * terms);
  Generator g(seed + 99);
  for (int time = 0; time < 3; ++time) {
    Tensors moved;
    for (const Tensor& t : c) moved.push_back(Tensor((t.detach() * (1 + uniform(t.shape(), -4 * rounding, 4 * rounding, t.dtype(), g))).value()));
    const Tensors now = gradients(y, moved, leaves, true);
    for (std::size_t i = 0; i < now.size(); ++i) {
      const std::vector<double> a = rest[i].to_vector(), b = now[i].to_vector();
      for (std::size_t k = 0; k < a.size(); ++k)
        if (const double by = std::abs(a[k] - b[k]); std::isfinite(by)) noise[i] = std::max(noise[i], by);
    }
  }
  return noise;
}

}  // namespace dz::detail
