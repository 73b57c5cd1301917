#include <dz/models/summary.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace dz {
namespace {

struct Amount {
  std::int64_t elements = 0;
  std::size_t bytes = 0;

  void add(const Parameter& p) {
    if (!p) return;
    elements += p.size();
    bytes += static_cast<std::size_t>(p.size()) * size_of(p.dtype());
  }
};

std::string row(std::string_view name, std::string_view first, std::string_view second, const Amount& e) {
  return fmt::format("{:<32} {:<20} {:<20} {:>12} {:>12}\n", name, first, second, e.elements, e.bytes);
}

std::string heading(std::string_view name, std::string_view first, std::string_view second, std::string_view count) {
  return fmt::format("{:<32} {:<20} {:<20} {:>12} {:>12}\n", name, first, second, count, "bytes");
}

thread_local detail::LayerCalls* current_calls = nullptr;

/// "blocks.0.hidden" of "blocks.0.hidden.weight".
std::string layer_of(const std::string& parameter) {
  const std::size_t dot = parameter.rfind('.');
  return dot == std::string::npos ? "" : parameter.substr(0, dot);
}

}  // namespace

std::string summary(const std::vector<NamedParameter>& parameters) {
  std::string table = heading("parameter", "shape", "role", "elements");
  Amount all;
  for (const auto& [name, p] : parameters) {
    Amount one;
    one.add(*p), all.add(*p);
    table += row(name, *p ? to_string(p->shape()) : "empty", dz::name(p->role()), one);
  }
  return table + row("total", "", "", all);
}

namespace detail {

LayerCalls::LayerCalls() : before_(std::exchange(current_calls, this)) { ++noting_; }
LayerCalls::~LayerCalls() {
  --noting_;
  current_calls = before_;
}

void LayerCalls::note(const std::vector<NamedParameter>& layer, const Shape& in, const Shape& out) {
  if (current_calls && !layer.empty()) current_calls->all_.push_back({layer[0].parameter, in, out});
}

std::string layer_table(const std::vector<NamedParameter>& model, const std::vector<LayerCall>& calls, const Shape& in, const Shape& out) {
  std::unordered_map<const Parameter*, const LayerCall*> by_parameter;
  for (const LayerCall& call : calls) by_parameter.emplace(call.first, &call);  // the first call stays
  std::string table = heading("layer", "in", "out", "parameters");
  Amount all;
  for (std::size_t i = 0; i < model.size();) {
    const std::string layer = layer_of(model[i].name);
    const auto call = by_parameter.find(model[i].parameter);
    Amount own;
    for (; i < model.size() && layer_of(model[i].name) == layer; ++i) own.add(*model[i].parameter), all.add(*model[i].parameter);
    const bool known = call != by_parameter.end();
    table += row(layer.empty() ? "(its own)" : layer, known ? to_string(call->second->in) : "", known ? to_string(call->second->out) : "", own);
  }
  return table + row("total", to_string(in), to_string(out), all);
}

}  // namespace detail
}  // namespace dz
