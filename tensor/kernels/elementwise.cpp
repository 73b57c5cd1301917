#include <dz/tensor/kernels/kernels.hpp>
#include <dz/tensor/kernels/map.hpp>

namespace dz::kernels {

namespace {
constexpr auto total = [](auto x, auto y) { return x + y; };
constexpr auto product = [](auto x, auto y) { return x * y; };
}  // namespace

Array add(const Array& a, const Array& b) { return map_numbers(total, a, b); }
Array add_over(Array&& a, const Array& b) { return map_over(total, std::move(a), b); }
Array sub(const Array& a, const Array& b) {
  return map_numbers([](auto x, auto y) { return x - y; }, a, b);
}
Array mul(const Array& a, const Array& b) { return map_numbers(product, a, b); }
Array scaled(const Array& a, double factor) {
  if (!is_floating(a.dtype()) || a.is_number()) return mul(a, Array::number(factor));
  return map([factor](auto x) { return x * factor; }, a);
}
Array mul_over(Array&& a, const Array& b) { return map_over(product, std::move(a), b); }
Array div(const Array& a, const Array& b) {
  return map([](auto x, auto y) { return x / y; }, a, b);
}
Array pow(const Array& a, const Array& b) {
  return map([](auto x, auto y) { return pow(x, y); }, a, b);
}
Array neg(const Array& a) {
  return map_numbers([](auto x) { return -x; }, a);
}
Array square(const Array& a) {
  return map_numbers([](auto x) { return x * x; }, a);
}
Array sqrt(const Array& a) {
  return map([](auto x) { return sqrt(x); }, a);
}
Array abs(const Array& a) {
  return map_numbers([](auto x) { return abs(x); }, a);
}
Array exp(const Array& a) {
  return map([](auto x) { return exp(x); }, a);
}
Array log(const Array& a) {
  return map([](auto x) { return log(x); }, a);
}

Array sign(const Array& a) {
  return map([](auto x) { return where(less(x, decltype(x)(0)), decltype(x)(-1), where(less(decltype(x)(0), x), decltype(x)(1), x)); }, a);
}

void add_to(const Array& to, const Array& a) {
  launch([](const Array& out, const Array& x) { detail::map_into(total, out, out, x); }, to, a);
}

namespace {

template <class F> Array compare(F f, const Array& a, const Array& b) {
  const Dtype dtype = common_dtype({&a, &b});
  Array out = Array::make(common_shape({&a, &b}), boolean);
  auto kernel = [f](const Array& out, const Array& a, const Array& b) {
    visit_dtype(a.dtype(), [&]<class T>(std::type_identity<T>) { zip<bool, T, T>(f, out, a, b); });
  };
  launch(kernel, out, in_dtype(a, dtype), in_dtype(b, dtype));
  return out;
}

}  // namespace

Array less(const Array& a, const Array& b) {
  return compare([](auto x, auto y) { return x < y; }, a, b);
}
Array less_equal(const Array& a, const Array& b) {
  return compare([](auto x, auto y) { return x <= y; }, a, b);
}
Array equal(const Array& a, const Array& b) {
  return compare([](auto x, auto y) { return x == y; }, a, b);
}

Array not_equal(const Array& a, const Array& b) {
  return compare([](auto x, auto y) { return x != y; }, a, b);
}

namespace {

template <class F> Array logic(F f, const Array& a, const Array& b) {
  if (a.dtype() != boolean || b.dtype() != boolean)
    throw DtypeError("logic is of booleans, got " + std::string(name(a.dtype())) + " and " + std::string(name(b.dtype())));
  Array out = Array::make(common_shape({&a, &b}), boolean);
  launch([f](const Array& out, const Array& a, const Array& b) { zip<bool, bool, bool>(f, out, a, b); }, out, a, b);
  return out;
}

}  // namespace

Array logical_and(const Array& a, const Array& b) {
  return logic([](auto x, auto y) { return x && y; }, a, b);
}
Array logical_or(const Array& a, const Array& b) {
  return logic([](auto x, auto y) { return x || y; }, a, b);
}
Array logical_xor(const Array& a, const Array& b) {
  return logic([](auto x, auto y) { return x != y; }, a, b);
}
Array logical_not(const Array& a) { return logical_xor(a, Array::full({}, 1, boolean)); }

Array where(const Array& condition, const Array& a, const Array& b) {
  if (condition.dtype() != boolean) throw DtypeError("a condition is boolean, got " + std::string(name(condition.dtype())));
  const Dtype dtype = common_dtype({&a, &b});
  Array out = Array::make(common_shape({&condition, &a, &b}), dtype);
  auto kernel = [](const Array& out, const Array& condition, const Array& a, const Array& b) {
    visit_dtype(out.dtype(), [&]<class T>(std::type_identity<T>) {
      zip<T, bool, T, T>([](bool c, T x, T y) { return c ? x : y; }, out, condition, a, b);
    });
  };
  launch(kernel, out, condition, in_dtype(a, dtype), in_dtype(b, dtype));
  if (a.is_number() && b.is_number()) out.become_number();  // a choice among numbers takes others' dtype as they do
  return out;
}

}  // namespace dz::kernels
