#include "tools/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include <dz/data/png.hpp>

#include "tools/report_parts.hpp"
#include "tools/svg.hpp"

namespace dz::tool {

std::string class_name(const std::vector<std::string>& classes, int label) {
  const bool known = label >= 0 && static_cast<std::size_t>(label) < classes.size();
  return known ? escape(classes[static_cast<std::size_t>(label)]) : fmt::format("class {}", label);
}

namespace {

constexpr std::size_t most_pictures = 60;

/// The number of characters, or rather of code points.
std::size_t length_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string figures(const std::vector<Fact>& facts) {
  if (facts.empty()) return {};
  std::string out = "<dl class=\"figures\">";
  for (const Fact& f : facts)
    out += fmt::format("<div><dt>{}</dt><dd{}>{}</dd></div>", escape(f.name), length_of(f.value) > 11 ? " class=\"long\"" : "",
                       escape(f.value));
  return out + "</dl>\n";
}

struct Accuracy {
  std::string_view name;
  std::string_view value;
  double percent;
};

/// Those facts that are an accuracy: "98.5 %", "98.5%".
std::vector<Accuracy> accuracies_in(const std::vector<Fact>& facts) {
  std::vector<Accuracy> found;
  for (const Fact& f : facts) {
    if (f.name.find("accuracy") == std::string::npos && f.name.find("Accuracy") == std::string::npos) continue;
    double percent = 0;
    const char* const end = f.value.data() + f.value.size();
    const auto [rest, wrong] = std::from_chars(f.value.data(), end, percent);
    if (wrong == std::errc() && percent >= 0 && percent <= 100 && std::string_view(rest, end).ends_with('%'))
      found.push_back({f.name, f.value, percent});
  }
  return found;
}

std::string accuracy_section(const std::vector<Fact>& facts) {
  const std::vector<Accuracy> all = accuracies_in(facts);
  if (all.size() < 2) return {};  // one alone is compared with nothing
  std::string out = "<section><h2>Accuracy</h2><dl class=\"bars\">";
  for (const Accuracy& a : all)
    out += fmt::format("<dt>{}</dt><dd class=\"bar\"><i style=\"width:{}%\"></i></dd><dd>{}</dd>", escape(a.name), coordinate(a.percent),
                       escape(a.value));
  return out + "</dl></section>\n";
}

std::string table_section(std::string_view heading, const std::vector<Fact>& facts) {
  if (facts.empty()) return {};
  std::string out = fmt::format("<section><h2>{}</h2><div class=\"columns\"><table>", heading);
  for (const Fact& f : facts) out += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape(f.name), escape(f.value));
  return out + "</table></div></section>\n";
}

enum class Lines { as_they_are, wrapped };
std::string text_section(std::string_view heading, const std::string& text, Lines lines) {
  return text.empty() ? std::string()
                      : fmt::format("<section><h2>{}</h2><pre{}>{}</pre></section>\n", heading,
                                    lines == Lines::wrapped ? " class=\"wrap\"" : "", escape(text));
}

std::string picture(const Picture& p, const std::vector<std::string>& classes) {
  const std::string label = class_name(classes, p.label), prediction = class_name(classes, p.predicted);
  std::string out = fmt::format(
      "<figure><img alt=\"{0}\" src=\"data:image/png;base64,{1}\"><figcaption><b>{2}</b>predicted {3}<br>"
      "probability {4:#.3g}",
      escape(p.caption), base64(to_png(p.pixels)), label, prediction, p.probability);
  if (!p.caption.empty()) out += "<br>" + escape(p.caption);
  return out + "</figcaption></figure>";
}

}  // namespace

std::string misclassified_section(const Report& r) {
  if (r.misclassified.empty()) return {};
  const std::size_t shown = std::min(r.misclassified.size(), most_pictures);
  const auto all = std::max(r.misclassified_in_all, static_cast<std::int64_t>(r.misclassified.size()));
  std::string out =
      fmt::format("<section><h2>Misclassified pictures</h2><p class=\"note\">{}{} {} misclassified", all,
                  r.misclassified_of.empty() ? std::string() : " of the " + escape(r.misclassified_of) + " set", all == 1 ? "is" : "are");
  if (static_cast<std::int64_t>(shown) < all) out += fmt::format("; {} are shown", shown);
  out += ". The label is in bold; the probability is that of what was predicted.</p><div class=\"pictures\">";
  for (std::size_t i = 0; i < shown; ++i) out += picture(r.misclassified[i], r.classes);
  return out + "</div></section>\n";
}

std::string to_html(const Report& r) {
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n";
  out += fmt::format("<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<header><h1>{}</h1>", escape(r.title), report_style(),
                     escape(r.title));
  out += figures(r.facts) + "</header>\n<main>\n";
  out += cost_section(r.costs, r.first_iteration, r.dev_costs);
  out += text_section("Classes", r.confusion, Lines::as_they_are);
  out += text_section("Judgement", r.judgement, Lines::wrapped);
  out += accuracy_section(r.facts);
  out += curves_section("Gradient norms", "norm of a weight's gradient", r.gradient_norms);
  out += curves_section("Learning rate", "learning rate", r.learning_rate);
  if (r.boundary) out += boundary_section(*r.boundary, r.classes);
  if (r.descents) out += descents_section(*r.descents);
  out += misclassified_section(r);
  out += text_section("Model", r.model_summary, Lines::as_they_are);
  out += graph_section(r.dot);
  out += table_section("Options", r.options);
  if (!r.command.empty()) out += "<section><h2>Command</h2><pre class=\"wrap\"><code>" + escape(r.command) + "</code></pre></section>\n";
  return out + "</main>\n</body>\n</html>\n";
}

}  // namespace dz::tool
