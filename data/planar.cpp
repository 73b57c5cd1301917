#include <dz/data/planar.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace dz {
namespace {

constexpr double pi = std::numbers::pi;

struct Point {
  double x, y;
};

std::vector<double> normals(std::int64_t m, Generator& g) { return kernels::normal({m}, 0, 1, float64, g).to_vector<double>(); }
std::vector<double> uniforms(std::int64_t m, Generator& g) { return kernels::uniform({m}, 0, 1, float64, g).to_vector<double>(); }

void check(const char* operation, std::int64_t m, Dtype dtype) {
  if (m < 2) throw ShapeError(fmt::format("{} samples: two classes need at least 2", m), operation);
  if (!is_floating(dtype)) throw DtypeError(fmt::format("samples are float32 or float64, not {}", name(dtype)), operation);
}

/// Of m samples in order of class, the first m − m/2 are of class 0.
struct Member {
  int label;
  double part;  // 0 to 1 along its class
};
Member member(std::int64_t i, std::int64_t m) {
  const std::int64_t first = m - m / 2;
  const int label = i >= first;
  const std::int64_t at = label ? i - first : i, count = label ? m / 2 : first;
  return {label, count > 1 ? static_cast<double>(at) / static_cast<double>(count - 1) : 0.5};
}

/// Samples whose point is make(member, a, b), a and b independent normal numbers, in random order.
template <class Make> Dataset sample(const char* operation, std::int64_t m, Generator& g, Dtype dtype, Make make) {
  check(operation, m, dtype);
  const std::vector<double> a = normals(m, g), b = normals(m, g);
  const std::vector<std::int64_t> order = kernels::permutation(m, g).to_vector<std::int64_t>();
  Array x = Array::make({m, 2}, float64), y = Array::make({m, 1}, float64);
  for (std::int64_t i = 0; i < m; ++i) {
    const Member one = member(i, m);
    const Point p = make(one, a[static_cast<std::size_t>(i)], b[static_cast<std::size_t>(i)]);
    const std::int64_t row = order[static_cast<std::size_t>(i)];
    x.writable<double>()[2 * row] = p.x;
    x.writable<double>()[2 * row + 1] = p.y;
    y.writable<double>()[row] = one.label;
  }
  return {Tensor(x.cast(dtype)), Tensor(y.cast(dtype)), {}};
}

constexpr std::pair<std::string_view, Dataset (*)(std::int64_t, Generator&, Dtype)> table[] = {
    {"flower", flower}, {"circles", circles}, {"moons", moons}, {"blobs", blobs}, {"spirals", spirals}, {"stretched", stretched}};

}  // namespace

Dataset flower(std::int64_t m, Generator& g, Dtype dtype) {
  return sample("flower", m, g, dtype, [](Member one, double a, double b) {
    const double angle = (one.label + one.part) * 3.12 + 0.2 * a, radius = 4 * std::sin(4 * angle) + 0.2 * b;
    return Point{radius * std::sin(angle), radius * std::cos(angle)};
  });
}

Dataset circles(std::int64_t m, Generator& g, Dtype dtype) {
  return sample("circles", m, g, dtype, [](Member one, double a, double b) {
    const double angle = 2 * pi * one.part, radius = one.label ? 1 : 2;
    return Point{radius * std::cos(angle) + 0.15 * a, radius * std::sin(angle) + 0.15 * b};
  });
}

Dataset moons(std::int64_t m, Generator& g, Dtype dtype) {
  return sample("moons", m, g, dtype, [](Member one, double a, double b) {
    const double angle = pi * one.part, c = std::cos(angle), s = std::sin(angle);
    return one.label ? Point{1 - c + 0.1 * a, 0.5 - s + 0.1 * b} : Point{c + 0.1 * a, s + 0.1 * b};
  });
}

Dataset blobs(std::int64_t m, Generator& g, Dtype dtype) {
  return sample("blobs", m, g, dtype, [](Member one, double a, double b) {
    const double centre = one.label ? 1.5 : -1.5;
    return Point{centre + 0.8 * a, centre + 0.8 * b};
  });
}

Dataset stretched(std::int64_t m, Generator& g, Dtype dtype) {
  return sample("stretched", m, g, dtype, [](Member one, double a, double b) {
    const double centre = one.label ? 1 : -1;
    return Point{centre + a, 10 * (centre + b)};
  });
}

Dataset spirals(std::int64_t m, Generator& g, Dtype dtype) {
  return sample("spirals", m, g, dtype, [](Member one, double a, double b) {
    const double angle = 3 * pi * std::sqrt(one.part), radius = 0.3 + angle / pi, turned = angle + pi * one.label;
    return Point{radius * std::cos(turned) + 0.08 * a, radius * std::sin(turned) + 0.08 * b};
  });
}

Dataset planar(std::string_view name, std::int64_t m, Generator& g, Dtype dtype) {
  for (const auto& [known, make] : table)
    if (known == name) return make(m, g, dtype);
  throw ValueError(fmt::format("'{}' is none of {}", name, fmt::join(planar_names(), ", ")), "planar");
}

std::vector<std::string_view> planar_names() {
  std::vector<std::string_view> names;
  for (const auto& entry : table) names.push_back(entry.first);
  return names;
}

namespace {

/// How one picture is drawn, from nine uniform numbers.
struct Picture {
  int label;
  double row, column, radius;  // of the shape, in pixels
  double ground[3], ink[3];

  Picture(int which, const double* u, std::int64_t height, std::int64_t width) : label(which) {
    const double side = static_cast<double>(std::min(height, width)) - 1;
    radius = side * (0.22 + 0.1 * u[0]);
    row = place(u[1], static_cast<double>(height) - 1);
    column = place(u[2], static_cast<double>(width) - 1);
    for (int c = 0; c < 3; ++c) {
      ground[c] = 100 * u[3 + c];
      ink[c] = 255 - 100 * u[6 + c];
    }
  }
  /// The shape lies within the picture.
  double place(double u, double last) const { return last / 2 + (2 * u - 1) * std::max(0.0, last / 2 - 1.3 * radius); }

  /// A disc, or a cross of two bars with the disc's area: bars 2a long and 2h wide cover 8ah − 4h² = π·radius², so
  /// h = a − √(a² − π·radius²/4).
  bool covers(double i, double j) const {
    const double di = std::abs(i - row), dj = std::abs(j - column);
    if (label == 0) return di * di + dj * dj <= radius * radius;
    const double arm = 1.3 * radius, half = radius * (1.3 - std::sqrt(1.3 * 1.3 - pi / 4));
    return std::max(di, dj) <= arm && std::min(di, dj) <= half;
  }
};

}  // namespace

Dataset synthetic_images(std::int64_t m, std::int64_t height, std::int64_t width, Generator& g, Dtype dtype) {
  check("synthetic_images", m, dtype);
  if (height < 8 || width < 8)
    throw ShapeError(fmt::format("pictures of {} x {}: a side has at least 8 pixels", height, width), "synthetic_images");
  Array images = Array::make({m, height, width, 3}, uint8);
  const std::vector<std::int64_t> order = kernels::permutation(m, g).to_vector<std::int64_t>();
  std::vector<std::int64_t> labels(order.size());
  for (std::int64_t i = 0; i < m; ++i) labels[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = member(i, m).label;

  std::uint8_t* out = images.writable<std::uint8_t>();
  for (const std::int64_t label : labels) {
    const std::vector<double> u = uniforms(9, g), noise = normals(height * width * 3, g);
    const Picture picture(static_cast<int>(label), u.data(), height, width);
    const double* n = noise.data();
    for (std::int64_t i = 0; i < height; ++i)
      for (std::int64_t j = 0; j < width; ++j) {
        const double* colour = picture.covers(static_cast<double>(i), static_cast<double>(j)) ? picture.ink : picture.ground;
        for (int c = 0; c < 3; ++c) *out++ = static_cast<std::uint8_t>(std::clamp(colour[c] + 15 * *n++, 0.0, 255.0));
      }
  }
  return {pixels(images, dtype), Tensor(Array::of(labels, {m, 1}).cast(dtype)), images};
}

}  // namespace dz
