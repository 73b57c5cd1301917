#include <dz/calculus/gradcheck.hpp>

#include <fmt/format.h>

#include <cmath>
#include <ostream>

#include <dz/calculus/causes.hpp>
#include <dz/calculus/check_graph.hpp>
#include <dz/calculus/contracts.hpp>
#include <dz/calculus/precision.hpp>
#include <dz/graph/mode.hpp>
#include <dz/graph/reverse.hpp>
#include <dz/ops/arithmetic.hpp>
#include <dz/ops/creation.hpp>
#include <dz/ops/reduce.hpp>
#include <dz/tensor/widen.hpp>

namespace dz {
namespace detail {
namespace {

constexpr std::int64_t single_outputs = 64, jacobian_entries = 2048;

/// One function under examination, always with the same random numbers.
class Examination {
 public:
  Examination(const Subject& subject, const Generator& start, std::uint64_t seed, double rounding)
      : s_(subject), start_(start), seed_(seed), rounding_(rounding), leaves_(subject.leaves()) {}

  /// False where nothing could be compared; result.trouble says why.
  bool run(GradcheckResult& result) {
    const Tensors outputs = detail::run(s_, start_);
    cotangents_ = cotangents_like(outputs, seed_);
    const double first = contraction(outputs, cotangents_), again = contraction(detail::run(s_, start_), cotangents_);
    if (!(first == again || (std::isnan(first) && std::isnan(again)))) {
      result.trouble = fmt::format("two equal calls give {:.17g} and {:.17g}: the function keeps a state", first, again);
      return false;
    }
    choose_rows(outputs);
    Probe probe{{}, [this] { return rows(); }, rounding_, 0, [this] { return contraction_terms(outputs_now(), cotangents_); }};
    for (const NamedLeaf& input : s_.inputs) probe.inputs.push_back(input.leaf.value()), probe.names.push_back(input.name);
    const std::vector<Claim> claims = claims_of(outputs);
    const Differences differences(probe);
    for (const Claim& c : claims) result.inputs.push_back(compare(differences, c, seed_));
    name_the_like(differences, claims, result.inputs);
    if (result.verdict() == Verdict::right && leaves_.size() > 1) {
      const InputCheck all = compare_along_all(differences, claims, seed_);
      if (all.verdict == Verdict::wrong) result.inputs.push_back(all);
    }
    return true;
  }

  /// uᵀHv and vᵀHu, for a subject whose outputs are gradients.
  void check_symmetry(GradcheckResult& result) {
    const Tensors g = detail::run(s_, start_);
    if (g.empty()) return;
    const Tensors u = cotangents_like(g, seed_ + 2), v = cotangents_like(g, seed_ + 3);
    const Tensors hu = gradients(g, u, leaves_, true), hv = gradients(g, v, leaves_, true);
    const double one = contraction(hu, v), other = contraction(hv, u);
    double size = 0;
    for (std::size_t i = 0; i < hu.size(); ++i)
      for (const double h : hu[i].to_vector()) size += h * h;
    if (std::abs(one - other) > 1e-6 * std::sqrt(size) + 1e-12) result.findings.push_back(fmt::format("its Hessian is not symmetric: uᵀHv is {:.9g}, vᵀHu {:.9g}", one, other));
  }

 private:
  void choose_rows(const Tensors& outputs) {
    std::int64_t out = 0, in = 0;
    for (const Tensor& y : outputs)
      if (is_floating(y.dtype())) out += y.size();
    for (const Tensor& x : leaves_) in = std::max(in, x.size());
    if (out > single_outputs || out < 2 || out * in > jacobian_entries) return;
    for (std::size_t o = 0; o < outputs.size(); ++o)
      if (is_floating(outputs[o].dtype()) && outputs[o].requires_grad())
        for (std::int64_t k = 0; k < outputs[o].size(); ++k) single_.push_back({o, k});
  }

  Tensors outputs_now() const {
    const auto quiet = no_grad();
    return detail::run(s_, start_);
  }
  std::vector<double> rows() const {
    const Tensors y = outputs_now();
    std::vector<double> values{contraction(y, cotangents_)};
    std::vector<std::vector<double>> all;
    if (!single_.empty())
      for (const Tensor& t : y) all.push_back(t.to_vector());
    for (const auto& [o, k] : single_) values.push_back(all[o][static_cast<std::size_t>(k)]);
    return values;
  }

  std::vector<Claim> claims_of(const Tensors& outputs) const {
    std::vector<Claim> claims;
    for (std::size_t i = 0; i < leaves_.size(); ++i) claims.push_back({i, s_.inputs[i].name, leaves_[i].shape(), {}, {}, outputs.size() == 1 && !single_.empty() ? std::optional(outputs[0].shape()) : std::nullopt});
    const auto add = [&](const Tensors& cotangents, const std::string& output) {
      const Tensors g = gradients(outputs, cotangents, leaves_, true);
      for (std::size_t i = 0; i < g.size(); ++i) claims[i].gradients.push_back(g[i].to_vector()), claims[i].outputs.push_back(output);
    };
    add(cotangents_, "");
    for (const auto& [o, k] : single_) {
      Tensors one(outputs.size());
      one[o] = zeros_like(outputs[o]);
      visit_floating(one[o].dtype(), [&, at = k, out = o]<class T>(std::type_identity<T>) { one[out].value().writable<T>()[at] = 1; });
      add(one, fmt::format("output {}{}", outputs.size() > 1 ? fmt::format("{} ", o) : "", index_of(k, outputs[o].shape())));
    }
    return claims;
  }

  const Subject& s_;
  const Generator start_;
  const std::uint64_t seed_;
  const double rounding_;
  const Tensors leaves_;
  Tensors cotangents_;
  std::vector<std::pair<std::size_t, std::int64_t>> single_;  // an output's number and an element of it
};

/// The operations that are wrong by themselves; of what they do, only where there are others.
std::string culprits_of(const Subject& s, const Generator& start, std::uint64_t seed) {
  const auto guard = checked();
  std::vector<OperationCheck> all;
  for (const Tensor& y : run(s, start))
    if (y.requires_grad())
      for (OperationCheck& o : check_graph(y, seed).operations) all.push_back(std::move(o));
  std::string text;
  for (const OperationCheck& o : all) {
    if (o.verdict != Verdict::wrong) continue;
    text += "  " + wrapped(fmt::format("the culprit: {}, of shape {}, called at {}", o.operation, to_string(o.shape), to_string(o.at)), 4, 2) + "\n";
    if (all.size() > 1) text += details(o, 4);
  }
  if (!text.empty()) return text;
  return "  " + wrapped("every operation is right by itself: is something detached, changed in place, or kept from one call to the next?", 4, 2) + "\n";
}

/// Whether input's derivative is right where argument j is `value` throughout; false where it is not defined there.
bool right_where(const Subject& s, std::size_t input, std::size_t j, double value, const Generator& start, std::uint64_t seed, double rounding) {
  Tensors arguments = s.arguments;
  arguments[j] = Tensor(Array::full(arguments[j].shape(), value, arguments[j].dtype()));
  const Subject other = with_arguments(s, arguments);
  GradcheckResult there;
  try {
    if (other.inputs.size() != s.inputs.size() || !Examination(other, start, seed, rounding).run(there)) return false;
  } catch (const Error&) {
    return false;
  }
  return there.inputs[input].verdict == Verdict::right && there.inputs[input].size != 0;
}

/// Where a wrong derivative is right tells what it lacks: elements in another order do no harm where they are equal, a factor that is missing in
/// one of several terms none where it is 1, a wrong term none where its factor is 0. Empty where it is wrong there, too.
std::string right_elsewhere(const Subject& s, std::size_t input, const Generator& start, std::uint64_t seed, double rounding) {
  std::vector<std::string> found;
  for (std::size_t j = 0; j < s.arguments.size(); ++j) {
    if (!is_floating(s.arguments[j].dtype())) continue;
    const auto where = [&](double value) { return right_where(s, input, j, value, start, seed, rounding); };
    if (s.arguments[j].size() > 1 && where(0.7)) {
      found.push_back(fmt::format("it is right where the elements of input {} are equal: are they, or axes, mixed up? Is a t() missing, an index wrong?", j));
      continue;
    }
    if (where(1)) found.push_back(fmt::format("it is right where input {} is 1: is a factor of it missing in one of the terms, or one too many?", j));
    if (where(0)) found.push_back(fmt::format("it is right where input {} is 0: is the term that has it as a factor wrong?", j));
  }
  return fmt::format("{}", fmt::join(found, " "));
}

void add_causes(GradcheckResult& result, const Subject& s, const Generator& start, double rounding) {
  for (std::size_t i = 0; i < s.inputs.size(); ++i) {
    InputCheck& c = result.inputs[i];
    if (c.verdict == Verdict::wrong && c.cause.empty() && c.shape.volume() <= explained_elements) c.cause = right_elsewhere(s, i, start, result.seed, rounding);
  }
}

/// What is wrong at other values, where all is right at those given. Empty where it is right there, or a derivative that remembers another call throws.
std::string wrong_elsewhere(const Subject& s, const Generator& start, std::uint64_t seed, double rounding) {
  const Subject other = with_other_values(s);
  GradcheckResult there;
  there.seed = seed;
  try {
    if (other.inputs.size() != s.inputs.size() || !Examination(other, start, seed, rounding).run(there) || there.verdict() != Verdict::wrong) return "";
  } catch (const Error&) {
    return "";
  }
  add_causes(there, other, start, rounding);
  std::string text = "  " + wrapped("it is right at the values given, but not at 0.875 of them: does a factor lack that is 1 here, or a term that is 0?", 4, 2) + "\n";
  for (const InputCheck& c : there.inputs)
    if (c.verdict == Verdict::wrong) text += "    " + to_string(c, 4) + "\n";
  return text;
}

void examine(GradcheckResult& result, const Gradcheck::Maker& make, const Generator& start, bool in_float64) {
  const auto fresh = [&] { return make(in_float64); };
  const Subject s = fresh();
  const double rounding = in_float64 ? 0x1p-53 : 0x1p-24;
  if (s.inputs.empty()) {
    result.trouble = "there is no floating input";
    return;
  }
  if (!Examination(s, start, result.seed, rounding).run(result)) return;
  add_causes(result, s, start, rounding);
  const bool right_here = result.passed();
  result.findings = broken_contracts(s, start, result.seed, rounding, right_here);
  if (right_here && result.verdict() == Verdict::wrong) result.culprits = wrong_elsewhere(s, start, result.seed, rounding);
  if (result.verdict() == Verdict::wrong && result.culprits.empty()) result.culprits = culprits_of(s, start, result.seed);
}

/// A derivative may do something else when it is recorded, and differences of recorded gradients would not show it; and a gradient is linear in
/// the cotangent: g(c) = (∂g/∂c)·c (Euler), unless the recorded way from c to g is cut.
void check_recording(GradcheckResult& result, const Subject& s, const Generator& start) {
  const Tensors plain = gradients(run(s, start), cotangents_like(run(s, start), result.seed), s.leaves());
  const Tensors y = run(s, start);
  Tensors outputs, seeds;
  for (const Tensor& c : cotangents_like(y, result.seed)) {
    const Tensor& output = y[seeds.size()];
    if (output.requires_grad()) outputs.push_back(output);
    seeds.push_back(output.requires_grad() ? variable(c) : c);
  }
  std::erase_if(seeds, [](const Tensor& c) { return !c.requires_grad(); });
  if (outputs.empty()) return;
  const std::vector<double> noise = gradient_noise(s, start, result.seed, 0x1p-53);
  const Tensors g = grad(outputs, s.leaves(), {.create_graph = true, .seeds = seeds}), u = cotangents_like(g, result.seed + 4);
  for (std::size_t i = 0; i < g.size(); ++i) {
    const std::vector<double> a = g[i].to_vector(), b = plain[i].to_vector();
    double size = 0;
    for (const double v : b) size = std::max(size, std::abs(v));
    for (std::size_t k = 0; k < a.size(); ++k)
      if (std::abs(a[k] - b[k]) > 1e-9 * size + 64 * noise[i]) {
        result.findings.push_back(fmt::format("recorded, the gradient of {} is {:.9g} at element {}, unrecorded {:.9g}", s.inputs[i].name, a[k],
                                              index_of(static_cast<std::int64_t>(k), g[i].shape()), b[k]));
        return;
      }
  }
  const double value = contraction(g, u), through = contraction(gradients(g, u, seeds), seeds);
  double size = 0, rounded = 0;
  for (std::size_t i = 0; i < g.size(); ++i) {
    const std::vector<double> a = g[i].to_vector(), b = u[i].to_vector();
    for (std::size_t k = 0; k < a.size(); ++k) size += std::abs(a[k] * b[k]), rounded += noise[i] * std::abs(b[k]);
  }
  if (std::abs(value - through) > 1e-9 * size + 64 * rounded)
    result.findings.push_back(fmt::format("recorded, the gradient does not follow the cotangent: {:.9g} by its slope, {:.9g} by its value: is dy detached?", through, value));
}

void examine_second_order(GradcheckResult& result, const Gradcheck::Maker& make, const Generator& start) {
  const Widening widening;
  const Subject first = make(true), second = gradient_subject(first, start, result.seed + 1);
  result.order = 2;
  result.inputs.clear();
  Examination e(second, start, result.seed, 0x1p-53);
  if (!e.run(result)) return;
  if (result.passed()) check_recording(result, first, start);
  if (result.passed()) e.check_symmetry(result);
  if (result.verdict() == Verdict::wrong) result.culprits = culprits_of(second, start, result.seed);
}

GradcheckResult check(const Gradcheck::Maker& make, const Generator& start, std::uint64_t seed, int order) {
  GradcheckResult result;
  result.seed = seed;
  try {
    const Widening widening;
    examine(result, make, start, true);
  } catch (const DtypeError&) {  // a function of float32 alone?
    result = {};
    result.seed = seed;
    examine(result, make, start, false);
    return result;
  }
  if (result.passed()) {
    const Subject shipped = make(false);
    const bool narrow = std::ranges::any_of(shipped.inputs, [](const NamedLeaf& input) { return input.leaf.dtype() == float32; });
    if (narrow) result.findings = check_precision(make(true), shipped, start, seed);
  }
  if (order == 2 && result.passed()) examine_second_order(result, make, start);
  return result;
}

}  // namespace

Gradcheck::Maker maker_of(std::function<Tensors(const Tensors&)> call, Tensors given) {
  return [call = std::move(call), given = std::move(given)](bool in_float64) {
    Subject s{call, {}, {}};
    for (std::size_t i = 0; i < given.size(); ++i) {
      const Dtype dtype = is_floating(given[i].dtype()) && in_float64 ? float64 : given[i].dtype();
      s.arguments.push_back(own_copy(given[i], dtype));
      if (is_floating(dtype)) s.inputs.push_back({fmt::format("input {}", i), s.arguments.back()});
    }
    return s;
  };
}

void add_parameters(Subject& s, const std::vector<NamedParameter>& parameters) {
  for (const auto& [name, p] : parameters)
    if (*p && p->requires_grad()) s.inputs.push_back({name, *p});
}

}  // namespace detail

Verdict GradcheckResult::verdict() const {
  bool undecided = !trouble.empty(), wrong = !findings.empty();
  for (const InputCheck& c : inputs) wrong |= c.verdict == Verdict::wrong, undecided |= c.verdict == Verdict::undecided;
  return wrong ? Verdict::wrong : undecided ? Verdict::undecided : Verdict::right;
}

std::string to_string(const GradcheckResult& r) {
  if (!r.trouble.empty()) return wrapped("gradcheck cannot decide: " + r.trouble, 2);
  const std::string_view what = r.order == 2 ? "the gradient of the gradient" : "the gradient";
  const bool differs = std::ranges::any_of(r.inputs, [](const InputCheck& c) { return c.verdict == Verdict::wrong; });
  const Verdict v = r.verdict();
  std::string text = v == Verdict::right   ? fmt::format("gradcheck: {} is right\n", what)
                     : differs             ? fmt::format("gradcheck: {} is WRONG\n", what)
                     : v == Verdict::wrong ? "gradcheck: WRONG, in what follows the inputs\n"
                                           : fmt::format("gradcheck cannot decide whether {} is right\n", what);
  for (const InputCheck& c : r.inputs) text += "  " + to_string(c, 2) + "\n";
  for (const std::string& finding : r.findings) text += "  " + wrapped(finding, 4, 2) + "\n";
  return text + r.culprits + fmt::format("  (seed {})", r.seed);
}

Gradcheck::Gradcheck(Function f, std::vector<Input> inputs)
    : make_([f = std::move(f), inputs = std::move(inputs)](bool) {
        return detail::Subject{[f](const detail::Tensors&) { return f(); }, {}, inputs};
      }) {}

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
    const struct Rewind {
      Generator start = default_generator();
      ~Rewind() { default_generator() = start; }
    } rewind;
    result_ = detail::check(make_, rewind.start, seed_, order_);
  }
  return *result_;
}

std::ostream& operator<<(std::ostream& out, const Gradcheck& check) { return out << to_string(check); }

}  // namespace dz
