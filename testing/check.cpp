#include <dz/testing/check.hpp>

#include <cmath>
#include <limits>
#include <ostream>
#include <regex>

#include <dz/calculus/gradcheck.hpp>
#include <dz/testing/run.hpp>

namespace dz::testing {
namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();

bool floating(const Operation& o) {
  for (const Input& i : o.inputs)
    if (i.floating()) return true;
  return false;
}

// ---- layouts: the same values lying otherwise

Tensor transposed(const Tensor& x) {
  std::vector<int> back;
  for (int i = x.rank(); i-- > 0;) back.push_back(i);
  return Tensor(x.value().permute(back).clone().permute(back));
}

Tensor sliced(const Tensor& x) {
  if (x.rank() == 0) return x;
  Shape wide = x.shape();
  wide[x.rank() - 1] = 2 * wide[x.rank() - 1] + 3;
  Array all = Array::full(wide, 0, x.dtype());
  Array part = all.slice(x.rank() - 1, 2, wide[x.rank() - 1] - 1, 2);
  part.assign(x.value());
  return Tensor(part);
}

/// All rows as the first one, without a copy.
Tensor expanded(const Tensor& x) { return x.rank() == 0 || x.size(0) == 0 ? x : Tensor(x.value().slice(0, 0, 1).expand(x.shape())); }

Tensor copied(const Tensor& x) { return Tensor(x.value().contiguous().clone()); }

bool same(const std::vector<double>& a, const std::vector<double>& b) {
  return std::ranges::equal(a, b, [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

/// Up to so many roundings of the largest element: a product adds up in another order where a matrix lies otherwise.
bool close(const std::vector<double>& a, const std::vector<double>& b, double roundings, Dtype dtype) {
  double largest = 0;
  for (const double v : b) largest = std::max(largest, std::isfinite(v) ? std::abs(v) : 0);
  const double bar = roundings * largest * (dtype == float64 ? 0x1p-53 : 0x1p-24);
  return std::ranges::equal(a, b, [&](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)) || std::abs(x - y) <= bar; });
}

/// Those of the examples to the last bit.
void expect_equal(Findings& f, const Run& a, const Run& b, double roundings) {
  f.expect(a.trouble.empty(), a.trouble);
  f.expect(a.shape == b.shape, "its result has another shape");
  f.expect(close(a.value, b.value, roundings, a.dtype), "its values differ");
  for (std::size_t i = 0; i < a.gradients.size(); ++i)
    f.expect(i < b.gradients.size() && close(a.gradients[i], b.gradients[i], roundings, a.dtype), "gradient " + std::to_string(i) + " differs");
}

void ask_layouts_of(const Operation& o, Dtype dtype, double roundings, Findings& f) {
  const std::string what = shapes_of(o) + " " + std::string(name(dtype)) + ", ";
  const Tensors plain = o.draw(dtype);
  const Run expected = run(o, plain);
  f.open(what + "transposed");
  expect_equal(f, run(o, each(plain, transposed)), expected, roundings);
  f.open(what + "every second element");
  expect_equal(f, run(o, each(plain, sliced)), expected, roundings);
  f.open(what + "expanded");
  const Tensors repeated = each(plain, expanded);
  try {
    const Run of_copies = run(o, each(repeated, copied));
    expect_equal(f, run(o, repeated), of_copies, roundings);
  } catch (const ValueError&) {  // equal rows need not be a fit input (a singular matrix)
  }
  for (std::size_t i = 0; i < plain.size(); ++i) {
    f.open(what + "input " + std::to_string(i) + " alone transposed");
    Tensors mixed = plain;
    mixed[i] = transposed(plain[i]);
    expect_equal(f, run(o, mixed), expected, roundings);
  }
}

// ---- refusals

/// An error of this operation that names it and the place of the call.
template <class E> void expect_refusal(const Operation& o, const Tensors& inputs, Findings& f) {
  try {
    o.call(inputs);
    f.fail("is not refused");
  } catch (const E& e) {
    const std::string what = e.what();
    f.expect(what.starts_with("[") && std::regex_search(what, std::regex("at " + o.place)),
             "is refused without operation and place of the call: " + what);
  } catch (const std::exception& e) {
    f.fail(std::string("throws another exception: ") + e.what());
  }
}

Tensors drawn_at(const Operation& o, const Shapes& shapes) { return o.of(shapes).draw(float32, 3); }

void expect_sound(const Run& r, Findings& f) {
  f.expect(r.trouble.empty(), r.trouble);
  for (const auto& g : r.gradients)
    for (double v : g) f.expect(v == 0 || std::isnan(v) || r.shape.volume() > 0, "an empty result has a gradient that is not 0");
}

}  // namespace

void ask_gradient(const Operation& o, Findings& f) {
  if (!floating(o)) {
    f.open("no floating input: the result is a constant");
    return f.expect(!o.call(o.draw(float64)).requires_grad(), "it is recorded");
  }
  for (const std::uint64_t seed : {1u, 2u}) {
    const Tensors x = as_leaves(o.draw(float64, seed));
    f.open("gradients of " + shapes_of(x) + ", seed " + std::to_string(seed));
    const Tensor y = o.call(x);
    f.expect(y.requires_grad() != o.constant, o.constant ? "it is recorded" : "it is not recorded");
    if (o.constant) continue;
    for (int order = 1; order <= o.order; ++order) {
      f.open("gradients of order " + std::to_string(order) + " of " + shapes_of(x) + ", seed " + std::to_string(seed));
      Gradcheck check(detail::maker_of([&o](const Tensors& a) { return Tensors{o.call(a)}; }, x));
      check.seed(seed).order(order);
      f.expect(check.passed(), to_string(check));
      if (!check.passed()) break;
    }
  }
}

void ask_layouts(const Operation& o, Findings& f) {
  for (const Dtype dtype : {float32, float64}) {
    ask_layouts_of(o, dtype, o.product ? 32 : 0, f);
    for (const Operation& bigger : grown(o, 17)) try {
        ask_layouts_of(bigger, dtype, 32, f);
      } catch (const Error&) {  // not of this size
      }
  }
}

void ask_unrecorded(const Operation& o, Findings& f) {
  for (const Dtype dtype : {float32, float64}) {
    f.open("unrecorded, in " + std::string(name(dtype)));
    const Tensors x = as_leaves(o.draw(dtype)), before = each(x, copied);
    const Tensor recorded = o.call(x);
    const auto quiet = no_grad();
    const Tensor plain = o.call(x);
    bool gives_input = false;  // as dropout does in evaluation
    for (const Tensor& t : x) gives_input |= plain.value().same_handle(t.value());
    f.expect(!plain.requires_grad() || gives_input, "it is recorded all the same");
    f.expect(same(plain.to_vector(), recorded.to_vector()) && plain.dtype() == recorded.dtype(), "its values differ");
    f.expect(same(o.call(o.draw(dtype)).to_vector(), recorded.to_vector()), "its values of constants differ");
    for (std::size_t i = 0; i < x.size(); ++i)
      f.expect(same(x[i].to_vector(), before[i].to_vector()), "input " + std::to_string(i) + " is changed");
  }
}

void ask_empty(const Operation& o, Findings& f) {
  for (const Empty& e : o.empty) {
    const Tensors x = drawn_at(o, e.inputs);
    f.open("empty " + shapes_of(x));
    if (!e.gives) {
      expect_refusal<ShapeError>(o, x, f);
      continue;
    }
    const Run r = run(o, x);
    f.expect(r.shape == *e.gives, "its result has the shape " + to_string(r.shape) + ", not " + to_string(*e.gives));
    expect_sound(r, f);
  }
  for (const std::int64_t n : {0, 1})
    for (const Operation& other : grown(o, n)) {
      f.open(shapes_of(other));
      try {
        expect_sound(run(other, other.draw(float32, 3)), f);
      } catch (const Error& e) {  // refused: with the place
        f.expect(std::regex_search(e.what(), std::regex("at " + o.place)), std::string("is refused without the place of the call: ") + e.what());
      }
    }
}

void ask_refusals(const Operation& o, Findings& f) {
  for (const Shapes& shapes : o.refused) {
    const Tensors x = drawn_at(o, shapes);
    f.open("misshapen " + shapes_of(x));
    expect_refusal<ShapeError>(o, x, f);
    expect_refusal<ShapeError>(o, as_leaves(x), f);
  }
  const Tensors x = o.draw(float32), y = o.draw(float64);
  for (std::size_t i = 1; i < x.size(); ++i) {
    if (!o.inputs[i].floating() || !o.inputs[0].floating() || !o.meets) continue;
    f.open("float32 with a float64 input " + std::to_string(i));
    Tensors mixed = x;
    mixed[i] = y[i];
    expect_refusal<DtypeError>(o, mixed, f);
  }
}

void ask_special_values(const Operation& o, Findings& f) {
  for (std::size_t i = 0; i < o.inputs.size(); ++i) {
    if (!o.inputs[i].floating() || o.inputs[i].shape.volume() == 0) continue;
    for (const Dtype dtype : {float32, float64})
      for (const double special : {not_a_number, inf, -inf}) {
        f.open("input " + std::to_string(i) + " with a " + std::to_string(special) + " in " + std::string(name(dtype)));
        Tensors x = o.draw(dtype);
        x[i] = copied(x[i]);
        visit_floating(dtype, [&]<class T>(std::type_identity<T>) { x[i].value().writable<T>()[0] = static_cast<T>(special); });
        bool found = false;
        try {
          for (double v : run(o, x).value) found |= std::isnan(v);
        } catch (const ValueError& e) {  // an infinite probability
          f.expect(!std::isnan(special) || !o.passes_nan, e.what());
          continue;
        }
        f.expect(!std::isnan(special) || !o.passes_nan || found, "the NaN is gone in the result");
      }
  }
}

void ask_limits(const Operation& o, Findings& f) {
  if (!o.at_infinity) return;
  const auto close = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= 0x1p-23; };
  for (const Dtype dtype : {float32, float64}) {
    f.open("limits in " + std::string(name(dtype)));
    std::vector<double> values = o.draw(dtype)[0].to_vector();
    const Shape shape{static_cast<std::int64_t>(values.size())};
    const std::vector<double> plain = o.call({Tensor(Array::of(values, shape).cast(dtype))}).to_vector();
    values[3] = inf, values[7] = -inf, values[11] = not_a_number;
    const std::vector<double> special = o.call({Tensor(Array::of(values, shape).cast(dtype))}).to_vector();
    f.expect(close(special[3], o.at_infinity->first), "at infinity: " + std::to_string(special[3]));
    f.expect(close(special[7], o.at_infinity->second), "at -infinity: " + std::to_string(special[7]));
    f.expect(std::isnan(special[11]), "of a NaN: " + std::to_string(special[11]));
    for (std::size_t k = 0; k < 12; ++k)
      if (k % 4 != 3) f.expect(special[k] == plain[k], "element " + std::to_string(k) + " depends on its neighbours");
  }
}

std::span<const Check> checks() {
  static constexpr Check all[] = {
      {"the gradient and its gradient are right in float64", ask_gradient, false},
      {"float32 agrees with float64 on every way that a kernel can take", ask_precision, false},
      {"float32 agrees with float64 on both sides of every threshold", ask_thresholds, true},
      {"the layout of its inputs changes nothing", ask_layouts, false},
      {"unrecorded it gives the same values, and leaves its inputs as they are", ask_unrecorded, false},
      {"empty inputs give the right shape, or are refused", ask_empty, false},
      {"what does not fit is refused, with operation and line", ask_refusals, false},
      {"a NaN reaches the result and nothing breaks on infinities", ask_special_values, false},
      {"its limits, and each element by itself", ask_limits, false},
  };
  return all;
}

void Findings::open(std::string description) {
  ++cases_;
  open_ = std::move(description);
}

void Findings::fail(const std::string& how) {
  if (failures_.size() < 20) failures_.push_back(open_ + ": " + how);
}

Findings& Findings::operator+=(const Findings& o) {
  cases_ += o.cases_;
  failures_.insert(failures_.end(), o.failures_.begin(), o.failures_.end());
  return *this;
}

std::string to_string(const Findings& f) {
  std::string text = std::to_string(f.cases()) + " cases, " + std::to_string(f.failures().size()) + " failures\n";
  for (const std::string& one : f.failures()) text += "  " + one + "\n";
  return text;
}

std::ostream& operator<<(std::ostream& out, const Findings& f) { return out << to_string(f); }

Findings check(const Operation& o, const Check& question) {
  Findings f;
  try {
    question.ask(o, f);
  } catch (const std::exception& e) {
    f.fail(std::string("throws: ") + e.what());
  }
  return f;
}

Findings check(const Operation& o) {
  Findings all;
  for (const Check& c : checks()) {
    if (c.slow) continue;
    all += check(o, c);
  }
  return all;
}

}  // namespace dz::testing
