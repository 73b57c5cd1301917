// Every operation with what it was not made for: shapes, dtypes, axes, sizes, indices and options. Each gives a result, whose gradient can then be
// taken and has the inputs' shapes, or a typed error that names an operation and a line. Nothing else, and never a crash.

#include <climits>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <dz/dz.hpp>

#include "tests/ops/table.hpp"
#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::test;

namespace {

constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min(), highest = std::numeric_limits<std::int64_t>::max();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();

enum class Outcome { result, refused };

/// What becomes of a call; fails the test for anything but a result with gradients, or a typed error with a name and a place.
Outcome outcome_of(const std::function<Tensor(const Tensors&)>& call, const Tensors& given) {
  Tensors inputs, leaves;
  for (const Tensor& x : given) {
    inputs.push_back(is_floating(x.dtype()) ? variable(x) : x);
    if (is_floating(x.dtype())) leaves.push_back(inputs.back());
  }
  try {
    const Tensor y = call(inputs);
    CHECK(static_cast<bool>(y));
    if (y.requires_grad())
      for (std::size_t i = 0; const Tensor& g : grad({y}, leaves, {.seeds = {ones_like(y)}})) {
        CHECK(g.shape() == leaves[i].shape());
        CHECK(g.dtype() == leaves[i].dtype());
        ++i;
      }
    return Outcome::result;
  } catch (const Error& e) {
    INFO(e.what());
    CHECK(!e.operation().empty());
    CHECK(e.at());
    return Outcome::refused;
  } catch (const std::exception& e) {
    FAIL_CHECK("not a typed error: " << e.what());
    return Outcome::refused;
  }
}

const Shapes& odd_shapes() {
  static const Shapes shapes{{}, {0}, {1}, {7}, {1, 1}, {0, 0}, {3, 0}, {0, 3}, {5, 2}, {1, 1, 1}, {2, 0, 3}, {2, 3, 4}, {1, 2, 3, 4},
                             {2, 2, 2, 2, 2}, {1, 1, 1, 1, 1, 1, 1, 1}, {2, 1, 2, 1, 2, 1, 2, 1}, {0, 0, 0, 0, 0, 0, 0, 0}};
  return shapes;
}

Tensor drawn(const Input& like, const Shape& shape, Dtype dtype) {
  Generator g(5);
  Input input = like;
  input.shape = shape;
  const Tensor x = input.draw(float64, g);
  return cast(x, dtype);
}

}  // namespace

TEST_CASE("abuse: inputs of any shape are taken or refused, one odd among the examples, and all of one odd shape", "[ops][abuse]") {
  for (const Operation& o : operations())
    for (const Shape& shape : odd_shapes()) {
      INFO(o.name << " of " << to_string(shape));
      Tensors all;
      for (std::size_t i = 0; i < o.inputs.size(); ++i) {
        const Dtype dtype = o.inputs[i].floating() ? float32 : o.inputs[i].draw(float32, default_generator()).dtype();
        all.push_back(drawn(o.inputs[i], shape, dtype));
        Tensors one = o.draw(float32);
        one[i] = all.back();
        INFO("input " << i);
        outcome_of(o.call, one);
      }
      outcome_of(o.call, all);
    }
}

TEST_CASE("abuse: inputs of any dtype are taken or refused", "[ops][abuse]") {
  for (const Operation& o : operations())
    for (const Dtype dtype : {float32, float64, int64, uint8, boolean}) {
      INFO(o.name << " of " << name(dtype));
      Tensors all;
      for (std::size_t i = 0; i < o.inputs.size(); ++i) {
        all.push_back(drawn(o.inputs[i], o.inputs[i].shape, dtype));
        Tensors one = o.draw(float32);
        one[i] = all.back();
        INFO("input " << i);
        outcome_of(o.call, one);
      }
      outcome_of(o.call, all);
    }
}

TEST_CASE("abuse: numbers in the place of tensors", "[ops][abuse]") {
  for (const Operation& o : operations())
    for (const double number : {0.0, -1.0, 2.5, not_a_number, inf}) {
      INFO(o.name << " of " << number);
      Tensors all;
      for (std::size_t i = 0; i < o.inputs.size(); ++i) {
        all.push_back(In(number));
        Tensors one = o.draw(float32);
        one[i] = all.back();
        INFO("input " << i);
        outcome_of(o.call, one);
      }
      outcome_of(o.call, all);
    }
}

TEST_CASE("abuse: an index outside its axis is refused, with the index", "[ops][abuse]") {
  for (const Operation& o : operations())
    for (std::size_t i = 0; i < o.inputs.size(); ++i) {
      if (o.inputs[i].kind != Input::Kind::label) continue;
      const auto n = static_cast<std::int64_t>(o.inputs[i].high);
      for (const std::int64_t index : {std::int64_t{-1}, n, highest, lowest}) {
        INFO(o.name << " by " << index);
        Tensors inputs = o.draw(float32);
        std::vector<std::int64_t> indices = inputs[i].to_vector<std::int64_t>();
        indices.back() = index;
        inputs[i] = reshape(labels(indices), inputs[i].shape());
        try {
          o.call(inputs);
          FAIL_CHECK("taken");
        } catch (const ValueError& e) {
          INFO(e.what());
          CHECK(std::string(e.what()).find(std::to_string(index)) != std::string::npos);
        }
      }
      INFO(o.name << " by floating indices");
      Tensors inputs = o.draw(float32);
      inputs[i] = full(inputs[i].shape(), not_a_number);
      CHECK_THROWS_AS(o.call(inputs), DtypeError);
    }
}

namespace {

struct Misuse {
  std::string what;
  std::function<Tensor()> call;
};

/// What has to be refused.
void refuse(const std::vector<Misuse>& all) {
  for (const Misuse& m : all) {
    INFO(m.what);
    CHECK(outcome_of([&](const Tensors&) { return m.call(); }, {}) == Outcome::refused);
  }
}

Tensor joined(const std::vector<Tensor>& parts) { return parts[0]; }

}  // namespace

TEST_CASE("abuse: an axis that is not there is refused everywhere", "[ops][abuse]") {
  const Tensor x = variable(ones({2, 3, 4})), b = less(x.detach(), 2), v = labels({0, 1});
  const Tensor indices = cast(zeros({2, 3, 4}), int64);
  std::vector<Misuse> all;
  const auto along = [&](const std::string& name, std::function<Tensor(int)> f) {
    for (const int axis : {INT_MIN, -1000, -33, -32, -9, -5, 4, 8, 9, 29, 31, 32, 33, 64, INT_MAX})
      all.push_back({name + " along " + std::to_string(axis), [=] { return f(axis); }});
  };
  along("sum", [=](int a) { return sum(x, a); });
  along("mean", [=](int a) { return mean(x, a); });
  along("prod", [=](int a) { return prod(x, a); });
  along("max", [=](int a) { return max(x, a); });
  along("min", [=](int a) { return min(x, a); });
  along("var", [=](int a) { return var(x, a); });
  along("stddev", [=](int a) { return stddev(x, a); });
  along("norm", [=](int a) { return norm(x, a); });
  along("any", [=](int a) { return any(b, a); });
  along("all", [=](int a) { return dz::all(b, a); });
  along("argmax", [=](int a) { return argmax(x, a); });
  along("argmin", [=](int a) { return argmin(x, a); });
  along("logsumexp", [=](int a) { return logsumexp(x, a); });
  along("softmax", [=](int a) { return softmax(x, a); });
  along("log_softmax", [=](int a) { return log_softmax(x, a); });
  along("cumsum", [=](int a) { return cumsum(x, a); });
  along("cumprod", [=](int a) { return cumprod(x, a); });
  along("recurrence", [=](int a) { return recurrence(x, x, a); });
  along("shift", [=](int a) { return shift(x, a, 1); });
  along("concat", [=](int a) { return concat({x, x}, a); });
  along("stack", [=](int a) { return stack({x, x}, a); });
  along("split", [=](int a) { return joined(split(x, {1, 1}, a)); });
  along("chunk", [=](int a) { return joined(chunk(x, 1, a)); });
  along("roll", [=](int a) { return roll(x, 1, a); });
  along("repeat", [=](int a) { return repeat(x, 2, a); });
  along("pad", [=](int a) { return pad(x, {{.axis = a, .before = 1}}); });
  along("slice", [=](int a) { return slice(x, a, 0, 1); });
  along("place", [=](int a) { return place(x, {2, 3, 4}, a, 0); });
  along("squeeze", [=](int a) { return squeeze(x, a); });
  along("unsqueeze", [=](int a) { return unsqueeze(x, a); });
  along("flip", [=](int a) { return flip(x, a); });
  along("permute", [=](int a) { return permute(x, {a, 0, 1}); });
  along("index_select", [=](int a) { return index_select(x, v, a); });
  along("index_scatter", [=](int a) { return index_scatter(x, v, 3, a); });
  along("gather", [=](int a) { return gather(x, indices, a); });
  along("take_along", [=](int a) { return take_along(x, indices, a); });
  along("scatter", [=](int a) { return scatter(x, indices, 4, a); });
  along("scatter_add", [=](int a) { return scatter_add(x, indices, x, a); });
  along("sort", [=](int a) { return sort(x, a).values; });
  along("topk", [=](int a) { return topk(x, 1, a).values; });
  along("argsort", [=](int a) { return argsort(x, a); });
  refuse(all);
}

TEST_CASE("abuse: axes given twice, or more of them than there can be", "[ops][abuse]") {
  const Tensor x = variable(ones({2, 1, 1})), b = less(x.detach(), 2);
  std::vector<Misuse> all;
  for (const Axes& twice : {Axes{1, 1}, Axes{1, -2}, Axes{-1, 0, 2}, Axes{0, 0, 0, 0, 0, 0, 0, 0}}) {
    all.push_back({"sum", [=] { return sum(x, twice); }});
    all.push_back({"mean", [=] { return mean(x, twice); }});
    all.push_back({"prod", [=] { return prod(x, twice); }});
    all.push_back({"max", [=] { return max(x, twice); }});
    all.push_back({"min", [=] { return min(x, twice); }});
    all.push_back({"var", [=] { return var(x, twice); }});
    all.push_back({"stddev", [=] { return stddev(x, twice); }});
    for (const double p : {1.0, 2.0, 3.0, inf}) all.push_back({"norm", [=] { return norm(x, twice, false, p); }});
    all.push_back({"any", [=] { return any(b, twice); }});
    all.push_back({"all", [=] { return dz::all(b, twice); }});
    all.push_back({"squeeze", [=] { return squeeze(x, twice); }});
    all.push_back({"flip", [=] { return flip(x, twice); }});
  }
  all.push_back({"permute", [=] { return permute(x, {0, 1, 1}); }});
  all.push_back({"permute", [=] { return permute(x, {0, 1, -2}); }});
  all.push_back({"permute of too few", [=] { return permute(x, {0, 1}); }});
  all.push_back({"permute of too many", [=] { return permute(x, {0, 1, 2, 0, 1, 2, 0, 1, 2, 0}); }});
  all.push_back({"pad", [=] { return pad(x, {{.axis = 0, .before = 1}, {.axis = -3, .after = 1}}); }});
  refuse(all);
  CHECK_THROWS_AS(Axes({0, 1, 2, 3, 4, 5, 6, 7, 8}), ShapeError);
  CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), ShapeError);
  const Tensor full_rank = ones({1, 1, 1, 1, 1, 1, 1, 1});
  refuse({{"unsqueeze", [=] { return unsqueeze(full_rank, 0); }},
          {"stack", [=] { return stack({full_rank, full_rank}); }},
          {"outer", [=] { return outer(full_rank, full_rank); }},
          {"diagonal_matrix", [=] { return diagonal_matrix(full_rank); }},
          {"one_hot", [=] { return one_hot(cast(full_rank, int64), 2); }},
          {"embedding", [=] { return embedding(cast(full_rank, int64), ones({2, 2})); }},
          {"repeat", [=] { return repeat(full_rank, 2, 0); }}});
}

TEST_CASE("abuse: sizes that are negative, too large for memory or beyond any number", "[ops][abuse]") {
  const Tensor x = variable(ones({2, 3})), one = variable(ones({1, 1})), scalar = variable(ones({})), v = labels({0, 1});
  const Tensor image = variable(ones({1, 4, 4, 2})), kernel = variable(ones({2, 2, 3, 3}));
  std::vector<Misuse> all;
  for (const std::int64_t n : {std::int64_t{-1}, lowest, std::int64_t{-7}, highest, highest - 1, std::int64_t{1} << 62, std::int64_t{1} << 60}) {
    const auto of_size = [&](const std::string& name, std::function<Tensor()> f) { all.push_back({name + " of " + std::to_string(n), std::move(f)}); };
    if (n != -1) of_size("reshape", [=] { return reshape(x, {n, 3}); });
    of_size("reshape", [=] { return reshape(x, {n, n}); });
    of_size("expand", [=] { return expand(one, {n, n}); });
    of_size("repeat", [=] { return repeat(x, n, 0); });
    of_size("pad", [=] { return pad(x, {{.axis = 0, .before = n, .after = n}}); });
    of_size("pad", [=] { return pad(x, {{.axis = 1, .after = n}}); });
    of_size("place", [=] { return place(x, {n, 3}, 0, 0); });
    of_size("place at", [=] { return place(x, {2, 3}, 0, n); });
    of_size("place by steps", [=] { return place(x, {2, 3}, 0, 0, n); });
    of_size("one_hot", [=] { return one_hot(v, n); });
    of_size("index_scatter", [=] { return index_scatter(x, v, n, 0); });
    of_size("scatter", [=] { return scatter(x, cast(zeros({2, 3}), int64), n, 0); });
    of_size("split", [=] { return joined(split(x, {n, n}, 0)); });
    of_size("split to fill by overflow", [=] { return joined(split(x, {n, static_cast<std::int64_t>(2 - static_cast<std::uint64_t>(n))}, 0)); });
    if (n < 0 || n > 3) of_size("chunk", [=] { return joined(chunk(x, n, 0)); });
    of_size("topk", [=] { return topk(x, n).values; });
    of_size("conv2d's stride", [=] { return n > 0 ? conv2d(image, kernel, {.groups = n}) : conv2d(image, kernel, {.stride = n}); });
    of_size("conv2d's padding", [=] { return conv2d(image, kernel, {.padding = n}); });
    of_size("conv2d's dilation", [=] { return conv2d(image, kernel, {.dilation = n}); });
    of_size("conv2d's groups", [=] { return conv2d(image, kernel, {.groups = n}); });
    of_size("conv2d_by_input", [=] { return conv2d_by_input(ones({1, 2, 2, 2}), kernel, {n, n}); });
    of_size("conv2d_by_kernel", [=] { return conv2d_by_kernel(ones({1, 2, 2, 2}), image, {n, n}); });
    of_size("transposed_conv2d's stride", [=] { return transposed_conv2d(image, kernel, {.stride = n}); });
    of_size("transposed_conv2d's padding", [=] { return transposed_conv2d(image, kernel, {.padding = n}); });
    of_size("transposed_conv2d's dilation", [=] { return transposed_conv2d(image, kernel, {.dilation = n}); });
    of_size("transposed_conv2d's output_padding", [=] { return transposed_conv2d(image, kernel, {.output_padding = n}); });
    of_size("max_pool2d", [=] { return max_pool2d(image, {.window = n}); });
    if (n < 0) of_size("max_pool2d's stride", [=] { return max_pool2d(image, {.window = 2, .stride = n}); });
    of_size("max_pool2d's padding", [=] { return max_pool2d(image, {.window = 2, .padding = n}); });
    of_size("average_pool2d", [=] { return average_pool2d(image, {.window = n}); });
    of_size("average_pool2d's padding", [=] { return average_pool2d(image, {.window = 2, .padding = n}); });
    of_size("adaptive_average_pool2d", [=] { return adaptive_average_pool2d(image, n); });
    of_size("adaptive_max_pool2d", [=] { return adaptive_max_pool2d(image, n); });
    of_size("group_norm", [=] { return group_norm(x, n, ones({3}), ones({3})); });
    if (n < 0 || n > (std::int64_t{1} << 61)) of_size("expand of a scalar", [=] { return expand(scalar, {n, 4}); });
  }
  refuse(all);
  for (const std::int64_t n : {std::int64_t{-1}, lowest, highest, std::int64_t{1} << 60}) {
    INFO(n);
    CHECK_THROWS_AS(zeros({n}), Error);
    CHECK_THROWS_AS(zeros({n, n}), Error);
    CHECK_THROWS_AS(zeros({0, n, n}), Error);
    CHECK_THROWS_AS(full({n}, 2), Error);
    CHECK_THROWS_AS(eye(n), Error);
    CHECK_THROWS_AS(linspace(0, 1, n), Error);
    CHECK_THROWS_AS(uniform({n}), Error);
    CHECK_THROWS_AS(normal({n}), Error);
    CHECK_THROWS_AS(bernoulli({n}, 0.5), Error);
    CHECK_THROWS_AS(permutation(n), Error);
  }
  for (const double odd : {not_a_number, inf, -inf}) {
    CHECK_THROWS_AS(arange(odd, 1), Error);
    CHECK_THROWS_AS(arange(0, odd), Error);
  }
  CHECK_THROWS_AS(arange(0, 1, not_a_number), Error);
  CHECK_THROWS_AS(arange(0, 1, 0), Error);
  CHECK_THROWS_AS(arange(0, 1e300), Error);
  CHECK_THROWS_AS(bernoulli({2}, not_a_number), Error);
  CHECK_THROWS_AS(bernoulli({2}, 1.5), Error);
}

TEST_CASE("abuse: far offsets count as offsets do", "[ops][abuse]") {
  const Tensor x = variable(tensor({1, 2, 3}, {3}, float64));
  using Values = std::vector<double>;
  for (const std::int64_t far : {lowest, lowest + 1, -highest / 2, highest / 2, highest - 1, highest}) {
    INFO(far);
    CHECK(shift(x, 0, far, 9).to_vector() == Values{9, 9, 9});
    const std::int64_t by = ((far % 3) + 3) % 3;
    Values rolled(3);
    for (std::int64_t i = 0; i < 3; ++i) rolled[static_cast<std::size_t>((i + by) % 3)] = x.to_vector()[static_cast<std::size_t>(i)];
    CHECK(roll(x, far, 0).to_vector() == rolled);
    const Tensor m = ones({3, 3});
    CHECK(sum(tril(m, far)).item() == (far < 0 ? 0 : 9));
    CHECK(sum(triu(m, far)).item() == (far < 0 ? 9 : 0));
    for (const auto& f : std::vector<std::function<Tensor(const Tensors&)>>{
             [=](const Tensors& in) { return slice(in[0], 0, far); }, [=](const Tensors& in) { return slice(in[0], 0, 0, far); },
             [=](const Tensors& in) { return slice(in[0], 0, 0, 3, far); }, [=](const Tensors& in) { return slice(in[0], 0, far, far); },
             [=](const Tensors& in) { return shift(in[0], 0, far); }, [=](const Tensors& in) { return roll(in[0], far, 0); }})
      outcome_of(f, {x});
  }
  CHECK(slice(x, 0, 0, 3, highest).to_vector() == Values{1});
}

TEST_CASE("abuse: options out of their range are refused, NaNs too", "[ops][abuse]") {
  const Tensor x = variable(full({2, 3}, 0.5)), y = full({2, 3}, 0.5), v = labels({0, 1});
  std::vector<Misuse> all;
  const auto train = [](std::function<Tensor()> f) {
    return [f] {
      const auto on = training();
      return f();
    };
  };
  for (const double p : {not_a_number, -1.0, 0.0, 1.5, inf}) {
    all.push_back({"dropout", train([=] { return dropout(x, p); })});
    all.push_back({"dropout in evaluation", [=] { return dropout(x, p); }});
  }
  for (const double p : {not_a_number, -1.0, 0.5, -inf}) all.push_back({"norm", [=] { return norm(x, {}, false, p); }});
  for (const double d : {not_a_number, -1.0, 0.0, -inf}) all.push_back({"huber", [=] { return huber(x, y, d); }});
  for (const double s : {not_a_number, -0.1, 1.1, inf}) all.push_back({"cross_entropy", [=] { return cross_entropy(x, v, {.label_smoothing = s}); }});
  for (const double odd : {-0.5, 1.5, inf, -inf}) {  // a NaN goes through: the result is one
    const Tensor bad = full({2, 3}, odd);
    all.push_back({"binary_cross_entropy of " + std::to_string(odd), [=] { return binary_cross_entropy(x, bad); }});
    all.push_back({"binary_cross_entropy_with_logits", [=] { return binary_cross_entropy_with_logits(x, bad); }});
    all.push_back({"hinge", [=] { return hinge(x, bad); }});
    all.push_back({"kl_divergence", [=] { return kl_divergence(x, bad); }});
  }
  for (const int correction : {INT_MAX, 6, 7}) {
    all.push_back({"var", [=] { return var(x, {}, false, correction); }});
    all.push_back({"stddev", [=] { return stddev(x, {}, false, correction); }});
  }
  all.push_back({"polygamma", [=] { return polygamma(-1, x); }});
  for (const int n : {INT_MIN, 151, INT_MAX}) all.push_back({"polygamma", [=] { return polygamma(n, x); }});
  all.push_back({"concat of nothing", [] { return concat({}); }});
  all.push_back({"stack of nothing", [] { return stack({}); }});
  all.push_back({"split into nothing", [=] { return joined(split(x, {}, 0)); }});
  for (const std::string spec : {"", "ij", "ij,jk", "ij->", "ij->ik", "i->i", "i j k", "ij->ijj", "->", "ij,", "...", "i...j...", "ij->ij->", "é", "ij-", "1j", "ijk", "..ij"}) {
    INFO("einsum " << spec);
    outcome_of([&](const Tensors& in) { return einsum(spec, in[0]); }, {x});
    outcome_of([&](const Tensors& in) { return einsum(spec, in[0], in[0]); }, {x});
  }
  refuse(all);
}
