#include <dz/data/checkpoint.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace dz::detail {
namespace {

constexpr std::int64_t most_elements = 1'000'000;  // of a vector that a file may make
constexpr std::size_t most_differences = 12;       // that are listed

/// Under which a parameter's role stands among the file's text.
std::string role_key(const std::string& at) { return "role of " + at; }

std::string described(const Array& a) { return fmt::format("{} {}", name(a.dtype()), to_string(a.shape())); }

Role role_by_name(const std::string& text) { return text == "weight" ? Role::weight : text == "bias" ? Role::bias : Role::buffer; }

}  // namespace

void StateWriter::leaf(const std::string& at, Parameter& p) {
  if (!p) return;
  leaf(at, p.value());
  file_.metadata[role_key(at)] = name(p.role());
}

void StateWriter::leaf(const std::string& at, const Array& a) {
  if (a) file_.arrays.push_back({at, a});
}

void StateWriter::text(const std::string& at, std::string& v) {
  const std::vector<std::uint8_t> bytes(v.begin(), v.end());
  file_.arrays.push_back({at, Array::of(bytes, {bytes.size()})});
}

void write_state(const std::filesystem::path& path, StateWriter& writer, const Metadata& metadata) {
  NamedArrays file = writer.take();
  for (const auto& [key, value] : metadata)
    if (!file.metadata.emplace(key, value).second) throw ValueError(fmt::format("'{}' is a checkpoint's own key", key), "save_checkpoint");
  write_safetensors(path, file);
}

StateReader::StateReader(NamedArrays file) : file_(std::move(file)) {
  for (const NamedArray& a : file_.arrays) left_[a.name] = &a.array;
}

const Array* StateReader::take(const std::string& at) {
  const auto found = left_.find(at);
  if (found == left_.end()) return nullptr;
  const Array* a = found->second;
  left_.erase(found);
  return a;
}

const Array* StateReader::find(const std::string& at, Dtype dtype) {
  const Array* a = take(at);
  if (a && a->dtype() == dtype && a->size() == 1) return a;
  differences_.push_back(a ? fmt::format("'{}' is {}, not one {}", at, described(*a), name(dtype)) : fmt::format("it has no '{}'", at));
  return nullptr;
}

const Array* StateReader::fitting(const std::string& at, const Array& place) {
  const Array* a = take(at);
  if (!place) return a;
  if (!a) differences_.push_back(fmt::format("it has no '{}'", at));
  else if (a->shape() != place.shape() || a->dtype() != place.dtype())
    differences_.push_back(fmt::format("'{}' is {} and not {}", at, described(*a), described(place)));
  else return a;
  return nullptr;
}

void StateReader::leaf(const std::string& at, Parameter& p) {
  const Array* a = fitting(at, p.value());
  if (!a) return;
  const auto role = file_.metadata.find(role_key(at));
  actions_.push_back([&p, a = *a, role = role == file_.metadata.end() ? Role::buffer : role_by_name(role->second)] {
    if (!p) {
      p = Parameter(Tensor(a), is_floating(a.dtype()) ? role : Role::buffer);
      return;
    }
    p.assign(Tensor(a));
    if (p.is_leaf()) p.clear_grad();
  });
}

void StateReader::leaf(const std::string& at, Tensor& t) {
  if (const Array* a = fitting(at, t.value()))
    actions_.push_back([&t, a = *a] {
      if (t) t.assign(Tensor(a));
      else t = Tensor(a);
    });
}

void StateReader::leaf(const std::string& at, Array& place) {
  if (const Array* a = fitting(at, place))
    actions_.push_back([&place, a = *a] {
      if (place) place.assign(a);
      else place = a;
    });
}

void StateReader::text(const std::string& at, std::string& v) {
  const Array* a = take(at);
  if (!a || a->dtype() != uint8 || a->rank() != 1) {
    differences_.push_back(a ? fmt::format("'{}' is {}, not text", at, described(*a)) : fmt::format("it has no '{}'", at));
    return;
  }
  const std::vector<std::uint8_t> bytes = a->to_vector<std::uint8_t>();
  actions_.push_back([&v, text = std::string(bytes.begin(), bytes.end())] { v = text; });
}

std::int64_t StateReader::count(const std::string& at, std::int64_t n) {
  const Array* a = find(at, int64);
  if (!a) return n;
  const std::int64_t stored = *a->data<std::int64_t>();
  if (stored == n || (n == 0 && stored > 0 && stored <= most_elements)) return stored;
  differences_.push_back(fmt::format("'{}' is {} and not {}", at, stored, n));
  return n;
}

Metadata StateReader::finish(const std::filesystem::path& path, At at) {
  for (const auto& [name, array] : left_) differences_.push_back(fmt::format("nothing here is '{}'", name));
  if (!differences_.empty()) {
    const std::size_t more = differences_.size() - std::min(differences_.size(), most_differences);
    differences_.resize(differences_.size() - more);
    throw FileError(fmt::format("{}: a checkpoint of another state: {}{}", path.string(), fmt::join(differences_, "; "),
                                more > 0 ? fmt::format("; and {} more differences", more) : ""),
                    "load_checkpoint", at);
  }
  for (const auto& action : actions_) action();
  Metadata text;
  for (const auto& [key, value] : file_.metadata)
    if (!key.starts_with("role of ")) text.emplace(key, value);
  return text;
}

}  // namespace dz::detail
