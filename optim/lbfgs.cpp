#include <dz/optim/lbfgs.hpp>

#include <algorithm>
#include <numeric>

#include <dz/graph/reverse.hpp>
#include <dz/optim/step.hpp>

namespace dz {
namespace {

constexpr const char* optimiser = "Lbfgs";
constexpr int most_halvings = 40;

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }
/// y += factor·x
void add_to(Vector& y, double factor, const Vector& x) {
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += factor * x[i];
}

/// All parameters that are trained, as one vector.
class Point {
 public:
  Point(const std::vector<NamedParameter>& parameters, At at) : at_(at) {
    for (const auto& [name, p] : parameters)
      if (*p && p->requires_grad()) trained_.push_back(p);
    before_ = values();
  }

  const Vector& before() const { return before_; }
  void restore() { move_to(before_); }
  void move_to(const Vector& x) {
    auto from = x.begin();
    for (Parameter* p : trained_) {
      p->assign(Tensor(Array::of(std::span<const double>(from, from + p->size()), p->shape())), at_);
      from += p->size();
    }
  }
  Vector values() const {
    Vector x;
    for (const Parameter* p : trained_) append(x, p->value());
    return x;
  }
  /// What backward() left, 0 where it left nothing; forgotten.
  Vector take_gradient() const {
    Vector g;
    for (const Parameter* p : trained_) {
      if (const Tensor one = p->grad()) append(g, one.value());
      else g.resize(g.size() + static_cast<std::size_t>(p->size()));
      p->clear_grad();
    }
    return g;
  }

 private:
  static void append(Vector& x, const Array& a) {
    const Vector more = a.to_vector<double>();
    x.insert(x.end(), more.begin(), more.end());
  }

  At at_;
  std::vector<Parameter*> trained_;
  Vector before_;
};

/// −H·g by the two loops of algorithm 7.4; H's start is γ·1, γ = sᵀy/yᵀy of the newest pair (equation 7.20).
Vector direction(const std::vector<Parameter>& moved, const std::vector<Parameter>& changed, const Vector& g) {
  Vector q = g;
  std::vector<Vector> s, y;
  std::vector<double> along(moved.size());
  for (std::size_t i = 0; i < moved.size(); ++i) s.push_back(moved[i].to_vector()), y.push_back(changed[i].to_vector());
  for (std::size_t i = s.size(); i-- > 0;) {
    along[i] = dot(s[i], q) / dot(y[i], s[i]);
    add_to(q, -along[i], y[i]);
  }
  if (!s.empty())
    for (const double scale = dot(s.back(), y.back()) / dot(y.back(), y.back()); double& v : q) v *= scale;
  for (std::size_t i = 0; i < s.size(); ++i) add_to(q, along[i] - dot(y[i], q) / dot(y[i], s[i]), s[i]);
  for (double& v : q) v = -v;
  return q;
}

Parameter kept(const Vector& v) { return Parameter(Tensor(Array::of(v, {std::ssize(v)})), Role::buffer); }

}  // namespace

double Lbfgs::step(const std::vector<NamedParameter>& parameters, const std::function<Tensor()>& cost, At at) {
  for (const auto& [value, what] : {std::pair{learning_rate, "learning_rate"}, {decrease, "decrease"}})
    detail::require_setting(value, what, optimiser, at);
  if (history < 1 || decrease >= 1)
    throw ValueError(fmt::format("history is {} and decrease {}: at least 1, and below 1", history, decrease), optimiser, at);
  Point point(parameters, at);
  const std::size_t n = point.before().size();
  if (moved.size() != changed.size() ||
      std::ranges::any_of(moved, [&](const Parameter& s) { return static_cast<std::size_t>(s.size()) != n; }))
    throw ValueError(fmt::format("pairs of another model, where this one has {} trained numbers", n), optimiser, at);
  if (n == 0) throw GraphError("the model has no parameters to train", optimiser, at);

  point.take_gradient();  // of whatever ran before
  const auto value_and_gradient = [&](Vector& g) {
    const Tensor J = cost();
    const double value = J.item();
    if (std::isfinite(value)) backward(J);
    g = point.take_gradient();
    return value;
  };
  try {
    Vector g, g_next;
    const double J = value_and_gradient(g);
    if (!std::isfinite(J)) throw ValueError(fmt::format("the cost is {}", J), optimiser, at);
    const Vector d = direction(moved, changed, g);
    const double slope = dot(g, d);
    double rate = learning_rate;
    for (int halved = 0; halved < most_halvings && slope < 0; ++halved, rate /= 2) {
      Vector x = point.before();
      add_to(x, rate, d);
      point.move_to(x);
      if (!(value_and_gradient(g_next) <= J + decrease * rate * slope)) continue;
      Vector s = point.values(), y = std::move(g_next);  // as the parameters' dtype took them
      add_to(s, -1, point.before());
      add_to(y, -1, g);
      if (dot(s, y) <= 1e-10 * dot(y, y)) return J;
      moved.push_back(kept(s)), changed.push_back(kept(y));
      if (std::ssize(moved) > history) moved.erase(moved.begin()), changed.erase(changed.begin());
      return J;
    }
    point.restore();
    moved.clear(), changed.clear();
    return J;
  } catch (...) {
    point.restore();
    point.take_gradient();
    throw;
  }
}

}  // namespace dz
