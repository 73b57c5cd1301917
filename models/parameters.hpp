#pragma once
// What a model consists of. A model is any struct whose members BOOST_DESCRIBE_STRUCT names; Parameters are found in it by name, through
// nested structs, vectors, arrays, tuples, optionals and variants.

#include <boost/describe.hpp>
#include <boost/mp11/algorithm.hpp>
#include <boost/pfr/tuple_size.hpp>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

#include <dz/models/parameter.hpp>
#include <dz/tensor/memory.hpp>

namespace dz {

/// A parameter of a model and its path in it: "blocks.0.hidden.weight".
struct NamedParameter {
  std::string name;
  Parameter* parameter;
};

/// Equal layers, each on top of the one before, whose parameters are named as those of PyTorch's recurrent layers: "weight_ih_l0", "weight_ih_l1".
/// As a member it adds no step of its own to their path.
template <class Layer> struct Stacked : std::vector<Layer> {
  using std::vector<Layer>::vector;
};

/// A struct that BOOST_DESCRIBE_STRUCT describes.
template <class M>
concept Described = boost::describe::has_describe_members<M>::value && !std::is_union_v<M>;

namespace detail {

std::string path(const std::string& prefix, std::string_view name);
inline std::string path(const std::string& prefix, std::size_t i) { return path(prefix, std::to_string(i)); }
/// Of the i-th of stacked layers: "weight_l0".
std::string path(const std::string& prefix, std::string_view name, std::size_t i);

/// Where nobody asks for names.
struct NoPath {};
inline NoPath path(NoPath, std::string_view) { return {}; }
inline NoPath path(NoPath, std::size_t) { return {}; }
inline NoPath path(NoPath, std::string_view, std::size_t) { return {}; }

template <class M> using Members = boost::describe::describe_members<M, boost::describe::mod_any_access>;
template <class M> using Bases = boost::describe::describe_bases<M, boost::describe::mod_any_access>;

/// Every member is named: a forgotten one would be an untrained layer.
template <class M> constexpr bool names_all_members() {
  if constexpr (std::is_aggregate_v<M> && boost::mp11::mp_empty<Bases<M>>::value)
    return boost::pfr::tuple_size_v<M> == boost::mp11::mp_size<Members<M>>::value;
  else return true;
}

/// Holds no parameters: numbers, functions, strings, tensors that are not trained.
template <class T>
inline constexpr bool is_plain =
    std::is_arithmetic_v<T> || std::is_enum_v<T> || std::is_pointer_v<T> || std::is_same_v<T, std::string> || std::is_same_v<T, Tensor>;

/// Calls found(path, parameter) for each.
template <class Path, class F> struct Walk {
  F found;

  void operator()(const Path& at, Parameter& p) const { found(at, p); }
  template <class T> void operator()(const Path& at, std::vector<T>& many) const { each(at, many); }
  template <class T, std::size_t n> void operator()(const Path& at, std::array<T, n>& many) const { each(at, many); }
  template <class T, std::size_t n> void operator()(const Path& at, T (&many)[n]) const { each(at, many); }
  template <Described Layer> void operator()(const Path& at, Stacked<Layer>& many) const {
    static_assert(names_all_members<Layer>(), "BOOST_DESCRIBE_STRUCT does not name every member of this struct");
    std::size_t i = 0;
    for (Layer& one : many) {
      boost::mp11::mp_for_each<Members<Layer>>([&](auto member) { (*this)(path(at, member.name, i), one.*member.pointer); });
      ++i;
    }
  }
  template <class... T> void operator()(const Path& at, std::tuple<T...>& many) const {
    std::apply([&](T&... one) { std::size_t i = 0; ((*this)(path(at, i++), one), ...); }, many);
  }
  template <class T> void operator()(const Path& at, std::optional<T>& perhaps) const {
    if (perhaps) (*this)(at, *perhaps);
  }
  template <class... T> void operator()(const Path& at, std::variant<T...>& one) const {
    std::visit([&](auto& v) { (*this)(at, v); }, one);
  }
  template <class T> void operator()(const Path& at, std::unique_ptr<T>& perhaps) const {
    if (perhaps) (*this)(at, *perhaps);
  }
  template <Described M> void operator()(const Path& at, M& model) const {
    static_assert(names_all_members<M>(), "BOOST_DESCRIBE_STRUCT does not name every member of this struct");
    boost::mp11::mp_for_each<Bases<M>>([&](auto base) { (*this)(at, static_cast<typename decltype(base)::type&>(model)); });
    boost::mp11::mp_for_each<Members<M>>([&](auto member) { this->member(at, member.name, model.*member.pointer); });
  }
  template <class T> void operator()(const Path&, T&) const requires(!Described<T>) {
    static_assert(is_plain<T> || std::is_empty_v<T>,
                  "a member that may hold parameters and is not described: add BOOST_DESCRIBE_STRUCT(Type, (bases), (members))");
  }

 private:
  template <class T> void member(const Path& at, const char* name, T& one) const { (*this)(path(at, name), one); }
  template <class Layer> void member(const Path& at, const char*, Stacked<Layer>& many) const { (*this)(at, many); }
  template <class C> void each(const Path& at, C& many) const {
    std::size_t i = 0;
    for (auto& one : many) (*this)(path(at, i++), one);
  }
};

}  // namespace detail

/// The parameters of a model, in the order of its members. They point into the model.
template <class M> std::vector<NamedParameter> parameters(M& model) {
  std::vector<NamedParameter> found;
  const auto add = [&found](const std::string& at, Parameter& p) { found.push_back({at, &p}); };
  detail::Walk<std::string, decltype(add)>{add}("", model);
  return found;
}

/// The same for what is done in every step: names are found when somebody asks. Refers to the model, or to the list that it was made of.
class ParameterList {
 public:
  template <Described M> explicit ParameterList(M& model)
      : source_(&model), named_([](void* source) { return parameters(*static_cast<M*>(source)); }) {
    all_.reserve(32);
    const auto add = [this](detail::NoPath, Parameter& p) { all_.push_back(&p); };
    detail::Walk<detail::NoPath, decltype(add)>{add}({}, model);
  }
  explicit ParameterList(const std::vector<NamedParameter>& parameters);

  std::size_t size() const { return all_.size(); }
  const Parameter& operator[](std::size_t i) const { return *all_[i]; }
  std::string name(std::size_t i) const { return named_(source_)[i].name; }

 private:
  memory::Vector<Parameter*> all_;
  void* source_;
  std::vector<NamedParameter> (*named_)(void* source);
};

/// Copies the values of `from` into `to`: equal names, shapes and dtypes, in place. Throws ShapeError, DtypeError or ValueError that
/// names the parameter; nothing is changed then.
void copy_values(const std::vector<NamedParameter>& from, const std::vector<NamedParameter>& to, At at = At::here());

/// Casts every floating parameter; the gradients are forgotten.
void cast_parameters(const std::vector<NamedParameter>& parameters, Dtype dtype);

/// λ/(2m)·Σ‖W‖²_F over the weights (the notes, part four, section three): the term to add to the mean loss of m samples. Biases
/// are left out. Throws ValueError for a λ that is negative or no number, or for m < 1.
Tensor l2_cost(const std::vector<NamedParameter>& parameters, double lambda, std::int64_t m, At at = At::here());
template <Described M> Tensor l2_cost(const M& model, double lambda, std::int64_t m, At at = At::here()) {
  return l2_cost(parameters(const_cast<M&>(model)), lambda, m, at);
}

}  // namespace dz
