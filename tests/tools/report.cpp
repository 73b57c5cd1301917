#include <zlib.h>

#include <fmt/format.h>

#include <sys/wait.h>

#include <cctype>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <dz/data/planar.hpp>
#include <dz/data/png.hpp>
#include <dz/dz.hpp>
#include <dz/graph/view.hpp>

#include "tests/support/support.hpp"
#include "tools/graphviz.hpp"
#include "tools/report.hpp"
#include "tools/svg.hpp"

using namespace dz;
using namespace dz::tool;
using dz::test::Contains;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN(), infinite = std::numeric_limits<double>::infinity();

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + what.size())) ++n;
  return n;
}

/// Empty where every element is closed, in order, and every attribute is quoted; otherwise what is wrong.
std::string imbalance(std::string_view page) {
  static const std::set<std::string> empty = {"meta", "br", "img"};
  std::vector<std::string> open;
  std::size_t at = 0;
  while ((at = page.find('<', at)) != page.npos) {
    std::size_t end = at + 1;
    for (char quote = 0; end < page.size() && (quote || page[end] != '>'); ++end) {
      if (!quote && page[end] == '"' && page[end - 1] != '=') return "a stray quotation mark in " + std::string(page.substr(at, 60));
      if (quote ? page[end] == quote : page[end] == '"') quote = quote ? '\0' : '"';
      else if (!quote && page[end] == '<') return "a < inside " + std::string(page.substr(at, 60));
    }
    if (end >= page.size()) return "no end of " + std::string(page.substr(at, 60));
    const std::string_view tag = page.substr(at + 1, end - at - 1);
    at = end + 1;
    if (tag.starts_with("!DOCTYPE")) continue;
    const bool closing = tag.starts_with('/');
    std::size_t length = closing;
    while (length < tag.size() && std::isalnum(static_cast<unsigned char>(tag[length]))) ++length;
    const std::string name(tag.substr(closing, length - closing));
    if (name.empty()) return "no name in <" + std::string(tag);
    if (closing) {
      if (open.empty() || open.back() != name) return "</" + name + "> closes " + (open.empty() ? "nothing" : open.back());
      open.pop_back();
    } else if (!tag.ends_with('/') && !empty.contains(name)) {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : open.back() + " is never closed";
}

/// The text outside tags, style sheet and attributes may name addresses; nothing else may.
bool refers_outside(const std::string& page) {
  for (const char* attribute : {" href=\"", " src=\"", " xlink:href=\"", "url(", "@import", "<script", "<link", "<iframe", "<base"})
    for (std::size_t at = page.find(attribute); at != page.npos; at = page.find(attribute, at + 1)) {
      const std::string_view target = std::string_view(page).substr(at + std::string_view(attribute).size(), 40);
      if (!target.starts_with("data:image/png;base64,") && !target.starts_with('#')) return true;
    }
  return false;
}

std::uint32_t number_at(std::string_view bytes, std::size_t at) {
  std::uint32_t v = 0;
  for (std::size_t i = 0; i < 4; ++i) v = v << 8 | static_cast<unsigned char>(bytes[at + i]);
  return v;
}

struct Decoded {
  std::uint32_t width = 0, height = 0, colour = 0;
  std::vector<std::uint8_t> pixels;
};

/// Reads a PNG again, all five filters but Paeth and average; checks the checksum of each chunk.
Decoded decoded(const std::string& png) {
  Decoded out;
  REQUIRE(png.substr(0, 8) == "\x89PNG\r\n\x1a\n");
  std::string packed, types;
  for (std::size_t at = 8; at < png.size();) {
    const std::uint32_t length = number_at(png, at);
    REQUIRE(at + length + 12 <= png.size());
    const auto* body = reinterpret_cast<const Bytef*>(png.data() + at + 4);
    CHECK(number_at(png, at + 8 + length) == crc32(0, body, length + 4));
    const std::string type = png.substr(at + 4, 4);
    types += type + " ";
    if (type == "IHDR") {
      out.width = number_at(png, at + 8);
      out.height = number_at(png, at + 12);
      CHECK(png[at + 16] == 8);
      out.colour = static_cast<unsigned char>(png[at + 17]);
    }
    if (type == "IDAT") packed += png.substr(at + 8, length);
    at += length + 12;
  }
  CHECK(types == "IHDR IDAT IEND ");
  const std::size_t channels = out.colour == 0 ? 1 : out.colour == 2 ? 3 : 4, row = out.width * channels;
  std::vector<std::uint8_t> rows(out.height * (row + 1));
  uLongf size = rows.size();
  REQUIRE(uncompress(rows.data(), &size, reinterpret_cast<const Bytef*>(packed.data()), packed.size()) == Z_OK);
  REQUIRE(size == rows.size());
  for (std::size_t y = 0; y < out.height; ++y) {
    const std::uint8_t filter = rows[y * (row + 1)];
    REQUIRE((filter == 0 || filter == 2));
    for (std::size_t i = 0; i < row; ++i) {
      const int above = filter == 2 && y > 0 ? out.pixels[(y - 1) * row + i] : 0;
      out.pixels.push_back(static_cast<std::uint8_t>(rows[y * (row + 1) + 1 + i] + above));
    }
  }
  return out;
}

Array pixels(const Shape& shape) {
  std::vector<std::uint8_t> values(static_cast<std::size_t>(shape.volume()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint8_t>(i * i * 7 + i / 5);
  return Array::of(values, shape);
}

Boundary saddle() {
  std::vector<double> p;
  for (int i = 0; i < 20; ++i)
    for (int j = 0; j < 30; ++j) p.push_back(1 / (1 + std::exp(-(i - 9.3) * (j - 14.2) / 10)));
  return {Array::of(std::vector<double>{-1, -1, 1, 1, -1, 1, 0, 9}, {4, 2}),
          Array::of(std::vector<std::int64_t>{0, 1, 1, 0}, {4}),
          Array::of(p, {20, 30}),
          -2,
          2,
          -1.5,
          1.5};
}

const std::string hostile = "<b a=\"1\">&amp; 'x' </script></style>--><!-- 猫 \xff\x01 http://example.org/";

Report full(const std::string& text) {
  Report r;
  r.title = r.command = r.model_summary = r.misclassified_of = text;
  r.facts = {{text, text}, {"training accuracy", "98.5 %"}, {"test accuracy", "70%"}};
  r.options = {{text, text}};
  for (int i = 0; i < 300; ++i) r.costs.push_back(0.7 * std::exp(-i / 100.0));
  r.boundary = saddle();
  r.misclassified = {{pixels({8, 8, 3}), 0.75, 1, 0, text}, {pixels({5, 4}), 0.5, 0, 1, text}};
  r.misclassified_in_all = 7;
  r.classes = {text, text};
  const Tensor w = variable(ones({2, 2}));
  const Tensor J = sum(relu(matmul(ones({3, 2}), w)));
  r.dot = to_dot(Graph(J), {{w.from().node(), text}});
  return r;
}

/// PATH holds this alone in its scope.
class OnlyPath {
 public:
  explicit OnlyPath(const std::string& path) : before_(std::getenv("PATH")) { setenv("PATH", path.c_str(), 1); }
  ~OnlyPath() { setenv("PATH", before_.c_str(), 1); }

 private:
  std::string before_;
};

/// The curve that is drawn for wide windows: its path.
std::string curve_of(const std::string& page) {
  const std::size_t begin = page.find("<path class=\"curve\" d=\"");
  REQUIRE(begin != page.npos);
  return page.substr(begin + 23, page.find('"', begin + 23) - begin - 23);
}

}  // namespace

TEST_CASE("a PNG holds the pixels it was made of", "[tools]") {
  for (const Shape& shape : {Shape{5, 7}, Shape{5, 7, 1}, Shape{9, 4, 3}, Shape{64, 64, 3}, Shape{3, 6, 4}, Shape{1, 1}}) {
    const Array a = pixels(shape);
    const Decoded d = decoded(to_png(a));
    CHECK(d.height == shape[0]);
    CHECK(d.width == shape[1]);
    CHECK(d.colour == (shape.rank() == 2 || shape[2] == 1 ? 0u : shape[2] == 3 ? 2u : 6u));
    CHECK(d.pixels == a.to_vector<std::uint8_t>());
  }
  const Array strided = pixels({8, 6, 3}).slice(0, 1, 8, 2).slice(1, 0, 6, 3);
  REQUIRE(!strided.is_contiguous());
  CHECK(decoded(to_png(strided)).pixels == strided.to_vector<std::uint8_t>());
  CHECK_THROWS_AS(to_png(pixels({4, 4, 2})), ShapeError);
  CHECK_THROWS_AS(to_png(pixels({4})), ShapeError);
  CHECK_THROWS_AS(to_png(Array::make({0, 4}, uint8)), ShapeError);
  CHECK_THROWS_AS(to_png(Array::full({4, 4}, 1)), DtypeError);
}

TEST_CASE("base64 is RFC 4648's", "[tools]") {
  const std::vector<std::pair<std::string, std::string>> cases = {{"", ""},
                                                                  {"f", "Zg=="},
                                                                  {"fo", "Zm8="},
                                                                  {"foo", "Zm9v"},
                                                                  {"foob", "Zm9vYg=="},
                                                                  {"fooba", "Zm9vYmE="},
                                                                  {"foobar", "Zm9vYmFy"},
                                                                  {"\xff\xfe\xfd", "//79"}};
  for (const auto& [bytes, text] : cases) CHECK(base64(bytes) == text);
}

TEST_CASE("escaped text is harmless and valid UTF-8", "[tools]") {
  CHECK(escape("<a href=\"x\">&'") == "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
  CHECK(escape("猫\té\n😀") == "猫\té\n😀");
  const std::string wrong = "\xef\xbf\xbd";
  CHECK(escape("a\xff"
               "b\x01\x7f") == "a" + wrong + "b" + wrong + wrong);
  CHECK(escape("\xc0\xaf") == wrong + wrong);              // overlong
  CHECK(escape("\xed\xa0\x80") == wrong + wrong + wrong);  // half of a surrogate pair
  CHECK(escape("\xe7\x8c") == wrong + wrong);              // cut off
  CHECK(escape(std::string("\0", 1)) == wrong);
}

TEST_CASE("axes have round ticks within their bounds", "[tools]") {
  CHECK(linear_axis(0, 0.73, 5).ticks.size() == 4);
  CHECK(linear_axis(0, 0.73, 5).label(linear_axis(0, 0.73, 5).ticks[3]) == "0.6");
  CHECK(whole_axis(0, 3, 8).ticks == std::vector<double>{0, 1, 2, 3});
  CHECK(logarithmic_axis(2e-9, 3, 8).label(1e-8) == "1e-8");
  for (const auto& [low, high] : std::vector<std::pair<double, double>>{
           {0, 1}, {-3, 4}, {5, 5}, {0, 0}, {1e300, 1.7e308}, {-1.7e308, 1.7e308}, {1e-320, 2e-320}, {1, 1 + 1e-15}, {0, 2499}})
    for (const Axis& axis :
         {linear_axis(low, high, 6), whole_axis(low, high, 6), logarithmic_axis(std::max(low, 1e-300), std::max(high, 1e-300), 6)}) {
      CHECK(axis.ticks.size() <= 15);
      for (const double tick : axis.ticks) {
        CHECK(axis.fraction(tick) >= -0.01);
        CHECK(axis.fraction(tick) <= 1.01);
      }
    }
}

TEST_CASE("a thinned curve keeps every spike and every gap", "[tools]") {
  std::vector<double> costs(100'000, 0.5);
  costs[31'234] = 9;
  costs[77'777] = -3;
  costs[50'000] = not_a_number;
  const auto kept = thinned(costs, 800);
  CHECK(kept.size() <= 800 * 6);
  CHECK(std::is_sorted(kept.begin(), kept.end()));
  for (const std::size_t i : {std::size_t{0}, std::size_t{31'234}, std::size_t{77'777}, std::size_t{50'000}, costs.size() - 1})
    CHECK(std::binary_search(kept.begin(), kept.end(), i));
  Report r;
  r.costs = costs;
  CHECK(count(curve_of(to_html(r)), "M") == 2);
  CHECK(thinned({1, 2, 3}, 800).size() == 3);
  CHECK(thinned({}, 800).empty());
}

TEST_CASE("a page is well-formed, escaped and needs nothing from outside", "[tools]") {
  for (const std::string& text : {std::string("plain"), hostile}) {
    const std::string page = to_html(full(text));
    CHECK(imbalance(page) == "");
    CHECK(!refers_outside(page));
    CHECK(page.find("<b a=") == page.npos);
    CHECK(page.find("<!--") == page.npos);
    CHECK(page.find('\xff') == page.npos);
    CHECK(count(page, "</style>") == 1);
    CHECK_THAT(page, Contains("</html>"));
    CHECK(count(page, "xmlns") == 0);
  }
  const std::string plain = to_html(full("plain"));
  CHECK(count(plain, "http:") + count(plain, "https:") == 0);
  CHECK(count(to_html(full(hostile)), "&lt;b a=&quot;1&quot;&gt;&amp;amp; &#39;x&#39;") >= 8);
}

TEST_CASE("a page tells what the report holds and leaves out the rest", "[tools]") {
  const std::string page = to_html(full("plain"));
  CHECK_THAT(page, Contains("<h2>Cost</h2>") && Contains("From 0.7 at iteration 0 to "));
  CHECK_THAT(page, Contains("width:98.5%") && Contains("width:70%"));
  CHECK_THAT(page, Contains("7 of the plain set are misclassified; 2 are shown"));
  CHECK(count(page, "<img ") == 2);
  CHECK(count(page, "class=\"contour\"") == 2);  // the line and its place in the legend
  CHECK_THAT(page, Contains("4 nodes and 3 edges"));

  const std::string empty = to_html({});
  CHECK(imbalance(empty) == "");
  CHECK(count(empty, "<section>") == 0);

  Report many = full("plain");
  many.misclassified.assign(100, many.misclassified[0]);
  many.misclassified_in_all = 0;
  CHECK(count(to_html(many), "<img ") == 60);
  CHECK_THAT(to_html(many), Contains("100 of the plain set are misclassified; 60 are shown"));
}

TEST_CASE("a picture shows label, prediction and probability", "[tools]") {
  Report r;
  r.classes = {"non-cat", "cat"};
  r.misclassified = {{pixels({4, 4, 3}), 0.8766, 1, 0, "test 3"}, {pixels({4, 4, 3}), 0.5, 1, 0, ""}, {pixels({4, 4, 3}), 0.5, 0, 1, ""}};
  const std::string page = to_html(r);
  CHECK_THAT(page, Contains("<b>cat</b>predicted non-cat<br>probability 0.877<br>test 3"));
  CHECK_THAT(page, Contains("<b>cat</b>predicted non-cat<br>probability 0.500<") && Contains("<b>non-cat</b>predicted cat<br>"));
  const std::string open = "data:image/png;base64,";
  CHECK(page.find(open + base64(to_png(r.misclassified[0].pixels))) != page.npos);
}

TEST_CASE("curves of a quantity share a drawing and a legend", "[tools]") {
  Report r;
  r.gradient_norms = {{"first <W>", {{1, 0.5}, {2, not_a_number}, {3, 0.25}}}, {"second", {{1, 1e-6}, {3, infinite}}}};
  r.learning_rate = {{"learning rate", {{1, 0.1}, {100, 0.01}}}};
  const std::string page = to_html(r);
  CHECK(imbalance(page) == "");
  CHECK_THAT(page, Contains("<h2>Gradient norms</h2>") && Contains("first &lt;W&gt;</li>") && Contains("<h2>Learning rate</h2>"));
  CHECK(count(page, "class=\"swatch\"") == 2);                      // one curve alone needs no legend
  CHECK(count(page, "<path class=\"curve\" style=") == 2 * (2 + 1));  // each for wide and for narrow windows
  CHECK(page.find("nan") == page.npos);
  CHECK(page.find("inf ") == page.npos);
  r.gradient_norms = {{"nothing", {{1, not_a_number}}}}, r.learning_rate = {};
  CHECK(to_html(r).find("Gradient norms") == page.npos);
}

TEST_CASE("costs that are not finite leave a gap and are told", "[tools]") {
  Report r;
  r.first_iteration = 100;
  for (int i = 0; i < 50; ++i) r.costs.push_back(i == 20 ? not_a_number : i == 30 ? infinite : i == 32 ? -infinite : 1.0 / (1 + i));
  const std::string page = to_html(r), curve = curve_of(page);
  CHECK(count(curve, "M") == 4);
  CHECK(count(curve, "h0") == 1);  // the one between 30 and 32
  for (const std::string& part : {curve, page.substr(page.find("<svg"), page.rfind("</svg>") - page.find("<svg"))}) {
    CHECK(part.find("nan") == part.npos);
    CHECK(part.find("inf") == part.npos);
  }
  CHECK_THAT(page, Contains("3 of 50 costs are not finite") && Contains("the first at iteration 120;"));

  r.costs.assign(3, not_a_number);
  CHECK_THAT(to_html(r), Contains("None of the 3 costs is finite"));
  CHECK(imbalance(to_html(r)) == "");
}

TEST_CASE("any finite costs give a curve of finite coordinates", "[tools]") {
  const double most = std::numeric_limits<double>::max();
  for (const std::vector<double>& costs : std::vector<std::vector<double>>{{0.5},
                                                                           {0, 0, 0},
                                                                           {0.25, 0.25},
                                                                           {-most, most},
                                                                           {most, most},
                                                                           {5e-324, 1e-323},
                                                                           {5e-324, most},
                                                                           {-5, -4},
                                                                           {0, 1e-300},
                                                                           {1e308, 1}}) {
    Report r;
    r.costs = costs;
    const std::string page = to_html(r), svg = page.substr(page.find("<svg"), page.rfind("</svg>") - page.find("<svg"));
    INFO(fmt::format("{}", costs.front()));
    CHECK(svg.find("nan") == svg.npos);
    CHECK(svg.find("inf") == svg.npos);
    CHECK(imbalance(page) == "");
  }
}

TEST_CASE("the costs' axis is logarithmic where they span more than two powers of ten", "[tools]") {
  Report r;
  r.costs = {1, 0.02};
  CHECK(count(to_html(r), "logarithmic") == 0);
  r.costs = {1, 0.5, 0.009};
  CHECK(count(to_html(r), "logarithmic") == 2);  // for wide and narrow windows
  r.costs = {1, 0.5, 0};
  CHECK(count(to_html(r), "logarithmic") == 0);
}

TEST_CASE("a boundary is drawn where the probability crosses 0.5", "[tools]") {
  Report r;
  Boundary b;
  b.points = Array::of(std::vector<float>{0, 0}, {1, 2});
  b.labels = Array::of(std::vector<std::uint8_t>{1}, {1, 1});
  b.probability = Array::of(std::vector<float>{0, 1, 0, 1}, {2, 2});  // crosses half way from left to right
  b.left = b.bottom = -1;
  b.right = b.top = 1;
  r.boundary = b;
  const std::string page = to_html(r);
  const std::size_t at = page.find("<path class=\"contour\" d=\"");
  REQUIRE(at != page.npos);
  CHECK(page.substr(at + 25, 20).starts_with("M278 8L278 476"));  // the middle of 44 to 512, from the top to the bottom
  CHECK(count(page, "class=\"c1\" d=\"M278 ") == 1);

  const std::size_t image = page.find("base64,");
  CHECK(image != page.npos);

  r.boundary->probability = Array::of(std::vector<float>{0, NAN, 0, 1}, {2, 2});
  CHECK(imbalance(to_html(r)) == "");
  r.boundary->points = Array::full({3, 3}, 0);
  CHECK_THROWS_AS(to_html(r), ShapeError);
  r.boundary = b;
  r.boundary->probability = Array::full({2, 2}, 0, int64);
  CHECK_THROWS_AS(to_html(r), DtypeError);
  r.boundary = b;
  r.boundary->right = -1;
  CHECK_THROWS_AS(to_html(r), ValueError);
}

TEST_CASE("of three classes the regions are drawn, with a line where two are equally likely", "[tools]") {
  Boundary b;
  b.points = Array::of(std::vector<float>{-1, 0, 0, 0, 1, 0}, {3, 2});
  b.labels = Array::of(std::vector<std::int64_t>{0, 1, 2}, {3});
  // From left to right class 0, 1 and 2, in two rows.
  b.probability = Array::of(std::vector<float>{1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1}, {2, 3, 3});
  b.left = b.bottom = -1;
  b.right = b.top = 1;
  Report r;
  r.boundary = b;
  r.classes = {"red", "green", "blue"};
  const std::string page = to_html(r);
  // 44 to 512: class 1 leads from 161 to 395, class 2 from 395 on.
  CHECK(page.find("<path class=\"contour\" d=\"M161 8L161 476M395 8L395 476\"/><path class=\"contour\" d=\"M395 8L395 476\"/>") !=
        page.npos);
  for (const char* text : {"class=\"c0\"", "class=\"c1\"", "class=\"c2\"", "red", "green", "blue", "two classes alike"})
    CHECK(page.find(text) != page.npos);
  CHECK(imbalance(page) == "");
  r.boundary->probability = Array::full({2, 2, 9}, 0);
  CHECK_THROWS_AS(to_html(r), ShapeError);
}

TEST_CASE("the cost over two weights is drawn where the features' scales differ, raw beside normalised", "[tools]") {
  Generator g(1);
  const Dataset set = stretched(300, g);
  const std::optional<Scales> scales = differing_scales(set);
  REQUIRE(scales);
  CHECK(scales->features[0] == 0);
  CHECK(scales->features[1] == 1);
  CHECK(scales->ratio == Approx(10).epsilon(0.1));
  const Descents d = descents_of(set, *scales);
  // Each at its largest rate, descent arrives on the round bowl and not in the valley, which allows a small part of the rate.
  const auto lowest = [](const CostSurface& s) { return *std::ranges::min_element(s.costs); };
  CHECK(d.normalised.last_cost - lowest(d.normalised) < 0.001);
  CHECK(d.raw.last_cost - lowest(d.raw) > 0.01);
  CHECK(d.normalised.learning_rate > 50 * d.raw.learning_rate);
  CHECK(d.raw.first_cost == Approx(d.normalised.first_cost).epsilon(0.05));
  for (const CostSurface* s : {&d.raw, &d.normalised}) {
    CHECK(s->path.size() == 31);
    CHECK(s->costs.size() == Descents::side * Descents::side);
    for (const auto& [w1, w2] : s->path) {
      CHECK((w1 > s->left && w1 < s->right));
      CHECK((w2 > s->bottom && w2 < s->top));
    }
  }
  Report r;
  r.descents = d;
  const std::string page = to_html(r);
  CHECK(imbalance(page) == "");
  CHECK(count(page, "class=\"level\"") == 2);
  CHECK(count(page, "class=\"way\"") == 2);
  CHECK(page.find("nan") == page.npos);
  CHECK_THAT(page, Contains("<b>raw inputs</b>") && Contains("<b>normalised inputs</b>") && Contains(fmt::format("differ by a factor of {:.3g}", scales->ratio)));

  CHECK_FALSE(differing_scales(flower(100, g)));
  CHECK_FALSE(differing_scales(synthetic_images(20, 8, 8, g)));
  // Of many features the two that differ most; classes that a line parts, and of more than two kinds.
  Dataset three{concat({ones({60, 1}), reshape(arange(0, 60), {60, 1}), full({60, 1}, 0.01)}, 1), Tensor(Array::of(std::vector<std::int64_t>(60, 2), {60})), {}};
  const std::optional<Scales> of_three = differing_scales(three);
  REQUIRE(of_three);
  CHECK(of_three->features[0] == 1);
  CHECK(of_three->features[1] == 2);
  CHECK(std::isfinite(descents_of(three, *of_three).raw.last_cost));
  three.x = concat({ones({60, 1}), zeros({60, 1})}, 1);  // nothing to compare with
  CHECK_FALSE(differing_scales(three));
}

TEST_CASE("without Graphviz the graph is text", "[tools]") {
  const test::TempDir nothing;
  const OnlyPath path(nothing.path().string());
  CHECK(render_dot("digraph { a -> b }").empty());
  const std::string page = to_html(full("a<b"));
  CHECK_THAT(page, Contains("<details>") && Contains("digraph G") && Contains("a&lt;b"));
  CHECK(imbalance(page) == "");
}

TEST_CASE("Graphviz draws the graph", "[tools]") {
  const std::string svg = render_dot("digraph { a -> b }");
  if (svg.empty()) DZ_SKIP("no Graphviz");
  CHECK_THAT(svg, Contains("<svg") && Contains("</svg>"));
  CHECK(render_dot("this is no graph").empty());
  CHECK(to_html(full("plain")).find("<details>") == std::string::npos);
  std::string large = "digraph {\n";  // more than the buffers of a pipe hold, both ways
  for (int i = 0; i < 1500; ++i) large += fmt::format("{} [label=\"{}\"]\n", i, std::string(200, 'x'));
  CHECK(count(render_dot(large + "}"), "class=\"node\"") == 1500);
}

TEST_CASE("a program in dot's place that hangs, fails or does not read is survived and leaves no zombie", "[tools]") {
  const test::TempDir folder;
  const auto program = [&](const std::string& text) {
    std::ofstream(folder / "dot") << "#!/bin/sh\n" << text << "\n";
    std::filesystem::permissions(folder / "dot", std::filesystem::perms::owner_all);
  };
  const OnlyPath path(folder.path().string());
  const std::string input(1 << 20, ' ');
  program("exec /bin/sleep 100");
  const auto begin = std::chrono::steady_clock::now();
  CHECK(render_dot(input, std::chrono::milliseconds(200)).empty());
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
  program("exec 0<&- 1>&-; exec /bin/sleep 100");
  CHECK(render_dot(input, std::chrono::milliseconds(200)).empty());
  program("echo '<svg></svg>'; exit 3");
  CHECK(render_dot(input).empty());
  program("echo no picture");
  CHECK(render_dot(input).empty());
  program("echo '<svg></svg>'");  // ends without having read
  CHECK(render_dot(input) == "<svg></svg>\n");
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1);  // no child is left, dead or alive
}
