// Operations of one's own that capture their output, give back their input, or throw, in each of the forms in which they are written:
// nothing leaks and no gradient changes.

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <dz/dz.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

using Forward = std::function<Array(const Array&)>;
using Derivative = std::function<Tensor(const Tensor&)>;

/// One input and one output, recorded in each of the ways there are.
enum class Form { wrt, wrt_all, array, array_of_output, many };
constexpr Form forms[] = {Form::wrt, Form::wrt_all, Form::array, Form::array_of_output, Form::many};

Tensor recorded(Form form, In x, Forward f, Derivative d) {
  if (form == Form::wrt) return record("own", f, wrt(x, [d](const Tensor& dy) { return d(dy); }));
  if (form == Form::wrt_all)
    return record("own", f, wrt_all({x}, [d](const Tensor& dy, const Tensor&, Wanted) { return std::vector<Tensor>{d(dy)}; }));
  if (form == Form::array) return record("own", f, wrt_all(std::array{x}, [d](const Tensor& dy, Wanted) { return std::array{d(dy)}; }));
  if (form == Form::array_of_output) return record("own", f, wrt_all(std::array{x}, [d](const Tensor& dy, const Tensor&, Wanted) { return std::array{d(dy)}; }));
  return record_many(
      "own", [f](std::span<const Array> in) { return std::vector<Array>{f(in[0]), in[0].clone()}; },
      wrt_all({x}, [d](std::span<const Tensor> dy, std::span<const Tensor>, Wanted) { return std::vector<Tensor>{d(dy[0])}; }))[0];
}

Array same(const Array& v) { return v; }
Array copy(const Array& v) { return v.clone(); }
Tensor pass(const Tensor& dy) { return dy; }

}  // namespace

TEST_CASE("an operation that captures its own output is freed with its graph", "[graph]") {
  for (const Form form : forms)
    for (const bool reversed : {true, false}) {
      const auto before = memory::live();
      {
        // The forward leaves its result where the derivative finds it: the values, or the recorded tensor itself, which is a cycle until
        // the pass that spends the node breaks it.
        auto values = std::make_shared<Array>();
        const Tensor x = variable(full({3}, 2, float64));
        const Tensor y = recorded(
            form, x, [values](const Array& v) { return *values = v.clone(); }, [values](const Tensor& dy) { return dy * Tensor(*values); });
        CHECK(y.to_vector() == std::vector<double>(3, 2));
        if (reversed) {
          backward(sum(y));
          CHECK(x.grad().to_vector() == std::vector<double>(3, 2));
        }
      }
      CHECK(memory::live() == before);
    }
  for (const Form form : forms) {
    const auto before = memory::live();
    {
      auto itself = std::make_shared<Tensor>();
      const Tensor x = variable(full({3}, 2, float64));
      *itself = recorded(form, x, copy, [itself](const Tensor& dy) { return dy * itself->detach(); });
      backward(sum(*itself));  // spends the node, and with it the closure that holds the output
      CHECK(x.grad().to_vector() == std::vector<double>(3, 2));
    }
    CHECK(memory::live() == before);
  }
}

TEST_CASE("an operation that gives back its input leaves it as it is, and its gradient passes", "[graph]") {
  for (const Form form : forms) {
    const auto before = memory::live();
    {
      const Tensor x = variable(full({3}, 2, float64)), constant = full({3}, 5, float64);
      const Tensor y = recorded(form, x, same, pass), twice = recorded(form, y, same, pass);
      CHECK(y.value().same_handle(x.value()));
      CHECK_FALSE(y.is_leaf());
      CHECK(x.is_leaf());
      backward(sum(twice * x + y));
      CHECK(x.grad().to_vector() == std::vector<double>(3, 5));
      CHECK_THROWS_AS(y.grad(), GraphError);
      CHECK_FALSE(recorded(form, constant, same, pass).requires_grad());
      const Tensor g = grad(sum(square(recorded(form, x, same, pass))), x, {.create_graph = true});
      CHECK(grad(sum(g), x).to_vector() == std::vector<double>(3, 2));
      // A derivative that gives back what it was given, and one that gives back the leaf's own values: neither is added into.
      const Tensor alias = recorded(form, x, copy, [x](const Tensor&) { return x.detach(); });
      backward(sum(alias + alias));
      CHECK(x.to_vector() == std::vector<double>(3, 2));
    }
    CHECK(memory::live() == before);
  }
}

TEST_CASE("a gradient is no alias of what a derivative gave", "[graph]") {
  const Tensor x = variable(full({2}, 1, float64)), kept = full({2}, 7, float64);
  const auto gives_kept = [&] { return recorded(Form::wrt, x, copy, [kept](const Tensor&) { return kept; }); };
  backward(sum(gives_kept()));
  backward(sum(gives_kept()));
  CHECK(x.grad().to_vector() == std::vector<double>{14, 14});
  CHECK(kept.to_vector() == std::vector<double>{7, 7});
  const Tensor first = x.grad();
  backward(sum(x * 1));
  CHECK(first.to_vector() == std::vector<double>{14, 14});
}

TEST_CASE("an operation that throws, forward or in its derivative, leaks nothing and leaves gradients as they were", "[graph]") {
  const auto throws = [](auto) -> Array { throw std::runtime_error("on purpose"); };
  const auto throws_back = [](const Tensor&) -> Tensor { throw std::runtime_error("on purpose"); };
  for (const Form form : forms) {
    const auto before = memory::live();
    {
      const Tensor a = variable(full({3}, 2, float64)), b = variable(full({3}, 4, float64));
      backward(sum(a * b));
      const auto nodes = memory::live();
      CHECK_THROWS_AS(recorded(form, a * b, throws, pass), std::runtime_error);
      CHECK(memory::live() == nodes);
      const auto both = [&] { return sum(a * 3 + recorded(form, b * a, copy, throws_back) * b); };
      CHECK_THROWS_AS(backward(both()), std::runtime_error);
      CHECK_THROWS_AS(grad({both()}, {a, b}), std::runtime_error);
      CHECK_THROWS_AS(grad({both()}, {a, b}, {.create_graph = true}), std::runtime_error);
      CHECK(memory::live() == nodes);
      CHECK(a.grad().to_vector() == std::vector<double>(3, 4));
      CHECK(b.grad().to_vector() == std::vector<double>(3, 2));
      CHECK(is_recording());
      backward(sum(a * b));  // and all goes on
      CHECK(a.grad().to_vector() == std::vector<double>(3, 8));
    }
    CHECK(memory::live() == before);
  }
}

TEST_CASE("derivatives together that give too few, too many or the wrong shapes are refused, with the operation", "[graph]") {
  const Tensor a = variable(ones({2})), b = variable(ones({3}));
  const auto gives = [&](std::vector<Tensor> gradients) {
    return record(
        "pair", [](const Array& x, const Array&) { return x.clone(); },
        wrt_all({a, b}, [gradients](const Tensor&, const Tensor&, Wanted) { return gradients; }));
  };
  for (const std::vector<Tensor>& wrong : {std::vector<Tensor>{}, {ones({2})}, {ones({2}), ones({3}), ones({2})}, {ones({3}), ones({2})},
                                           {ones({2}), Tensor()}, {ones({2}, float64), ones({3})}}) {
    try {
      backward(sum(gives(wrong)));
      FAIL_CHECK("no exception");
    } catch (const Error& e) {
      CHECK(std::string(e.what()).starts_with("[pair]"));
    }
    CHECK_FALSE(a.grad());
    CHECK_FALSE(b.grad());
  }
}

TEST_CASE("a value written in place between forward and reverse is refused through every form and view", "[graph]") {
  for (const Form form : forms) {
    Tensor x = variable(full({4}, 2, float64));
    const Tensor y = recorded(form, x, copy, [x](const Tensor& dy) { return dy * x; });
    Tensor(x.value().slice(0, 1, 3)).assign(full({2}, 9, float64));  // part of it, through a view
    CHECK_THROWS_AS(backward(sum(y)), GraphError);
    CHECK_FALSE(x.grad());
    const Tensor again = recorded(form, x, copy, [x](const Tensor& dy) { return dy * x; });
    backward(sum(again));
    CHECK(x.grad().to_vector() == std::vector<double>{2, 9, 9, 2});
  }
}

TEST_CASE("an exception in the middle of a recorded pass leaves earlier results usable", "[graph]") {
  const Tensor x = variable(full({}, 3, float64));
  int calls = 0;
  const Tensor middle = x * x;
  const Tensor y = recorded(Form::wrt, middle, copy, [&](const Tensor& dy) {
    if (++calls == 2) throw std::runtime_error("the second time");
    return dy * middle;
  });
  const Tensor first = grad(y, x, {.create_graph = true});  // 2x·x² = 2x³
  CHECK(first.item() == 54);
  CHECK_THROWS_AS(grad(y, x, {.create_graph = true}), std::runtime_error);
  CHECK(grad(first, x, {.retain = true}).item() == 54);  // 6x²
  CHECK(grad(y, x).item() == 54);
}
