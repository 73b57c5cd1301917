// What is asked of every operation of the table, and that no operation of the headers is missing in it.

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <regex>
#include <set>

#include <dz/calculus/catch.hpp>

#include "tests/ops/table.hpp"
#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::test;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();

Tensors as_leaves(const Tensors& inputs) {
  Tensors leaves;
  for (const Tensor& x : inputs) leaves.push_back(is_floating(x.dtype()) ? variable(x) : x);
  return leaves;
}

/// The value, and the gradients by the floating inputs along a fixed cotangent.
struct Run {
  std::vector<double> value;
  std::vector<std::vector<double>> gradients;
  Shape shape;
  Dtype dtype = float32;
};

Run run(const Operation& o, const Tensors& inputs) {
  const Tensors leaves = as_leaves(inputs);
  const Tensor y = o.call(leaves);
  Run r{y.to_vector(), {}, y.shape(), y.dtype()};
  if (!y.requires_grad()) return r;
  Generator g(5);
  const Tensor seed(normal(y.shape(), 0.3, 1, float32, g).value().cast(y.dtype()));
  Tensors wanted;
  for (const Tensor& x : leaves)
    if (x.requires_grad()) wanted.push_back(x);
  const auto gradients = grad({y}, wanted, {.seeds = {seed}});
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    CHECK(gradients[i].shape() == wanted[i].shape());
    CHECK(gradients[i].dtype() == wanted[i].dtype());
    r.gradients.push_back(gradients[i].to_vector());
  }
  return r;
}

double largest(const std::vector<double>& v) {
  double m = 1;
  for (double x : v) m = std::max(m, std::abs(x));
  return m;
}

void check_close(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
  REQUIRE(a.size() == b.size());
  const double bar = tolerance * largest(b);
  for (std::size_t i = 0; i < a.size(); ++i) {
    INFO("element " << i << ": " << a[i] << " and " << b[i]);
    CHECK(std::abs(a[i] - b[i]) <= bar);
  }
}

void check_equal(const Run& a, const Run& b) {
  CHECK(a.shape == b.shape);
  CHECK(a.value == b.value);
  CHECK(a.gradients == b.gradients);
}

/// The same values in another layout.
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

template <class F> Tensors each(const Tensors& inputs, F f) {
  Tensors out;
  for (const Tensor& x : inputs) out.push_back(f(x));
  return out;
}

Tensors zeros_of(const Operation& o, const Shapes& shapes) {
  Tensors x;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    Input input = o.inputs[i];
    input.shape = shapes[i];
    Generator g(3);
    x.push_back(input.draw(float32, g));
  }
  return x;
}

/// An error of this operation that names it and a line of the table.
template <class E> void check_refuses(const Operation& o, const Tensors& inputs) {
  try {
    o.call(inputs);
    FAIL_CHECK("no exception");
  } catch (const E& e) {
    const std::string what = e.what();
    INFO(what);
    CHECK(what.starts_with("["));
    CHECK(std::regex_search(what, std::regex(R"(at (table|rows_\w+)\.cpp:)")));
  } catch (const std::exception& e) {
    FAIL_CHECK("another exception: " << e.what());
  }
}

}  // namespace

TEST_CASE("no operation of the headers is missing in the table", "[ops]") {
  std::set<std::string> rows, declared;
  for (const Operation& o : operations()) {
    INFO(o.name);
    CHECK(rows.insert(o.name).second);
    rows.insert(o.function());
  }
  std::vector<std::filesystem::path> headers{std::filesystem::path(DZ_SOURCE_DIR) / "graph" / "basic.hpp"};
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(DZ_SOURCE_DIR) / "ops"))
    if (entry.path().extension() == ".hpp" && entry.path().filename() != "creation.hpp") headers.push_back(entry.path());
  // A declaration at the beginning of a line that gives a Tensor or several. Operators are other names of the same.
  const std::regex declaration(R"(^(?:inline )?(?:Tensor|std::vector<Tensor>) (\w+)\()");
  for (const auto& header : headers) {
    std::ifstream in(header);
    REQUIRE(in);
    for (std::string line; std::getline(in, line);)
      if (std::smatch found; std::regex_search(line, found, declaration)) declared.insert(found[1]);
  }
  declared.insert("elementwise");  // a template, whose declaration begins otherwise
  CHECK(declared.size() >= 42);
  for (const std::string& name : declared) {
    INFO(name);
    CHECK(rows.contains(name));
  }
}

TEST_CASE("every operation: the gradient and its gradient are right in float64", "[ops][gradcheck]") {
  for (const Operation& o : operations()) {
    INFO(o.name);
    std::vector<Gradcheck::Input> leaves;
    const Tensors x = as_leaves(o.draw(float64));
    const Tensor y = o.call(x);
    CHECK(y.requires_grad() != o.constant);
    if (o.constant) continue;
    for (std::size_t i = 0; i < x.size(); ++i)
      if (x[i].requires_grad()) leaves.push_back({"input " + std::to_string(i), x[i]});
    Gradcheck check([&] { return Tensors{o.call(x)}; }, leaves);
    check.order(2);
    CHECK_THAT(check, Passes());
  }
}

TEST_CASE("every operation: float32 agrees with float64 within rounding", "[ops]") {
  for (const Operation& o : operations()) {
    if (o.random) continue;
    INFO(o.name);
    const Run a = run(o, o.draw(float32)), b = run(o, o.draw(float64));
    CHECK(a.shape == b.shape);
    if (o.function() != "cast") CHECK((a.dtype == float32 || !is_floating(a.dtype)));
    check_close(a.value, b.value, 16 * 0x1p-24);
    REQUIRE(a.gradients.size() == b.gradients.size());
    for (std::size_t i = 0; i < a.gradients.size(); ++i) check_close(a.gradients[i], b.gradients[i], 64 * 0x1p-24);
  }
}

TEST_CASE("every operation: the layout of its inputs changes nothing", "[ops]") {
  for (const Operation& o : operations())
    for (const Dtype dtype : {float32, float64}) {
      INFO(o.name << " in " << name(dtype));
      const Tensors plain = o.draw(dtype);
      const Run expected = run(o, plain);
      check_equal(run(o, each(plain, transposed)), expected);
      check_equal(run(o, each(plain, sliced)), expected);
      const Tensors repeated = each(plain, expanded);
      check_equal(run(o, repeated), run(o, each(repeated, [](const Tensor& x) { return Tensor(x.value().contiguous().clone()); })));
      for (std::size_t i = 0; i < plain.size(); ++i) {  // one of them alone
        Tensors mixed = plain;
        mixed[i] = transposed(plain[i]);
        check_equal(run(o, mixed), expected);
      }
    }
}

TEST_CASE("every operation: unrecorded it gives the same values, and leaves its inputs as they are", "[ops]") {
  for (const Operation& o : operations()) {
    INFO(o.name);
    const Tensors x = as_leaves(o.draw(float32));
    const Tensors before = each(x, [](const Tensor& t) { return Tensor(t.value().clone()); });
    const Tensor recorded = o.call(x);
    const auto quiet = no_grad();
    const Tensor plain = o.call(x);
    CHECK((!plain.requires_grad() || plain.value().same_handle(x[0].value())));  // dropout in evaluation gives x itself
    CHECK(plain.to_vector() == recorded.to_vector());
    CHECK(plain.dtype() == recorded.dtype());
    CHECK(o.call(o.draw(float32)).to_vector() == recorded.to_vector());
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(x[i].to_vector() == before[i].to_vector());
  }
}

TEST_CASE("every operation: empty inputs give the right shape, or are refused", "[ops]") {
  for (const Operation& o : operations())
    for (const Empty& e : o.empty) {
      INFO(o.name << " of " << to_string(e.inputs[0]));
      const Tensors x = zeros_of(o, e.inputs);
      if (!e.gives) {
        check_refuses<ShapeError>(o, x);
        continue;
      }
      const Run r = run(o, x);
      CHECK(r.shape == *e.gives);
      for (const auto& g : r.gradients)
        for (double v : g) CHECK((v == 0 || std::isnan(v) || r.shape.volume() > 0));
    }
}

TEST_CASE("every operation: shapes that do not fit are refused, with operation and line", "[ops]") {
  for (const Operation& o : operations())
    for (const Shapes& shapes : o.refused) {
      std::string all;
      for (const Shape& s : shapes) all += to_string(s);
      INFO(o.name << " of " << all);
      const Tensors x = zeros_of(o, shapes);
      check_refuses<ShapeError>(o, x);
      check_refuses<ShapeError>(o, as_leaves(x));
    }
}

TEST_CASE("every operation: float32 and float64 do not meet, and integers are no predictions", "[ops]") {
  for (const Operation& o : operations()) {
    const Tensors x = o.draw(float32), y = o.draw(float64);
    for (std::size_t i = 1; i < x.size(); ++i) {
      if (!o.inputs[i].floating() || !o.inputs[0].floating()) continue;
      INFO(o.name << ", input " << i);
      Tensors mixed = x;
      mixed[i] = y[i];
      check_refuses<DtypeError>(o, mixed);
    }
    if (o.name == "where") {
      INFO(o.name);
      check_refuses<DtypeError>(o, {x[0], x[1], y[2]});
      check_refuses<DtypeError>(o, {x[1], x[1], x[2]});
    }
  }
}

TEST_CASE("every operation: a NaN reaches the result and nothing breaks on infinities", "[ops]") {
  for (const Operation& o : operations())
    for (std::size_t i = 0; i < o.inputs.size(); ++i) {
      if (!o.inputs[i].floating() || o.inputs[i].shape.volume() == 0) continue;
      INFO(o.name << ", input " << i);
      for (const double special : {not_a_number, inf, -inf}) {
        Tensors x = o.draw(float32);
        x[i] = Tensor(x[i].value().clone());
        x[i].value().writable<float>()[0] = static_cast<float>(special);
        bool found = false;
        try {
          for (double v : run(o, x).value) found |= std::isnan(v);
        } catch (const ValueError&) {  // an infinite probability
          CHECK(!std::isnan(special));
          continue;
        }
        if (std::isnan(special) && o.passes_nan) CHECK(found);
      }
    }
}

TEST_CASE("every elementwise operation of one argument: its limits, and each element by itself", "[ops]") {
  for (const Operation& o : operations()) {
    if (!o.at_infinity) continue;
    for (const Dtype dtype : {float32, float64}) {
      INFO(o.name << " in " << name(dtype));
      const auto same = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= 0x1p-23; };
      std::vector<double> values = o.draw(dtype)[0].to_vector();
      const std::vector<double> plain = o.call({Tensor(Array::of(values, {12}).cast(dtype))}).to_vector();
      values[3] = inf, values[7] = -inf, values[11] = not_a_number;
      const std::vector<double> special = o.call({Tensor(Array::of(values, {12}).cast(dtype))}).to_vector();
      CHECK(same(special[3], o.at_infinity->first));
      CHECK(same(special[7], o.at_infinity->second));
      CHECK(std::isnan(special[11]));
      for (std::size_t k = 0; k < 12; ++k)
        if (k % 4 != 3) CHECK(special[k] == plain[k]);
    }
  }
}
