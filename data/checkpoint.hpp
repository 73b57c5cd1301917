#pragma once
// A training's whole state in one file: model, optimiser, schedule, generator, epoch, whatever else it needs to go on as if it had never
// ended.
//
//   struct Training {
//     Mlp model;
//     Adam optimiser;
//     CosineDecay schedule;
//     Generator generator;
//     std::int64_t epoch = 0;
//   };
//   BOOST_DESCRIBE_STRUCT(Training, (), (model, optimiser, schedule, generator, epoch))
//
//   save_checkpoint("run.checkpoint", training);
//   load_checkpoint("run.checkpoint", training);
//
// Every described member is in it, by its path: parameters, tensors and arrays, numbers, booleans, enumerations, strings, generators;
// vectors, arrays, tuples, optionals and variants of them. Functions are not: they are the program's.

#include <boost/describe.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include <dz/data/model_file.hpp>
#include <dz/data/safetensors.hpp>
#include <dz/tensor/random.hpp>

namespace dz {

BOOST_DESCRIBE_STRUCT(Generator, (), (key, position))

namespace detail {

/// A member that a checkpoint leaves to the program.
template <class T> inline constexpr bool is_function = std::is_pointer_v<T>&& std::is_function_v<std::remove_pointer_t<T>>;
template <class R, class... A> inline constexpr bool is_function<std::function<R(A...)>> = true;

/// Takes a state apart.
class StateWriter {
 public:
  NamedArrays take() { return std::move(file_); }

  void leaf(const std::string& at, Parameter& p);
  void leaf(const std::string& at, Tensor& t) { leaf(at, t.value()); }
  void leaf(const std::string& at, const Array& a);
  void text(const std::string& at, std::string& v);
  template <class T> void number(const std::string& at, const T& v) {
    if constexpr (std::is_floating_point_v<T>) put(at, static_cast<double>(v));
    else put(at, static_cast<std::int64_t>(v));
  }

  /// A vector's size, an optional's presence, a variant's alternative: as it is.
  std::int64_t count(const std::string& at, std::int64_t n) {
    put(at, n);
    return n;
  }
  template <class T, class F> void fill(T&, F) {}  // only where a count differs, and here none does

 private:
  template <class T> void put(const std::string& at, T v) { file_.arrays.push_back({at, Array::of(std::vector<T>{v}, {})}); }

  NamedArrays file_;
};

/// Puts a file's values into a state of the same shape: everything is looked at before anything is changed.
class StateReader {
 public:
  explicit StateReader(NamedArrays file);

  void leaf(const std::string& at, Parameter& p);
  void leaf(const std::string& at, Tensor& t);
  void leaf(const std::string& at, Array& a);
  void text(const std::string& at, std::string& v);
  template <class T> void number(const std::string& at, T& v) {
    if constexpr (std::is_floating_point_v<T>) set_number<double>(at, v);
    else set_number<std::int64_t>(at, v);
  }
  /// The file's number, which has to be n, unless that is 0: then anything up to a million.
  std::int64_t count(const std::string& at, std::int64_t n);
  /// Visits a new one in the target's place, which it takes when everything is.
  template <class T, class F> void fill(T& target, F visit) {
    auto fresh = std::make_shared<T>();
    visit(*fresh);
    actions_.push_back([fresh, &target] { target = std::move(*fresh); });
  }

  /// Changes the state, or throws FileError with what the file and the state have of their own. Gives the file's text.
  Metadata finish(const std::filesystem::path& path, At at);

 private:
  template <class Stored, class T> void set_number(const std::string& at, T& v) {
    if (const Array* a = find(at, dtype_of<Stored>)) actions_.push_back([&v, x = *a->data<Stored>()] { v = static_cast<T>(x); });
  }
  /// The one element of that name; null, and a difference, where there is none.
  const Array* find(const std::string& at, Dtype dtype);
  /// Takes an array out of those that nobody has asked for.
  const Array* take(const std::string& at);
  /// The array that goes into a place of that shape and dtype; null, and a difference where there is one, otherwise.
  const Array* fitting(const std::string& at, const Array& place);

  NamedArrays file_;
  std::map<std::string, const Array*> left_;
  std::vector<std::function<void()>> actions_;
  std::vector<std::string> differences_;
};

void write_state(const std::filesystem::path& path, StateWriter& writer, const Metadata& metadata);

/// Walks through a state for a writer or a reader.
template <class Visitor> struct StateWalk {
  Visitor& visitor;

  void operator()(const std::string& at, Parameter& p) const { visitor.leaf(at, p); }
  void operator()(const std::string& at, Tensor& t) const { visitor.leaf(at, t); }
  void operator()(const std::string& at, Array& a) const { visitor.leaf(at, a); }
  void operator()(const std::string& at, std::string& text) const { visitor.text(at, text); }

  template <class T> void operator()(const std::string& at, T& v) const requires(std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    visitor.number(at, v);
  }
  template <class T> void operator()(const std::string& at, std::vector<T>& many) const {
    const auto n = static_cast<std::size_t>(visitor.count(path(at, "size"), std::ssize(many)));
    if (n == many.size()) return each(at, many);
    visitor.fill(many, [&](std::vector<T>& fresh) {
      fresh.resize(n);
      each(at, fresh);
    });
  }
  template <class Layer> void operator()(const std::string& at, Stacked<Layer>& many) const {
    (*this)(at, static_cast<std::vector<Layer>&>(many));
  }
  template <class T, std::size_t n> void operator()(const std::string& at, std::array<T, n>& many) const { each(at, many); }
  template <class T, std::size_t n> void operator()(const std::string& at, T (&many)[n]) const { each(at, many); }
  template <class... T> void operator()(const std::string& at, std::tuple<T...>& many) const {
    std::apply([&](T&... one) { std::size_t i = 0; ((*this)(path(at, std::to_string(i++)), one), ...); }, many);
  }
  template <class T> void operator()(const std::string& at, std::optional<T>& perhaps) const {
    const bool there = visitor.count(path(at, "is_there"), perhaps.has_value()) != 0;
    if (there && perhaps) return (*this)(at, *perhaps);
    if (there) visitor.fill(perhaps, [&](std::optional<T>& fresh) { (*this)(at, fresh.emplace()); });
  }
  template <class... T> void operator()(const std::string& at, std::variant<T...>& one) const {
    visitor.count(path(at, "kind"), static_cast<std::int64_t>(one.index()) + 1);
    std::visit([&](auto& v) { (*this)(at, v); }, one);
  }
  template <Described M> void operator()(const std::string& at, M& model) const {
    boost::mp11::mp_for_each<Bases<M>>([&](auto base) { (*this)(at, static_cast<typename decltype(base)::type&>(model)); });
    boost::mp11::mp_for_each<Members<M>>([&](auto member) { (*this)(path(at, member.name), model.*member.pointer); });
  }
  template <class T>
  void operator()(const std::string&, T&) const requires(!Described<T> && !std::is_arithmetic_v<T> && !std::is_enum_v<T>) {
    static_assert(is_function<T> || std::is_empty_v<T>,
                  "a member that a checkpoint cannot hold: add BOOST_DESCRIBE_STRUCT(Type, (bases), (members))");
  }

 private:
  template <class C> void each(const std::string& at, C& many) const {
    std::size_t i = 0;
    for (auto& one : many) (*this)(path(at, std::to_string(i++)), one);
  }
};

}  // namespace detail

/// Writes the state, and text by key beside it. Throws FileError; a file that was there before is unchanged then, and so it is where the
/// program ends in between, however it ends.
template <Described T> void save_checkpoint(const std::filesystem::path& path, const T& state, const Metadata& metadata = {}) {
  detail::StateWriter writer;
  detail::StateWalk<detail::StateWriter>{writer}({}, const_cast<T&>(state));
  detail::write_state(path, writer, metadata);
}

/// Puts a file's values into the state, in place where there are any: parameters stay the leaves that they are. What is empty in the state
/// (the gathered means of an optimiser that has not stepped yet) takes what the file has. Gives the file's text. Throws FileError for a
/// broken file, and one that lists the differences for a file of another state; nothing is changed then.
template <Described T> Metadata load_checkpoint(const std::filesystem::path& path, T& state, At at = At::here()) {
  detail::StateReader reader(read_safetensors(path));
  detail::StateWalk<detail::StateReader>{reader}({}, state);
  return reader.finish(path, at);
}

}  // namespace dz
